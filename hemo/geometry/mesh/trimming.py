"""Cut a vessel tree at given arc lengths and keep what refers to them, children and lesions, consistent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hemo.tree import Branch, VesselTree


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
