"""Where the coronary arteries run on the heart: territories, take-offs, and the aortic root that feeds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from hemo.geometry.synthetic.anatomy import (
    EXPONENT,
    FORK_SHARE_LAD,
    MM,
    GeneratorOptions,
    HeartPlan,
    SideBranch,
    clipped,
    mother,
)
from hemo.geometry.synthetic.growing import (
    STEERING,
    TIGHTEST,
    Grown,
    NoRoom,
    attempt,
    bends_enough,
    calibre,
    side_vessel,
    waviness,
)
from hemo.geometry.synthetic.heart import STEP, Epicardium, bridge, course, evenly, turned
from hemo.geometry.synthetic.tubes import Tube, round_tube

Array = NDArray[Any]

# Towards the apex in LPS: to the left, forward and down.
_LONG_AXIS = (0.55, -0.50, -0.67)
_AORTIC_AXIS = (-0.25, -0.10, 0.96)
_HALF_AXES = (42.0, 40.0, 84.0)
_FORK = (22.0, 6.0)
_INSIDE = 4e-3
# Greatest curvature of a Bezier stem over its mean.
_BEND_PEAK = 3.3
# The right ostium faces the right groove, give or take (degrees about the root, seen from above).
_OSTIUM_TURN = (0.0, 10.0)
# Share of hearts with one, two, three diagonals and obtuse marginals.
_DIAGONALS = (0.25, 0.50, 0.25)
_MARGINALS = (0.35, 0.45, 0.20)


def heart_of(plan: HeartPlan) -> Epicardium:
    """The epicardium of a person."""
    apex = np.array(_LONG_AXIS) / np.linalg.norm(_LONG_AXIS)
    front = np.array([0.0, 0.0, 1.0]) - apex[2] * apex
    front /= np.linalg.norm(front)
    return Epicardium(np.array([front, np.cross(front, apex), apex]), plan.size * MM * np.array(_HALF_AXES))


def grow_left(
    plan: HeartPlan, heart: Epicardium, options: GeneratorOptions, rng: np.random.Generator
) -> tuple[list[Grown], Tube]:
    """The left tree, and the aortic root where its left main begins."""
    fork = heart.place(*_FORK)
    normal = heart.normal(fork)
    down = _along(heart.place(6.0, 24.0) - fork, normal)
    to_lad = plan.fork_angle * FORK_SHARE_LAD
    arriving = turned(down, normal, _sense(down, heart.place(80.0, 4.0) - fork, normal) * to_lad)
    sense = _sense(arriving, down, normal)

    lad_sides = _diagonals(plan, rng)
    if options.septals:
        lad_sides = _with_septals(lad_sides, rng)
    lcx_sides = _marginals(plan, rng)
    middle = 0.62 * plan.lcx_calibre if plan.intermediate else 0.0
    lm_end = mother(plan.lad_calibre, plan.lcx_calibre, middle) * float(np.exp(rng.normal(0, options.murray_scatter)))
    aorta, leaving, ostium = _aortic_root(plan, fork, arriving, normal, 1.03 * lm_end / 2.0)
    stem = evenly(bridge(ostium - _INSIDE * leaving, leaving, fork, arriving))
    start_radius = lm_end / 2.0 * np.linspace(1.03, 1.0, len(stem))
    lm = Grown("LM", stem, start_radius, is_outlet=False)
    if not bends_enough(stem, start_radius):
        raise NoRoom
    grown = [lm]

    def main(
        name: str,
        angle: float,
        goals: Sequence[tuple[float, float]],
        length: float,
        start: float,
        sides: list[SideBranch],
    ) -> None:
        final = float(rng.uniform(*options.end_calibre))

        def make(calm: float) -> Grown | None:
            places = course(
                heart, fork, turned(arriving, normal, angle), goals, length, STEERING, waviness(options, calm), rng
            )
            points = evenly(places)
            arc = STEP * np.arange(len(points))
            steps = [(side.place * arc[-1], side.ratio) for side in sides]
            diameter = calibre(arc, start, final, steps, rng, options.murray_scatter)
            vessel = Grown(name, points, diameter / 2.0, "LM", len(stem) - 1)
            return vessel if bends_enough(points, vessel.reference) else None

        grown.append(attempt(make, grown, options.gap))

    lad_goals = [(7.0, 22.0), (2.0, 50.0), (0.0, 72.0), (180.0, 87.0), (180.0, 65.0)]
    lcx_goals = [(52.0, 3.0), (80.0, 2.0), (105.0, 2.0), (130.0, 2.0), (155.0, 2.0), (176.0, 2.0)]
    main("LAD", sense * to_lad, lad_goals, plan.lad_length, plan.lad_calibre, lad_sides)
    main("LCX", -sense * (plan.fork_angle - to_lad), lcx_goals, plan.lcx_length, plan.lcx_calibre, lcx_sides)
    if plan.intermediate:
        main(
            "RI",
            -sense * (0.5 * plan.fork_angle - to_lad),
            [(42.0, 40.0), (40.0, 60.0)],
            MM * clipped(rng, 60.0, 12.0),
            middle,
            [],
        )
    for side in (*lad_sides, *lcx_sides):
        parent = next(v for v in grown if v.name == side.parent)
        grown.append(side_vessel(heart, parent, side, grown, options, rng))
    return grown, aorta


def grow_right(
    plan: HeartPlan,
    heart: Epicardium,
    aorta: Tube,
    left: list[Grown],
    options: GeneratorOptions,
    rng: np.random.Generator,
) -> list[Grown]:
    """The right tree, clear of the left one."""
    axis = aorta.tangent[0]
    ostial = left[0].points[0]
    level = aorta.points[0] + ((ostial - aorta.points[0]) @ axis) * axis
    groove = heart.place(-55.0, 2.0)
    leaving = turned(_along(groove - level, axis), axis, clipped(rng, *_OSTIUM_TURN))
    start = level + float(rng.uniform(-2e-3, 3e-3)) * axis
    start = start + (plan.aorta_radius * _SINUS - _INSIDE) * leaving
    normal = heart.normal(groove)
    onward = _along(heart.place(-65.0, 2.0) - groove, normal)
    onward = _unit(onward + 0.5 * _along(groove - start, normal))
    stem = bridge(start, leaving, groove, onward)
    stem_length = float(np.linalg.norm(np.diff(stem, axis=0), axis=1).sum())
    sides = _right_sides(plan, rng)
    fork = plan.dominance == "right"
    final = plan.rca_calibre * clipped(rng, 0.76, 0.04) if fork else float(rng.uniform(*options.end_calibre))
    if not bends_enough(evenly(stem), np.full(len(evenly(stem)), plan.rca_calibre / 2.0)):
        raise NoRoom
    goals = [(-80.0, 3.0), (-105.0, 3.0), (-130.0, 3.0), (-155.0, 2.0), (-178.0, 2.0), (-200.0, 2.0)]

    def make(calm: float) -> Grown | None:
        places = course(
            heart,
            groove,
            onward,
            goals,
            plan.rca_length - stem_length + _INSIDE,
            STEERING,
            waviness(options, calm),
            rng,
        )
        points = evenly(np.vstack([stem[:-1], places]))
        arc = STEP * np.arange(len(points))
        steps = [(side.place * arc[-1], side.ratio) for side in sides if side.place < 1.0]
        diameter = calibre(arc, plan.rca_calibre, min(final, plan.rca_calibre), steps, rng, options.murray_scatter)
        vessel = Grown("RCA", points, diameter / 2.0, is_outlet=not fork)
        return vessel if bends_enough(points, vessel.reference) else None

    grown = [attempt(make, left, options.gap)]
    for side in sides:
        grown.append(side_vessel(heart, grown[0], side, [*left, *grown], options, rng))
    return grown


_SINUS = 1.08


def _aortic_root(
    plan: HeartPlan, fork: Array, arriving: Array, normal: Array, radius: float
) -> tuple[Tube, Array, Array]:
    """The root with its sinuses, the direction in which the left main leaves it, and the left ostium.

    Calibres over the ascending aorta's: annulus 0.75, sinuses 1.08, sinotubular junction 0.94 (the proportions
    of Roman et al. 1989, Am J Cardiol 64:507).
    """
    axis = _unit(np.array(_AORTIC_AXIS))
    run = _unit(0.75 * arriving + 0.6 * normal)
    outward = _along(run, axis)
    # A short left main cannot turn by more than its curvature allows: it leaves the root obliquely.
    angle = float(np.arccos(np.clip(outward @ arriving, -1.0, 1.0)))
    turn = min(angle, TIGHTEST / (_BEND_PEAK * radius) * (plan.lm_length + _INSIDE))
    leaving = _unit(np.sin(angle - turn) * arriving + np.sin(turn) * outward)
    ostium = fork - plan.lm_length / 1.04 * _unit(arriving + leaving)
    centre = ostium - _SINUS * plan.aorta_radius * outward
    height = np.arange(-13e-3, 42e-3, 0.5e-3)
    levels = 1e-3 * np.array([-13.0, -8.0, 0.0, 5.0, 13.0, 20.0, 42.0])
    shares = np.array([0.78, 0.95, _SINUS, 1.05, 0.94, 0.98, 1.0])
    calibre_along = plan.aorta_radius * PchipInterpolator(levels, shares)(height)
    points = centre + height[:, None] * axis
    return round_tube("aorta", points, calibre_along, flat_ends=True), leaving, ostium


def _diagonals(plan: HeartPlan, rng: np.random.Generator) -> list[SideBranch]:
    count = int(rng.choice([1, 2, 3], p=_DIAGONALS))
    places = np.cumsum([rng.uniform(0.15, 0.28), rng.uniform(0.16, 0.24), rng.uniform(0.14, 0.2)])[:count]
    reach = 26.0 if plan.intermediate else 34.0
    return [
        SideBranch(
            f"D{k + 1}",
            "LAD",
            float(place),
            clipped(rng, 0.62 - 0.03 * k, 0.05),
            MM * clipped(rng, 50.0 - 10.0 * k, 6.0),
            MM * float(rng.uniform(1.0, 1.6)),
            clipped(rng, 50.0, 8.0),
            ((reach - 10.0 * k, 40.0 + 8.0 * k), (reach + 14.0 - 12.0 * k, 66.0)),
        )
        for k, place in enumerate(places)
    ]


def _with_septals(sides: list[SideBranch], rng: np.random.Generator) -> list[SideBranch]:
    """The LAD's branches with one or two septals, each 5 % of the length away from a diagonal, proximal first."""
    taken = [side.place for side in sides]
    for k in range(int(rng.integers(1, 3))):
        free = [p for p in rng.uniform(0.1 + 0.15 * k, 0.25 + 0.2 * k, 20) if min(abs(p - t) for t in taken) > 0.05]
        if free:
            taken.append(float(free[0]))
            length, end = MM * clipped(rng, 24.0, 4.0), MM * float(rng.uniform(1.0, 1.15))
            sides = [*sides, SideBranch(f"S{k + 1}", "LAD", float(free[0]), 0.35, length, end, 80.0)]
    return sorted(sides, key=lambda side: side.place)


