"""What is left of a tree where some of it cannot be meshed: how much of its flow, and what is said about the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hemo.geometry.mesh.ownership import ends_in_strangers
from hemo.geometry.truncate import ended, without_outlets
from hemo.tree import VesselTree


@dataclass(frozen=True)
class Rest:
    """What is left of a tree that could not be meshed whole, and why."""

    tree: VesselTree
    reason: str


def as_far_as(tree: VesselTree, reached: Mapping[str, float]) -> Rest | None:
    """What is left of a tree whose lumen is followed along each branch so far (arc length, m); None if all is.

    A vessel whose lumen ends before it ends a radius before that, so that it can be cut there.
    """
    ends = {}
    for name, at in reached.items():
        radius = float(tree[name].radius[-1])
        if at < tree[name].length - 0.5 * radius:
            ends[name] = at - radius
    if not ends:
        return None
    return Rest(ended(tree, ends), f"tree {tree.name!r}: the lumen that is the vessel's own is interrupted there.")


def clear_of_strangers(tree: VesselTree) -> Rest | None:
    """What is left of a tree whose outlets do not end in another vessel's lumen; None if none does."""
    ends = ends_in_strangers(tree)
    forked = {
        name
        for name, at in ends.items()
        if any(at <= tree[name].arc[child.parent_index or 0] + tree[name].radius[-1] for child in tree.children(name))
    }
    rest = without_outlets(ended(tree, {name: at for name, at in ends.items() if name not in forked}), forked)
    if not left_out(tree, rest):
        return None
    return Rest(rest, f"tree {tree.name!r}: it runs on in the lumen of another vessel, which it touches.")


def flow_left(whole: VesselTree, rest: VesselTree, by_length: bool = False) -> float:
    """Share of the flow of a tree's outlets, by the cube of their healthy radius (Murray's law), that is left.

    ``by_length``: an outlet that ends early counts by the share of its length that is left.
    """
    flow = {name: float(whole[name].reference_radius[-1]) ** 3 for name in whole.outlets}
    left = {name: min(rest[name].length / whole[name].length, 1.0) for name in rest.outlets if name in flow}
    return sum(flow[name] * (share if by_length else 1.0) for name, share in left.items()) / sum(flow.values())


def left_out(tree: VesselTree, rest: VesselTree) -> str:
    """What the rest of a tree lacks, in words; none where it is the whole tree."""
    left = {branch.name: branch for branch in rest.branches}
    gone = ", ".join(sorted(branch.name for branch in tree.branches if branch.name not in left))
    parts = [f"{gone}: left out"] if gone else []
    for branch in tree.branches:
        kept = left.get(branch.name, branch)
        if kept.length < branch.length or kept.is_outlet != branch.is_outlet:
            parts.append(f"{branch.name}: the last {1e3 * (branch.length - kept.length):.1f} mm left out")
    taken = [f"lesion {lesion.id}" for lesion in tree.lesions if lesion not in rest.lesions]
    if (share := 1.0 - flow_left(tree, rest)) > 1e-9:
        taken.append(f"{100.0 * share:.1f} % of the flow, by Murray's law, to leave elsewhere")
    return ", ".join(parts) + (f" with {' and '.join(taken)}" if taken else "")
