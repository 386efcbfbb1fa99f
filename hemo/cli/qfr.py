"""``hemo qfr``: the quantitative flow ratio from two angiographic views, or one, once or at several time points."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, show_warnings, table
from hemo.errors import InputError
from hemo.flowratio import EXPONENT
from hemo.reduced.losses import LawName, LossOptions
from hemo.resultfolder import working_folder
from hemo.units import parse

if TYPE_CHECKING:
    from hemo.qfrstage import QfrOptions
    from hemo.qfrsummary import TimePoint

PAIR = click.Path(path_type=Path)
TIMES = ("pre", "post", "follow_up")


@click.command(
    epilog='Example: hemo qfr lao.dcm rao.dcm --vessel LAD --mean-pressure "95 mmHg" --heart-rate "68 /min" '
    "--out results/lad   (with the points along the vessel in lao.json and rao.json)"
)
@click.argument("views", metavar="[VIEW1.dcm [VIEW2.dcm]]", nargs=-1, type=PAIR)
@click.option("--marks", "marks", multiple=True, type=PAIR, help="A view's points or contours, in the views' order.")
@click.option("--pre", nargs=2, type=PAIR, help="Two views before treatment; - for the second of one view alone.")
@click.option("--post", nargs=2, type=PAIR, help="Two views after it.")
@click.option("--follow-up", "follow_up", nargs=2, type=PAIR, help="Two views at follow-up.")
@click.option("--vessel", default="vessel", show_default=True, help="Its name.")
@click.option("--mean-pressure", metavar="PRESSURE", help="Aortic.  [default: 100 mmHg]")
@click.option("--heart-rate", metavar="RATE", help="Without it a velocity timed on contrast is half as certain.")
@click.option("--hyperaemia", is_flag=True, help="The cines were taken under adenosine.")
@click.option("--velocity", metavar="SPEED", help="Measured mean flow velocity, in place of the one timed on contrast.")
@click.option("--fixed-only", is_flag=True, help="Time no contrast: 0.35 m/s.")
@click.option(
    "--flow-area",
    type=click.Choice(["transit", "mean_reference", "proximal_reference", "mean_lumen"]),
    default="transit",
    show_default=True,
    help="How a velocity becomes a flow.",
)
@click.option(
    "--law",
    type=click.Choice(get_args(LawName)),
    default="fitted",
    show_default=True,
    help="Of what lesions lose.",
)
@click.option("--exponent", type=float, default=EXPONENT, show_default=True, help="Of the flow-diameter law.")
@click.option(
    "--reference",
    type=click.Choice(["tapered", "stepped"]),
    default="tapered",
    show_default=True,
    help="Healthy calibre between side branches; stepped: even, as in Murray-law QFR.",
)
@click.option("--gate", type=float, default=0.80, show_default=True, help="QFR above which a vessel goes on.")
@click.option("--out", type=click.Path(path_type=Path), help="New folder for report, tables, contours, tree and lumen.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def qfr(views: tuple[Path, ...], marks: tuple[Path, ...], out: Path | None, **given: Any) -> None:
    """QFR of one vessel from two XA cines at least 25 degrees apart, or from one.

    Beside each cine lies its marks' file (the same name with .json, or --marks): the frame, and two or more points
    along the vessel, proximal to distal, or contours as --out writes them (hemo schema contours). With --pre, --post
    and --follow-up the vessel is compared over time. No flow is timed on cines of fewer than 12.5 frames a second.
    """
    from hemo.pipeline import collected_warnings

    options = _options(given)
    groups = _groups(views, given)
    quiet, as_json = given["quiet"], given["as_json"]
    files = _with_marks([path for _, paths in groups for path in paths], marks)
    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(out, {}, fresh=True)) if out else None
        progress = stack.enter_context(Stages(quiet or as_json))
        said = stack.enter_context(collected_warnings())
        points = [_time_point(label, paths, files, options, progress) for label, paths in groups]
        told = _told(points, groups, said.messages, given["gate"])
        if folder is not None:
            progress.stage("Writing the report")
            _write(folder, told, points)
    if as_json:
        emit_json(told)
    elif not quiet:
        show_warnings(said.messages)
        _show(told)
        click.echo(f"{out / 'report.html'}  (for research, not for diagnosis)" if out else "For research only.")


def _groups(views: Sequence[Path], given: dict[str, Any]) -> list[tuple[str, list[Path]]]:
    """Label and views of each time point."""
    timed = [(label.replace("_", "-"), given[label]) for label in TIMES if given[label]]
    if views and timed:
        raise InputError("give the views alone, or behind --pre, --post and --follow-up, not both.")
    if not views and not timed:
        raise InputError("give one or two XA cines of the vessel, such as hemo qfr lao.dcm rao.dcm.")
    if len(views) > 2:
        raise InputError(f"{len(views)} views are given; QFR takes one or two of one vessel.")
    if not timed:
        return [("view" if len(views) == 1 else "views", list(views))]
    return [(label, [path for path in pair if str(path) != "-"]) for label, pair in timed]


def _with_marks(views: Sequence[Path], marks: Sequence[Path]) -> dict[Path, Path]:
    """Each view's file of marks."""
    from hemo.qfr.viewfile import marks_beside

    if len(set(views)) < len(views):
        raise InputError("one cine is given twice; each view is its own file.")
    if marks and len(marks) != len(views):
        raise InputError(f"--marks stands {len(marks)} times for {len(views)} views; give it once for each, in order.")
    found = dict(zip(views, marks, strict=True)) if marks else {view: marks_beside(view) for view in views}
    for view, file in found.items():
        if view.is_file() and not file.is_file():
            raise InputError(
                f"{file}: is not there; write the points along the vessel on {view.name} into it, such as "
                '{"frame": 30, "points_px": [[210, 130], [260, 220]]}, or name a file with --marks.'
            )
    return found


