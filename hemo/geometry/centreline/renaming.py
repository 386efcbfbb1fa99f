"""The user's own names for branches, in place of those that topology and direction give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.tree import Branch, VesselTree

# A place names the branch that passes within this distance, m.
_REACH = 5e-3


def rename(
    trees: Sequence[VesselTree], names: Mapping[str, str | tuple[float, float, float]]
) -> tuple[VesselTree, ...]:
    """The trees with the user's names.

    Parameters
    ----------
    trees
        With the names that hemo gave.
    names
        New name -> which branch: the name hemo gave it, ``"TREE/NAME"`` where both trees have that name, or a
        place (x, y, z), m, LPS, that the branch passes within 5 mm.

    Raises
    ------
    InputError
        If no branch is meant, or two are, or two branches of a tree would bear one name.
    """
    chosen: dict[tuple[int, str], str] = {}
    for new, which in names.items():
        found = _by_name(trees, new, which) if isinstance(which, str) else _by_place(trees, new, which)
        if found in chosen:
            raise InputError(f"names: {chosen[found]!r} and {new!r} are the same branch, {found[1]!r}; name it once.")
        chosen[found] = new
    return tuple(
        _renamed(tree, {old: new for (n, old), new in chosen.items() if n == i}) for i, tree in enumerate(trees)
    )


def _by_name(trees: Sequence[VesselTree], new: str, which: str) -> tuple[int, str]:
    side, _, name = which.rpartition("/")
    found = [
        (number, branch.name)
        for number, tree in enumerate(trees)
        for branch in tree.branches
        if branch.name == name and side in ("", tree.name)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"names: {new!r} = {which!r} fits branches of two trees; write TREE/{name}, such as left/{name}."
        )
    known = ", ".join(branch.name for tree in trees for branch in tree.branches)
    raise InputError(f"names: {new!r} = {which!r} fits no branch; found were {known}.")


def _by_place(trees: Sequence[VesselTree], new: str, place: tuple[float, float, float]) -> tuple[int, str]:
    gaps = {
        (number, branch.name): float(cKDTree(branch.points).query(np.asarray(place))[0])
        for number, tree in enumerate(trees)
        for branch in tree.branches
    }
    nearest = min(gaps, key=lambda key: gaps[key])
    if gaps[nearest] > _REACH:
        where = ", ".join(f"{1e3 * value:g}" for value in place)
        raise InputError(
            f"names: {new!r} = [{where}] mm is {1e3 * gaps[nearest]:.1f} mm from the nearest branch, {nearest[1]!r}; "
            "give a place on the vessel (LPS, mm)."
        )
    return nearest


def _renamed(tree: VesselTree, names: Mapping[str, str]) -> VesselTree:
    """One tree with some names replaced (old -> new), in branches, parents and lesions."""
    if not names:
        return tree
    taken = [names.get(branch.name, branch.name) for branch in tree.branches]
    twice = next((name for name in taken if taken.count(name) > 1), None)
    if twice is not None:
        raise InputError(
            f"names: two branches of the {tree.name} tree would be called {twice!r}; give the other one a name too."
        )

    def renamed(branch: Branch) -> Branch:
        parent = None if branch.parent is None else names.get(branch.parent, branch.parent)
        return replace(branch, name=names.get(branch.name, branch.name), parent=parent)

    lesions = tuple(
        replace(lesion, id=_lesion_id(lesion.id, lesion.branch, names), branch=names.get(lesion.branch, lesion.branch))
        for lesion in tree.lesions
    )
    sides = tuple(replace(side, branch=names.get(side.branch, side.branch)) for side in tree.side_branches)
    branches = tuple(renamed(branch) for branch in tree.branches)
    return replace(tree, branches=branches, lesions=lesions, side_branches=sides)


def _lesion_id(identifier: str, branch: str, names: Mapping[str, str]) -> str:
    """The lesion's name with its branch's new one, where it is made of it (``LAD_1``)."""
    prefix = f"{branch}_"
    return names.get(branch, branch) + identifier[len(branch) :] if identifier.startswith(prefix) else identifier
