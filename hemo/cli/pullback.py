"""``hemo pullback``: IVUS and OCT contours to lumen, plaque, calcium, stent, and FFR along the vessel."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, number, show_warnings, table
from hemo.errors import InputError
from hemo.resultfolder import working_folder
from hemo.units import parse

if TYPE_CHECKING:
    from hemo.geometry.intravascular.assembling import Reading
    from hemo.geometry.intravascular.contours import Pullback
    from hemo.geometry.intravascular.placing import Placement
    from hemo.pullback import PullbackAnalysis, PullbackOptions


@click.command(
    epilog='Example: hemo pullback ivus/rest ivus/stress --modality ivus --aortic-pressure "92 mmHg" --out results/ivus'
)
@click.argument("contours", metavar="CONTOURS [CONTOURS2]", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="New folder for report, tables, figures and tree.json.")
@click.option("--phase", type=click.Choice(["diastolic", "systolic"]), help="Of a folder.  [default: what it holds]")
@click.option("--second-phase", type=click.Choice(["diastolic", "systolic"]), help="Of CONTOURS2.")
@click.option("--modality", type=click.Choice(["ivus", "oct"]), help="Else as the file says.")
@click.option("--unit", type=click.Choice(["um", "mm", "cm", "m"]), help="Of the coordinates.  [default: mm]")
@click.option("--frame-spacing", metavar="LENGTH", help="From one frame number to the next, in place of the file's z.")
@click.option("--pullback-speed", metavar="SPEED", help='Such as "0.5 mm/s"; with --frame-rate.')
@click.option("--frame-rate", metavar="RATE", help='Such as "30 /s".')
@click.option("--first", type=click.Choice(["distal", "proximal"]), help="Which end the file's first frame is.")
@click.option("--aortic-pressure", metavar="PRESSURE", help="Mean, at hyperaemia.  [default: 93 mmHg]")
@click.option("--flow", metavar="FLOW", help="Hyperaemic, where the pullback begins.")
@click.option("--velocity", metavar="SPEED", help="Hyperaemic, mean of the section.  [default: 0.35 m/s]")
@click.option("--side-branch", "sides", multiple=True, metavar="PLACE=DIAMETER", help='Such as "12 mm=1.8 mm".')
@click.option("--centreline", type=click.Path(path_type=Path), help="tree.json or VMTK's VTP to place the vessel on.")
@click.option("--branch", metavar="NAME", help="Vessel of --centreline's tree, or number of its line.")
@click.option("--at", default="0 mm", show_default=True, help="Where on the centreline the proximal end lies.")
@click.option("--strut-thickness", default="0.1 mm", show_default=True, help="What is no malapposition yet.")
@click.option("--shift", metavar="LENGTH", help="Added to a place on CONTOURS2 it gives that on CONTOURS.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def pullback(
    contours: tuple[Path, ...], out: Path | None, shift: str | None, quiet: bool, as_json: bool, **given: Any
) -> None:
    """Measure the contours of an intravascular pullback and compute FFR along it.

    CONTOURS is a folder with diastolic_contours.csv (lumen) and, beside it, eem_, calcium_, stent_ and
    branch_diastolic_contours.csv; one CSV file of the lumen; or a JSON file (hemo schema pullback). With CONTOURS2 the
    two are registered and compared: before and after a stent, rest and stress, or the two phases of one folder.
    """
    from hemo.pullback import analyse
    from hemo.pullbackcomparison import compare
    from hemo.pullbacksummary import summary

    if len(contours) > 2:
        raise InputError(f"{len(contours)} pullbacks are given; give one, or two to compare.")
    if shift is not None and len(contours) == 1:
        raise InputError("--shift needs two pullbacks.")
    reading, options = _reading(given), _options(given)
    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(out, {}, fresh=True)) if out else None
        progress = stack.enter_context(Stages(quiet or as_json))
        analyses: list[PullbackAnalysis] = []
        for path, phase in zip(contours, (given["phase"], given["second_phase"]), strict=False):
            progress.stage(f"Measuring {path.name}")
            read = _read(path, reading, phase)
            if analyses and read.name == analyses[0].pullback.name:
                read = replace(read, name=f"{read.name} 2")
            analyses.append(analyse(read, options))
        comparison = None
        if len(analyses) == 2:
            progress.stage("Registering the two pullbacks")
            comparison = compare(analyses[0], analyses[1], _length(shift, "--shift"))
        warnings = list(dict.fromkeys(text for one in analyses for text in one.warnings))
        told = summary(analyses, comparison, _hashes(contours), warnings)
        if folder is not None:
            progress.stage("Writing the report")
            _write(folder, told, analyses, comparison)
    if as_json:
        emit_json(told)
    elif not quiet:
        show_warnings(warnings)
        _show(told)
        if out is not None:
            click.echo(f"{out / 'report.html'}  (for research, not for diagnosis)")


def _read(path: Path, reading: Reading, phase: Any) -> Pullback:
    from hemo.geometry.intravascular.contourfile import read_pullback

    return read_pullback(path, reading, phase)


def _length(text: str | None, where: str) -> float | None:
    return None if text is None else parse(text, "metre", where)


def _reading(given: dict[str, Any]) -> Reading:
    from hemo.geometry.intravascular.assembling import Reading

    step = _length(given["frame_spacing"], "--frame-spacing")
    speed, rate = given["pullback_speed"], given["frame_rate"]
    if (speed is None) != (rate is None):
        raise InputError("--pullback-speed and --frame-rate belong together; give both.")
    if speed is not None:
        if step is not None:
            raise InputError("give --frame-spacing, or --pullback-speed and --frame-rate, not both.")
        per_second = parse(rate, "1/second", "--frame-rate")
        if not 0.1 <= per_second <= 1000.0:
            raise InputError(f"--frame-rate {rate}: is outside 0.1 to 1000 /s.")
        step = parse(speed, "metre/second", "--pullback-speed") / per_second
    if step is not None and not 1e-6 <= step <= 5e-3:
        raise InputError(f"{1e3 * step:g} mm between frames is outside 0.001 to 5 mm; check spacing, speed and rate.")
    return Reading(given["unit"], step, given["first"], given["modality"])


def _options(given: dict[str, Any]) -> PullbackOptions:
    from hemo.pullback import PullbackOptions
    from hemo.pullbackflow import FlowState

    def value(name: str, unit: str) -> float | None:
        return None if given[name] is None else parse(given[name], unit, "--" + name.replace("_", "-"))

    state = FlowState(
        value("aortic_pressure", "pascal"), value("flow", "metre**3/second"), value("velocity", "metre/second")
    )
    strut = parse(given["strut_thickness"], "metre", "--strut-thickness")
    if not 0.0 <= strut <= 0.5e-3:
        raise InputError(f"--strut-thickness {given['strut_thickness']}: is outside 0 to 0.5 mm.")
    sides = tuple(_side(text) for text in given["sides"])
    return PullbackOptions(state, placement=_placement(given), side_branches=sides, strut=strut)


def _side(text: str) -> tuple[float, float]:
    place, mark, diameter = text.partition("=")
    if not mark:
        raise InputError(f'--side-branch {text!r}: write PLACE=DIAMETER, such as "12 mm=1.8 mm".')
    return parse(place, "metre", "--side-branch"), parse(diameter, "metre", "--side-branch")


def _placement(given: dict[str, Any]) -> Placement | None:
    from hemo.geometry.intravascular.placing import Placement

    path, name = given["centreline"], given["branch"]
    if path is None:
        return None
    lines = _tree_lines(path) if path.suffix.lower() == ".json" else _vtp_lines(path)
    if name is None and len(lines) > 1:
        raise InputError(f"{path}: holds {', '.join(lines)}; say which with --branch.")
    chosen = next(iter(lines)) if name is None else name
    if chosen not in lines:
        raise InputError(f"{path}: holds no {chosen!r}; there are {', '.join(lines)}.")
    return Placement(lines[chosen], parse(given["at"], "metre", "--at"))


def _tree_lines(path: Path) -> dict[str, Any]:
    from hemo.treejson import read_trees

    return {branch.name: branch.points for stored in read_trees(path) for branch in stored.tree.branches}


def _vtp_lines(path: Path) -> dict[str, Any]:
    from hemo.geometry.centreline.linefile import read_lines

    return {str(number): line.points for number, line in enumerate(read_lines(path))}


def _hashes(contours: Sequence[Path]) -> dict[str, str]:
    from hemo.files import sha256

    found = [file for path in contours for file in (sorted(path.glob("*.csv")) if path.is_dir() else [path])]
    return {str(file): sha256(file) for file in found}


def _write(folder: Path, told: dict[str, Any], analyses: Sequence[PullbackAnalysis], comparison: Any) -> None:
    import csv
    import json

    from hemo.files import file_name, write_json
    from hemo.pullbackpage import write_page
    from hemo.treejson import document, tree_to_json

    write_json(folder / "summary.json", told)
    trees = [tree_to_json(one.tree, one.ratio.conditions) for one in analyses]
    (folder / "tree.json").write_text(json.dumps(document(trees)) + "\n", encoding="utf-8")
    for row in told["pullbacks"]:
        with open(folder / f"frames_{file_name(row['name'])}.csv", "w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(row["frame_table"][0]))
            writer.writeheader()
            writer.writerows(row["frame_table"])
    write_page(folder, told, analyses, comparison)


def _show(told: dict[str, Any]) -> None:
    """Print the tables."""
    console = Console()
    rows = []
    for one in told["pullbacks"]:
        lumen, plaque, stent = one["lumen"], one["plaque"] or {}, one["stent"] or {}
        rows.append(
            [
                one["name"],
                number(lumen["minimal_area_mm2"]),
                number(lumen["references"]["mean_area_mm2"]),
                number(lumen["percent_area_stenosis"], 0),
                number(plaque.get("greatest_burden_percent"), 0),
                number(stent.get("expansion_percent"), 0),
                number(one["ffr"]["distal"]),
                number(one["ffr"]["distal_with_lesions_opened"]),
            ]
        )
    heads = ["MLA mm²", "ref. mm²", "% area", "plaque %", "stent %", "FFR", "opened"]
    console.print(table("Pullbacks", ["pullback", *heads], rows))
    rows = [
        [
            f"{one['name']}, {deposit['from_mm']:.1f} mm",
            *[number(deposit[key], digits) for key, digits in (("greatest_arc_deg", 0), ("greatest_thickness_mm", 2))],
            number(deposit["length_mm"], 1),
            str(deposit["score"]),
        ]
        for one in told["pullbacks"]
        for deposit in one["calcium"]
    ]
    if rows:
        console.print(table("Calcium", ["deposit", "arc °", "thickness mm", "length mm", "score"], rows))
    both = told["comparison"]
    if both:
        cells = [number(both[f"minimal_area_{which}_mm2"]) for which in ("first", "second")]
        cells += [number(both["mean_area_change_percent"], 1), number(both["greatest_loss_percent"], 0)]
        heads = ["MLA first", "MLA second", "mean area %", "greatest loss %"]
        title = f"{both['second']} against {both['first']}, registered by {both['registered_by']}"
        console.print(table(title, ["shift mm", *heads], [[number(both["shift_mm"], 1), *cells]]))
        click.echo(both["note"])
