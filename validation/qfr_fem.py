"""3D FFR of a vessel reconstructed from two angiograms against 3D FFR of the same vessel's true course and calibre.

``python -m validation qfr_fem [--fresh] [--vessels N] [--ranks N]``. Vessels of ``qfr_phantoms``, seen and marked as
there, between the person's first and last point. Both lumens are closed tubes in STL and go through ``hemo run``'s
pipeline with the same case file: no side branches, so one flow all along, prescribed; the true one through the lesion
over which pressure falls most. Each vessel leaves a line in ``validation/records/qfr_fem.jsonl``.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.errors import HemoError
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.lumen.surface import Surface
from hemo.pipeline import RunOptions, run_case
from hemo.qfr.lumen import lumen_surface, sections_surface, write_surface
from hemo.qfr.sections import Sections
from hemo.qfr.synthetic.person import last_place
from hemo.qfr.synthetic.way import vessel_path
from hemo.qfrstage import QfrOptions, in_space
from hemo.reduced.prescribed import pressures
from hemo.tree import Branch, Lesion, VesselTree
from hemo.units import ML_PER_MIN, MMHG
from hemo.vtkio import read_polydata
from validation.campaign import resumed
from validation.qfr_phantoms import HABITS, chosen, setting, views_of
from validation.reduced_trees import Solved
from validation.table import DOCS, Table, publish

Array = NDArray[Any]
RECORDS = DOCS.parent / "validation" / "records" / "qfr_fem.jsonl"
VESSELS = 10
BAND = (0.65, 0.90)  # of FFR at the end, by the reduced model
MOST_REYNOLDS = 600.0  # in a throat, as in tree_solutions
ASKED = 0.03
KINDS = ("true", "found")
METHODS = ("fem", "reduced")
PLACES = ("end", "behind")
CASE = """
[case]
name = "{name}"
[geometry]
surface = "lumen.stl"
unit = "mm"
ostia = [[{start[0]:.3f}, {start[1]:.3f}, {start[2]:.3f}]]
[patient]
mean_pressure = "{pressure:.6f} mmHg"
[flow]
inlet_flow = "{flow:.6f} mL/min"
leakage = false
[fem]
cells_per_diameter = 3
"""


@dataclass(frozen=True)
class Stretch:
    """A phantom's vessel between the person's first and last point, round, and the flow in it, m^3/s."""

    number: int
    one: Solved
    outlet: str
    vessel: VesselTree
    flow: float

    @property
    def reynolds(self) -> float:
        """The largest along it."""
        branch = self.vessel.root
        return float(Blood().reynolds(np.full(len(branch.points), self.flow), branch.diameter).max())

    @property
    def expected(self) -> float:
        """FFR at its end by the reduced model; 0 where no such flow passes."""
        try:
            found = pressures(self.vessel, np.array([self.flow]), (), self.one.conditions.aortic_pressure)
        except HemoError:
            return 0.0
        return float(found.ffr(self.vessel.root.name)[-1])


def stretch(number: int, one: Solved, outlet: str) -> Stretch | None:
    """The phantom of this number; None without a lesion."""
    path = vessel_path(one.tree, outlet, one.flow)
    whole = path.tree.root
    end = last_place(whole)
    vessel = with_reference_and_lesions(VesselTree("vessel", (whole.between(HABITS[0].first, end),)))
    if not vessel.lesions:
        return None

    def fall(lesion: Lesion) -> float:
        return float(
            -np.diff(np.interp(HABITS[0].first + np.array([lesion.start, lesion.end]), whole.arc, path.pressure))
        )

    tightest = max(vessel.lesions, key=fall)
    return Stretch(
        number, one, outlet, vessel, float(np.interp(HABITS[0].first + tightest.minimum, whole.arc, path.flow))
    )


def wanted(count: int) -> list[Stretch]:
    """The first phantoms, each of another tree, of which FFR and Reynolds number are in the band."""
    found: dict[str, Stretch] = {}
    for number, (one, outlet) in enumerate(chosen()):
        this = stretch(number, one, outlet) if one.name not in found else None
        if this is not None and this.reynolds <= MOST_REYNOLDS and BAND[0] <= this.expected <= BAND[1]:
            found[one.name] = this
    return list(found.values())[:count]


def round_tube(branch: Branch) -> Surface:
    """The closed wall of a branch's areas."""
    normal = branch.normal
    radius = np.sqrt(branch.area / np.pi)
    directions = np.stack([normal, np.cross(branch.tangent, normal)], axis=1)
    return sections_surface(branch, Sections(np.stack([radius, radius], axis=1), directions))


