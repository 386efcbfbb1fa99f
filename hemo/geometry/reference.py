"""Healthy reference calibre of a whole tree: what each vessel would measure without disease.

Between two bifurcations the healthy diameter is a straight, non-increasing taper; at a bifurcation it steps
down. All tapers of a tree are fitted together to the measured diameters by quantile regression (Koenker and
Bassett 1978, Econometrica 46:33), which a lesion hardly moves, as one linear program. What a segment cannot tell,
because disease fills it, its neighbours do: calibres never grow downstream, and at each bifurcation the law of
Huo and Kassab (2012, J R Soc Interface 9:190, eq. 21), D^(7/3) = sum of the daughters' D^(7/3), is weighed like
a few millimetres of healthy vessel. A side branch that is not in the tree but known with its diameter counts likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.optimize import linprog
from scipy.sparse import coo_array

from hemo.tree import Branch, VesselTree

Array = NDArray[Any]


FORK_MARGIN = 2e-3  # m: what leaves so close to a vessel's end, or to another branch, does not divide it


@dataclass(frozen=True)
class ReferenceOptions:
    """How the healthy calibre is fitted.

    Attributes
    ----------
    edge
        Diameter fraction lost that takes a point out of the fit.
    exponent
        Of the diameters at a bifurcation.
    junction_weight
        Length of healthy vessel that a bifurcation weighs as much as, m.
    steepest
        Largest fraction of its diameter that a healthy vessel loses per length, 1/m. Normal angiograms show
        18 +- 14 % over the proximal and 29 +- 9 % over the distal LAD, some 4 cm each (Zubaid, Buller and Mancini
        2002, Can J Cardiol 18:973): the default is their upper end.
    spacing
        Distance of the diameters that are fitted, m.
    """

    edge: float = 0.10
    exponent: float = 7.0 / 3.0
    junction_weight: float = 4e-3
    steepest: float = 15.0
    spacing: float = 0.8e-3


@dataclass(frozen=True)
class _Segment:
    """Stretch of a branch without side branches: its arc lengths (m), samples, and their diameters (m)."""

    branch: str
    start: float
    end: float
    arc: Array
    diameter: Array

    @property
    def share(self) -> Array:
        """(n,) how far along the segment each sample lies, 0 to 1."""
        return (self.arc - self.start) / max(self.end - self.start, 1e-12)


def reference_radii(tree: VesselTree, options: ReferenceOptions | None = None) -> dict[str, Array]:
    """(n,) healthy radius, m, along each branch, by its name.

    Passes: a fit above most diameters, then, with the junctions' law, fits to the median of those diameters
    that are not narrowed by more than ``options.edge``.
    """
    options = options or ReferenceOptions()
    segments = [segment for branch in tree.branches for segment in _segments(tree, branch, options)]
    joints = _joints(tree, segments)
    everything = [np.ones(len(s.arc), dtype=bool) for s in segments]
    fitted = _fit(segments, joints, everything, 0.75, options, None)
    for _ in range(3):
        use = [
            s.diameter > (1.0 - options.edge) * ((1.0 - s.share) * a + s.share * b)
            for s, (a, b) in zip(segments, fitted, strict=True)
        ]
        fitted = _fit(segments, joints, use, 0.5, options, fitted)
    return {branch.name: _along(branch, segments, fitted) for branch in tree.branches}


def _segments(tree: VesselTree, branch: Branch, options: ReferenceOptions) -> list[_Segment]:
    arc, diameter = branch.arc, branch.diameter
    forks = {float(arc[child.parent_index or 0]) for child in tree.children(branch.name)}
    for side in tree.side_branches:
        if side.branch == branch.name and all(abs(side.place - place) > FORK_MARGIN for place in forks):
            forks.add(side.place)
    inside = [place for place in sorted(forks) if FORK_MARGIN < place < arc[-1] - FORK_MARGIN]
    bounds = [0.0, *inside, float(arc[-1])]
    every = max(1, round(options.spacing / max(float(np.median(np.diff(arc))), 1e-9)))
    diameter = uniform_filter1d(diameter, every, mode="nearest")
    taken = np.unique(np.r_[np.arange(0, len(arc), every), len(arc) - 1])
    segments = []
    for low, high in pairwise(bounds):
        own = taken[(arc[taken] >= low) & ((arc[taken] < high) | (high == bounds[-1]))]
        segments.append(_Segment(branch.name, low, high, arc[own], diameter[own]))
    return segments


@dataclass(frozen=True)
class _Joint:
    """A bifurcation: the segment that ends there, those that begin there, and diameters (m) known besides."""

    parent: int
    daughters: tuple[int, ...]
    known: tuple[float, ...]


def _joints(tree: VesselTree, segments: list[_Segment]) -> list[_Joint]:
    """Every bifurcation."""
    of_branch: dict[str, list[int]] = {}
    for number, segment in enumerate(segments):
        of_branch.setdefault(segment.branch, []).append(number)
    daughters: dict[int, list[int]] = {}
    known: dict[int, list[float]] = {}
    for branch in tree.branches:
        own = of_branch[branch.name]
        for before, after in pairwise(own):
            daughters.setdefault(before, []).append(after)
        for child in tree.children(branch.name):
            place = float(branch.arc[child.parent_index or 0])
            before = min(own, key=lambda n: abs(segments[n].end - place))
            if abs(segments[before].end - place) <= abs(segments[own[0]].start - place):
                daughters.setdefault(before, []).append(of_branch[child.name][0])
        for side in (side for side in tree.side_branches if side.branch == branch.name):
            before = min(own[:-1], key=lambda n: abs(segments[n].end - side.place), default=own[0])
            if abs(segments[before].end - side.place) <= FORK_MARGIN:
                known.setdefault(before, []).append(side.diameter)
    return [_Joint(before, tuple(after), tuple(known.get(before, ()))) for before, after in daughters.items()]


@dataclass
class _Program:
    """A linear program: cost @ x least, with rows of equalities and of x @ row <= limit."""

    cost: list[float] = field(default_factory=list)
    bounds: list[tuple[float, None]] = field(default_factory=list)
    equal: list[tuple[dict[int, float], float]] = field(default_factory=list)
    below: list[tuple[dict[int, float], float]] = field(default_factory=list)

    def variable(self, cost: float, low: float = 0.0) -> int:
        self.cost.append(cost)
        self.bounds.append((low, None))
        return len(self.cost) - 1

    def near(self, row: Mapping[int, float], value: float, above: float, below: float) -> None:
        """Ask that row @ x be ``value``, at a cost for each unit that the value lies above or below it."""
        plus, minus = self.variable(above), self.variable(below)
        self.equal.append(({**row, plus: 1.0, minus: -1.0}, value))

    def solve(self) -> Array:
        solution = linprog(
            self.cost,
            A_ub=self._matrix(self.below),
            b_ub=[limit for _, limit in self.below],
            A_eq=self._matrix(self.equal),
            b_eq=[value for _, value in self.equal],
            bounds=self.bounds,
            method="highs",
        )
        if solution.x is None:
            raise ArithmeticError(f"the reference calibre could not be fitted: {solution.message}")
        return np.asarray(solution.x)

    def _matrix(self, rows: list[tuple[dict[int, float], float]]) -> coo_array:
        entries = [(i, column, value) for i, (row, _) in enumerate(rows) for column, value in row.items()]
        i, j, values = (np.asarray(item) for item in zip(*entries, strict=True))
        return coo_array((values, (i, j)), shape=(len(rows), len(self.cost)))


def _fit(
    segments: list[_Segment],
    joints: list[_Joint],
    use: Sequence[Array],
    quantile: float,
    options: ReferenceOptions,
    before: Array | None,
) -> Array:
    """(s, 2) healthy diameter, m, at the start and the end of each segment.

    ``before`` is the last pass's result, about which the junctions' law is made linear; None leaves it out.
    """
    scale = float(np.median(np.concatenate([segment.diameter for segment in segments])))
    program = _Program()
    ends = [(program.variable(0.0, 0.1), program.variable(0.0, 0.1)) for _ in segments]
    for number, (segment, (a, b), used) in enumerate(zip(segments, ends, use, strict=True)):
        weight = (segment.end - segment.start) / max(len(segment.arc), 1) / options.spacing
        for share, diameter in zip(segment.share[used], segment.diameter[used], strict=True):
            row = {a: 1.0 - share, b: share}
            program.near(row, diameter / scale, weight * quantile, weight * (1.0 - quantile))
        program.below.append(({b: 1.0, a: -1.0}, 0.0))
        length = segment.end - segment.start
        if options.steepest * length < 0.9:
            program.below.append(({a: 1.0 - options.steepest * length, b: -1.0}, 0.0))
        if before is not None:  # where disease or nothing fills a segment, it stays what it was
            for column, value in zip((a, b), before[number], strict=True):
                program.near({column: 1.0}, value / scale, 1e-3, 1e-3)
    for joint in joints:
        for daughter in joint.daughters:
            program.below.append(({ends[daughter][0]: 1.0, ends[joint.parent][1]: -1.0}, 0.0))
        if before is not None and len(joint.daughters) + len(joint.known) > 1:
            slopes, value = _junction(before, joint, options.exponent)
            begun = {ends[d][0]: -c for d, c in zip(joint.daughters, slopes, strict=True)}
            columns = {ends[joint.parent][1]: 1.0, **begun}
            weight = 0.5 * options.junction_weight / options.spacing
            program.near(columns, value / scale, weight, weight)
    x = program.solve()
    return scale * x[np.asarray(ends)]


def _junction(before: Array, joint: _Joint, exponent: float) -> tuple[Array, float]:
    """The parent's diameter by the junctions' law, made linear about the daughters' last: slopes (d,) and constant."""
    starts = before[list(joint.daughters), 0]
    whole = float(np.sum(np.append(starts, joint.known) ** exponent) ** (1.0 / exponent))
    slopes = (starts / whole) ** (exponent - 1.0)
    return slopes, whole - float(slopes @ starts)


def _along(branch: Branch, segments: list[_Segment], fitted: Array) -> Array:
    """(n,) fitted healthy radius at the branch's points, m."""
    radius = np.empty(len(branch.points))
    for segment, (a, b) in zip(segments, fitted, strict=True):
        if segment.branch == branch.name:
            own = branch.arc >= segment.start
            share = (branch.arc[own] - segment.start) / max(segment.end - segment.start, 1e-12)
            radius[own] = 0.5 * (a + np.minimum(share, 1.0) * (b - a))
    return radius
