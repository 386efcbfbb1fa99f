"""``hemo wire``: traces of a pressure wire to FFR, resting ratios, artefacts and drift."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, number, show_warnings, table
from hemo.errors import InputError
from hemo.resultfolder import working_folder
from hemo.units import parse

if TYPE_CHECKING:
    from hemo.wire.analysis import WireOptions
    from hemo.wire.microvascular import FlowMeasurement
    from hemo.wire.reading import Columns
    from hemo.wiresummary import Told

SPANS = ("equalisation", "rest", "hyperaemia", "pullback")
QUANTITIES = {
    "rest_flow": "metre**3/second",
    "hyperaemic_flow": "metre**3/second",
    "rest_transit": "second",
    "hyperaemic_transit": "second",
    "pullback_length": "metre",
    "pullback_speed": "metre/second",
}
LISTED = ("patient", "vessel", *SPANS, *QUANTITIES)


@click.command(
    epilog="Example: hemo wire P001_LAD.csv --equalisation 0:9 --equalisation 129:139 --out results/P001_LAD"
)
@click.argument("traces", metavar="TRACE.csv ...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--list", "listed", type=click.Path(path_type=Path), help="CSV: trace, and any option as a column.")
@click.option("--out", type=click.Path(path_type=Path), help="New folder for report, figures, summary.json and table.")
@click.option("--table", "table_file", type=click.Path(path_type=Path), help="CSV with a line a trace, for hemo agree.")
@click.option("--aortic", metavar="NAME", help="Head of the column of aortic pressure.")
@click.option("--distal", metavar="NAME", help="Head of the column of distal pressure.")
@click.option("--time", metavar="NAME", help="Head of the column of times.")
@click.option("--flow-column", metavar="NAME", help="Head of a column of flow or flow velocity.")
@click.option("--unit", type=click.Choice(["mmHg", "Pa", "kPa"]), help="Of the pressures.  [default: by their size]")
@click.option("--rate", metavar="RATE", help='Samples, such as "100 /s", in place of times.')
@click.option("--equalisation", multiple=True, metavar="START:END", help="s, sensor in the guide; may be repeated.")
@click.option("--rest", metavar="START:END", help="s.  [default: found]")
@click.option("--hyperaemia", metavar="START:END", help="s.  [default: found]")
@click.option("--pullback", metavar="START:END", help="s, the wire drawn back evenly.")
@click.option("--pullback-length", metavar="LENGTH", help='Such as "60 mm".')
@click.option("--pullback-speed", metavar="SPEED", help='Such as "1 mm/s".')
@click.option("--rest-flow", metavar="FLOW", help='Measured beside the pressures, such as "80 mL/min".')
@click.option("--hyperaemic-flow", metavar="FLOW", help="The same at hyperaemia.")
@click.option("--rest-transit", metavar="TIME", help='Mean transit time of thermodilution, such as "0.9 s".')
@click.option("--hyperaemic-transit", metavar="TIME", help="The same at hyperaemia.")
@click.option("--correct-drift", is_flag=True, help="Let FFR be the one less the wire's drift.")
@click.option("--patient", help="Of one trace.  [default: the file's name up to its last underscore]")
@click.option("--vessel", help="Of one trace.  [default: the rest of the file's name]")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def wire(
    traces: tuple[Path, ...],
    listed: Path | None,
    out: Path | None,
    table_file: Path | None,
    correct_drift: bool,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Read FFR and resting ratios from traces of aortic and distal coronary pressure.

    Artefacts (flush, damping, whip, disconnection, saturation, ectopic beats) are left out and named. The wire's drift
    is read from equalisation checks; both the recorded and the corrected ratios are told. A trace that does not allow
    FFR gets none, with the reason.
    """
    from hemo.files import sha256
    from hemo.wiresummary import summary

    jobs = _jobs(traces, listed, given)
    columns = _columns(given)
    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(out, {}, fresh=True)) if out else None
        progress = stack.enter_context(Stages(quiet or as_json))
        told: list[Told] = []
        for path, options in jobs:
            progress.stage(f"Reading {path.name}")
            told.append(_read(path, columns, options, alone=len(jobs) == 1))
        if all(one.analysis is None for one in told):
            raise InputError(f"none of the {len(told)} traces could be read; the first: {told[0].reason}")
        files = [path for path, _ in jobs] + ([] if listed is None else [listed])
        hashes = {str(path): sha256(path) for path in files if path.is_file()}
        result = summary(told, hashes, correct_drift)
        if folder is not None:
            progress.stage("Writing the report")
            _write(folder, result, told)
        if table_file is not None:
            _write_table(table_file, result)
    if as_json:
        emit_json(result)
    elif not quiet:
        _show(result)
        if out is not None:
            click.echo(f"{out / 'report.html'}  (for research, not for diagnosis)")


