"""The constants of the reduced model's own loss law, from axisymmetric and 3D solutions.

``python -m validation fit_losses`` fits them, judges them on designs (and trees) that were left out, and writes
``hemo/reduced/fitted_law.json``. From ``stenosis_flow``: what a stenosis costs in the end over Borda and Carnot's loss,
against its fullness and its severity; what the pressure lacks at its end, and over what length that comes back. From
``tree_solutions``: the factor on White's friction in curved vessels, and what of the kinetic pressure does not drive a
side branch. Lengths in radii of the vessel before the
stenosis, pressures in density times its mean velocity squared. Flow is laminar and steady throughout: turbulence is not
in it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, lsq_linear, minimize

import hemo.reduced
from hemo.reduced import LossOptions, laws
from validation.reduced_trees import Solved, solved
from validation.stenosis_flow import Design
from validation.stenosis_flow import records as stenoses
from validation.table import Table, publish
from validation.tree_solutions import records as trees

Array = NDArray[Any]
LAW = Path(hemo.reduced.__file__).with_name("fitted_law.json")
EDGE = 0.10  # of the healthy diameter is lost where hemo takes a lesion to begin and to end
LEAST = 0.2  # of Borda and Carnot's loss
FOLDS = 8
DEVELOPMENT = 0.0075  # x / (Re D) at which 63 % of a developing profile's excess is gone (Shah 1978)
# Factor on White's friction in curved vessels; part of the kinetic pressure that does not drive a side branch.
IN_TREES = {"curvature": 1.0, "side_branch": 0.5}
MOST_REYNOLDS = 600.0  # before the stenosis
BANDS = ((25, 60), (60, 150), (150, 400), (400, 800), (800, 1601))  # Reynolds number in the throat


@dataclass(frozen=True)
class Case:
    """One solution of a stenosis, as hemo would measure the lesion."""

    design: int
    reynolds: float  # in the throat
    narrow: float
    wide: float
    fullness: float
    opening: float
    cost: float
    borda: float
    friction: float
    lacking: float
    length: float

    @property
    def severity(self) -> float:
        """Of the diameter behind."""
        return 1.0 - self.narrow / self.wide


def cases() -> list[Case]:
    """All solutions whose lesion opens again."""
    found = []
    for line in stenoses():
        design = Design(*(float(line[name]) for name in ("severity", "length", "throat", "flat", "distal")))
        narrow, wide = 1.0 - design.severity, max(design.distal, 1.0 - design.severity)
        z = np.linspace(0.0, design.length, 8001)
        lost = 1.0 - design.radius(z) / (1.0 + (wide - 1.0) * z / design.length)
        lesion = z[lost >= EDGE]
        if wide < 1.02 * narrow or len(lesion) < 2:
            continue
        for solution in line["solutions"]:
            if solution["reynolds"] <= MOST_REYNOLDS:
                found.append(_case(line, design, solution, (narrow, wide), (float(lesion[0]), float(lesion[-1]))))
    return found


def _case(
    line: dict[str, Any],
    design: Design,
    solution: dict[str, Any],
    radii: tuple[float, float],
    ends: tuple[float, float],
) -> Case:
    narrow, wide = radii
    z, pressure = np.array(line["z"]), np.array(solution["pressure"])
    fine = np.linspace(z[0], z[-1], 20001)
    inverse = 1.0 / design.radius(fine) ** 4
    friction = np.concatenate([[0.0], np.cumsum(0.5 * (inverse[1:] + inverse[:-1]) * np.diff(fine))])
    friction *= 16.0 / solution["reynolds"]
    # The head of a developed profile, and what it has lost beyond friction.
    head = pressure + 1.0 / design.radius(z) ** 4
    beyond = head[0] - head - np.interp(z, fine, friction)
    throat, distal = narrow**2, wide**2
    whole = (1.0 / throat) ** 2 * throat / distal * (1.0 - throat / distal)
    behind = np.linspace(ends[1], min(z[-1], ends[1] + 70.0), 400)
    lacking = np.interp(behind, z, beyond) - beyond[-1]
    back = np.flatnonzero(lacking < lacking[0] / np.e)
    known = len(back) and lacking[0] > 0.05 * whole
    inside = np.linspace(*ends, 2000)
    return Case(
        design=int(line["design"]),
        reynolds=solution["reynolds"] / narrow,
        narrow=narrow,
        wide=wide,
        fullness=float(((narrow / design.radius(inside)) ** 4).mean()),
        opening=max(ends[1] - design.throat * design.length, 0.05),
        cost=float(beyond[-1]),
        borda=0.5 * (1.0 / throat - 1.0 / distal) ** 2,
        friction=float(np.interp(ends[1], fine, friction) - np.interp(ends[0], fine, friction)),
        lacking=float(lacking[0] / whole),
        length=float(behind[back[0]] - ends[1]) if known else float("nan"),
    )


def _columns(some: list[Case]) -> tuple[Array, Array, Array]:
    """Borda and Carnot's loss times 1, fullness, severity; the loss that was found; what an error is weighed by."""
    borda = np.array([case.borda for case in some])
    fullness, severity = (np.array([getattr(case, name) for case in some]) for name in ("fullness", "severity"))
    columns = np.stack([borda, borda * fullness, borda * severity], axis=1)
    cost = np.array([case.cost for case in some])
    return columns, cost, 1.0 / (np.array([case.friction for case in some]) + np.maximum(cost, 0.0))