def _time_point(
    label: str, paths: Sequence[Path], files: dict[Path, Path], options: QfrOptions, progress: Stages
) -> TimePoint:
    from hemo.qfr.contoursjson import read_view
    from hemo.qfr.dicom import read_views
    from hemo.qfr.viewfile import marked
    from hemo.qfrstage import analyse
    from hemo.qfrsummary import TimePoint

    named = "" if label in ("view", "views") else f" ({label})"
    progress.stage(f"Reading and tracing{named}")
    cines = read_views(paths)
    ready = tuple(
        marked(cine, read_view(files[path]), str(files[path])) for cine, path in zip(cines, paths, strict=True)
    )
    progress.stage(f"Vessel, flow and pressure{named}")
    return TimePoint(label, ready, analyse(ready, options))


def _options(given: dict[str, Any]) -> QfrOptions:
    from hemo.qfrstage import QfrOptions

    def value(name: str, unit: str, low: float, high: float) -> float | None:
        if given[name] is None:
            return None
        where = "--" + name.replace("_", "-")
        found = parse(given[name], unit, where)
        if not low <= found <= high:
            raise InputError(f"{where} {given[name]}: is outside what a person can have; check number and unit.")
        return found

    velocity = value("velocity", "metre/second", 0.02, 1.5)
    if velocity is not None and given["fixed_only"]:
        raise InputError("give --velocity or --fixed-only, not both.")
    if not 1.0 <= given["exponent"] <= 4.0:
        raise InputError(f"--exponent {given['exponent']:g}: is outside 1 to 4.")
    if not 0.0 < given["gate"] < 1.0:
        raise InputError(f"--gate {given['gate']:g}: must lie between 0 and 1.")
    return QfrOptions(
        given["vessel"],
        value("mean_pressure", "pascal", 4e3, 27e3),
        given["hyperaemia"],
        velocity,
        not given["fixed_only"],
        value("heart_rate", "1/second", 0.4, 4.0),
        given["flow_area"],
        losses=LossOptions(law=given["law"]),
        exponent=given["exponent"],
        reference=given["reference"],
    )


def _told(
    points: Sequence[TimePoint], groups: Sequence[tuple[str, list[Path]]], warnings: Sequence[str], gate: float
) -> dict[str, Any]:
    from hemo.files import sha256
    from hemo.qfrsummary import summary

    hashes = {f"{label} {k}": sha256(path) for label, paths in groups for k, path in enumerate(paths, 1)}
    return summary(points, list(dict.fromkeys(warnings)), hashes, gate)


def _write(folder: Path, told: dict[str, Any], points: Sequence[TimePoint]) -> None:
    from hemo.files import file_name, write_json
    from hemo.qfr.contoursjson import write_contours
    from hemo.qfr.lumen import write_lumen
    from hemo.qfr.viewfile import drawn_of
    from hemo.qfrpage import write_page
    from hemo.qfrsummary import write_study_table
    from hemo.treejson import document, tree_to_json

    write_json(folder / "summary.json", told)
    write_study_table(folder / "time_points.csv", told["time_points"])
    trees = []
    for point in points:
        for number, view in enumerate(point.views, 1):
            write_contours(drawn_of(view), folder / f"contours_{file_name(point.label)}_{number}.json")
        write_lumen(point.result.vessel, folder / f"lumen_{file_name(point.label)}.stl")
        best = point.result.best.ratio
        trees.append(tree_to_json(best.tree, best.conditions) | {"name": f"{best.tree.name} {point.label}"})
    (folder / "tree.json").write_text(json.dumps(document(trees)) + "\n", encoding="utf-8")
    drawn = [(point.label, point.result, point.views) for point in points]
    write_page(folder / "report.html", told, drawn, folder / "figures")


def _show(told: dict[str, Any]) -> None:
    console = Console()
    rows = []
    for point in told["time_points"]:
        low, high = point["interval"]
        inflow = point["modes"][point["mode"]]["inflow_ml_min"]
        numbers = [f"{point['qfr']:.3f}", f"{low:.2f} to {high:.2f}", point["mode"], f"{inflow:.0f}"]
        rows.append([point["label"], *numbers, "yes" if point["gate"]["above"] else "no"])
    gate = told["time_points"][0]["gate"]["threshold"]
    vessel = told["time_points"][0]["vessel"]
    heads = ["", "QFR", "95 %", "flow by", "mL/min", f"above {gate:.2f}"]
    console.print(table(f"QFR of the {vessel}", heads, rows))
    lesions = [
        [f"{point['label']} {one['id']}", f"{one['percent_diameter_stenosis']:.0f}", f"{one['mla_mm2']:.2f}"]
        + [f"{one[key]:.3f}" for key in ("qfr_distal", "delta_qfr", "residual_qfr")]
        for point in told["time_points"]
        for one in point["lesions"]
    ]
    if lesions:
        heads = ["lesion", "% diameter", "MLA mm²", "QFR behind", "fall", "QFR if opened"]
        console.print(table("Lesions", heads, lesions))