def run(lumen: Surface, start: Array, name: str, this: Stretch, ranks: int) -> dict[str, Any]:
    """Curves of FFR along the vessel, lesions and seconds of one run; ``start`` (3,) m, in the middle of its inlet."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_surface(lumen, folder / "lumen.stl")
        pressure = this.one.conditions.aortic_pressure / MMHG
        text = CASE.format(name=name, start=1e3 * start, pressure=pressure, flow=this.flow / ML_PER_MIN)
        (folder / "case.toml").write_text(text, encoding="utf-8")
        begun = time.perf_counter()
        summary: dict[str, Any] = run_case(folder / "case.toml", RunOptions(folder / "out", "both", ranks))
        seconds = time.perf_counter() - begun
        curves = read_polydata(folder / "out" / "centreline.vtp").point_data
    (tree,) = summary["trees"]
    return {
        "status": summary["status"],
        "seconds": round(seconds, 1),
        "cells": summary["mesh"]["cells"],
        "branches": len(tree["branches"]),
        "length_mm": tree["branches"][0]["length_mm"],
        "lesions": [_lesion(row) for row in tree["lesions"]],
        "arc_mm": np.round(curves["ArcLength"], 2).tolist(),
        "diameter_mm": np.round(curves["EquivalentDiameter"], 4).tolist(),
        "fem": np.round(curves["FFR_fem"], 5).tolist(),
        "reduced": np.round(curves["FFR_reduced"], 5).tolist(),
        "warnings": summary["warnings"],
    }


def _lesion(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("id", "start_mm", "end_mm", "percent_diameter_stenosis")
    read = {f"{name}_{key}": row[name][key] for name in METHODS for key in ("ffr_distal", "delta_ffr")}
    return {key: row[key] for key in keys} | read | {"place_mm": row["fem"]["ffr_distal_at_mm"]}


def vessel(number: int, ranks: int = 2) -> dict[str, Any]:
    """A line of the record."""
    one, outlet = chosen()[number]
    this = stretch(number, one, outlet)
    assert this is not None
    begun = time.perf_counter()
    taken = setting(number, one, outlet)
    branch = this.vessel.root
    line: dict[str, Any] = {
        "number": number,
        "tree": one.name,
        "outlet": outlet,
        "flow_ml_min": this.flow / ML_PER_MIN,
        "reynolds": this.reynolds,
        "expected": this.expected,
        "narrowest_mm": 1e3 * float(branch.diameter.min()),
        "given_mm": 1e3 * branch.length,
    }
    try:
        views = views_of(number, one, outlet, taken.slow, taken)
        line["made_s"], begun = time.perf_counter() - begun, time.perf_counter()
        found = in_space(views, QfrOptions(outlet))
        line["reconstructed_s"] = time.perf_counter() - begun
        line["found_mm"] = 1e3 * found.branch.length
        line["found_narrowest_mm"] = 1e3 * float(found.branch.diameter.min())
        line["found_warnings"] = list(found.warnings)
        line["true"] = run(round_tube(branch), branch.points[0], "true", this, ranks)
        line["found"] = run(lumen_surface(found), found.branch.points[0], "reconstructed", this, ranks)
    except HemoError as error:
        line["refused"] = str(error)
    print(f"qfr_fem: {one.name} {outlet}: {line.get('refused', 'done')}", flush=True)
    return line


def tightest(line: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The true lesion over which FFR falls most, and the reconstruction's that lies at the same part of its length."""
    true, found = line["true"], line["found"]
    lesion = max(true["lesions"], key=lambda row: float(row["fem_delta_ffr"]))
    scale = found["length_mm"] / true["length_mm"]

    def overlap(row: dict[str, Any]) -> float:
        return float(min(row["end_mm"], scale * lesion["end_mm"]) - max(row["start_mm"], scale * lesion["start_mm"]))

    same = max(found["lesions"], key=overlap, default=None)
    return lesion, same if same is not None and overlap(same) > 0.0 else None


