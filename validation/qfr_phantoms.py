"""QFR of virtual angiograms against the 3D FFR of the same vessels.

``python -m validation qfr_phantoms [--fresh] [--vessels N] [--processes N]``. Vessels of the solved trees of
``tree_solutions``, from the ostium to an outlet, 3D FFR 0.60 to 0.95 at the end. Two views of each with contrast,
clutter, noise, heartbeat and a table that is off, and one more under hyperaemia; a person's points along the vessel, a
few pixels off. Each leaves a line in ``validation/records/qfr_phantoms.jsonl``.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.qfr.camera import Camera
from hemo.qfr.synthetic.angiogram import AngiogramOptions, angiogram
from hemo.qfr.synthetic.person import Habits, last_place, marked_by_person
from hemo.qfr.synthetic.views import centred, viewing
from hemo.qfr.synthetic.way import followed, on_the_way, vessel_path
from hemo.qfr.viewfile import MarkedView, marked
from hemo.qfrstage import QfrOptions, QfrResult, analyse
from hemo.reduced import solve
from hemo.reduced.beds import with_resistances
from hemo.reduced.network import sink_resistances
from hemo.results import TreeFlow
from validation.campaign import resumed
from validation.reduced_trees import Solved, calibrated, solved
from validation.table import DOCS, Table, publish
from validation.tree_solutions import records

Array = NDArray[Any]
RECORDS = DOCS.parent / "validation" / "records" / "qfr_phantoms.jsonl"
BAND = (0.60, 0.95)  # of 3D FFR at the vessel's end
VESSELS = 100
HABITS = (Habits(), Habits(apart=7e-3))  # at first, and where tracing asks for more points
TABLE = 3e-3  # m: standard deviation of what the second view's table is off, along each axis
# Resistance during the injection over that at hyperaemia: rest is 3 (hemo's default), contrast a weak vasodilator.
INJECTION = (1.9, 0.3)
SECONDS = 4.0


@cache
def chosen() -> list[tuple[Solved, str]]:
    """Trees and outlets whose 3D FFR at the person's last point is in the band, a tree's first outlets first."""
    found: list[tuple[int, int, Solved, str]] = []
    for number, line in enumerate(records()):
        if line["status"] != "CONVERGED" or line["beds"] != "hyperaemia":
            continue
        one = solved(line)
        rank = 0
        for name in one.tree.outlets:
            path = vessel_path(one.tree, name, one.flow)
            ratio = path.pressure / one.conditions.aortic_pressure
            if BAND[0] <= np.interp(last_place(path.tree.root), path.tree.root.arc, ratio) <= BAND[1]:
                found.append((rank, number, one, name))
                rank += 1
    return [(one, name) for _, _, one, name in sorted(found, key=lambda item: item[:2])]


def injected(one: Solved, rng: np.random.Generator) -> TreeFlow:
    """Flow while contrast is injected: by the calibrated reduced model with beds that resist more."""
    factor = max(1.2, float(rng.normal(*INJECTION)))
    conditions = with_resistances(one.tree, one.conditions, factor * sink_resistances(one.tree, one.conditions))
    return solve(one.tree, conditions, options=calibrated(one))


def view_of(
    one: Solved, outlet: str, flow: TreeFlow, camera: Camera, options: AngiogramOptions, seed: int
) -> MarkedView:
    """A view taken at this flow, marked by a person."""
    cine, truth = angiogram(centred(one.tree), flow, camera, options, seed)
    names = on_the_way(one.tree, outlet)
    path = vessel_path(truth.tree, outlet, flow)
    first, closer = (marked_by_person(path, names, truth, np.random.default_rng(seed), habits) for habits in HABITS)
    try:
        return marked(cine, first, f"view {seed}")
    except HemoError:
        return marked(cine, closer, f"view {seed}")


@dataclass(frozen=True)
class Setting:
    """What a phantom's angiograms are taken with: two views, the second with its table off, and the slow flow."""

    cameras: tuple[Camera, Camera]
    options: AngiogramOptions
    slow: TreeFlow


def setting(number: int, one: Solved, outlet: str) -> Setting:
    """By chance, the same for the same number."""
    rng = np.random.default_rng(7000 + number)
    beat = float(rng.uniform(0.7, 1.1))
    tree = followed(centred(one.tree), outlet, one.flow)
    first, second = (_fast(camera) for camera in viewing(tree, outlet, rng))
    moved = replace(second, shift=tuple(float(x) for x in rng.normal(0.0, TABLE, 3)))  # type: ignore[arg-type]
    options = AngiogramOptions(beat=beat, patient=number, duration=SECONDS)
    return Setting((first, moved), options, injected(one, rng))


