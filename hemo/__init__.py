"""hemo: open computational coronary haemodynamics. For research, not for diagnosis.

The package imports nothing heavy by itself: ``import hemo`` and ``import hemo.reduced`` need
numpy and scipy only; the finite-element part lives in :mod:`hemo.fem`.
"""

__version__ = "0.1.0"
