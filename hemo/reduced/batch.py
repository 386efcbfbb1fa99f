"""One tree under many lumens, fluids, pressures and beds at once; and many trees.

Samples go through in chunks of which all arrays stay in the processor's cache; a chunk is one convex problem with a
further axis (:mod:`hemo.reduced.convex`). Different trees share nothing that would be worth an axis: they are spread
over processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.reduced.losses import LossOptions
from hemo.reduced.lumen import Places, places
from hemo.reduced.network import (
    Network,
    assembled,
    driven,
    flow_at_points,
    lacking_before,
    settled,
    sink_resistances,
    solve_sinks,
)
from hemo.reduced.recovery import static_difference
from hemo.reduced.vessels import Vessels, vessels_of
from hemo.results import TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]
CHUNK = 256


@dataclass(frozen=True)
class Samples:
    """Parameters of b samples; each (b,), or one for all.

    Attributes
    ----------
    aortic_pressure, venous_pressure
        Pa.
    resistance
        (sinks, b) or (sinks, 1) of the beds of the outlets and then the leaks, Pa s / m^3.
    density, viscosity
        kg/m^3, Pa s.
    expansion
        Factor on what lesions lose beyond friction; times that of the options.
    inlet_flow
        m^3/s where it is prescribed, else None.
    radius
        Of a range of samples the factors (points, range) on the radii of the tree's centreline points, branch after
        branch; None where no lumen changes.
    """

    aortic_pressure: Array | float
    venous_pressure: Array | float
    resistance: Array
    density: Array | float = Blood.density
    viscosity: Array | float = Blood.viscosity
    expansion: Array | float = 1.0
    inlet_flow: Array | float | None = None
    radius: Callable[[slice], Array] | None = None


@dataclass(frozen=True)
class Solutions:
    """Static pressure (places, b), Pa, flow out of the sinks (sinks, b), m^3/s, and whether each converged (b,)."""

    pressure: Array
    out: Array
    converged: NDArray[np.bool_]


def same_for_all(tree: VesselTree, conditions: FlowConditions, blood: Blood | None = None) -> Samples:
    """The samples of one set of conditions, to be changed by ``dataclasses.replace``."""
    blood = blood or Blood()
    return Samples(
        conditions.aortic_pressure,
        conditions.venous_pressure,
        sink_resistances(tree, conditions)[:, None],
        blood.density,
        blood.viscosity,
        inlet_flow=conditions.inlet_flow,
    )


def solve_samples(
    tree: VesselTree,
    leaks: Sequence[tuple[str, int]],
    samples: Samples,
    count: int,
    wanted: Sequence[tuple[str, float]],
    options: LossOptions | None = None,
    threads: int | None = None,
) -> Solutions:
    """The reduced model's pressure at the ``wanted`` places (branch, arc length in m) for ``count`` samples.

    ``leaks`` are the places (branch, centreline point) where flow leaves on the way.

    Raises
    ------
    InputError
        If a place is not on the tree, or an array has neither ``count`` values nor one.
    """
    _check(samples, count)
    where = places(tree, wanted)
    begun = np.cumsum([0, *(len(branch.points) for branch in tree.branches)])
    owner = [[branch.name for branch in tree.branches].index(name) for name, _ in wanted]
    before = [(name, int(point - begun[own])) for (name, _), point, own in zip(wanted, where.point, owner, strict=True)]
    vessels = vessels_of(tree, leaks, [*before, *((name, point + 1) for name, point in before)])
    parts = [slice(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]

    def solve(part: slice) -> Solutions:
        return _chunk(vessels, samples, part, where, options or LossOptions())

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        found = list(pool.map(solve, parts))
    return Solutions(
        np.concatenate([one.pressure for one in found], axis=1),
        np.concatenate([one.out for one in found], axis=1),
        np.concatenate([one.converged for one in found]),
    )


def solve_trees(
    cases: Sequence[tuple[VesselTree, FlowConditions]],
    blood: Blood | None = None,
    options: LossOptions | None = None,
    processes: int | None = None,
) -> list[TreeFlow | InputError]:
    """Pressure and flow of many trees, each under its own conditions, in their order.

    A tree that cannot be solved has its error in its place, and the others are solved.
    """
    solve = partial(_solved, blood=blood, options=options)
    count = min(processes or os.cpu_count() or 1, len(cases))
    if count <= 1:
        return [solve(case) for case in cases]
    with ProcessPoolExecutor(count, get_context("spawn")) as pool:
        return list(pool.map(solve, cases, chunksize=max(len(cases) // (8 * count), 1)))


def _solved(
    case: tuple[VesselTree, FlowConditions], blood: Blood | None, options: LossOptions | None
) -> TreeFlow | InputError:
    try:
        return solve_sinks(*case, blood, options)[0]
    except InputError as error:
        return error


def _chunk(vessels: Vessels, samples: Samples, part: slice, where: Places, options: LossOptions) -> Solutions:
    def of(values: Array | float) -> Array:
        values = np.asarray(values, dtype=np.float64)
        return values if values.ndim == 0 or values.shape[-1] == 1 else values[..., part]

    width = part.stop - part.start
    factor = np.ones((len(vessels.lumen.radius), 1)) if samples.radius is None else samples.radius(part)
    vessels = replace(vessels, lumen=vessels.lumen.resized(factor))
    density, aortic = of(samples.density), of(samples.aortic_pressure)
    options = replace(options, expansion=options.expansion * of(samples.expansion))
    network = assembled(vessels, (density, of(samples.viscosity)), options)
    losses = network.with_beds(vessels.elements, of(samples.resistance))
    level = aortic - of(samples.venous_pressure) if samples.inlet_flow is None else np.zeros(())
    drive = driven(vessels.elements, np.broadcast_to(level, (width,)))
    total = None if samples.inlet_flow is None else np.broadcast_to(of(samples.inlet_flow), width)
    found = settled(vessels, network, losses, drive, total)
    flow = vessels.elements.flows(found.out)
    lacking = lacking_before(vessels, network, flow)
    lost = vessels.elements.from_ostium(losses.loss(flow) + lacking)
    pressure = _static(vessels, network, where, flow, lost, lacking, aortic)
    return Solutions(pressure, found.out[: len(vessels.elements.beds)], found.converged)


def _static(
    vessels: Vessels, network: Network, where: Places, flow: Array, lost: Array, lacking: Array, aortic: Array
) -> Array:
    """(places, b) static pressure, linear between centreline points, as the solution of one tree is read."""
    marks = vessels.stretches.marks
    ends = np.where(marks < 0, 0, vessels.elements.stretches[marks])
    points = np.concatenate([where.point, where.point + 1])
    # A branch's first point has the flow of its first interval, and what that begins with.
    first = np.searchsorted(vessels.stretches.first, vessels.stretches.offsets[:-1])
    beginning = vessels.stretches.offsets[:-1] + np.arange(len(first))
    own = np.minimum(np.searchsorted(beginning, points), len(first) - 1)
    at_first = beginning[own] == points
    passing = np.where(at_first, vessels.elements.stretches[first[own]], ends)
    gone = np.where((marks < 0)[:, None], 0.0, lost[ends])
    gone = gone + np.where(at_first[:, None], lacking[passing], 0.0)
    area = np.pi * vessels.lumen.radius[points] ** 2
    static = aortic - gone - network.profile * 0.5 * network.fluid[0] * (flow[passing] / area) ** 2
    if network.profile != 1.0:
        everywhere = flow_at_points(vessels, flow)
        through = flow[vessels.throats]
        static += static_difference(vessels.lumen, network.fluid, network.recovery, through, everywhere)[points]
    share = where.share[:, None]
    near, far = np.split(static, 2)
    return np.asarray((1.0 - share) * near + share * far)


def _check(samples: Samples, count: int) -> None:
    for name, values in vars(samples).items():
        if name == "radius" or values is None:
            continue
        shape = np.shape(values)
        if shape and shape[-1] not in (1, count):
            raise InputError(f"the samples' {name} has {shape[-1]} values for {count} samples.")
