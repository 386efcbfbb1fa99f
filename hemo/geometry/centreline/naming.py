"""Names for the branches of a coronary tree, by topology and direction (LPS: x left, y posterior, z head).

The left main's anterior daughter is the LAD and the other the LCX; branches of the LAD to its left are
diagonals, those to its right septals; branches of the LCX are obtuse marginals, but one that turns forward
beneath the heart is the PDA of left dominance. On the right, branches that leave beneath the heart are PDA or PLV,
proximal ones right marginals (segments of Austen et al. 1975, Circulation 51:5).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemo.tree import Branch

# A branch that leaves within this distance of the left main bifurcation, between LAD and LCX, is a ramus.
_RAMUS = 4e-3
# Beneath the heart, near the crux: where the right coronary artery has come this far back from its rightmost place,
# and the circumflex, in hearts with left dominance, from its leftmost, m.
_PAST_ACUTE_MARGIN, _PAST_OBTUSE_MARGIN = 8e-3, 35e-3


def name_branches(branches: list[Branch], side: str) -> tuple[Branch, ...]:
    """The branches with their names, parents before children, siblings from proximal to distal.

    Parameters
    ----------
    branches
        With any distinct names; the root first, every parent before its children.
    side
        ``"left"``, ``"right"`` or another word: then the root is called ``"vessel"``.
    """
    names: dict[str, str] = {}
    if side.startswith("left"):
        _name_left(branches, names)
    else:
        root = branches[0]
        names[root.name] = "RCA" if side.startswith("right") else "vessel"
        _name_right(branches, names) if side.startswith("right") else None
    _name_rest(branches, names)
    return tuple(replace(b, name=names[b.name], parent=None if b.parent is None else names[b.parent]) for b in branches)


def numbered(sides: list[str]) -> list[str]:
    """The trees' sides as distinct names: ``left``, ``right``, ``left_2`` ..."""
    names: list[str] = []
    for side in sides:
        taken = sum(name.split("_")[0] == side for name in names)
        names.append(side if taken == 0 else f"{side}_{taken + 1}")
    return names


def _children(branches: list[Branch], name: str) -> list[Branch]:
    return sorted((b for b in branches if b.parent == name), key=lambda b: b.parent_index or 0)


def _place(branch: Branch, distance: float) -> NDArray[np.float64]:
    """Where a branch is at a distance (m) from its start, or its end."""
    return np.asarray(branch.points[min(int(np.searchsorted(branch.arc, distance)), len(branch.points) - 1)])


def _heading(points: NDArray[np.float64], distance: float = 30e-3) -> NDArray[np.float64]:
    """Unit vector from the first point of a line to the one at a distance (m) from it, or to its last."""
    far = int(np.argmax(np.linalg.norm(points - points[0], axis=1) > distance)) or len(points) - 1
    step = points[far] - points[0]
    return np.asarray(step / max(float(np.linalg.norm(step)), 1e-12))


def _name_left(branches: list[Branch], names: dict[str, str]) -> None:
    root = branches[0]
    if root.is_outlet:
        toward = _place(root, 40e-3) - root.points[0]
        main = "LAD" if toward[1] < 0.3 * toward[0] else "LCX"
        names[root.name] = main
        _name_sides(branches, root, names)
        return
    names[root.name] = "LM"
    every = _children(branches, root.name)
    final = [b for b in every if root.length - root.arc[b.parent_index or 0] < _RAMUS]
    daughters = final if len(final) >= 2 else every  # a twig that leaves the left main before is neither LAD nor LCX
    anterior = sorted(daughters, key=lambda b: float(_place(b, 40e-3)[1]))
    names[anterior[0].name] = "LAD"
    if len(anterior) > 1:
        names[anterior[-1].name] = "LCX"
    for middle in anterior[1:-1]:
        names[middle.name] = "RI" if "RI" not in names.values() else _next("RI", names)
    for daughter in (anterior[0], anterior[-1])[: len(anterior)]:
        _name_sides(branches, daughter, names)


def _name_sides(branches: list[Branch], vessel: Branch, names: dict[str, str]) -> None:
    """Branches of the LAD or the LCX."""
    main = names[vessel.name]
    for child in _children(branches, vessel.name):
        if child.name in names:
            continue
        place = vessel.arc[child.parent_index or 0]
        near_fork = vessel.parent is not None and place < _RAMUS and child.length > 20e-3
        if near_fork and "RI" not in names.values():
            names[child.name] = "RI"
        elif main == "LAD":
            names[child.name] = _next("D" if _on_the_free_wall(vessel, child) else "S", names)
        elif _beneath_from_left(vessel, child) and "PDA" not in names.values():
            names[child.name] = "PDA"
        else:
            names[child.name] = _next("OM", names)


def _on_the_free_wall(lad: Branch, child: Branch) -> bool:
    """Whether a branch of the LAD leaves to its left, as diagonals do; septals leave to its right."""
    step = _place(child, 12e-3) - child.points[0]
    along = lad.tangent[child.parent_index or 0]
    return float(step[0] - (step @ along) * along[0]) >= 0.0


def _beneath_from_left(vessel: Branch, child: Branch) -> bool:
    """Whether a branch of the LCX leaves beneath the heart and turns forward: left dominance."""
    x = vessel.points[:, 0]
    at = child.parent_index or 0
    return bool(x[: at + 1].max() - x[at] > _PAST_OBTUSE_MARGIN and _heading(child.points)[1] < 0.0)


def _name_right(branches: list[Branch], names: dict[str, str]) -> None:
    root = branches[0]
    back = root.points[:, 0] - np.minimum.accumulate(root.points[:, 0])
    beneath = [c for c in _children(branches, root.name) if back[c.parent_index or 0] > _PAST_ACUTE_MARGIN]
    # At the crux the PDA turns forward along the septum, towards the apex; the rest goes on sideways as the
    # vessel itself or as posterolateral branches.
    forward = [float(_heading(child.points)[1]) for child in beneath]
    for child, ahead in zip(beneath, forward, strict=True):
        onward = float(_heading(root.points[child.parent_index or 0 :])[1])
        goes_on = len(root.points) - (child.parent_index or 0) > 3
        foremost = ahead == min(forward) and (ahead < onward or not goes_on)
        names[child.name] = "PDA" if foremost and "PDA" not in names.values() else _next("PLV", names)
    for child in _children(branches, root.name):
        if child.name not in names:
            names[child.name] = _next("RM", names)


def _name_rest(branches: list[Branch], names: dict[str, str]) -> None:
    """Whatever has no anatomical name: the parent's name and a letter, from proximal to distal."""
    for branch in branches:
        for number, child in enumerate(_children(branches, branch.name)):
            if child.name not in names:
                letter = chr(ord("a") + number % 26)
                names[child.name] = _unique(f"{names[branch.name]}{letter}", names)


def _next(stem: str, names: dict[str, str]) -> str:
    number = 1
    while f"{stem}{number}" in names.values():
        number += 1
    return f"{stem}{number}"


def _unique(name: str, names: dict[str, str]) -> str:
    return name if name not in names.values() else _next(f"{name}_", names)
