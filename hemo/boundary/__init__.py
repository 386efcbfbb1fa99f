"""Boundary conditions: how much flow the organ asks for and what the microvasculature lets through.

This package owns the physiology for every path (reduced, finite-element, angiographic, pullback): ``territory`` holds
what is typical, ``patient`` what is known of the patient, ``scale`` the flow, ``hyperaemia`` the resistance reserve,
``split`` the sharing out, and ``recipe`` puts them together. Each assumption is an :class:`Assumption` with its source,
which the summary prints. docs/physiology.md is the page to read.
"""

from hemo.boundary.conditions import Assumption, FlowConditions, Leak, State
from hemo.boundary.hyperaemia import resistance_reserve
from hemo.boundary.patient import Physiology, aortic_pressure, mean_aortic_pressure
from hemo.boundary.recipe import Demand, assumptions, demand, flow_conditions, healthy_tails, share_of, side_of
from hemo.boundary.scale import flow_from_mass, flow_from_rate_and_pressure, resting_flow
from hemo.boundary.split import Shares, split_flow

__all__ = [
    "Assumption",
    "Demand",
    "FlowConditions",
    "Leak",
    "Physiology",
    "Shares",
    "State",
    "aortic_pressure",
    "assumptions",
    "demand",
    "flow_conditions",
    "flow_from_mass",
    "flow_from_rate_and_pressure",
    "healthy_tails",
    "mean_aortic_pressure",
    "resistance_reserve",
    "resting_flow",
    "share_of",
    "side_of",
    "split_flow",
]