def _marginals(plan: HeartPlan, rng: np.random.Generator) -> list[SideBranch]:
    count = int(rng.choice([1, 2, 3], p=_MARGINALS))
    if plan.dominance != "right":
        count = max(count, 2)
    places = np.cumsum([rng.uniform(0.3, 0.42), rng.uniform(0.2, 0.26), rng.uniform(0.16, 0.2)])[:count]
    shrink = 1.0 if plan.dominance == "right" else 0.75
    found = [
        SideBranch(
            f"OM{k + 1}",
            "LCX",
            float(shrink * place),
            clipped(rng, 0.66 - 0.03 * k, 0.05),
            MM * clipped(rng, 48.0 - 6.0 * k, 8.0),
            MM * float(rng.uniform(1.0, 1.6)),
            clipped(rng, 55.0, 8.0),
            ((12.0, 35.0), (10.0, 60.0)),
        )
        for k, place in enumerate(places)
    ]
    if plan.dominance == "left":
        found.append(
            SideBranch(
                "PDA",
                "LCX",
                0.93,
                0.7,
                MM * clipped(rng, 45.0, 8.0),
                MM * float(rng.uniform(1.0, 1.5)),
                60.0,
                ((14.0, 35.0), (14.0, 60.0)),
            )
        )
    return found


