"""The whole way of a study on virtual patients: CT-FFR, wire traces read, agreement and its intervals, the truth known.

``python -m validation virtual_study``. Patients are those of ``virtual_cohort``; every lesion's wire is a trace made by
:mod:`hemo.wire.synthetic` whose FFR is the truth with the spread of a repeated measurement, read by what ``hemo wire``
reads with; the table of both goes through what ``hemo agree`` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.clusters import Interval
from hemo.agreement.cohort import Cohort, Grouping, Index, Rule
from hemo.agreement.study import Options, Unit, analyse
from hemo.errors import InputError
from hemo.units import MMHG
from hemo.wire import analysis
from hemo.wire.circuit import Patient
from hemo.wire.synthetic import Recording, make
from hemo.wire.trace import Trace
from validation.campaign import resumed
from validation.table import DOCS, Table, publish
from validation.virtual_cohort import FIRST_SEED, PROCESSES, cohort

Array = NDArray[Any]
RECORDS = DOCS.parent / "validation" / "records" / "virtual_study.jsonl"
REPEATED = (
    0.02  # standard deviation of FFR measured again in the same lesion (Johnson et al. 2015, Petraco et al. 2013)
)
KINDS = ("flush", "damping", "whip", "disconnection", "saturation", "ectopic")
# Of the traces' stenosis, from which that of a given FFR is interpolated.
LOSSES = np.concatenate([np.linspace(0.0, 1.6, 17), np.geomspace(2.0, 40.0, 12)])
RATE = 100.0
NOTE = (
    "Random hearts and microcirculations; the truth has the losses of vessels and lesions that were solved in 3D. CT: "
    "lumen 0.1 mm uncertain, cuff pressure, the population's resistance reserve. Wires: generated traces with "
    "disturbances and drift, of the truth with the spread of a repeated measurement (0.02). 8 % of CTs not evaluable."
)


def ffr_of(loss: float) -> float:
    """FFR of a trace's circuit with such a stenosis."""
    return make(Patient(loss=loss), Recording(rate=RATE), 0).truth.ffr


@cache
def stenoses() -> tuple[Array, Array]:
    """FFR, rising, and the loss that gives it."""
    found = np.array([ffr_of(float(loss)) for loss in LOSSES])
    return found[::-1], LOSSES[::-1]


def read_wire(patient: int, lesion: str, true: float) -> dict[str, Any]:
    """One measurement: the FFR that the trace truly has, and what is read of it."""
    rng = np.random.default_rng([FIRST_SEED, patient, sum(map(ord, lesion))])
    wanted = float(np.clip(true + REPEATED * rng.normal(), stenoses()[0][0], stenoses()[0][-1]))
    loss = float(np.interp(wanted, *stenoses()))
    disturbances = tuple(rng.choice(KINDS, size=int(rng.integers(0, 3)), replace=False))
    taken = Recording(rate=RATE, drift=float(rng.normal(0.0, 1.5)), disturbances=disturbances)
    one = make(Patient(loss=loss), taken, int(rng.integers(2**31)))
    line: dict[str, Any] = {"patient": patient, "lesion": lesion, "wire_true": round(one.truth.ffr, 5)}
    try:
        found = analysis.analyse(Trace(lesion, RATE, one.aortic * MMHG, one.distal * MMHG))
    except InputError as error:
        return line | {"ffr": None, "reason": str(error)}
    value = (found.corrected or found.recorded).hyperaemic.ffr.value
    return line | {"ffr": value, "reason": found.reason if value is None else ""}


def measured(lesions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lesions with their wire's reading, those not on record made now."""
    true = {(one["patient"], one["lesion"]): one["true"] for one in lesions}
    with get_context("spawn").Pool(PROCESSES) as pool:
        wires = resumed(
            RECORDS,
            ("patient", "lesion"),
            true,
            read_wire,
            lambda _, missing: pool.imap(_read, [(*key, true[key]) for key in missing]),
        )
    return [one | wires[one["patient"], one["lesion"]] for one in lesions]


def _read(key: tuple[int, str, float]) -> dict[str, Any]:
    return read_wire(*key)


def column(rows: Sequence[dict[str, Any]], name: str) -> Array:
    """(n,) numbers, NaN where there is none."""
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=float)


