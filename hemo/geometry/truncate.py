"""Cut a tree's thin ends off: what lies below the chosen calibre belongs to the microvascular bed."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from hemo.tree import Branch, Connection, Lesion, SideBranch, VesselTree, healthy_diameter

log = logging.getLogger(__name__)

MINIMAL_LENGTH = 1.5e-3  # m; what would be left shorter than this is dropped
# Two lumens have parted where their axes are this many times their radii apart: a section there holds one of them.
PARTED, FARTHEST = 1.25, 4.0  # looked for up to so many times the ostium's own reach


@dataclass(frozen=True)
class _Zone:
    """A stretch (arc lengths, m) in which no vessel may end, and whether an end in it moves distally, or back."""

    low: float
    high: float
    onward: bool


def truncate(tree: VesselTree, minimal_diameter: float, whole: Collection[str] = ()) -> VesselTree:
    """End each outlet branch where its REFERENCE diameter falls below ``minimal_diameter`` (m).

    The reference diameter, so that a tight lesion does not end the vessel. An end that would lie in a lesion moves
    beyond it if the throat is proximal to it, and before the lesion if not; one at a bifurcation moves beyond the
    daughter, to where a section holds one lumen only, or before it if that is too thin itself. A branch whose first
    millimetres are too thin is dropped with its children; the root always stays. A parent that loses all its children
    becomes an outlet. The branches named in ``whole`` keep their end: it was made on purpose.
    """
    ends: dict[str, float] = {}
    for branch in reversed(tree.branches):
        ends_by_choice = not branch.is_outlet or branch.name in whole
        ends[branch.name] = branch.length if ends_by_choice else _end(tree, branch, minimal_diameter, ends)
    return ended(tree, ends)


def ended(tree: VesselTree, ends: Mapping[str, float]) -> VesselTree:
    """The tree whose branches end at these arc lengths (m); what would be too short goes, and what leaves from beyond.

    The root always stays. A parent that loses all its children becomes an outlet.
    """
    kept: list[Branch] = []
    for branch in tree.branches:
        parent = next((b for b in kept if b.name == branch.parent), None)
        if branch.parent is not None and (parent is None or (branch.parent_index or 0) >= len(parent.points)):
            continue
        end = ends.get(branch.name, branch.length)
        if branch.parent is None or branch.name not in ends or end >= MINIMAL_LENGTH:
            kept.append(branch.between(0.0, max(end, float(branch.arc[1]))))
        else:
            log.info("%s is left out: only %.1f mm of it would be left.", branch.name, 1e3 * end)
    return _reopened(tree, kept)


def without_outlets(tree: VesselTree, names: Collection[str]) -> VesselTree:
    """The tree without the ends of these outlet branches: back to their last daughter, or to their parent.

    The root always stays, lesions of what is left out go. It stays on record as a side branch, so that its flow still
    leaves there.
    """
    kept: list[Branch] = []
    sides: list[SideBranch] = []
    for branch in tree.branches:
        daughters = tree.children(branch.name)
        if branch.name not in names:
            kept.append(branch)
        elif daughters:
            last = daughters[-1].parent_index or 0
            kept.append(replace(branch.between(0.0, max(branch.arc[last], branch.arc[1])), is_outlet=False))
            sides.append(SideBranch(branch.name, kept[-1].length, healthy_diameter(branch, last)))
        elif branch.parent is None:
            kept.append(branch)
    return _reopened(replace(tree, side_branches=(*tree.side_branches, *sides)), kept)


def _reopened(tree: VesselTree, kept: Sequence[Branch]) -> VesselTree:
    """The tree of the branches kept; one that lost all its children is an outlet, what was dropped a side branch."""
    parents = {branch.parent for branch in kept}
    open_ends = tuple(replace(b, is_outlet=True) if not b.is_outlet and b.name not in parents else b for b in kept)
    lengths = {branch.name: branch.length for branch in open_ends}
    sides, joined = _side_branches(tree, open_ends), _connections(tree, lengths)
    return VesselTree(tree.name, open_ends, _lesions_within(tree.lesions, lengths), sides, joined)


def _connections(tree: VesselTree, lengths: dict[str, float]) -> tuple[Connection, ...]:
    """Grafts and collaterals whose both ends are still there."""
    kept = []
    for one in tree.connections:
        ends = [(one.to_branch, one.to_place), (one.from_branch, one.from_place)]
        if all(branch is None or place <= lengths.get(branch, -1.0) for branch, place in ends):
            kept.append(one)
        else:
            log.warning("%s tree: %s meets a vessel where it is cut off, and is left out.", tree.name, one.name)
    return tuple(kept)


def _side_branches(tree: VesselTree, kept: Sequence[Branch]) -> tuple[SideBranch, ...]:
    """Where flow leaves the branches kept into what is not in the tree; at an outlet it leaves through the outlet."""
    lengths = {branch.name: branch.length for branch in kept}
    ends = {branch.name: branch.length * (1.0 - 1e-9 if branch.is_outlet else 1.0 + 1e-9) for branch in kept}
    dropped = [
        SideBranch(branch.parent, float(tree[branch.parent].arc[branch.parent_index or 0]), healthy_diameter(branch))
        for branch in tree.branches
        if branch.name not in lengths and branch.parent is not None
    ]
    known = (*tree.side_branches, *dropped)
    return tuple(side for side in known if side.place < ends.get(side.branch, 0.0))


def _end(tree: VesselTree, branch: Branch, minimal_diameter: float, ends: dict[str, float]) -> float:
    """Arc length (m) at which an outlet branch ends; ``ends`` holds those of its children."""
    place = _crossing(branch, minimal_diameter / 2.0)
    if place >= branch.length:
        return branch.length
    zones = [_round_lesion(branch, lesion, place) for lesion in tree.lesions_on(branch.name)]
    for child in tree.children(branch.name):
        zones.append(_round_daughter(branch, child, wide=ends[child.name] >= MINIMAL_LENGTH))
    onward: bool | None = None
    for _ in range(len(zones)):
        met = next((zone for zone in zones if zone.low < place < zone.high), None)
        if met is None:
            break
        onward = met.onward if onward is None else onward  # never to and fro between two zones
        place = met.high if onward else met.low
    return min(place, branch.length)


def _crossing(branch: Branch, radius: float) -> float:
    """Arc length (m) where the healthy radius falls below ``radius`` for good."""
    healthy, arc = branch.reference_radius, branch.arc
    wide = np.flatnonzero(healthy >= radius)
    if not len(wide):
        return 0.0
    last = int(wide[-1])
    if last == len(arc) - 1:
        return branch.length
    return float(np.interp(radius, healthy[[last + 1, last]], arc[[last + 1, last]]))


def _round_lesion(branch: Branch, lesion: Lesion, place: float) -> _Zone:
    """A lesion and a diameter of healthy vessel on either side."""
    margin = 2.0 * float(np.interp(lesion.minimum, branch.arc, branch.reference_radius))
    return _Zone(lesion.start - margin, lesion.end + margin, onward=lesion.minimum < place)


def _round_daughter(branch: Branch, child: Branch, wide: bool) -> _Zone:
    """The ostium of a daughter and a diameter of the branch on either side; onward until the two lumens have parted."""
    index = child.parent_index or 0
    reach = float(child.reference_radius[0] + 2.0 * branch.reference_radius[index])
    place = float(branch.arc[index])
    onward = max(reach, _parted(branch, child, FARTHEST * reach)) if wide else reach
    return _Zone(place - reach, place + onward, onward=wide)


def _parted(branch: Branch, child: Branch, farthest: float) -> float:
    """How far behind a daughter's ostium (m) the two lumens have parted; ``farthest``, or all there is, if nowhere."""
    index = child.parent_index or 0
    behind = branch.arc - branch.arc[index]
    beyond = np.flatnonzero((behind >= 0.0) & (behind <= farthest))
    distance, nearest = cKDTree(child.points).query(branch.points[beyond])
    together = distance < PARTED * (branch.reference_radius[beyond] + child.reference_radius[nearest])
    first = int(np.flatnonzero(together).max(initial=-1)) + 1
    if first == len(beyond):
        far = 1e3 * behind[beyond[-1]]
        log.info("%s and %s stay together as far as %.1f mm behind their fork.", branch.name, child.name, far)
    return float(behind[beyond[min(first, len(beyond) - 1)]])


def _lesions_within(lesions: tuple[Lesion, ...], lengths: dict[str, float]) -> tuple[Lesion, ...]:
    inside = tuple(lesion for lesion in lesions if lesion.end <= lengths.get(lesion.branch, 0.0))
    for lesion in lesions:
        if lesion not in inside and lesion.branch in lengths:
            log.warning("lesion %s lies beyond the end of %s and is left out.", lesion.id, lesion.branch)
    return inside
