"""A pullback's numbers as JSON values: ``summary.json`` of ``hemo pullback``, and what ``--json`` prints.

Lengths in mm, areas in mm^2, flows in mL/min, angles in degrees, shares in per cent, as the keys say; None where a
number is not known. docs/pullback.md defines every one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.intravascular.references import References
from hemo.pullback import PullbackAnalysis
from hemo.pullbackcomparison import Comparison
from hemo.treesummary import lesion_geometry, plain
from hemo.units import MILLIMETRE, ML_PER_MIN, SQUARE_MILLIMETRE

Array = NDArray[Any]
SCHEMA_VERSION = 1


def summary(
    analyses: Sequence[PullbackAnalysis],
    comparison: Comparison | None = None,
    inputs: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything that is told of one pullback, or of two and how they differ; ``inputs`` are the files' hashes."""
    from hemo import __version__

    return {
        "schema_version": SCHEMA_VERSION,
        "software": {"hemo": __version__},
        "inputs": dict(inputs or {}),
        "warnings": list(warnings),
        "pullbacks": [pullback_row(one) for one in analyses],
        "comparison": None if comparison is None else _comparison(comparison, analyses),
    }


def pullback_row(found: PullbackAnalysis) -> dict[str, Any]:
    """One pullback."""
    pullback, sections, at = found.pullback, found.sections, found.narrowest
    stenosis = found.area_stenosis
    return {
        "name": pullback.name,
        "modality": pullback.modality,
        "frames": len(pullback.frames),
        "length_mm": plain(pullback.place[-1] / MILLIMETRE),
        "frame_spacing_mm": plain(pullback.spacing / MILLIMETRE),
        "lumen": {
            "minimal_area_mm2": plain(sections.area[at] / SQUARE_MILLIMETRE),
            "minimal_area_frame": pullback.frames[at].number,
            "minimal_area_at_mm": plain(pullback.place[at] / MILLIMETRE),
            "least_diameter_mm": plain(sections.least_diameter[at] / MILLIMETRE),
            "greatest_diameter_mm": plain(sections.greatest_diameter[at] / MILLIMETRE),
            "eccentricity": plain(sections.eccentricity[at]),
            "volume_mm3": plain(float((sections.area * pullback.widths).sum()) / MILLIMETRE**3),
            "narrowed_from_mm": plain(found.stretch[0] / MILLIMETRE),
            "narrowed_to_mm": plain(found.stretch[1] / MILLIMETRE),
            "references": _references(found, found.references),
            "percent_area_stenosis": None if stenosis is None else plain(100.0 * stenosis),
            "percent_diameter_stenosis": None if stenosis is None else plain(100.0 * (1.0 - np.sqrt(1.0 - stenosis))),
        },
        "plaque": _plaque(found),
        "calcium": [_deposit(found, number) for number in range(len(found.deposits))],
        "stent": _stent(found),
        "side_branches": [
            {
                "at_mm": plain(side.place / MILLIMETRE),
                "diameter_mm": plain(side.diameter / MILLIMETRE),
            }
            for side in found.tree.side_branches
        ],
        "ffr": _ffr(found),
        "frame_table": frame_rows(found),
    }


def _references(found: PullbackAnalysis, references: References) -> dict[str, Any]:
    area = found.sections.area / SQUARE_MILLIMETRE
    mean = references.mean(area)

    def site(number: int | None) -> dict[str, Any] | None:
        if number is None:
            return None
        frame = found.pullback.frames[number]
        return {"frame": frame.number, "at_mm": plain(frame.place / MILLIMETRE), "area_mm2": plain(area[number])}

    return {
        "proximal": site(references.proximal),
        "distal": site(references.distal),
        "mean_area_mm2": None if mean is None else plain(mean),
        "lacking": list(references.lacking),
    }