def compared(line: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """True and reconstructed FFR, by place and method.

    Behind the tightest lesion where hemo reads it in either; at the same part of the length where the reconstruction
    has no such lesion.
    """
    true, found = line["true"], line["found"]
    lesion, same = tightest(line)
    part = found["length_mm"] / true["length_mm"]
    place = same["place_mm"] if same is not None else part * lesion["place_mm"]
    pairs = {}
    for method in METHODS:
        pairs[f"end {method}"] = true[method][-1], found[method][-1]
        pairs[f"behind {method}"] = _at(true, lesion["place_mm"], method), _at(found, place, method)
    return pairs


def _at(one: dict[str, Any], place: float, method: str) -> float:
    return float(np.interp(place, one["arc_mm"], one[method]))


COLUMNS = (
    "vessel",
    "flow / mL/min, Reynolds number",
    "narrowest / mm",
    "length / mm",
    "end",
    "difference",
    "behind the lesion",
    "difference",
    "reduced: end",
    "reduced: behind",
    "seconds",
)


def row(line: dict[str, Any], pairs: dict[str, tuple[float, float]] | None) -> tuple[str, ...]:
    """One vessel's."""
    name = f"{line['tree']} {line['outlet']}"
    if pairs is None:
        return name, line["refused"], *["-"] * (len(COLUMNS) - 2)
    fem = [cell for place in PLACES for cell in _cells(pairs[f"{place} fem"])]
    reduced = [_cells(pairs[f"{place} reduced"])[1] for place in PLACES]
    size = f"{line['narrowest_mm']:.2f}, {line['found_narrowest_mm']:.2f}"
    length = ", ".join(f"{line[kind]['length_mm']:.0f}" for kind in KINDS)
    seconds = f"{line['reconstructed_s']:.1f}, {line['found']['seconds']:.0f}"
    return name, f"{line['flow_ml_min']:.0f}, {line['reynolds']:.0f}", size, length, *fem, *reduced, seconds


def _cells(pair: tuple[float, float]) -> tuple[str, str]:
    return (f"{pair[0]:.3f}, {pair[1]:.3f}", f"{_apart(pair):+.3f}")


def note(done: Sequence[dict[str, Any]], pairs: Sequence[dict[str, tuple[float, float]]]) -> str:
    """The largest differences, and what hemo read out of the surfaces."""

    places = [(pair, place) for pair in pairs for place in PLACES]
    fem, reduced = (np.array([_apart(pair[f"{place} {method}"]) for pair, place in places]) for method in METHODS)
    ends = np.array([_apart(pair["end fem"]) for pair in pairs])
    model = [pair[f"{place} reduced"][side] - pair[f"{place} fem"][side] for pair, place in places for side in (0, 1)]
    unfound = sum(tightest(line)[1] is None for line in done)
    others = sum(len(line["found"]["lesions"]) != len(line["true"]["lesions"]) for line in done)
    shorter = [line["given_mm"] - line["true"]["length_mm"] for line in done]
    odd = sum(line[kind]["status"] != "converged" or line[kind]["branches"] != 1 for line in done for kind in KINDS)
    return (
        f"At the end {int(np.sum(np.abs(ends) <= ASKED))} of {len(done)} vessels are within {ASKED} of the true one in "
        f"3D (asked: all); mean {ends.mean():+.3f}, standard deviation {ends.std():.3f}. The reduced model says the "
        f"same difference to {np.abs(fem - reduced).max():.3f}: it is of the lumen. From 3D on the same surface the "
        f"reduced model is {np.abs(model).max():.3f} at most. The reconstruction lacks the tightest lesion in "
        f"{unfound} vessels and has another number of lesions in {others}. {odd} solves were averaged over time or "
        f"found more than one vessel. hemo's line ends about a radius within the flat ends of a surface: it is "
        f"{min(shorter):.1f} to {max(shorter):.1f} mm shorter than the true vessel."
    )


def _apart(pair: tuple[float, float]) -> float:
    return pair[1] - pair[0]


def main(options: Sequence[str] = ()) -> None:
    """Fill the section ``qfr_fem`` of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(prog="python -m validation qfr_fem")
    parser.add_argument("--fresh", action="store_true", help="forget the vessels on record")
    parser.add_argument("--vessels", type=int, default=VESSELS)
    parser.add_argument("--ranks", type=int, default=2)
    asked = parser.parse_args(options)
    logging.getLogger("hemo").setLevel(logging.ERROR)
    if asked.fresh:
        RECORDS.unlink(missing_ok=True)
    keys = [(this.number,) for this in wanted(asked.vessels)]
    lines = list(resumed(RECORDS, ("number",), keys, lambda number: vessel(number, asked.ranks)).values())
    done = [line for line in lines if "refused" not in line]
    pairs = {line["number"]: compared(line) for line in done}
    table = [row(line, pairs.get(line["number"])) for line in lines]
    publish(Table("qfr_fem", COLUMNS, tuple(table), note(done, list(pairs.values()))))