def _right_sides(plan: HeartPlan, rng: np.random.Generator) -> list[SideBranch]:

    def small() -> float:
        return MM * float(rng.uniform(1.0, 1.4))

    found = [
        SideBranch(
            "RM1",
            "RCA",
            clipped(rng, 0.48, 0.04),
            clipped(rng, 0.52, 0.05),
            MM * clipped(rng, 45.0, 8.0),
            small(),
            clipped(rng, 60.0, 8.0),
            ((-14.0, 35.0), (-10.0, 60.0)),
        )
    ]
    if plan.dominance == "right" and rng.random() < 0.35:
        found.append(
            SideBranch(
                "RM2",
                "RCA",
                clipped(rng, 0.68, 0.03),
                clipped(rng, 0.45, 0.04),
                MM * clipped(rng, 35.0, 6.0),
                small(),
                clipped(rng, 60.0, 8.0),
                ((-10.0, 32.0), (-8.0, 60.0)),
            )
        )
    if plan.dominance == "balanced":
        found.append(
            SideBranch(
                "PDA",
                "RCA",
                0.94,
                0.8,
                MM * clipped(rng, 45.0, 8.0),
                small(),
                clipped(rng, 60.0, 6.0),
                ((-8.0, 35.0), (-6.0, 60.0)),
            )
        )
    if plan.dominance == "right":
        share = float(rng.uniform(0.42, 0.58))
        found.append(
            SideBranch(
                "PDA",
                "RCA",
                1.0,
                share ** (1 / EXPONENT),
                MM * clipped(rng, 50.0, 8.0),
                small(),
                clipped(rng, 50.0, 6.0),
                ((-2.0, 35.0), (0.0, 60.0)),
            )
        )
        found.append(
            SideBranch(
                "PLV",
                "RCA",
                1.0,
                (1 - share) ** (1 / EXPONENT),
                MM * clipped(rng, 45.0, 8.0),
                small(),
                clipped(rng, 25.0, 5.0),
                ((-24.0, None), (-38.0, 30.0), (-40.0, 60.0)),
            )
        )
    return found


def _unit(vector: Array) -> Array:
    return np.asarray(vector / np.linalg.norm(vector))


def _along(vector: Array, normal: Array) -> Array:
    """The unit vector of the part normal to a unit vector."""
    return _unit(vector - (vector @ normal) * normal)


def _sense(a: Array, b: Array, normal: Array) -> float:
    """+1 where turning a towards b is positive about the normal."""
    return 1.0 if np.cross(a, b) @ normal > 0.0 else -1.0