def views_of(number: int, one: Solved, outlet: str, flow: TreeFlow, taken: Setting, seed: int = 0) -> list[MarkedView]:
    """Both views at a flow, marked by a person."""
    return [
        view_of(one, outlet, flow, camera, taken.options, 10 * number + seed + k)
        for k, camera in enumerate(taken.cameras)
    ]


def phantom(number: int) -> dict[str, Any]:
    """A line of the record."""
    one, outlet = chosen()[number % len(chosen())]
    line: dict[str, Any] = {"number": number, "tree": one.name, "outlet": outlet}
    begun = time.perf_counter()
    taken = setting(number, one, outlet)
    slow, fast = taken.slow, one.flow
    try:
        views = views_of(number, one, outlet, slow, taken)
        hyperaemic = views_of(number, one, outlet, fast, taken, 5)
        line["made_s"], begun = time.perf_counter() - begun, time.perf_counter()
        asked = QfrOptions(outlet, one.conditions.aortic_pressure, heart_rate=1.0 / taken.options.beat)
        result = analyse(views, asked)
        line["analysed_s"] = time.perf_counter() - begun
        line |= compared(one, outlet, result)
        line["contrast_timing"] = timing(one, outlet, slow, result)
        adenosine = analyse(hyperaemic, replace(asked, hyperaemia=True))
        line |= ratios(adenosine)
        line["measured_timing"] = timing(one, outlet, fast, adenosine)
    except HemoError as error:
        line["refused"] = str(error)
    return line


def _fast(camera: Camera) -> Camera:
    """The same field with 512 pixels, as cines of 15 frames a second have."""
    size = camera.shape[0] / 512
    return replace(camera, shape=(512, 512), pixel=(camera.pixel[0] * size, camera.pixel[1] * size))


def ratios(result: QfrResult) -> dict[str, Any]:
    """QFR, its interval and the flow that enters, by mode."""
    found: dict[str, Any] = {}
    for mode, one in result.modes.items():
        found |= {mode: one.ratio.vessel, f"{mode}_interval": list(one.interval)}
        found[f"{mode}_inflow_ml_min"] = 6e7 * one.inflow
    return found


def compared(one: Solved, outlet: str, result: QfrResult) -> dict[str, Any]:
    """Diameters, length and ratios of the vessel as found beside the truth, along its length from the first point."""
    path = vessel_path(one.tree, outlet, one.flow)
    true, found = path.tree.root, result.vessel.branch
    end = last_place(true)
    at = HABITS[0].first + found.arc * (end - HABITS[0].first) / found.length
    width, healthy = np.interp(at, true.arc, true.diameter), np.interp(at, true.arc, 2.0 * true.reference_radius)
    read = HABITS[0].first + result.best.ratio.place * (end - HABITS[0].first) / found.length
    error = found.diameter - width
    narrowest = int(np.argmin(width / healthy))
    around = np.abs(at - at[narrowest]) < 3e-3 + 0.06 * at[narrowest]  # a vessel found too short moves its throat
    ffr = path.pressure / one.conditions.aortic_pressure
    return ratios(result) | {
        "ffr": float(np.interp(read, true.arc, ffr)),
        "true_inflow_ml_min": 6e7 * float(path.flow[0]),
        "angle_deg": float(np.degrees(result.vessel.angle)),
        "length_mm": 1e3 * (end - HABITS[0].first),
        "length_error": float(found.length / (end - HABITS[0].first) - 1.0),
        "diameter_error_mm": [1e3 * float(np.mean(error)), 1e3 * float(np.std(error))],
        "narrowest_mm": 1e3 * float(width[narrowest]),
        "narrowest_error_mm": 1e3 * float(found.diameter[around].min() - width[narrowest]),
        "stenosis": 1.0 - float(width[narrowest] / healthy[narrowest]),
        "side_branches": [len(result.vessel.tree.side_branches), len(path.tree.side_branches)],
        "warnings": list(result.vessel.warnings),
    }


def timing(one: Solved, outlet: str, flow: TreeFlow, result: QfrResult) -> dict[str, Any]:
    """The velocities timed, the true one over the same stretch, why views were not timed, and the flow."""
    path = vessel_path(one.tree, outlet, flow)
    branch, end = path.tree.root, last_place(path.tree.root)
    inside = (branch.arc >= HABITS[0].first) & (branch.arc <= end)
    transit = float(np.trapezoid(branch.area[inside] / path.flow[inside], branch.arc[inside]))
    return {
        "velocity": [velocity.velocity for velocity in result.timed if not isinstance(velocity, str)],
        "sd": [velocity.sd for velocity in result.timed if not isinstance(velocity, str)],
        "untimed": [velocity for velocity in result.timed if isinstance(velocity, str)],
        "true_velocity": float(np.ptp(branch.arc[inside])) / transit,
        "true_inflow_ml_min": 6e7 * float(path.flow[0]),
    }


