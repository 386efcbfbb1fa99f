"""Random left and right coronary trees on one heart, with lesions whose every number is known.

The order: a person's dimensions, the courses on the heart's surface one vessel after the other, the calibres,
the lesions, and what they make of the walls. A seed gives the same heart on every machine with the same numpy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lesion import measure_lesion
from hemo.geometry.synthetic.anatomy import GeneratorOptions, HeartPlan, draw_plan
from hemo.geometry.synthetic.disease import Narrowing, draw_narrowings
from hemo.geometry.synthetic.growing import Grown, NoRoom
from hemo.geometry.synthetic.heart import STEP
from hemo.geometry.synthetic.kissing import bring_together
from hemo.geometry.synthetic.layout import grow_left, grow_right, heart_of
from hemo.geometry.synthetic.tubes import Tube, inscribed_radius, round_tube
from hemo.geometry.synthetic.vessels import Contact, SyntheticVessels
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]

_DEFAULT = GeneratorOptions()
# A person keeps the dimensions drawn while the courses are drawn again; few persons need a second try.
_PERSONS, _LAYOUTS = 8, 24


def random_coronaries(
    seed: int, side: Literal["left", "right"] = "left", options: GeneratorOptions = _DEFAULT
) -> SyntheticVessels:
    """One coronary tree with the aortic root, in LPS metres: the half of :func:`random_heart` of that seed."""
    heart = random_heart(seed, options)
    tree = next(tree for tree in heart.trees if tree.name == side)
    names = {"aorta"} | {branch.name for branch in tree.branches}
    tubes = tuple(tube for tube in heart.tubes if tube.name in names)
    contacts = tuple(contact for contact in heart.contacts if contact.first in names)
    return replace(heart, tree=tree, others=(), tubes=tubes, contacts=contacts)


def random_heart(seed: int, options: GeneratorOptions = _DEFAULT) -> SyntheticVessels:
    """Both coronary trees on one aorta; ``trees`` are the left and the right one.

    Branches carry the axis as centreline, the largest sphere of each section as radius, the exact area, the
    healthy radius, and the tree its lesions: from the first to the last place where the wall is moved, measured
    on the branch's own arrays.
    """
    for person in np.random.default_rng(seed).spawn(_PERSONS):
        plan = draw_plan(person)
        for rng in person.spawn(_LAYOUTS):
            try:
                left, right, aorta, contacts = _grow(plan, options, rng)
            except NoRoom:
                continue
            halves = [_finished(name, half, aorta, options, rng) for name, half in (("left", left), ("right", right))]
            tubes = tuple(tube for _, walls in halves for tube in walls)
            return SyntheticVessels(
                halves[0][0], aorta.points, aorta.radius, (*tubes, aorta), (halves[1][0],), plan.dominance, contacts
            )
    raise RuntimeError(f"seed {seed}: no heart with these options has room for its vessels")


def _grow(
    plan: HeartPlan, options: GeneratorOptions, rng: np.random.Generator
) -> tuple[list[Grown], list[Grown], Tube, tuple[Contact, ...]]:
    heart = heart_of(plan)
    left, aorta = grow_left(plan, heart, options, rng)
    right = grow_right(plan, heart, aorta, left, options, rng)
    if not options.kissing:
        return left, right, aorta, ()
    left, first = bring_together(left, right, options.gap, rng)
    right, second = bring_together(right, left, options.gap, rng)
    return left, right, aorta, tuple(contact for contact in (first, second) if contact is not None)


def _finished(
    name: str, grown: list[Grown], aorta: Tube, options: GeneratorOptions, rng: np.random.Generator
) -> tuple[VesselTree, list[Tube]]:
    """The tree and the walls of its vessels."""
    starts = {vessel.name: _start(vessel, grown, aorta) for vessel in grown}
    sites = {}
    for vessel in grown:
        start = starts[vessel.name]
        sides = [STEP * ((v.parent_index or 0) - start) for v in grown if v.parent == vessel.name]
        sites[vessel.name] = (STEP * np.arange(len(vessel.points) - start), vessel.reference[start:], np.array(sides))
    narrowings = draw_narrowings(sites, options, rng)
    branches, tubes = [], []
    for vessel in grown:
        start = starts[vessel.name]
        tube = diseased(vessel, start, [n for n in narrowings if n.branch == vessel.name])
        attach = None if vessel.parent is None else (vessel.parent_index or 0) - starts[vessel.parent]
        tubes.append(tube)
        branches.append(
            Branch(
                name=vessel.name,
                points=vessel.points[start:],
                radius=inscribed_radius(tube, start),
                area=tube.area[start:],
                reference_radius=vessel.reference[start:],
                parent=vessel.parent,
                parent_index=attach,
                is_outlet=vessel.is_outlet,
            )
        )
    lesions = []
    for branch in branches:
        mine = sorted((n for n in narrowings if n.branch == branch.name), key=lambda n: n.throat)
        for number, narrowing in enumerate(mine, start=1):
            ends = max(narrowing.start, 0.0), min(narrowing.end, branch.length)
            lesions.append(measure_lesion(branch, *ends, f"{branch.name}_{number}"))
    return VesselTree(name, tuple(branches), tuple(lesions)), tubes


def _start(vessel: Grown, grown: list[Grown], aorta: Tube) -> int:
    """First point of the axis outside the lumen that it leaves."""
    if vessel.parent is None:
        return int(np.argmax(aorta.signed_distance(vessel.points, 0.1)[0] > 0.0))
    parent = next(v for v in grown if v.name == vessel.parent)
    gaps = np.linalg.norm(vessel.points[:200, None] - parent.points[None], axis=2)
    nearest = gaps.argmin(axis=1)
    return int(np.argmax(gaps[np.arange(len(gaps)), nearest] > parent.reference[nearest]))


def diseased(vessel: Grown, start: int, narrowings: list[Narrowing]) -> Tube:
    """The wall of a vessel with its lesions; their arc lengths count from point ``start``."""
    arc = STEP * (np.arange(len(vessel.points)) - start)
    tube = round_tube(vessel.name, vessel.points, vessel.reference)
    tangent, across = tube.tangent, tube.bump_direction
    radius, bump, angle = vessel.reference.copy(), np.zeros_like(arc), np.zeros_like(arc)
    for narrowing in narrowings:
        factor, depth = narrowing.applied(arc)
        radius = radius * factor
        bump = bump + depth
        angle[depth > 0.0] = narrowing.angle
    direction = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * np.cross(tangent, across)
    return replace(tube, radius=radius, bump=bump, bump_direction=direction)
