"""What is typical of a vascular territory: flow, response to hyperaemia, law of division, and the ranges measured.

A default is one of these numbers, with its source; each can be replaced in the case file. "not confirmed" says that
hemo's authors have not read the number in a primary source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hemo.errors import InputError
from hemo.units import ML_PER_MIN, MMHG

Dominance = Literal["right", "co-dominant", "left"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Sourced:
    """A number in SI and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True)
class Territory:
    """The numbers of one vascular territory.

    Attributes
    ----------
    name
        As the case file says it.
    exponent
        Of the flow-diameter law at bifurcations and along tapers.
    resistance_reserve
        Resting over hyperaemic resistance of the bed in patients; ``healthy_reserve`` in people without disease.
    venous_pressure
        Pa.
    loss_per_length
        Fraction of a vessel's flow that unseen side branches take per length, besides what the taper says, 1/m.
    vessel_flow
        Resting flow at the start of vessels, m^3/s, by name.
    shares
        Share of a mother vessel's flow that a daughter takes, by their names, where diameters do not tell it.
    unbranched
        Names of vessels that give off no branches before they divide.
    hyperaemic_range
        Published range of hyperaemic flow at the start of vessels, m^3/s, with the source.
    bed_time_constant
        Of the microvascular beds at rest: capacitance times resistance, s.
    bed_impedance
        The arteries' wave impedance as part of a bed's resistance at rest; None for beds that the muscle squeezes.
    """

    name: str
    exponent: Sourced
    resistance_reserve: Sourced
    healthy_reserve: Sourced
    venous_pressure: Sourced
    bed_time_constant: Sourced
    bed_impedance: Sourced | None = None
    loss_per_length: Sourced = field(default=Sourced(0.0, "the taper tells it"))
    vessel_flow: Mapping[str, Sourced] = field(default_factory=dict)
    shares: Mapping[tuple[str, str], Sourced] = field(default_factory=dict)
    unbranched: tuple[str, ...] = ()
    hyperaemic_range: Mapping[str, tuple[Range, str]] = field(default_factory=dict)


_FOURNIER = "Fournier et al. 2021, EuroIntervention 17:e309"
_VENOUS = Sourced(
    5.0 * MMHG,
    "between 7 mmHg (median right atrial pressure, Toth et al. 2016, JACC Cardiovasc Interv) and 4.1 +- 3.8 mmHg "
    "(hyperaemia, Karamasis et al. 2018, Cardiovasc Revasc Med 19:679)",
)


def _ml(low: float, high: float) -> Range:
    return low * ML_PER_MIN, high * ML_PER_MIN


CORONARY = Territory(
    name="coronary",
    exponent=Sourced(2.39, "Taylor DJ et al. 2024, Am J Physiol Heart 327:H182 (95 % interval 2.24 to 2.54)"),
    resistance_reserve=Sourced(
        3.0, "median 2.97 (2.32 to 3.86) of 1481 patients, ILIAS registry, Boerhout et al. 2023, Eur Heart J, ehad378"
    ),
    healthy_reserve=Sourced(
        4.4, "flow velocity x 4.4 +- 0.9 by intravenous adenosine, Wilson et al. 1990, Circulation 82:1595"
    ),
    venous_pressure=_VENOUS,
    bed_time_constant=Sourced(
        1.9,
        "3.6e-5 cm^5/dyn of a left tree at 130 mL/min under 88 mmHg (a public recipe for SimVascular, not confirmed)",
    ),
    unbranched=("LM",),
    hyperaemic_range={
        "LAD": (_ml(149.0, 528.0), f"5 to 95 % of healthy vessels, {_FOURNIER}"),
        "LCX": (_ml(33.0, 375.0), f"mean +- 1.64 SD of controls, {_FOURNIER}"),
        "RCA": (_ml(93.0, 301.0), f"mean +- 1.64 SD of controls, {_FOURNIER}"),
    },
)

