"""Cut a vessel tree at given arc lengths and keep what refers to them, children and lesions, consistent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.tree import Branch, VesselTree

LEAD = 0.7  # inscribed over equivalent radius of a root's lead: a tube of 1.6 inscribed radii is then 1.1 as wide


def trim_tree(tree: VesselTree, start: float, ends: dict[str, float]) -> tuple[VesselTree, list[str]]:
    """Cut the root at ``start`` and each named branch at its end (arc lengths, m); lesions move along.

    Returns the tree and sentences on what was lost.
    """
    warnings: list[str] = []
    branches: list[Branch] = []
    before, shift = {b.name: b for b in tree.branches}, dict[str, float]()
    for branch in tree.branches:
        low = start if branch.parent is None else 0.0
        high = ends.get(branch.name, branch.length)
        cut = branch.between(low, high)
        shift[branch.name] = low
        if branch.parent is not None:
            parent = next(b for b in branches if b.name == branch.parent)
            place = before[branch.parent].arc[branch.parent_index or 0] - shift[branch.parent]
            cut = replace(cut, parent_index=int(np.abs(parent.arc - place).argmin()))
        branches.append(cut)
    lesions = []
    for lesion in tree.lesions:
        length = next(b for b in branches if b.name == lesion.branch).length
        low, middle, high = (at - shift[lesion.branch] for at in (lesion.start, lesion.minimum, lesion.end))
        if not 0.0 < middle < length:
            warnings.append(f"lesion {lesion.id} lies beyond the meshed part of {lesion.branch} and is left out.")
            continue
        if low < 0.0 or high > length:
            warnings.append(f"lesion {lesion.id} is cut by the end of the meshed part of {lesion.branch}.")
        lesions.append(replace(lesion, start=max(low, 0.0), minimum=middle, end=min(high, length)))
    sides = []
    for side in tree.side_branches:
        length = next(b for b in branches if b.name == side.branch).length
        place = side.place - shift[side.branch]
        if place < length:
            sides.append(replace(side, place=max(place, 0.0)))
    return VesselTree(tree.name, tuple(branches), tuple(lesions), tuple(sides)), warnings


def with_lead(tree: VesselTree, length: float) -> VesselTree:
    """The tree whose root begins ``length`` (m) farther upstream, straight on within the lumen from which it leaves.

    So an ostium that lies in a fork can be cut before it. The lead is as wide as the root's beginning; its inscribed
    radius is less, so that a lumen rebuilt round it takes in no more than that.
    """
    root = tree.root
    spacing = float(np.median(np.diff(root.arc)))
    count = max(int(np.ceil(length / spacing)), 2)
    reach = min(float(root.diameter[0]), root.length)
    ahead = np.array([np.interp(reach, root.arc, root.points[:, k]) for k in range(3)]) - root.points[0]
    steps = np.linspace(length, 0.0, count, endpoint=False)[:, None]
    width = float(root.diameter[0]) / 2.0

    def led(values: NDArray[Any], first: float) -> NDArray[Any]:
        return np.concatenate([np.full(count, first), values])

    longer = replace(
        root,
        points=np.vstack([root.points[0] - steps * ahead / np.linalg.norm(ahead), root.points]),
        radius=led(root.radius, LEAD * width),
        area=led(root.area, float(root.area[0])),
        reference_radius=led(root.reference_radius, float(root.reference_radius[0])),
        perimeter=None if root.perimeter is None else led(root.perimeter, float(root.perimeter[0])),
    )
    others = (
        replace(branch, parent_index=(branch.parent_index or 0) + count) if branch.parent == root.name else branch
        for branch in tree.branches[1:]
    )
    shift = longer.length - root.length
    moved = [
        replace(x, start=x.start + shift, minimum=x.minimum + shift, end=x.end + shift) if x.branch == root.name else x
        for x in tree.lesions
    ]
    sides = [replace(x, place=x.place + shift) if x.branch == root.name else x for x in tree.side_branches]
    return VesselTree(tree.name, (longer, *others), tuple(moved), tuple(sides))
