"""The lumen of a tree as a stack of thin elliptical slabs, which can be moved and projected.

A slab is what lies between two neighbouring cross-sections. A place in it is ``centre + u e1 + v e2`` with u^2 + v^2 <=
1, so its volume element is exact for bends, tapers and twists alike:

    dV = ((centre' + u e1' + v e2') . (e1 x e2)) ds du dv     (' the derivative along the centreline)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from hemo.errors import InputError
from hemo.tree import Branch, VesselTree, arc_length, transported_normals

Array = NDArray[Any]


@dataclass(frozen=True)
class Shape:
    """Form of one branch's cross-sections, whose area stays that of the branch.

    Attributes
    ----------
    ratio
        (n,) long over short diameter at the centreline points, 1 or more.
    angle
        (n,) from the branch's ``normal`` to the long diameter, about the tangent, rad.
    """

    ratio: Array
    angle: Array


@dataclass(frozen=True)
class Lumen:
    """Slabs of one or several vessels.

    Attributes
    ----------
    names
        Of the vessels.
    vessel
        (n,) which of them each slab belongs to.
    arc
        (n,) distance along the vessel from its first centreline point, m; negative between its mother's axis and there.
    centre
        (n, 3) m.
    axes
        (n, 2, 3) the semi-axes e1, e2, m.
    slope
        (n, 3, 3) what centre, e1 and e2 gain over the slab's whole thickness, m.
    """

    names: tuple[str, ...]
    vessel: NDArray[np.int64]
    arc: Array
    centre: Array
    axes: Array
    slope: Array

    @property
    def volume(self) -> Array:
        """(n,) of each slab, m^3."""
        return np.asarray(np.pi * np.einsum("ij,ij->i", self.slope[:, 0], np.cross(self.axes[:, 0], self.axes[:, 1])))

    def of(self, name: str) -> Lumen:
        """The slabs of one vessel."""
        return self.chosen(self.vessel == self.names.index(name))

    def chosen(self, mask: Array) -> Lumen:
        """Some of the slabs."""
        arrays = {key: getattr(self, key)[mask] for key in ("vessel", "arc", "centre", "axes", "slope")}
        return replace(self, **arrays)


def joined(parts: list[Lumen]) -> Lumen:
    """Several lumens as one."""
    offsets = np.cumsum([0, *(len(part.names) for part in parts)])
    vessel = np.concatenate([part.vessel + offset for part, offset in zip(parts, offsets, strict=False)])
    arrays = {key: np.concatenate([getattr(p, key) for p in parts]) for key in ("arc", "centre", "axes", "slope")}
    return Lumen(tuple(name for part in parts for name in part.names), vessel, **arrays)


def tube(name: str, points: Array, semi_axes: Array, angle: Array, step: float, origin: float = 0.0) -> Lumen:
    """Slabs about ``step`` thick along a smooth curve through points (n, 3), m.

    Parameters
    ----------
    semi_axes
        (n, 2) long and short semi-axis at the points, m.
    angle
        (n,) from the untwisted normal to the long one, rad.
    origin
        Arc length of the point where ``Lumen.arc`` is 0, m.
    """
    spline = CubicSpline(arc_length(points), points)
    arc = arc_length(points)
    count = max(2, round(float(arc[-1]) / step))
    ends = np.linspace(0.0, float(arc[-1]), count + 1)
    tangent = spline(ends, 1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = transported_normals(spline(ends), tangent)
    turn = np.interp(ends, arc, np.unwrap(angle, period=np.pi))[:, None]
    long = np.cos(turn) * normal + np.sin(turn) * np.cross(tangent, normal)
    a, b = (np.interp(ends, arc, semi_axes[:, k])[:, None] for k in range(2))
    frame = np.stack([spline(ends), a * long, b * np.cross(tangent, long)], axis=1)
    middle, gain = 0.5 * (frame[1:] + frame[:-1]), np.diff(frame, axis=0)
    return Lumen(
        (name,),
        np.zeros(count, dtype=np.int64),
        0.5 * (ends[1:] + ends[:-1]) - origin,
        middle[:, 0],
        middle[:, 1:],
        gain,
    )


def lumen_of(tree: VesselTree, step: float, shapes: Mapping[str, Shape] | None = None) -> Lumen:
    """The lumen of a tree in slabs about ``step`` thick (m); branches without a shape are round.

    Daughters are led back to their mother's axis, so that no gap is left between the two lumens; what of them lies in
    the mother is taken out where they are projected.

    Raises
    ------
    InputError
        If a shape does not fit its branch.
    """
    for name, shape in (shapes or {}).items():
        _check_shape(tree, name, shape)
    return joined([_branch_lumen(tree, branch, step, (shapes or {}).get(branch.name)) for branch in tree.branches])


def _branch_lumen(tree: VesselTree, branch: Branch, step: float, shape: Shape | None) -> Lumen:
    radius = 0.5 * branch.diameter
    ratio, angle = (np.ones_like(radius), np.zeros_like(radius)) if shape is None else (shape.ratio, shape.angle)
    semi_axes = np.column_stack([radius * np.sqrt(ratio), radius / np.sqrt(ratio)])
    own = tube(branch.name, branch.points, semi_axes, angle, step)
    if branch.parent is None:
        return own
    root = tree[branch.parent].points[branch.parent_index or 0]
    back = float(np.linalg.norm(root - branch.points[0]))
    if back < step:
        return own
    way = np.linspace(root, branch.points[0], 3)
    both = joined([tube(branch.name, way, np.full((3, 2), radius[0]), np.zeros(3), step, back), own])
    return replace(both, names=own.names, vessel=np.zeros(len(both.arc), dtype=np.int64))


def _check_shape(tree: VesselTree, name: str, shape: Shape) -> None:
    if name not in {branch.name for branch in tree.branches}:
        raise InputError(f"tree {tree.name!r}: a shape is given for {name!r}, which is not one of its branches.")
    n = len(tree[name].points)
    if shape.ratio.shape != (n,) or shape.angle.shape != (n,):
        raise InputError(f"branch {name!r}: its shape needs one ratio and one angle for each of its {n} points.")
    if not (np.all(np.isfinite(shape.angle)) and np.all(shape.ratio >= 1.0) and np.all(np.isfinite(shape.ratio))):
        raise InputError(f"branch {name!r}: the ratio of long to short diameter must be 1 or more everywhere.")