# Left : right. Right-dominant: LAD 228, LCX 160, RCA 189 mL/min of patients with mild disease. Left-dominant: the
# circumflex artery holds 47.5 % of the left ventricle's mass against 27.7 % (Stalikas et al. 2025, J Am Heart Assoc,
# JAHA.124.039013, from a secondary note); the calibres of Dodge et al. 1992 with the flow-diameter law say 0.86.
CORONARY_SHARES: Mapping[Dominance, Sourced] = {
    "right": Sourced(0.67, f"{_FOURNIER}, mild disease"),
    "co-dominant": Sourced(0.76, "halfway between right and left dominance; no measurement found"),
    "left": Sourced(0.85, "calibres of Dodge et al. 1992, Circulation 86:232, by the flow-diameter law"),
}
# Of the left tree's flow, for trees that begin at one of its vessels: 228 and 160 of 388 mL/min.
LEFT_VESSELS = {"LM": 1.0, "LAD": 0.59, "LCX": 0.41}

_SYSTEMIC = Sourced(1.5, "decay of arterial pressure in diastole, usual value of the whole body, not confirmed")
_HOLLAND = "Holland et al. 1998, Ultrasound Med Biol 24:1079 (40 healthy people)"
FEMOROPOPLITEAL = Territory(
    name="femoropopliteal",
    exponent=Sourced(2.33, "least energy above 1 mm radius, Nakamura and Awa 2014, Physiol Rep, phy2.236"),
    resistance_reserve=Sourced(
        3.0,
        "femoral flow velocity x 3.3 after cuff release in 25 healthy people (ultrasound, 1973, not "
        "confirmed); flow x 7.4 "
        "at the peak (Langham et al. 2013, J Cardiovasc Magn Reson 15:17)",
    ),
    healthy_reserve=Sourced(7.4, "peak after cuff release, Langham et al. 2013, J Cardiovasc Magn Reson 15:17"),
    venous_pressure=Sourced(5.0 * MMHG, "usual value of a person lying down, not confirmed"),
    bed_time_constant=_SYSTEMIC,
    bed_impedance=Sourced(
        0.07,
        "rho c / A with a wave speed c of 10 m/s (Nichols and McDonald 1972, by Li, Dynamics of the Vascular System) "
        f"over the resistance at rest of a 6 mm superficial femoral or a 5 mm popliteal artery (flows: {_HOLLAND}; "
        "calibres not confirmed): 0.08 and 0.055 under 88 mmHg",
    ),
    loss_per_length=Sourced(1.6, f"152 to 72 mL/min over 0.46 m of superficial femoral artery, {_HOLLAND}"),
    vessel_flow={
        "CFA": Sourced(284.0 * ML_PER_MIN, _HOLLAND),
        "SFA": Sourced(152.0 * ML_PER_MIN, _HOLLAND),
        "POP": Sourced(72.0 * ML_PER_MIN, _HOLLAND),
    },
    shares={("CFA", "SFA"): Sourced(0.535, f"152 of 284 mL/min, {_HOLLAND}")},
)

GENERIC = Territory(
    name="generic",
    exponent=Sourced(3.0, "Murray 1926, Proc Natl Acad Sci 12:207"),
    resistance_reserve=Sourced(1.0, "none assumed"),
    healthy_reserve=Sourced(1.0, "none assumed"),
    venous_pressure=_VENOUS,
    bed_time_constant=_SYSTEMIC,
    bed_impedance=Sourced(0.07, "as in the leg"),
)

TERRITORIES = {territory.name: territory for territory in (CORONARY, FEMOROPOPLITEAL, GENERIC)}


def territory_named(name: str) -> Territory:
    """The territory of that name; raises InputError where there is none."""
    try:
        return TERRITORIES[name]
    except KeyError:
        raise InputError(f"patient.territory: {name!r} is none of {', '.join(TERRITORIES)}.") from None
