"""The vessel tree: the one geometry type that every modality makes and every solver takes.

A tree is a set of *vessels* (LM, LAD, D1, ...), not of segments between bifurcations: a lesion or a
pull-back belongs to a vessel and may pass a side branch. A branch leaves its parent at the parent's
centreline point ``parent_index`` and its own centreline starts at the ostium, outside the parent's
lumen. All arrays are SI, in the patient's LPS frame (x left, y posterior, z head).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError

Array = NDArray[Any]
ROUNDED = 1e-6  # of a branch's length: points stand in files to a nanometre, by which their polyline may be shorter


@dataclass(frozen=True)
class Branch:
    """One vessel with its centreline, proximal to distal.

    Attributes
    ----------
    name
        ``"LAD"``, ``"D1"`` ...
    points
        (n, 3) centreline, m, n >= 2.
    radius
        (n,) maximal inscribed sphere radius, m.
    area
        (n,) lumen area normal to the centreline, m^2.
    reference_radius
        (n,) radius the vessel would have without disease, m.
    parent
        Name of the parent vessel, or None for the vessel that starts at the aorta.
    parent_index
        Index of the parent's centreline point from which this branch leaves; None for a root.
    is_outlet
        Whether the distal end is open to a microvascular bed (False where only children go on).
    perimeter
        (n,) length of the lumen's outline normal to the centreline, m; None where no outline was measured.
    """

    name: str
    points: Array
    radius: Array
    area: Array
    reference_radius: Array
    parent: str | None = None
    parent_index: int | None = None
    is_outlet: bool = True
    perimeter: Array | None = None

    @property
    def arc(self) -> Array:
        """(n,) distance along the centreline from the branch's first point, m."""
        return arc_length(self.points)

    @property
    def length(self) -> float:
        """Length of the centreline, m."""
        return float(self.arc[-1])

    @property
    def diameter(self) -> Array:
        """(n,) equivalent diameter 2 sqrt(A / pi), m."""
        return 2.0 * np.sqrt(self.area / np.pi)

    @property
    def tangent(self) -> Array:
        """(n, 3) unit tangent, pointing distally (second order in the arc length)."""
        return unit_tangents(self.points)

    @property
    def normal(self) -> Array:
        """(n, 3) unit normals that do not twist about the centreline (see :func:`transported_normals`)."""
        return transported_normals(self.points, self.tangent)

    def sampled(self, wanted: Array) -> Branch:
        """The branch with its points at the arc lengths ``wanted`` (m, increasing, within the branch)."""
        arc = self.arc

        def at(values: Array) -> Array:
            return np.asarray(np.interp(wanted, arc, values))

        return replace(
            self,
            points=np.stack([at(self.points[:, k]) for k in range(3)], axis=1),
            radius=at(self.radius),
            area=at(self.area),
            reference_radius=at(self.reference_radius),
            perimeter=None if self.perimeter is None else at(self.perimeter),
        )

    def between(self, low: float, high: float) -> Branch:
        """The branch from one arc length (m) to another, with its end points exactly there."""
        arc = self.arc
        if low <= 0.0 and high >= self.length:
            return self
        step = 0.2 * float(np.median(np.diff(arc)))
        inner = arc[(arc > low + step) & (arc < high - step)]
        return self.sampled(np.concatenate([[max(low, 0.0)], inner, [min(high, self.length)]]))


def healthy_diameter(branch: Branch, point: int = 0, window: float = 5e-3) -> float:
    """Healthy diameter (m) just distal to a centreline point: the median over the next few millimetres."""
    arc = branch.arc
    near = (arc >= arc[point]) & (arc <= arc[point] + window)
    return float(2.0 * np.median(branch.reference_radius[near]))


