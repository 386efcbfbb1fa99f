"""A pressure trace's numbers as JSON values: ``summary.json`` of ``hemo wire``, what ``--json`` prints, and its table.

Pressures in mmHg, times in s of the recorder's clock, as the keys say; None where a number is not known, with the
reason beside it. docs/wire.md defines every one; ``hemo schema wire`` prints the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hemo.treesummary import plain
from hemo.units import MILLIMETRE, MMHG
from hemo.wire.analysis import State, WireAnalysis
from hemo.wire.drift import Drift
from hemo.wire.indices import Measured
from hemo.wire.pullback import PullbackCurve
from hemo.wire.windows import Window

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Told:
    """One trace: whose it is, and its analysis or why there is none."""

    path: str
    patient: str
    vessel: str
    analysis: WireAnalysis | None
    reason: str = ""


def summary(traces: Sequence[Told], inputs: Mapping[str, str], correct: bool) -> dict[str, Any]:
    """Everything that is told of the traces; ``correct`` lets FFR be the one less the wire's drift."""
    from hemo import __version__

    return {
        "schema_version": SCHEMA_VERSION,
        "software": {"hemo": __version__},
        "inputs": dict(inputs),
        "traces": [trace_row(one, correct) for one in traces],
    }


def trace_row(told: Told, correct: bool) -> dict[str, Any]:
    """One trace."""
    whose = {"trace": told.path, "patient": told.patient, "vessel": told.vessel}
    found = told.analysis
    if found is None:
        return whose | {"status": "unreadable", "reason": told.reason, "ffr": None, "ffr_is": None}
    status, ffr, which = verdict(found, correct)
    trace, quality, windows = found.trace, found.quality, found.windows
    periods = quality.beats.period[quality.clean]
    return whose | {
        "status": status,
        "reason": found.reason,
        "ffr": ffr,
        "ffr_is": which,
        "duration_s": plain(trace.duration),
        "rate_hz": plain(trace.rate),
        "beats": len(quality.beats),
        "clean_beats": int(quality.clean.sum()),
        "heart_rate_per_min": plain(60.0 / np.median(periods)) if len(periods) else None,
        "irregular_rhythm": bool(quality.irregular),
        "artefacts": [
            {
                "kind": one.kind.value,
                "channel": one.channel,
                "start_s": plain(trace.start + one.first / trace.rate),
                "end_s": plain(trace.start + one.last / trace.rate),
            }
            for one in quality.artefacts
        ],
        "windows": {
            "equalisation": [_window(one) for one in windows.equalisation],
            "rest": _window(windows.rest),
            "hyperaemia": _window(windows.hyperaemia),
            "pullback": _window(windows.pullback),
        },
        "drift": _drift(found.drift),
        "recorded": _state(found.recorded),
        "drift_corrected": None if found.corrected is None else _state(found.corrected),
        "pullback": _pullback(found.pullback),
        "warnings": list(found.warnings),
    }


def verdict(found: WireAnalysis, correct: bool) -> tuple[str, float | None, str | None]:
    """Status, FFR that may be used or None, and whether it is "recorded" or "drift_corrected"."""
    if found.status == "no_ffr":
        return "no_ffr", None, None
    if correct and found.corrected is not None and found.corrected.hyperaemic.ffr.value is not None:
        status = "ok" if found.status == "ok" else "drift_corrected"
        return status, plain(found.corrected.hyperaemic.ffr.value), "drift_corrected"
    if found.status == "drift":
        return "drift", None, None
    return "ok", plain(found.recorded.hyperaemic.ffr.value), "recorded"


def _window(one: Window | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"start_s": plain(one.span[0]), "end_s": plain(one.span[1]), "source": one.source}


def _drift(drift: Drift | None) -> dict[str, Any] | None:
    if drift is None:
        return None
    return {
        "value_mmhg": _mmhg(drift.value),
        "size": drift.size,
        "checks": [
            {
                "start_s": plain(check.span[0]),
                "end_s": plain(check.span[1]),
                "source": check.source,
                "offset_mmhg": plain(check.offset / MMHG),
                "ratio": plain(check.ratio),
                "beats": check.beats,
            }
            for check in drift.checks
        ],
    }


def _measured(one: Measured) -> dict[str, Any]:
    start, end = one.span or (None, None)
    return {"value": one.value, "reason": one.reason, "start_s": start, "end_s": end, "beats": one.beats}


def _mmhg(pressure: float | None) -> float | None:
    return None if pressure is None else plain(pressure / MMHG)


def _state(state: State) -> dict[str, Any]:
    full, still, beds = state.hyperaemic, state.resting, state.microvascular
    return {
        "ffr": _measured(full.ffr)
        | {
            "lowest_three_beats": full.lowest,
            "aortic_mmhg": _mmhg(full.aortic),
            "distal_mmhg": _mmhg(full.distal),
        },
        "pd_pa": _measured(still.pd_pa),
        "wave_free_ratio": _measured(still.wave_free),
        "dpr": _measured(still.dpr),
        "dfr": _measured(still.dfr),
        "rfr": _measured(still.rfr),
        "rest_aortic_mmhg": _mmhg(still.aortic),
        "valve_closure_s": still.closure,
        "lag_s": still.lag,
        "microvascular": None
        if beds is None
        else {
            "cfr": beds.cfr,
            "mrr": beds.mrr,
            "imr_mmhg_s": beds.imr,
            "imr_corrected_mmhg_s": beds.imr_corrected,
            "resistance_mmhg_min_ml": beds.resistance,
        },
    }


def _pullback(curve: PullbackCurve | None) -> dict[str, Any] | None:
    if curve is None:
        return None
    known = curve.place is not None
    return {
        "loss": plain(curve.loss),
        "steepest_gain": plain(curve.steepest),
        "steepest_at_mm": plain(curve.steepest_at / MILLIMETRE) if known else None,
        "steepest_at_s": None if known else plain(curve.steepest_at),
        "curve": {
            "time_s": curve.time.tolist(),
            "at_mm": None if curve.place is None else (curve.place / MILLIMETRE).tolist(),
            "ratio": curve.ratio.tolist(),
        },
    }


def table_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One trace as a line of a study's table; empty where a number is not known."""
    keys = ("patient", "vessel", "trace", "ffr", "status", "reason")
    made = {key: row[key] for key in keys} | {"ffr_recorded": None, "ffr_drift_corrected": None, "drift_mmhg": None}
    names = ("pd_pa", "wave_free_ratio", "dpr", "dfr", "rfr")
    flows = ("cfr", "mrr", "imr_mmhg_s", "imr_corrected_mmhg_s", "resistance_mmhg_min_ml")
    made |= dict.fromkeys((*names, *flows, "clean_beats", "artefacts"))
    if row["status"] == "unreadable":
        return made
    recorded, straight, drift = row["recorded"], row["drift_corrected"], row["drift"]
    used = straight if row["ffr_is"] == "drift_corrected" else recorded
    made |= {name: used[name]["value"] for name in names} | (used["microvascular"] or {})
    made["ffr_recorded"] = recorded["ffr"]["value"]
    made["ffr_drift_corrected"] = None if straight is None else straight["ffr"]["value"]
    made["drift_mmhg"] = None if drift is None else drift["value_mmhg"]
    made["clean_beats"] = row["clean_beats"]
    made["artefacts"] = " ".join(sorted({one["kind"] for one in row["artefacts"]}))
    return made