def expansion(some: list[Case]) -> Array:
    """The three constants, by the relative error of the whole loss of the lesion."""
    columns, cost, weight = _columns(some)
    return np.asarray(lsq_linear(columns * weight[:, None], cost * weight).x)


def error(constants: Array, some: list[Case]) -> Array:
    """Relative error of the lesion's loss, friction included."""
    columns, cost, weight = _columns(some)
    return np.asarray((np.maximum(columns @ constants, LEAST * columns[:, 0]) - cost) * weight)


def recovery(some: list[Case]) -> tuple[float, float, float]:
    """How much is lacking at most, at what X half of that, and the length's constant."""
    steep = [case for case in some if case.severity > 0.2]
    x = np.array([case.reynolds * (case.wide - case.narrow) / case.opening for case in steep])
    lacking = np.array([case.lacking for case in steep])
    most, half = least_squares(lambda c: c[0] * x / (x + c[1]) - lacking, [1.6, 20.0]).x
    known = [case for case in steep if np.isfinite(case.length) and case.reynolds > 100.0]
    base = np.array([case.reynolds * case.wide * np.sqrt(case.wide / case.narrow) for case in known])
    length = np.array([case.length for case in known])
    return float(most), float(half), float((length * base).sum() / (base**2).sum())


def in_trees(constants: dict[str, float], some: list[Solved]) -> dict[str, float]:
    """The constants that trees alone tell, with the least mean absolute difference of FFR from 3D."""
    found = minimize(
        lambda values: float(np.abs(apart(constants | dict(zip(IN_TREES, values, strict=True)), some)).mean()),
        list(IN_TREES.values()),
        method="Nelder-Mead",
        bounds=((0.3, 2.5), (0.0, 1.0)),
        options={"xatol": 0.02, "fatol": 1e-5, "maxfev": 40, "initial_simplex": [[1.2, 0.5], [1.0, 0.5], [1.2, 0.8]]},
    )
    return dict(zip(IN_TREES, found.x.tolist(), strict=True))


def apart(constants: dict[str, float], some: list[Solved]) -> Array:
    """Reduced less 3D FFR at all places of these trees."""
    _use(constants)
    return np.concatenate([one.reduced(LossOptions()) - one.ffr(one.flow) for one in some])


def _use(constants: dict[str, float]) -> None:
    """Take these in this process."""
    laws.fitted_constants().update(constants)


