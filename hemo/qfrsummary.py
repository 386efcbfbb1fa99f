"""What ``hemo qfr`` tells: one time point or several of a vessel as plain JSON values, and a table with a row for each.

Nothing here comes from a DICOM file but geometry and times; views are numbered, their files are known by hashes alone.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hemo.indices import THRESHOLD
from hemo.qfr.viewfile import MarkedView
from hemo.qfrstage import ModeResult, QfrResult
from hemo.summary import software
from hemo.treesummary import lesion_geometry, plain
from hemo.units import MILLIMETRE, ML_PER_MIN

SCHEMA_VERSION = 1
COLUMNS = (
    "label",
    "vessel",
    "qfr",
    "qfr_low",
    "qfr_high",
    "mode",
    "above_0_80",
    "fixed_qfr",
    "contrast_qfr",
    "measured_qfr",
    "residual_qfr",
    "minimal_lumen_area_mm2",
    "percent_diameter_stenosis",
    "length_mm",
)


@dataclass(frozen=True)
class TimePoint:
    """A vessel at one time: before, after, a year later."""

    label: str
    views: tuple[MarkedView, ...]
    result: QfrResult


def summary(
    points: Sequence[TimePoint], warnings: Sequence[str], inputs: Mapping[str, str], threshold: float = THRESHOLD
) -> dict[str, Any]:
    """Everything as plain JSON values; ``inputs`` are hashes by the number of the view."""
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "converged",
        "warnings": list(warnings),
        "software": software(),
        "inputs": dict(inputs),
        "time_points": [time_point(one, threshold) for one in points],
        "change": _change(points),
    }


def time_point(point: TimePoint, threshold: float) -> dict[str, Any]:
    """One time point."""
    result, best = point.result, point.result.best
    return {
        "label": point.label,
        "vessel": result.vessel.branch.name,
        "qfr": plain(best.ratio.vessel),
        "read_at_mm": best.ratio.place / MILLIMETRE,
        "interval": [plain(bound) for bound in best.interval],
        "mode": result.chosen,
        "gate": {"threshold": threshold, "above": bool(best.ratio.vessel > threshold)},
        "modes": {name: _mode(one) for name, one in result.modes.items()},
        "lesions": _lesions(best),
        "residual": [{"opened": list(ids), "qfr": plain(value)} for ids, value in best.ratio.residual.items()],
        "side_branches": [
            {"place_mm": side.place / MILLIMETRE, "diameter_mm": side.diameter / MILLIMETRE}
            for side in result.vessel.tree.side_branches
        ],
        "views": [_view(view, timed) for view, timed in zip(point.views, result.timed, strict=True)],
        "reconstruction": _reconstruction(result),
        "assumptions": [
            {"name": one.name, "value": plain(one.value), "unit": one.unit, "source": one.source}
            for one in result.assumptions
        ],
        "curve": {
            "at_mm": (result.vessel.branch.arc / MILLIMETRE).tolist(),
            "qfr": best.ratio.curve.tolist(),
            "diameter_mm": (result.vessel.branch.diameter / MILLIMETRE).tolist(),
            "reference_diameter_mm": (2.0 * result.vessel.branch.reference_radius / MILLIMETRE).tolist(),
        },
    }


def _mode(found: ModeResult) -> dict[str, Any]:
    return {
        "qfr": plain(found.ratio.vessel),
        "interval": [plain(bound) for bound in found.interval],
        "velocity_m_s": plain(found.velocity.velocity),
        "velocity_sd_m_s": plain(found.velocity.sd),
        "inflow_ml_min": plain(found.inflow / ML_PER_MIN),
        "budget": {name: plain(value) for name, value in found.budget.items()},
    }


def _lesions(best: ModeResult) -> list[dict[str, Any]]:
    rows = []
    for lesion in best.ratio.tree.lesions:
        pressure = best.ratio.lesions[lesion.id]
        rows.append(
            lesion_geometry(lesion)
            | {
                "minimum_mm": lesion.minimum / MILLIMETRE,
                "qfr_proximal": plain(pressure.proximal),
                "qfr_distal": plain(pressure.distal),
                "delta_qfr": plain(pressure.delta),
                "residual_qfr": plain(best.ratio.residual[(lesion.id,)]),
            }
        )
    return rows


def _view(view: MarkedView, timed: Any) -> dict[str, Any]:
    camera = view.cine.camera
    many = len(view.cine.times) > 1
    return {
        "primary_angle_deg": float(np.degrees(camera.primary_angle)),
        "secondary_angle_deg": float(np.degrees(camera.secondary_angle)),
        "frame": view.contours.frame,
        "frame_rate": view.cine.frame_rate if many else None,
        "velocity_m_s": None if isinstance(timed, str) else plain(timed.velocity),
        "velocity_sd_m_s": None if isinstance(timed, str) else plain(timed.sd),
        "untimed": timed if isinstance(timed, str) else None,
    }


def _reconstruction(result: QfrResult) -> dict[str, Any]:
    vessel = result.vessel
    two = len(vessel.cameras) == 2
    return {
        "views": len(vessel.cameras),
        "angle_deg": float(np.degrees(vessel.angle)) if two else None,
        "offset_mm": None if vessel.offset is None else (np.asarray(vessel.offset.shift) / MILLIMETRE).tolist(),
        "residual_px": float(np.sqrt(np.mean(vessel.residual**2))) if two else None,
        "greatest_foreshortening": float(vessel.foreshortening.max()),
        "length_mm": vessel.branch.length / MILLIMETRE,
    }


def _change(points: Sequence[TimePoint]) -> list[dict[str, Any]]:
    """From each time point to the next."""
    rows = []
    for before, after in pairwise(points):
        shared = [mode for mode in before.result.modes if mode in after.result.modes]
        rows.append(
            {
                "from": before.label,
                "to": after.label,
                "qfr": plain(after.result.best.ratio.vessel - before.result.best.ratio.vessel),
                "by_mode": {
                    mode: plain(after.result.modes[mode].ratio.vessel - before.result.modes[mode].ratio.vessel)
                    for mode in shared
                },
                "predicted_by_opening_all": plain(before.result.best.ratio.all_opened),
            }
        )
    return rows


def study_row(point: dict[str, Any]) -> dict[str, Any]:
    """A time point of :func:`summary` as a row of a study's table."""
    modes, lesions = point["modes"], point["lesions"]
    worst = max(lesions, key=lambda one: one["percent_diameter_stenosis"], default=None)
    opened = max(point["residual"], key=lambda one: len(one["opened"]), default=None)
    low, high = point["interval"]
    values = (
        *(point["label"], point["vessel"], point["qfr"], low, high, point["mode"], int(point["gate"]["above"])),
        *(modes[name]["qfr"] if name in modes else None for name in ("fixed", "contrast", "measured")),
        None if opened is None else opened["qfr"],
        None if worst is None else worst["mla_mm2"],
        None if worst is None else worst["percent_diameter_stenosis"],
        point["reconstruction"]["length_mm"],
    )
    return dict(zip(COLUMNS, values, strict=True))


def write_study_table(path: Path, points: Sequence[dict[str, Any]]) -> None:
    """A row for each time point (CSV), to be put together over a study's patients."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for point in points:
            writer.writerow({name: _short(value) for name, value in study_row(point).items()})


def _short(value: Any) -> Any:
    return f"{value:.4f}" if isinstance(value, float) else value
