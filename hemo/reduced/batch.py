"""One tree under many lumens, fluids, pressures and beds at once.

Samples go through in chunks of which all arrays stay in the processor's cache; a chunk is one convex problem with a
further axis (:mod:`hemo.reduced.convex`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.reduced.convex import minimise
from hemo.reduced.losses import LossOptions
from hemo.reduced.lumen import Places, places
from hemo.reduced.network import Network, Vessels, assembled, sink_resistances
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
    vessels: Vessels,
    samples: Samples,
    count: int,
    wanted: Sequence[tuple[str, float]],
    options: LossOptions | None = None,
    threads: int | None = None,
) -> Solutions:
    """The reduced model's pressure at the ``wanted`` places (branch, arc length in m) for ``count`` samples.

    Raises
    ------
    InputError
        If a place is not on the tree, or an array has neither ``count`` values nor one.
    """
    where = places(vessels.tree, wanted)
    parts = [slice(first, min(first + CHUNK, count)) for first in range(0, count, CHUNK)]
    _check(samples, count)

    def solve(part: slice) -> Solutions:
        return _chunk(vessels, samples, part, where, options or LossOptions())

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        found = list(pool.map(solve, parts))
    return Solutions(
        np.concatenate([one.pressure for one in found], axis=1),
        np.concatenate([one.out for one in found], axis=1),
        np.concatenate([one.converged for one in found]),
    )


def _chunk(vessels: Vessels, samples: Samples, part: slice, where: Places, options: LossOptions) -> Solutions:
    def of(values: Array | float) -> Array:
        values = np.asarray(values, dtype=np.float64)
        return values if values.ndim == 0 or values.shape[-1] == 1 else values[..., part]

    width = part.stop - part.start
    lumen = vessels.lumen
    if samples.radius is not None:
        lumen = lumen.resized(samples.radius(part))
    else:
        lumen = lumen.resized(np.ones((len(lumen.radius), 1)))
    ready = Vessels(vessels.tree, vessels.leaks, vessels.stretches, vessels.elements, lumen)
    density, aortic = of(samples.density), of(samples.aortic_pressure)
    options = replace(options, expansion=options.expansion * of(samples.expansion))
    network = assembled(ready, (density, of(samples.viscosity)), options)
    losses = network.with_beds(of(samples.resistance))
    driven = samples.inlet_flow is None
    level = aortic - of(samples.venous_pressure) if driven else np.zeros(())
    drive = np.broadcast_to(level, (len(network.elements.beds), width))
    total = None if samples.inlet_flow is None else np.broadcast_to(of(samples.inlet_flow), width)
    found = minimise(network.elements, losses, drive, total)
    pressure = _static(ready, network, where, aortic, density, found.out)
    return Solutions(pressure, found.out, found.converged)


def _static(vessels: Vessels, network: Network, where: Places, aortic: Array, density: Array, out: Array) -> Array:
    """(places, b) static pressure: linear between centreline points, as the solution of one tree is read."""
    from_flow = network.elements.flows(out)
    flow = network.stretches.intervals(from_flow[network.elements.stretches])
    lost = network.intervals.loss(flow)
    cumulative = np.concatenate([np.zeros((1, lost.shape[1])), np.cumsum(lost, axis=0)])
    tree, offsets = vessels.tree, vessels.stretches.offsets
    number = {branch.name: i for i, branch in enumerate(tree.branches)}
    start: list[Array] = []  # lost before each branch's first point, less what is cumulated there
    for i, branch in enumerate(tree.branches):
        before: Array = np.zeros(lost.shape[1])
        if branch.parent is not None:
            mother = number[branch.parent]
            before = start[mother] + cumulative[offsets[mother] + (branch.parent_index or 0)]
        start.append(before - cumulative[offsets[i]])

    def at(points: NDArray[np.int64]) -> Array:
        owner = np.searchsorted(offsets + np.arange(len(offsets)), points, side="right") - 1
        along = points - owner  # points up to here less one for each branch before: intervals up to here
        total = np.stack([start[i] for i in owner]) + cumulative[along]
        through = flow[np.maximum(along - 1, offsets[owner])]
        area = np.pi * vessels.lumen.radius[points] ** 2
        return np.asarray(aortic - total - 0.5 * density * (through / area) ** 2)

    share = where.share[:, None]
    return (1.0 - share) * at(where.point) + share * at(where.point + 1)


def _check(samples: Samples, count: int) -> None:
    for name, values in vars(samples).items():
        if name == "radius" or values is None:
            continue
        shape = np.shape(values)
        if shape and shape[-1] not in (1, count):
            raise InputError(f"the samples' {name} has {shape[-1]} values for {count} samples.")