COLUMNS = ("what", "vessels", "mean", "standard deviation", "mean absolute", "largest", "asked")


def row(name: str, values: Sequence[float], digits: int, asked: str = "-") -> tuple[str, ...]:
    """Differences."""
    found = np.array(values)
    if not len(found):
        return name, "0", *["-"] * 4, asked
    mean = f"{found.mean():+.{digits}f}"
    others = (found.std(), np.abs(found).mean(), np.abs(found).max())
    return name, str(len(found)), mean, *(f"{number:.{digits}f}" for number in others), asked


def coverage(lines: Sequence[dict[str, Any]], mode: str) -> float:
    """Part of the vessels whose FFR lies within the mode's 95 % interval."""
    held = [low <= line["ffr"] <= high for line in lines if mode in line for low, high in [line[f"{mode}_interval"]]]
    return float(np.mean(held)) if held else float("nan")


def main(options: Sequence[str] = ()) -> None:
    """Fill the sections ``qfr_phantoms`` and ``qfr_refused`` of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(prog="python -m validation qfr_phantoms")
    parser.add_argument("--fresh", action="store_true", help="forget the vessels on record")
    parser.add_argument("--vessels", type=int, default=VESSELS)
    parser.add_argument("--processes", type=int, default=1)
    asked = parser.parse_args(options)
    logging.getLogger("hemo").setLevel(logging.ERROR)
    if asked.fresh:
        RECORDS.unlink(missing_ok=True)
    wanted = [(number,) for number in range(asked.vessels)]
    if asked.processes > 1:
        with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
            found = resumed(RECORDS, ("number",), wanted, phantom, partial(_pooled, pool))
    else:
        found = resumed(RECORDS, ("number",), wanted, phantom)
    lines = list(found.values())
    done = [line for line in lines if "refused" not in line]

    def against(mode: str) -> list[float]:
        return [line[mode] - line["ffr"] for line in done if line.get(mode) is not None]

    times = [line[name] for line in done for name in ("contrast_timing", "measured_timing") if name in line]
    timed = [velocity / one["true_velocity"] - 1.0 for one in times for velocity in one["velocity"]]
    entering = [
        line["measured_inflow_ml_min"] / line["true_inflow_ml_min"] - 1.0 for line in done if "measured" in line
    ]
    rows = [
        row("diameter at the narrowest place, mm", [line["narrowest_error_mm"] for line in done], 3, "0.03, SD 0.07"),
        row("diameter, mean of a vessel, mm", [line["diameter_error_mm"][0] for line in done], 3, "0.05"),
        row("diameter, scatter along a vessel, mm", [line["diameter_error_mm"][1] for line in done], 3, "SD 0.15"),
        row("length, relative", [line["length_error"] for line in done], 3),
        row("velocity by contrast, relative, each view", timed, 3),
        row("hyperaemic flow into the vessel, measured, relative", entering, 3),
        row("QFR - FFR, measured hyperaemic flow", against("measured"), 3, "0.01, SD 0.04"),
        row("QFR - FFR, contrast flow", against("contrast"), 3, "0.01, SD 0.07"),
        row("QFR - FFR, fixed flow", against("fixed"), 3, "bias 0.01"),
    ]
    covered = ", ".join(f"{name} {100.0 * coverage(done, name):.0f} %" for name in ("measured", "contrast", "fixed"))
    refused = len(lines) - len(done)
    untimed = sum(len(one["untimed"]) for one in times)
    seconds = np.median([line["analysed_s"] for line in done]) if done else float("nan")
    note = (
        f"{len(lines)} angiograms of {min(len(lines), len(chosen()))} vessels (the others once more, seen and beating "
        f"otherwise), 3D FFR {BAND[0]:.2f} to {BAND[1]:.2f}; {refused} were refused as a whole, velocity in "
        f"{untimed} of {untimed + len(timed)} views. FFR where QFR is read, two diameters before the end. The "
        f"95 % intervals hold FFR in {covered}. From contours to QFR {seconds:.1f} s (median)."
    )
    publish(Table("qfr_phantoms", COLUMNS, tuple(rows), note))
    reasons = [(line["tree"], line["outlet"], line["refused"]) for line in lines if "refused" in line]
    publish(Table("qfr_refused", ("tree", "vessel", "why it was refused"), tuple(reasons), ""))


def _pooled(pool: ProcessPoolExecutor, _: object, keys: list[tuple[int, ...]]) -> Iterable[dict[str, Any]]:
    return pool.map(phantom, [key[0] for key in keys])
