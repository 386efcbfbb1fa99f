"""What single lesions of the trees lose in 3D and by the reduced model at the same flows; called by ``outliers``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.reduced.lumen import lumen
from hemo.reduced.network import assembled
from hemo.reduced.prescribed import pressures
from hemo.reduced.vessels import vessels_of
from hemo.units import MMHG
from validation.reduced_trees import Solved
from validation.table import Table, publish

Array = NDArray[Any]
BEYOND = 5e-3  # m behind the lesion's end, to where its fall is compared
LEAST = 0.03  # of FFR, a fall that is judged
OSTIUM = 3e-3  # m


@dataclass(frozen=True)
class Fall:
    """Over one lesion: falls of FFR to ``BEYOND``, and start to end what falls in 3D and is lost by the law, Pa.

    ``opening`` is Re_s (R_d - R_s) over the length from throat to end, ``angle`` that of the opening wall, radians,
    ``shape`` the inscribed circle over the throat's area, ``gone`` the part of the flow that leaves within.
    """

    tree: str
    lesion: str
    true: float
    mine: float
    fall: float
    friction: float
    curvature: float
    expansion: float
    opening: float
    angle: float
    shape: float
    gone: float
    at_ostium: bool

    @property
    def relative(self) -> float:
        """Error of the reduced model's fall."""
        return self.mine / self.true - 1.0


def falls(one: Solved) -> list[Fall]:
    """Of every lesion of a solution."""
    blood, tree, leaks = Blood(), one.tree, one.conditions.leak_places
    at_flows = pressures(tree, one.sinks, leaks, one.conditions.aortic_pressure)
    ready = vessels_of(tree, leaks)
    losses = assembled(ready, (blood.density, blood.viscosity)).intervals
    through = ready.stretches.intervals(ready.stretches.flows(one.sinks))
    friction, expansion = losses.linear * through, losses.quadratic * through * np.abs(through)
    curvature = losses.loss(through) - friction - expansion
    lesions = lumen(tree).lesions
    found = []
    for k, lesion in enumerate(tree.lesions):
        branch, flow = tree[lesion.branch], one.flow.branches[lesion.branch].flow
        ends = np.array([lesion.start, min(lesion.end + BEYOND, branch.length)])
        true, mine = (-np.diff(np.interp(ends, branch.arc, f.ffr(branch.name)))[0] for f in (one.flow, at_flows))
        start, end = (float(np.interp(x, branch.arc, flow)) for x in (lesion.start, lesion.end))
        static = np.interp([lesion.start, lesion.end], branch.arc, one.flow.branches[branch.name].pressure)
        narrow, wide = np.sqrt(np.array([lesions.throat_area[k], lesions.healthy_distal_area[k]]) / np.pi)
        reynolds = blood.reynolds(np.interp(lesion.minimum, branch.arc, flow), 2.0 * narrow)
        opening = max(float(lesions.opening[k]), 1e-4)
        here = lesions.interval[lesions.lesion == k]
        throat = int(np.argmin(np.abs(branch.arc - lesion.minimum)))
        found.append(
            Fall(
                one.name,
                lesion.id,
                float(true),
                float(mine),
                float(static[0] - static[1]),
                *(float(each[here].sum()) for each in (friction, curvature, expansion)),
                float(reynolds * (wide - narrow) / opening),
                float(np.arctan2(wide - narrow, opening)),
                float(np.pi * branch.radius[throat] ** 2 / branch.area[throat]),
                1.0 - end / start,
                branch.parent is None and lesion.start < OSTIUM,
            )
        )
    return found


def publish_lesions(trees: Sequence[Solved], wanted: Sequence[tuple[str, str]]) -> None:
    """The tables ``lesion_groups``, of all lesions, and ``lesion_shares``, of those ``wanted`` (tree, lesion)."""
    every = [fall for one in trees for fall in falls(one)]
    judged = [fall for fall in every if fall.true > LEAST]
    groups = {
        f"all that take more than {LEAST} of FFR": judged,
        "round throats (inscribed circle above 0.99 of the area)": [x for x in judged if x.shape > 0.99],
        "... 0.70 to 0.99": [x for x in judged if 0.70 <= x.shape <= 0.99],
        "... below 0.70 (nodules)": [x for x in judged if x.shape < 0.70],
        "less than 5 % of the flow leaves within": [x for x in judged if x.gone < 0.05],
        "5 to 20 %": [x for x in judged if 0.05 <= x.gone < 0.20],
        "20 % and more": [x for x in judged if x.gone >= 0.20],
        "walls that open slowly, X below 15": [x for x in judged if x.opening < 15.0],
        "X from 15 on": [x for x in judged if x.opening >= 15.0],
        "at the ostium, whatever they take": [x for x in every if x.at_ostium],
    }
    rows = [_group(name, some) for name, some in groups.items() if some]
    columns = ("lesions", "number", "mean error", "standard deviation", "reduced less 3D, FFR")
    note = (
        "The fall of pressure from a lesion's start to 5 mm behind its end by the reduced model at the flows of the 3D "
        "solution, over that in 3D. X = Re_s (R_d - R_s) / (length from throat to end)."
    )
    publish(Table("lesion_groups", columns, tuple(rows), note))
    named = {(fall.tree, fall.lesion): fall for fall in every}
    rows = [_share(named[key]) for key in dict.fromkeys(wanted) if key in named]
    columns = ("lesion", "falls in 3D", "friction", "curvature", "expansion", "X", "wall opens by", "shape", "leaves")
    note = (
        "From start to end, mmHg: static pressure in 3D, and what the law loses there at the same flows; the inscribed "
        "circle over the throat's area; the part of the flow that leaves within."
    )
    publish(Table("lesion_shares", columns, tuple(rows), note))


def _group(name: str, some: list[Fall]) -> tuple[str, ...]:
    relative = np.array([fall.relative for fall in some])
    apart = np.array([fall.true - fall.mine for fall in some])
    if name.startswith("at the ostium"):  # some take next to nothing, so that no ratio says anything
        return (name, str(len(some)), "-", "-", f"{apart.mean():+.4f}")
    cells = (f"{100 * relative.mean():+.0f} %", f"{100 * relative.std():.0f} %")
    return (name, str(len(some)), *cells, f"{apart.mean():+.4f}")


def _share(fall: Fall) -> tuple[str, ...]:
    lost = (fall.fall, fall.friction, fall.curvature, fall.expansion)
    return (
        f"{fall.tree}, {fall.lesion}",
        *(f"{value / MMHG:.1f}" for value in lost),
        f"{fall.opening:.0f}",
        f"{np.degrees(fall.angle):.1f}°",
        f"{fall.shape:.2f}",
        f"{100 * fall.gone:.0f} %",
    )