def main() -> None:
    """Fit, judge, write; fill the sections ``fit_losses`` and ``fit_trees`` of docs/benchmarks.md."""
    logging.getLogger("hemo").setLevel(logging.ERROR)
    some = cases()
    constants = expansion(some)
    folds = np.array([case.design % FOLDS for case in some])
    left_out, each = np.zeros(len(some)), []
    for fold in range(FOLDS):
        own = expansion([case for case, k in zip(some, folds, strict=True) if k != fold])
        each.append(own)
        out = folds == fold
        left_out[out] = error(own, [case for case, k in zip(some, folds, strict=True) if k == fold])
    most, half, length = recovery(some)
    law = {
        **dict(
            zip(("expansion_constant", "expansion_fullness", "expansion_severity"), constants.tolist(), strict=True)
        ),
        "expansion_least": LEAST,
        "recovery_most": most,
        "recovery_half": half,
        "recovery_length": length,
        "development": DEVELOPMENT,
    }
    law = {name: round(value, 4) for name, value in law.items()}
    _publish_stenoses(some, left_out, np.array(each), law)
    found = [solved(line) for line in trees() if line["status"] == "CONVERGED" and line["beds"] == "hyperaemia"]
    own = {name: round(value, 3) for name, value in in_trees(law, found).items()}
    _publish_trees(law, found, [in_trees(law, found[part::2]) for part in (0, 1)])
    LAW.write_text(json.dumps(law | own, indent=1) + "\n", encoding="utf-8")


def _publish_stenoses(some: list[Case], left_out: Array, each: Array, law: dict[str, float]) -> None:
    reynolds = np.array([case.reynolds for case in some])
    plain = error(np.array([1.0, 0.0, 0.0]), some)
    rows = []
    for low, high in BANDS:
        at = (reynolds >= low) & (reynolds < high)
        cells = [f"{100 * np.sqrt((what[at] ** 2).mean()):.1f} %" for what in (left_out, plain)]
        rows.append((f"{low} to {high - 1}", str(at.sum()), *cells, f"{100 * np.abs(left_out[at]).max():.0f} %"))
    whole = [f"{100 * np.sqrt((what**2).mean()):.1f} %" for what in (left_out, plain)]
    rows.append(("all", str(len(some)), *whole, f"{100 * np.abs(left_out).max():.0f} %"))
    columns = ("Reynolds number in the throat", "solutions", "fitted, left out", "K = 1", "largest, left out")
    spread = each.std(axis=0)
    designs = len({case.design for case in some})
    note = (
        "Root mean square error of the lesion's loss, friction included, on designs that the constants were not fitted "
        f"to ({FOLDS} folds of {designs} designs). K = {law['expansion_constant']} + {law['expansion_fullness']} "
        f"fullness + {law['expansion_severity']} severity (over the folds +- {spread[0]:.3f}, {spread[1]:.3f}, "
        f"{spread[2]:.3f}). Lacking at the end: {law['recovery_most']} X / (X + {law['recovery_half']}); it comes back "
        f"over {law['recovery_length']} Re R sqrt(R / R_s)."
    )
    publish(Table("fit_losses", columns, tuple(rows), note))


def _publish_trees(law: dict[str, float], found: list[Solved], halves: list[dict[str, float]]) -> None:
    """The constants from one half of the trees, judged on the other."""
    rows = []
    for part, own in enumerate(halves):
        other = found[1 - part :: 2]
        tried = (own, own | {"side_branch": 0.0}, own | {"curvature": 0.0}, {"curvature": 0.0, "side_branch": 0.0})
        cells = [_apart(law | values, other) for values in tried]
        values = (f"{own['curvature']:.2f}", f"{own['side_branch']:.2f}")
        rows.append((f"{len(found[part::2])} trees", *values, str(len(other)), *cells))
    columns = (
        "fitted to",
        "factor on White's friction",
        "of the kinetic pressure no side branch has",
        "judged on",
        "with both",
        "side branches with all of it",
        "without curvature",
        "with neither",
    )
    publish(Table("fit_trees", columns, tuple(rows), "Mean absolute (and mean) difference of FFR from 3D."))


def _apart(constants: dict[str, float], some: list[Solved]) -> str:
    found = apart(constants, some)
    return f"{np.abs(found).mean():.4f} ({found.mean():+.4f})"
