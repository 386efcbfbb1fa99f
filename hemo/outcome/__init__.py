"""What haemodynamics say of outcome: joint tables, event models, tables over time, trial arms and thresholds.

A study is declared in a TOML file before its data are looked at (:mod:`hemo.outcome.study`);
:func:`hemo.outcome.analysis.analyse` does all of it.
"""