def _plaque(found: PullbackAnalysis) -> dict[str, Any] | None:
    if found.plaque is None:
        return None
    plaque, at = found.plaque, found.narrowest
    most = int(np.nanargmax(plaque.burden))
    index = found.remodelling()
    return {
        "burden_at_minimal_area_percent": plain(100.0 * plaque.burden[at]),
        "greatest_burden_percent": plain(100.0 * plaque.burden[most]),
        "greatest_burden_frame": found.pullback.frames[most].number,
        "eccentricity_at_minimal_area": plain(plaque.eccentricity[at]),
        "greatest_thickness_mm": plain(np.nanmax(plaque.greatest_thickness) / MILLIMETRE),
        "volume_mm3": plain(plaque.volume(found.pullback.widths, found.sections) / MILLIMETRE**3),
        "remodelling_index": None if index is None else plain(index),
    }


def _deposit(found: PullbackAnalysis, number: int) -> dict[str, Any]:
    one = found.deposits[number]
    frames = found.pullback.frames
    return {
        "from_mm": plain(frames[one.first].place / MILLIMETRE),
        "to_mm": plain(frames[one.last].place / MILLIMETRE),
        "length_mm": plain(one.length / MILLIMETRE),
        "greatest_arc_deg": plain(np.degrees(one.arc)),
        "greatest_thickness_mm": plain(one.thickness / MILLIMETRE),
        "nodule_protrusion_mm": plain(one.protrusion / MILLIMETRE),
        "score": int(one.score),
        "score_is_octs": found.pullback.modality == "oct",
    }


def _stent(found: PullbackAnalysis) -> dict[str, Any] | None:
    stent = found.stent
    if stent is None or found.stent_references is None:
        return None
    shown = np.flatnonzero(stent.shown)
    place, frames, least = found.pullback.place, found.pullback.frames, stent.minimal
    expansion = found.expansion
    loose = stent.malapposed_angle > 0.0
    return {
        "from_mm": plain(place[shown[0]] / MILLIMETRE),
        "to_mm": plain(place[shown[-1]] / MILLIMETRE),
        "length_mm": plain(found.pullback.widths[shown].sum() / MILLIMETRE),
        "minimal_area_mm2": plain(stent.area[least] / SQUARE_MILLIMETRE),
        "minimal_area_frame": frames[least].number,
        "mean_area_mm2": plain(np.average(stent.area[shown], weights=found.pullback.widths[shown]) / SQUARE_MILLIMETRE),
        "references": _references(found, found.stent_references),
        "expansion_percent": None if expansion is None else plain(100.0 * expansion),
        "expansion_references": sum(
            one is not None for one in (found.stent_references.proximal, found.stent_references.distal)
        ),
        "least_over_greatest_diameter": plain(np.nanmin(stent.least_over_greatest)),
        "greatest_malapposition_mm": plain(np.nanmax(stent.malapposition) / MILLIMETRE),
        "malapposed_length_mm": plain(found.pullback.widths[loose].sum() / MILLIMETRE),
        "malapposed_volume_mm3": plain(float(np.nansum(stent.malapposed_area * found.pullback.widths)) / MILLIMETRE**3),
        "greatest_protrusion_percent": plain(100.0 * np.nanmax(stent.protrusion_area / stent.area)),
    }


def _ffr(found: PullbackAnalysis) -> dict[str, Any]:
    vessel, ratio = found.tree.root, found.ratio
    curve = ratio.flow.ffr(vessel.name)
    after = None if ratio.opened is None else ratio.opened.ffr(vessel.name)
    along = np.linspace(0.0, float(found.pullback.place[-1]), len(curve))
    rows = []
    for lesion in found.tree.lesions:
        drop = np.interp([lesion.start, lesion.end], vessel.arc, curve)
        rows.append(lesion_geometry(lesion) | {"ffr_proximal": plain(drop[0]), "ffr_distal": plain(drop[1])})
        rows[-1]["delta_ffr"] = plain(drop[0] - drop[1])
    return {
        "distal": plain(curve[-1]),
        "distal_with_lesions_opened": None if after is None else plain(after[-1]),
        "flow_ml_min": plain(ratio.flow.branches[vessel.name].flow[0] / ML_PER_MIN),
        "lesions": rows,
        "assumptions": [
            {"name": one.name, "value": plain(one.value), "unit": one.unit, "source": one.source}
            for one in found.assumptions
        ],
        "curve": {
            "at_mm": (along / MILLIMETRE).tolist(),
            "ffr": curve.tolist(),
            "ffr_opened": None if after is None else after.tolist(),
        },
    }