def arc_length(points: Array) -> Array:
    """(n,) length along a polyline (n, 3) from its first point."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def unit_tangents(points: Array) -> Array:
    """(n, 3) unit tangents of a polyline (n, 3), second order in the arc length."""
    if len(points) == 2:
        derivative = np.repeat(np.diff(points, axis=0), 2, axis=0)
    else:
        derivative = np.gradient(points, arc_length(points), axis=0, edge_order=2)
    return np.asarray(derivative / np.linalg.norm(derivative, axis=1, keepdims=True))


def transported_normals(points: Array, tangent: Array) -> Array:
    """(n, 3) unit normals along a polyline (n, 3) with unit tangents (n, 3), carried on without twist.

    Rotation-minimising frames by double reflection (Wang, Juttler, Zheng and Liu 2008, ACM Trans Graph
    27:2, algorithm of section 4): fourth order in the spacing, sound where the curvature vanishes, which
    Frenet's frame is not. The first normal is the axis most across the first tangent, made orthogonal.
    """
    axis = np.eye(3)[np.argmin(np.abs(tangent[0]))]
    normal = np.empty_like(points)
    first = axis - (axis @ tangent[0]) * tangent[0]
    normal[0] = first / np.linalg.norm(first)
    for i in range(len(points) - 1):
        step = points[i + 1] - points[i]
        square = step @ step
        mirrored = normal[i] - 2.0 * (step @ normal[i]) / square * step
        tangent_there = tangent[i] - 2.0 * (step @ tangent[i]) / square * step
        turn = tangent[i + 1] - tangent_there
        size = turn @ turn
        carried = mirrored if size < 1e-24 else mirrored - 2.0 * (turn @ mirrored) / size * turn
        carried = carried - (carried @ tangent[i + 1]) * tangent[i + 1]
        normal[i + 1] = carried / np.linalg.norm(carried)
    return normal


@dataclass(frozen=True)
class Lesion:
    """A stenosis on one branch; positions are arc lengths on that branch, m.

    ``reference_area`` is the healthy area at the minimal lumen area, m^2. The radius gradients are
    those of Choi et al. 2015 (JACC Cardiovasc Imaging 8:1156): radius lost (gained) per length from
    the lesion's start to the minimal lumen area and from there to its end, dimensionless.
    """

    id: str
    branch: str
    start: float
    minimum: float
    end: float
    minimal_lumen_area: float
    reference_area: float
    radius_gradient_up: float
    radius_gradient_down: float

    @property
    def length(self) -> float:
        """m."""
        return self.end - self.start

    @property
    def area_stenosis(self) -> float:
        """Fraction of the healthy area that is lost, 0 to 1."""
        return 1.0 - self.minimal_lumen_area / self.reference_area

    @property
    def diameter_stenosis(self) -> float:
        """Fraction of the healthy (area-equivalent) diameter that is lost, 0 to 1."""
        return 1.0 - float(np.sqrt(self.minimal_lumen_area / self.reference_area))


@dataclass(frozen=True)
class SideBranch:
    """A vessel that was left out of the tree: its flow still leaves where it began.

    ``place`` is the arc length (m) on ``branch`` at which it left, ``diameter`` its healthy diameter there (m).
    """

    branch: str
    place: float
    diameter: float


@dataclass(frozen=True)
class Connection:
    """What joins a vessel to the aorta or to another vessel besides the tree: a bypass graft, or collaterals.

    Attributes
    ----------
    name
        ``"LIMA"``, ``"RCA to LAD"`` ...
    to_branch, to_place
        Where it ends: a branch, and the arc length on it, m.
    from_branch, from_place
        Where it begins; ``from_branch`` None for the aorta.
    length, diameter
        Of a graft, m.
    resistance
        Of collaterals, Pa s / m^3; in place of length and diameter.
    """

    name: str
    to_branch: str
    to_place: float
    from_branch: str | None = None
    from_place: float = 0.0
    length: float | None = None
    diameter: float | None = None
    resistance: float | None = None


@dataclass(frozen=True)
class VesselTree:
    """Branches (a parent always before its children), the lesions found on them, the side branches left out, and what
    joins vessels besides.
    """

    name: str
    branches: tuple[Branch, ...]
    lesions: tuple[Lesion, ...] = ()
    side_branches: tuple[SideBranch, ...] = ()
    connections: tuple[Connection, ...] = ()

    def __post_init__(self) -> None:
        check_tree(self)

    def __getitem__(self, name: str) -> Branch:
        for branch in self.branches:
            if branch.name == name:
                return branch
        raise KeyError(name)

    @property
    def root(self) -> Branch:
        """The vessel that starts at the aorta."""
        return self.branches[0]

    @property
    def outlets(self) -> tuple[str, ...]:
        """Names of the branches that end in a microvascular bed."""
        return tuple(branch.name for branch in self.branches if branch.is_outlet)

    def children(self, name: str) -> tuple[Branch, ...]:
        """Branches that leave the named one, proximal first."""
        found = [branch for branch in self.branches if branch.parent == name]
        return tuple(sorted(found, key=lambda branch: branch.parent_index or 0))

    def lesions_on(self, name: str) -> Iterator[Lesion]:
        """Lesions of the named branch."""
        return (lesion for lesion in self.lesions if lesion.branch == name)

    def with_lesions(self, lesions: tuple[Lesion, ...]) -> VesselTree:
        """The same tree with other lesions."""
        return replace(self, lesions=lesions)


def check_tree(tree: VesselTree) -> None:
    """Refuse a tree that no solver can use.

    Raises
    ------
    InputError
        Naming the tree, the branch and what is wrong with it.
    """
    if not tree.branches:
        raise InputError(f"tree {tree.name!r} has no branches.")
    seen: dict[str, Branch] = {}
    for branch in tree.branches:
        _check_arrays(tree.name, branch)
        where = f"tree {tree.name!r}, branch {branch.name!r}"
        if branch.name in seen:
            raise InputError(f"{where}: the name is used twice; give each branch its own.")
        if branch.parent is None:
            if seen:
                raise InputError(f"{where}: has no parent, but {tree.root.name!r} is the root already.")
        elif branch.parent not in seen:
            raise InputError(f"{where}: parent {branch.parent!r} is unknown or listed after its child.")
        elif branch.parent_index is None or not 0 <= branch.parent_index < len(seen[branch.parent].points):
            raise InputError(f"{where}: parent_index {branch.parent_index} is not a point of {branch.parent!r}.")
        seen[branch.name] = branch
    if not tree.outlets:
        raise InputError(f"tree {tree.name!r} has no outlet; at least one branch must be open at its end.")
    for lesion in tree.lesions:
        if lesion.branch not in seen:
            raise InputError(f"tree {tree.name!r}, lesion {lesion.id!r}: branch {lesion.branch!r} is unknown.")
        length = seen[lesion.branch].length * (1.0 + ROUNDED)
        if not 0.0 <= lesion.start <= lesion.minimum <= lesion.end <= length:
            raise InputError(f"tree {tree.name!r}, lesion {lesion.id!r}: start, minimum and end are not in order.")
    for one in tree.connections:
        _check_connection(tree, one)
    for side in tree.side_branches:
        if side.branch not in seen:
            raise InputError(f"tree {tree.name!r}: a side branch leaves from {side.branch!r}, which is unknown.")
        if not 0.0 <= side.place <= seen[side.branch].length * (1 + 1e-9) or not side.diameter > 0.0:
            raise InputError(f"tree {tree.name!r}: a side branch of {side.branch!r} has no place on it or no diameter.")


def _check_connection(tree: VesselTree, one: Connection) -> None:
    where = f"tree {tree.name!r}, connection {one.name!r}"
    names = {branch.name for branch in tree.branches}
    for branch, place in ((one.to_branch, one.to_place), (one.from_branch, one.from_place)):
        if branch is None:
            continue
        if branch not in names:
            raise InputError(f"{where}: branch {branch!r} is unknown.")
        if not 0.0 <= place <= tree[branch].length * (1 + 1e-9):
            raise InputError(f"{where}: it has no place on {branch!r}.")
    if one.resistance is not None:
        if one.length is not None or one.diameter is not None or not one.resistance > 0.0:
            raise InputError(f"{where}: give a positive resistance alone, or a length and a diameter.")
    elif not (one.length or 0.0) > 0.0 or not (one.diameter or 0.0) > 0.0:
        raise InputError(f"{where}: give a length and a diameter, or a resistance.")


def _check_arrays(tree_name: str, branch: Branch) -> None:
    where = f"tree {tree_name!r}, branch {branch.name!r}"
    n = len(branch.points)
    if branch.points.ndim != 2 or branch.points.shape[1] != 3 or n < 2:
        raise InputError(f"{where}: a centreline needs at least two points of three coordinates.")
    if not np.all(np.isfinite(branch.points)):
        raise InputError(f"{where}: a centreline point is not a number.")
    if np.any(np.diff(branch.arc) <= 0.0):
        raise InputError(f"{where}: two successive centreline points coincide.")
    arrays = {"radius": branch.radius, "area": branch.area, "reference_radius": branch.reference_radius}
    if branch.perimeter is not None:
        arrays["perimeter"] = branch.perimeter
    for label, values in arrays.items():
        if values.shape != (n,):
            raise InputError(f"{where}: {label} has {values.shape[0]} values for {n} points.")
        if not np.all(np.isfinite(values)) or np.any(values <= 0.0):
            raise InputError(f"{where}: every {label} must be a positive number.")
