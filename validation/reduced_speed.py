"""How fast the reduced model is: steady, in batches, over a beat, and on ever larger trees; svZeroDSolver beside it.

``python -m validation reduced_speed``. Each time is the best of some. svZeroDSolver's Python package (``pip install
svzerod pandas``) is run on the same trees where it is installed; without it its rows are left out.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.reduced.batch import same_for_all, solve_samples
from hemo.reduced.convex import minimise
from hemo.reduced.elements import elements
from hemo.reduced.ladders import with_ladders
from hemo.reduced.lumped import CORONARY_BED, Beds
from hemo.reduced.network import assembled, inertance, sink_resistances, solve_vessels
from hemo.reduced.periodic import solve_periodic
from hemo.reduced.pulsatile import solve_beat
from hemo.reduced.terms import Losses
from hemo.reduced.vessels import vessels_of
from hemo.reduced.waveform import Beat, heart_beat
from hemo.tree import Branch, Lesion, VesselTree
from hemo.units import MMHG
from validation.table import Table, publish

Array = NDArray[Any]
BRANCHES, POINTS = 49, 41  # with 25 outlets, 2,009 points
SAMPLES = 100_000
SIZES = (1_000, 10_000, 100_000)  # stretches
STEPS = 200  # of a beat
CYCLES = 10  # that svZeroDSolver marches


def binary_tree() -> VesselTree:
    """A tree of 49 vessels of 2 cm that halves, with five lesions of 40 % of the area left."""
    branches: list[Branch] = []
    for number in range(BRANCHES):
        parent = (number - 1) // 2
        radius = 2e-3 * 0.79 ** int(np.log2(number + 1)) * np.linspace(1.0, 0.95, POINTS)
        z = np.linspace(0.0, 20e-3, POINTS)
        points = np.column_stack([np.full(POINTS, float(number)), 0 * z, z])
        place = (f"b{parent}", POINTS - 1) if number else (None, None)
        leaf = 2 * number + 1 >= BRANCHES
        branches.append(Branch(f"b{number}", points, radius, np.pi * radius**2, radius, *place, leaf))
    lesions = []
    for number in range(3, 8):
        branch = branches[number]
        shape = 1.0 - (1.0 - np.sqrt(0.4)) * 0.5 * (1.0 + np.cos(np.pi * np.clip((branch.arc - 10e-3) / 6e-3, -1, 1)))
        branches[number] = replace(branch, radius=branch.radius * shape, area=branch.area * shape**2)
        throat, healthy = float(branches[number].area.min()), float(branch.area[POINTS // 2])
        lesions.append(Lesion(f"l{number}", f"b{number}", 4e-3, 10e-3, 16e-3, throat, healthy, 0.1, 0.1))
    return VesselTree("tree", tuple(branches), tuple(lesions))


def best(work: Callable[[], Any], least: float = 0.5, most: int = 200) -> float:
    """Seconds of the fastest of several runs, half a second of them at least."""
    times: list[float] = []
    while (sum(times) < least and len(times) < most) or len(times) < 3:
        clock = time.perf_counter()
        work()
        times.append(time.perf_counter() - clock)
    return min(times)


def steady_and_batches(tree: VesselTree, conditions: FlowConditions) -> list[tuple[str, ...]]:
    """Rows of one tree."""
    ready = vessels_of(tree)
    rows = [("steady, tree made ready", "1", f"{1e3 * best(lambda: solve_vessels(ready, conditions)):.2f} ms", "1 ms")]
    fresh = best(lambda: solve_vessels(vessels_of(tree), conditions))
    rows.append(("steady, with making it ready", "1", f"{1e3 * fresh:.2f} ms", "-"))
    rng = np.random.default_rng(0)
    same = same_for_all(tree, conditions)
    samples = replace(
        same,
        resistance=same.resistance * np.exp(0.2 * rng.normal(size=(len(same.resistance), SAMPLES))),
        aortic_pressure=conditions.aortic_pressure * np.exp(0.05 * rng.normal(size=SAMPLES)),
        viscosity=3.5e-3 * np.exp(0.1 * rng.normal(size=SAMPLES)),
    )
    modes = 0.01 * rng.normal(size=(len(ready.lumen.radius), 40))
    numbers = rng.normal(size=(40, SAMPLES))
    lumens = replace(samples, radius=lambda part: 1.0 + modes @ numbers[:, part])
    places = [(name, tree[name].length) for name in tree.outlets]
    for name, what in (("pressures, beds, viscosity", samples), ("... and every radius", lumens)):
        clock = time.perf_counter()
        found = solve_samples(tree, (), what, SAMPLES, places)
        assert found.converged.all()
        rows.append((f"samples: {name}", f"{SAMPLES:,}", f"{time.perf_counter() - clock:.1f} s", "10 s"))
    return rows


def beat_rows(tree: VesselTree, conditions: FlowConditions) -> list[tuple[str, ...]]:
    """A beat of the same tree, by hemo and by svZeroDSolver."""
    beat = heart_beat(128 * MMHG, 76 * MMHG, conditions.aortic_pressure, 70.0 / 60.0, STEPS)
    whole = best(lambda: solve_beat(tree, conditions, beat, Blood()))
    ready = vessels_of(tree)
    inert = np.add.reduceat(inertance(tree, Blood()), ready.stretches.first)
    network = assembled(ready, (Blood().density, Blood().viscosity))
    beds = Beds(CORONARY_BED, sink_resistances(tree, conditions), 1.0, conditions.venous_pressure, float(beat.time[1]))
    ladders = with_ladders(ready.stretches, network, beds, inert, beat.ventricle, beat.period)
    state = best(lambda: solve_periodic(ladders.circuit, beat.aortic))
    rows = [
        ("periodic state of a beat, 25 coronary beds", "200 times", f"{1e3 * state:.0f} ms", "50 ms"),
        ("... with all pressures along the vessels", "200 times", f"{1e3 * whole:.0f} ms", "-"),
    ]
    if importlib.util.find_spec("svzerod") is None:
        return rows
    import svzerod

    model = as_zero_d(tree, beat, beds, network.vessels, inert)
    seconds = best(lambda: svzerod.simulate(model), least=0.1)
    mine = ladders.flow(solve_periodic(ladders.circuit, beat.aortic).out)
    frame = svzerod.simulate(model)
    other = np.array([frame[frame["name"] == name]["flow_out"].to_numpy()[:-1] for name in tree.outlets])
    apart = np.abs(other - mine).max() / mine.max()
    name = f"svZeroDSolver {version('svzerod')}, {CYCLES} cycles (flows apart by {100 * apart:.1f} % of the largest)"
    return [*rows, (name, "200 times", f"{1e3 * seconds:.0f} ms", f"{seconds / state:.1f} times hemo's")]


def as_zero_d(tree: VesselTree, beat: Beat, beds: Beds, vessels: Losses, inert: Array) -> dict[str, Any]:
    """The tree in svZeroDSolver's format, its end's kinetic pressure left out (a twentieth of a mmHg)."""
    names = [branch.name for branch in tree.branches]
    time_points = [*beat.time.tolist(), beat.period]

    def curve(values: Array) -> list[float]:
        return [*values.tolist(), float(values[0])]

    conditions: list[dict[str, Any]] = [
        {"bc_name": "IN", "bc_type": "PRESSURE", "bc_values": {"P": curve(beat.aortic), "t": time_points}}
    ]
    for i, name in enumerate(tree.outlets):
        values = {"Ra1": beds.ra[i], "Ra2": beds.ram[i], "Rv1": beds.rv[i], "Ca": beds.ca[i], "Cc": beds.cim[i]}
        values |= {"P_v": beds.venous, "Pim": curve(beat.ventricle), "t": time_points}
        conditions.append({"bc_name": f"OUT{name}", "bc_type": "CORONARY", "bc_values": values})
    rows, junctions = [], []
    for i, branch in enumerate(tree.branches):
        ends = {} if i else {"inlet": "IN"}
        children = [names.index(child.name) for child in tree.children(branch.name)]
        if children:
            junctions.append(
                {
                    "junction_name": f"J{i}",
                    "junction_type": "NORMAL_JUNCTION",
                    "inlet_vessels": [i],
                    "outlet_vessels": children,
                }
            )
        else:
            ends["outlet"] = f"OUT{branch.name}"
        values = {"R_poiseuille": vessels.linear[i], "stenosis_coefficient": vessels.quadratic[i], "L": inert[i]}
        row: dict[str, Any] = {"vessel_id": i, "vessel_name": branch.name, "vessel_length": branch.length}
        row |= {"zero_d_element_type": "BloodVessel", "zero_d_element_values": values}
        rows.append(row | ({"boundary_conditions": ends} if ends else {}))
    simulation = {"number_of_cardiac_cycles": CYCLES, "number_of_time_pts_per_cardiac_cycle": STEPS + 1}
    return {
        "simulation_parameters": simulation | {"absolute_tolerance": 1e-9},
        "boundary_conditions": conditions,
        "vessels": rows,
        "junctions": junctions,
    }


def size_rows() -> list[tuple[str, ...]]:
    """Seconds of the convex solve on random trees of growing size, and on a chain with a leak at every stretch."""
    rows = []
    for kind in ("random tree", "halving tree"):
        for size in SIZES:
            rng = np.random.default_rng(size)
            numbers = np.arange(1, size)
            halved = (numbers - 1) // 2
            upstream = np.concatenate([[-1], halved if kind == "halving tree" else _random_parents(numbers, rng)])
            ends = np.setdiff1d(np.arange(size), upstream)
            tree = elements(upstream, ends)
            losses = Losses(rng.uniform(1e8, 1e9, len(tree.parent)), rng.uniform(0.0, 1e15, len(tree.parent)))
            losses.linear[tree.beds] = 11e3 * len(ends) / 5e-6
            drive = np.full(len(ends), 11e3)
            seconds = best(lambda tree=tree, losses=losses, drive=drive: minimise(tree, losses, drive), 0.2, 20)
            each = f"{1e6 * seconds / size:.2f} us a stretch, {len(tree.depths)} deep"
            rows.append((kind, f"{size:,} stretches", f"{1e3 * seconds:.1f} ms", each))
    return rows


def _random_parents(numbers: Array, rng: np.random.Generator) -> Array:
    """Behind one of the stretches that still have room for a daughter, mostly late ones: trees with long vessels."""
    taken = np.zeros(len(numbers) + 1, dtype=int)
    parents = []
    for number in numbers:
        parent = int(rng.integers(max(0, int(0.6 * number)), number))
        while taken[parent] >= 2:
            parent = int(rng.integers(max(0, int(0.6 * number)), number))
        taken[parent] += 1
        parents.append(parent)
    return np.array(parents)


def main() -> None:
    """Fill the sections ``reduced_speed`` and ``reduced_size`` of docs/benchmarks.md."""
    tree = binary_tree()
    conditions = FlowConditions(93 * MMHG, 5 * MMHG, {name: 88 * MMHG * 25 / 5e-6 for name in tree.outlets})
    rows = [*steady_and_batches(tree, conditions), *beat_rows(tree, conditions)]
    note = "49 stretches, 25 outlets, 2,009 centreline points, 5 lesions; best of several runs; 2 cores."
    publish(Table("reduced_speed", ("what", "how many", "time", "asked, or beside hemo"), tuple(rows), note))
    note = "Convex solve to 1e-10 of the driving pressure, one tree by itself; linear cost is asked up to 100,000."
    publish(Table("reduced_size", ("tree", "size", "time", ""), tuple(size_rows()), note))


if __name__ == "__main__":
    main()