def frame_rows(found: PullbackAnalysis) -> list[dict[str, Any]]:
    """A row a frame, proximal first; what it does not show is None."""
    columns: dict[str, Array] = {
        "at_mm": found.pullback.place / MILLIMETRE,
        "lumen_area_mm2": found.sections.area / SQUARE_MILLIMETRE,
        "lumen_least_diameter_mm": found.sections.least_diameter / MILLIMETRE,
        "lumen_greatest_diameter_mm": found.sections.greatest_diameter / MILLIMETRE,
        "lumen_eccentricity": found.sections.eccentricity,
        "healthy_area_mm2": found.healthy_area / SQUARE_MILLIMETRE,
    }
    if found.plaque is not None:
        columns |= {
            "eem_area_mm2": found.plaque.eem_area / SQUARE_MILLIMETRE,
            "plaque_burden_percent": 100.0 * found.plaque.burden,
            "plaque_greatest_thickness_mm": found.plaque.greatest_thickness / MILLIMETRE,
        }
    if found.calcium is not None:
        columns |= {
            "calcium_arc_deg": np.degrees(found.calcium.arc),
            "calcium_thickness_mm": found.calcium.thickness / MILLIMETRE,
        }
    if found.stent is not None:
        columns |= {
            "stent_area_mm2": found.stent.area / SQUARE_MILLIMETRE,
            "malapposition_mm": found.stent.malapposition / MILLIMETRE,
        }
    curve = found.ratio.flow.ffr(found.tree.root.name)
    columns["ffr"] = np.interp(found.pullback.place, np.linspace(0.0, found.pullback.place[-1], len(curve)), curve)
    return [
        {"frame": frame.number} | {name: plain(values[k]) for name, values in columns.items()}
        for k, frame in enumerate(found.pullback.frames)
    ]


def _comparison(found: Comparison, analyses: Sequence[PullbackAnalysis]) -> dict[str, Any]:
    one = found.registration
    return {
        "first": analyses[0].pullback.name,
        "second": analyses[1].pullback.name,
        "registered_by": one.by,
        "shift_mm": plain(one.shift / MILLIMETRE),
        "overlap_mm": [plain(place / MILLIMETRE) for place in one.overlap],
        "area_correlation": plain(one.likeness),
        "rotation_deg": None if one.rotation is None else plain(np.degrees(one.rotation)),
        "minimal_area_first_mm2": plain(found.before[1] / SQUARE_MILLIMETRE),
        "minimal_area_second_mm2": plain(found.after[1] / SQUARE_MILLIMETRE),
        "minimal_lumen_gain_mm2": plain(found.minimal_gain / SQUARE_MILLIMETRE),
        "mean_area_change_percent": plain(100.0 * found.mean_change),
        "greatest_loss_percent": plain(100.0 * -found.change.min()),
        "greatest_loss_at_mm": plain(found.place[int(found.change.argmin())] / MILLIMETRE),
        "at_mm": (found.place / MILLIMETRE).tolist(),
        "first_area_mm2": (found.first / SQUARE_MILLIMETRE).tolist(),
        "second_area_mm2": (found.second / SQUARE_MILLIMETRE).tolist(),
        "change_percent": (100.0 * found.change).tolist(),
        "note": _note(analyses),
    }


def _note(analyses: Sequence[PullbackAnalysis]) -> str:
    if all(one.stent is None for one in analyses):
        return "No contour shows a stent: what changed is the lumen; a stent's expansion is not claimed."
    return "Expansion stands with the pullback that shows the stent."
