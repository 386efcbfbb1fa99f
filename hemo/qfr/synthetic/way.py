"""One vessel from the ostium to an outlet out of a solved tree, as an angiographer or a pullback follows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.results import TreeFlow
from hemo.tree import Branch, SideBranch, VesselTree, healthy_diameter

Array = NDArray[Any]


@dataclass(frozen=True)
class VesselPath:
    """A vessel with what its tree's solution has along it.

    Attributes
    ----------
    tree
        One branch, the other vessels being side branches; without lesions.
    pressure, flow
        (n,) at its points, Pa and m^3/s.
    """

    tree: VesselTree
    pressure: Array
    flow: Array


def vessel_path(tree: VesselTree, outlet: str, solved: TreeFlow) -> VesselPath:
    """From the ostium to the end of a branch, through its mothers."""
    parts: list[tuple[Branch, int]] = []  # each with the number of its points that are on the way
    branch, count = tree[outlet], len(tree[outlet].points)
    while True:
        parts.insert(0, (branch, count))
        if branch.parent is None:
            break
        count = (branch.parent_index or 0) + 1
        branch = tree[branch.parent]

    def joined(name: str) -> Array:
        return np.concatenate([getattr(part, name)[:length] for part, length in parts])

    arrays = {name: joined(name) for name in ("points", "radius", "area", "reference_radius")}
    whole = Branch(outlet, arrays["points"], arrays["radius"], arrays["area"], arrays["reference_radius"])
    begun = np.cumsum([0, *(length for _, length in parts)])
    on_the_way = {part.name for part, _ in parts}
    sides = []
    for (part, length), first in zip(parts, begun, strict=False):
        for child in tree.children(part.name):
            place = child.parent_index or 0
            if child.name not in on_the_way and place < length:
                sides.append(SideBranch(outlet, float(whole.arc[first + place]), healthy_diameter(child)))
        if length < len(part.points):  # the mother goes on beside the vessel that was followed
            rest = Branch(part.name, *(getattr(part, n)[length - 1 :] for n in arrays))
            sides.append(SideBranch(outlet, float(whole.arc[first + length - 1]), healthy_diameter(rest)))
        for side in tree.side_branches:
            if side.branch == part.name and side.place <= part.arc[length - 1]:
                place = int(np.argmin(np.abs(part.arc - side.place)))
                sides.append(SideBranch(outlet, float(whole.arc[first + place]), side.diameter))
    pressure, flow = (
        np.concatenate([getattr(solved.branches[part.name], name)[:length] for part, length in parts])
        for name in ("pressure", "flow")
    )
    return VesselPath(VesselTree(f"{tree.name} {outlet}", (whole,), (), tuple(sides)), pressure, flow)


def on_the_way(tree: VesselTree, outlet: str) -> list[str]:
    """Branches from the ostium to the outlet."""
    names, branch = [outlet], tree[outlet]
    while branch.parent is not None:
        names.insert(0, branch.parent)
        branch = tree[branch.parent]
    return names


def followed(tree: VesselTree, outlet: str, solved: TreeFlow) -> VesselTree:
    """The tree with the whole way to an outlet as one branch, for the choice of views."""
    way, main = on_the_way(tree, outlet), vessel_path(tree, outlet, solved).tree.root
    rest = []
    for branch in tree.branches:
        if branch.name not in way:
            mother = branch.parent if branch.parent not in way else main.name
            index = branch.parent_index
            if mother == main.name:
                index = int(np.argmin(np.linalg.norm(main.points - branch.points[0], axis=1)))
            rest.append(replace(branch, parent=mother, parent_index=index))
    return VesselTree(tree.name, (main, *rest))
