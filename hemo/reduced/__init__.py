"""The reduced-order model: pressure and flow in a tree in milliseconds, on numpy and scipy alone."""

from hemo.reduced.beds import States, solve_states
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import solve

__all__ = ["LossOptions", "States", "solve", "solve_states"]