def study(rows: Sequence[dict[str, Any]]) -> Unit:
    """What ``hemo agree`` says of CT-FFR against the wire, by lesion."""
    computed = np.where([row["evaluable"] for row in rows], column(rows, "computed"), np.nan)
    calcified = Grouping("calcified", ("no", "yes"), np.array([int(row["calcified"]) for row in rows]), True)
    code = np.unique([row["patient"] for row in rows], return_inverse=True)[1]
    indices = (Index(name, values, Rule(0.80)) for name, values in (("wire", column(rows, "ffr")), ("CT", computed)))
    return analyse(Cohort("lesion", code, *indices, groupings=(calcified,)), Options(draws=1000))[0]


def spread(name: str, difference: Array, asked: str) -> tuple[str, ...]:
    """A row of differences."""
    known = difference[np.isfinite(difference)]
    size = f"{np.abs(known).mean():.4f}"
    return (name, str(len(known)), f"{known.mean():+.4f} ± {known.std():.4f}", size, asked)


def holding(name: str, rows: Sequence[dict[str, Any]], asked: str) -> tuple[str, ...]:
    """How many intervals of ``hemo uncertainty`` hold the truth."""
    low, high, true = (column(rows, what) for what in ("low", "high", "true"))
    return (name, str(len(rows)), f"{100 * ((low <= true) & (true <= high)).mean():.1f} %", "-", asked)


def between(interval: Interval) -> str:
    """A value and its interval."""
    return f"{interval.value:+.3f} ({interval.low:+.3f} to {interval.high:+.3f})"


def agreement_rows(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """What ``hemo agree`` says, beside what is known of these very lesions."""
    method = study(rows).methods[0]
    assert method.agreement is not None
    used = np.isfinite(column(rows, "ffr")) & np.array([row["evaluable"] for row in rows])
    known = (column(rows, "computed") - column(rows, "true"))[used]
    expected = np.hypot(known.std(), REPEATED)
    accuracy, whole = method.diagnosis.proportions["accuracy"].wilson, method.bands[-1]
    found, count = method.agreement, str(method.rows)
    return [
        ("CT-FFR less the wire, by `hemo agree`: bias", count, between(found.bias), "-", f"known {known.mean():+.3f}"),
        ("... standard deviation", count, between(found.sd), "-", f"known {expected:.3f}"),
        ("... limits of agreement", count, f"{found.lower.value:+.3f}, {found.upper.value:+.3f}", "-", "-"),
        ("... accuracy at 0.80", count, between(accuracy), "-", f"without error {whole.ceiling[0]:.3f}"),
        ("... area under the curve", count, between(method.area), "-", "-"),
    ]


def main(options: Sequence[str] = ()) -> None:
    """Fill the section ``virtual_study`` of docs/benchmarks.md."""
    del options
    lines = cohort()
    lesions = [
        {name: line[name] for name in ("patient", "calcified")} | one
        for line in lines
        for one in line["lesions"]
        if "true" in one
    ]
    lost = sum("true" not in one for line in lines for one in line["lesions"])
    rows = measured(lesions)
    wire, soft = column(rows, "ffr"), [row for row in rows if not row["calcified"]]
    hard = [row for row in rows if row["calcified"]]
    table = [
        spread("wire as read, less its trace's truth", wire - column(rows, "wire_true"), "0.01"),
        ("wires that gave no FFR, and said why", str(int(np.isnan(wire).sum())), "-", "-", "-"),
        spread("CT-FFR less the true FFR", column(rows, "computed") - column(rows, "true"), "-"),
        *agreement_rows(rows),
        holding("95 % intervals of `hemo uncertainty` that hold the truth", soft, "93 to 97 %"),
        holding("... where calcium makes CT read 0.1 mm too narrow", hard, "-"),
    ]
    columns = ("what", "lesions", "mean ± standard deviation, or value", "mean absolute", "asked, or known")
    publish(Table("virtual_study", columns, tuple(table), NOTE + f" {len(lines)} patients, {lost} trees were refused."))
