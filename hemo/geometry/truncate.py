"""Cut a tree's thin ends off: what lies below the chosen calibre belongs to the microvascular bed."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from hemo.tree import Branch, Lesion, VesselTree

log = logging.getLogger(__name__)

MINIMAL_LENGTH = 1.5e-3  # m; what would be left shorter than this is dropped


def truncate(tree: VesselTree, minimal_diameter: float, whole: Collection[str] = ()) -> VesselTree:
    """End each outlet branch where its REFERENCE diameter falls below ``minimal_diameter`` (m).

    The reference diameter, so that a tight lesion does not end the vessel. A branch whose first
    millimetres are too thin is dropped with its children; the root always stays. A parent that loses all
    its children becomes an outlet. The branches named in ``whole`` keep their end: it was made on purpose.
    """
    kept: list[Branch] = []
    for branch in tree.branches:
        parent = next((b for b in kept if b.name == branch.parent), None)
        if branch.parent is not None and (parent is None or (branch.parent_index or 0) >= len(parent.points)):
            continue
        ends_by_choice = not branch.is_outlet or branch.name in whole
        cut = branch if ends_by_choice else _end(branch, minimal_diameter)
        if branch.parent is None or cut.length >= MINIMAL_LENGTH:
            kept.append(cut)
        else:
            log.info("%s is left out: only %.1f mm of it are wide enough.", branch.name, 1e3 * cut.length)
    parents = {branch.parent for branch in kept}
    ends = tuple(replace(b, is_outlet=True) if not b.is_outlet and b.name not in parents else b for b in kept)
    length = {branch.name: branch.length for branch in ends}
    return VesselTree(tree.name, ends, _lesions_within(tree.lesions, length))


def _end(branch: Branch, minimal_diameter: float) -> Branch:
    """The branch up to its last point whose healthy diameter is wide enough."""
    wide = np.flatnonzero(2.0 * branch.reference_radius >= minimal_diameter)
    return branch.sampled(branch.arc[: max(int(wide[-1]) if len(wide) else 0, 1) + 1])


def _lesions_within(lesions: tuple[Lesion, ...], lengths: dict[str, float]) -> tuple[Lesion, ...]:
    return tuple(lesion for lesion in lesions if lesion.end <= lengths.get(lesion.branch, 0.0))