def _jobs(traces: Sequence[Path], listed: Path | None, given: Mapping[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    """Each trace with what is said of it."""
    if (listed is None) == (not traces):
        raise InputError("give traces, or a list of them with --list, one of the two.")
    own = {name: given[name] for name in LISTED}
    if listed is not None:
        if any(own.values()):
            raise InputError("with --list, what belongs to one trace is a column of the list, not an option.")
        return _list(listed)
    if len(traces) > 1:
        named = next((name for name in LISTED if own[name]), None)
        if named is not None:
            raise InputError(f"--{named.replace('_', '-')} belongs to one trace; give a --list for several.")
    return [(path, own) for path in traces]


def _list(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputError(f"{path}: cannot read the list ({reason}); give a CSV file.") from error
    heads = list(rows[0]) if rows else []
    unknown = [head for head in heads if head not in ("trace", *LISTED)]
    if not rows or "trace" not in heads or unknown:
        wrong = f"it has {unknown[0]!r}" if unknown else "it has no trace" if rows else "it is empty"
        raise InputError(f"{path}: {wrong}; the columns are trace and any of {', '.join(LISTED)}.")
    jobs = []
    for line, row in enumerate(rows, start=2):
        if not (row["trace"] or "").strip():
            raise InputError(f"{path}, line {line}: it names no trace; correct it.")
        own = {name: (row.get(name) or "").strip() or None for name in LISTED}
        checks = (own["equalisation"] or "").replace(";", " ").split()
        jobs.append((path.parent / row["trace"].strip(), {**own, "equalisation": tuple(checks)}))
    return jobs


def _columns(given: Mapping[str, Any]) -> Columns:
    from hemo.wire.reading import Columns

    rate = None if given["rate"] is None else parse(given["rate"], "1/second", "--rate")
    unit = None if given["unit"] is None else str(given["unit"]).lower()
    return Columns(given["aortic"], given["distal"], given["time"], given["flow_column"], unit, rate)


def _read(path: Path, columns: Columns, own: Mapping[str, Any], alone: bool) -> Told:
    """One trace; of several a bad one only says why."""
    from hemo.wire.analysis import analyse
    from hemo.wire.reading import read_trace
    from hemo.wiresummary import Told

    first, _, last = path.stem.rpartition("_")
    patient, vessel = own["patient"] or first or path.stem, own["vessel"] or (last if first else "")
    try:
        options = _options(own)
        return Told(str(path), patient, vessel, analyse(read_trace(path, columns), options))
    except InputError as error:
        if alone:
            raise
        return Told(str(path), patient, vessel, None, " ".join(str(error).split()))


def _options(own: Mapping[str, Any]) -> WireOptions:
    from hemo.wire.analysis import WireOptions
    from hemo.wire.windows import Given

    spans = {name: None if own[name] is None else _span(own[name], name) for name in SPANS[1:]}
    checks = tuple(_span(text, "equalisation") for text in own["equalisation"])
    sizes = {
        name: None if own[name] is None else parse(own[name], unit, "--" + name.replace("_", "-"))
        for name, unit in QUANTITIES.items()
    }
    length, speed = sizes["pullback_length"], sizes["pullback_speed"]
    return WireOptions(
        Given(checks, spans["rest"], spans["hyperaemia"], spans["pullback"]), _flow(sizes), length, speed
    )


def _span(text: str, name: str) -> tuple[float, float]:
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*:\s*(\d+(?:\.\d*)?)\s*", text)
    if found is None or float(found[1]) >= float(found[2]):
        raise InputError(f'--{name} {text!r}: write START:END in seconds, such as "12:30".')
    return float(found[1]), float(found[2])


def _flow(sizes: Mapping[str, float | None]) -> FlowMeasurement | None:
    from hemo.wire.microvascular import FlowMeasurement

    made = []
    for kind in ("flow", "transit"):
        rest, full = sizes[f"rest_{kind}"], sizes[f"hyperaemic_{kind}"]
        if (rest is None) != (full is None):
            raise InputError(f"--rest-{kind} and --hyperaemic-{kind} belong together; give both.")
        if rest is not None and full is not None:
            made.append(FlowMeasurement(rest, full, kind))
    if len(made) > 1:
        raise InputError("give flows, or transit times, not both.")
    return made[0] if made else None


def _write(folder: Path, result: dict[str, Any], told: Sequence[Told]) -> None:
    from hemo.files import write_json
    from hemo.wirepage import write_page

    write_json(folder / "summary.json", result)
    _write_table(folder / "table.csv", result)
    write_page(folder, result, told)


def _write_table(path: Path, result: dict[str, Any]) -> None:
    from hemo.files import replace_table
    from hemo.wiresummary import table_row

    rows = [table_row(one) for one in result["traces"]]
    try:
        replace_table(path, rows, list(rows[0]))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path}: the table cannot be written ({error.strerror}); choose another --table.") from error


def _show(result: dict[str, Any]) -> None:
    """Print warnings, ratios and what was left out."""
    many = len(result["traces"]) > 1
    rows, left, beside = [], [], []
    for one in result["traces"]:
        name = " ".join(part for part in (one["patient"], one["vessel"]) if part)
        if one["status"] == "unreadable":
            show_warnings([f"{name}: {one['reason']}"])
            rows.append([name, "-", "-", "-", "-", "-", "-", one["status"]])
            continue
        show_warnings([f"{name}: {text}" if many else text for text in one["warnings"]])
        state, straight, drift = one["recorded"], one["drift_corrected"], one["drift"]
        values = [state[key]["value"] for key in ("ffr", "pd_pa", "wave_free_ratio", "rfr")]
        less = None if straight is None else straight["ffr"]["value"]
        cells = [number(value) for value in (*values[:1], less, *values[1:])]
        cells.append(number(None if drift is None else drift["value_mmhg"], 1))
        rows.append([name, *cells, one["status"]])
        beds = state["microvascular"]
        if beds is not None:
            beside.append([name, *[number(value, 3 if key.startswith("res") else 2) for key, value in beds.items()]])
        for found in one["artefacts"]:
            ends = (f"{found[key]:.1f}" for key in ("start_s", "end_s"))
            left.append([name if many else found["kind"], *([found["kind"]] if many else []), found["channel"], *ends])
    console = Console()
    heads = ["FFR", "less drift", "Pd/Pa rest", "wave-free", "RFR", "drift mmHg", "status"]
    console.print(table("Pressure wire", ["trace", *heads], rows))
    if beside:
        heads = ["CFR", "MRR", "IMR mmHg s", "corrected", "mmHg min/mL"]
        console.print(table("With flow or transit times", ["trace", *heads], beside))
    if left:
        names = ["trace", "artefact"] if many else ["artefact"]
        console.print(table("Left out", [*names, "channel", "from s", "to s"], left))
