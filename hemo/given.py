"""What is given of the patient and the blood as texts with units: options of a command, a line, a row of a table."""

from __future__ import annotations

from typing import Any

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.units import parse

# What, given, makes the options win over the file; with the unit it is kept in.
QUANTITIES = {
    "systolic": "pascal",
    "diastolic": "pascal",
    "mean_pressure": "pascal",
    "heart_rate": "1/second",
    "cardiac_output": "metre**3/second",
    "myocardial_mass": "kilogram",
    "rest_flow": "metre**3/second",
    "inlet_flow": "metre**3/second",
}
# What is chosen by a word; ``USUAL`` holds where nothing is given.
CHOICES = {
    "dominance": ("right", "co-dominant", "left"),
    "territory": ("coronary", "femoropopliteal", "generic"),
    "state": ("rest", "hyperaemia"),
}
USUAL = {
    "dominance": "right",
    "territory": "coronary",
    "state": "hyperaemia",
    "density": "1060 kg/m^3",
    "viscosity": "3.5 mPa*s",
}


def patient_of(given: dict[str, Any]) -> Physiology:
    """What the options say of the patient."""
    values: dict[str, Any] = {
        name: parse(given[name], unit, "--" + name.replace("_", "-"))
        for name, unit in QUANTITIES.items()
        if given[name] is not None
    }
    chosen = {name: given[name] for name in ("resistance_reserve", "state", "dominance", "territory")}
    return Physiology(**chosen, **values)


def blood_of(given: dict[str, Any]) -> Blood:
    """What they say of the blood."""
    return Blood(
        parse(given["density"], "kilogram/metre**3", "--density"),
        parse(given["viscosity"], "pascal*second", "--viscosity"),
    )


def tells(given: dict[str, Any]) -> bool:
    """Whether the options, and not the tree's file, say what drives the flow."""
    return any(given[name] is not None for name in QUANTITIES)
