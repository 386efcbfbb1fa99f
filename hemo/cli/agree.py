"""``hemo agree``: a computed index against the pressure wire, for a whole study."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, show_warnings, table
from hemo.errors import InputError
from hemo.resultfolder import working_folder

if TYPE_CHECKING:
    from hemo.agreement.reading import Mapping
    from hemo.agreement.study import Options

_CHOICES = ["ct", "qfr", "all", "none"]
_SHOWN = ("flow", "agreement", "accuracy", "comparison")  # on the terminal, where a report has the rest


@click.command(
    epilog="Example: hemo agree study.csv --computed ct_ffr --measured ffr --patient id --subgroup sex --out results/ct"
)
@click.argument("table_file", metavar="TABLE", type=click.Path(path_type=Path))
@click.option("--computed", required=True, metavar="COLUMN", help="The index under test, such as CT-FFR.")
@click.option("--measured", required=True, metavar="COLUMN", help="FFR of the pressure wire.")
@click.option("--patient", required=True, metavar="COLUMN", help="Whose vessel the row is.")
@click.option("--with", "beside", multiple=True, type=click.Path(path_type=Path), help="A table whose columns join.")
@click.option(
    "--on", multiple=True, metavar="COLUMN", help='By which; "id=patient" if named so there.  [--patient, --vessel]'
)
@click.option("--second", metavar="COLUMN", help="Another method, compared with --computed on the same vessels.")
@click.option("--vessel", metavar="COLUMN", help="The vessel's name: one that stands twice is refused.")
@click.option("--unit", type=click.Choice(["vessel", "patient"]), default="vessel", show_default=True, help="A row is.")
@click.option("--repeats", is_flag=True, help="A vessel may have several rows (repeated measurements).")
@click.option("--reason", metavar="COLUMN", help="Why --computed is missing, for the flow of vessels.")
@click.option("--missing", multiple=True, metavar="TEXT", help="Text that means no value, beside NA, failed, ...")
@click.option("--threshold", default="0.80", show_default=True, help="At or below it the wire is abnormal.")
@click.option("--computed-threshold", metavar="RULE", help='Such as "<=0.80".  [default: as --threshold]')
@click.option("--second-threshold", metavar="RULE", help='Such as ">=50".  [default: as --threshold]')
@click.option("--subgroup", multiple=True, metavar="COLUMN", help='Declared beforehand; a number as "calcium>400".')
@click.option("--exploratory", multiple=True, metavar="COLUMN", help="Subgroup that was not declared beforehand.")
@click.option("--margin", type=float, help="Of non-inferiority to --second, a fraction such as 0.05.")
@click.option("--error-ratio", default=1.0, show_default=True, help="Error variance, computed over wire (Deming).")
@click.option("--wire-sd", multiple=True, type=float, help="Of one wire measurement.  [default: 0.021 and 0.025]")
@click.option("--draws", default=2000, show_default=True, help="Of the bootstrap.")
@click.option("--seed", default=1, show_default=True, help="Of the bootstrap: the same seed, the same numbers.")
@click.option(
    "--published", type=click.Choice(_CHOICES), default="all", show_default=True, help="Trials to stand beside."
)
@click.option("--out", type=click.Path(path_type=Path), help="New folder for report, tables and figures.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def agree(table_file: Path, out: Path | None, published: str, quiet: bool, as_json: bool, **given: Any) -> None:
    """Compare a computed index with the pressure wire.

    TABLE is a CSV or Parquet file with a row a vessel, or a row a patient: bias and limits of agreement, correlation,
    diagnostic accuracy, ROC, accuracy by FFR band, subgroups, and a second method against the first. Vessels of a
    patient are never taken as independent; cells without a value are counted, not dropped in silence.
    """
    mapping, options = _mapping(given), _options(given)
    from hemo.agreement.page import write_folder
    from hemo.agreement.reading import read_cohort
    from hemo.agreement.sheets import sheets
    from hemo.agreement.study import analyse
    from hemo.agreement.summary import summary

    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(out, {}, fresh=True)) if out else None
        progress = stack.enter_context(Stages(quiet or as_json))
        progress.stage(f"Reading {table_file.name}")
        cohort, warnings = read_cohort(table_file, mapping)
        units = analyse(cohort, options, progress.stage)
        if len(units) == 1 and cohort.patients < len(cohort):
            warnings += ("by patient there is too little that could be evaluated; only vessels are analysed.",)
        told = summary(cohort, units, options, _trials(published), _hashes(table_file, mapping), warnings)
        made = sheets(told)
        if folder is not None:
            progress.stage("Writing the report")
            write_folder(folder, told, units, made)
    if as_json:
        emit_json(told)
    elif not quiet:
        show_warnings(warnings)
        console = Console()
        for sheet in made:
            if out is None or sheet.name.startswith(_SHOWN):
                console.print(table(sheet.title, list(sheet.columns), [list(row) for row in sheet.rows]))
        if out is not None:
            click.echo(f"{out / 'report.html'}  (for research, not for diagnosis)")


def _hashes(table_file: Path, mapping: Mapping) -> dict[str, str]:
    from hemo.files import sha256

    return {str(file): sha256(file) for file in (table_file, *mapping.beside)}


def _trials(published: str) -> Any:
    from hemo.agreement.trials import FAMILIES, trials

    families = {"ct": ("CT-FFR",), "qfr": ("QFR", "angiographic FFR"), "all": FAMILIES, "none": ()}
    return trials(families[published])


def _mapping(given: dict[str, Any]) -> Mapping:
    from hemo.agreement.cohort import parse_rule
    from hemo.agreement.joining import parse_keys
    from hemo.agreement.reading import Mapping

    measured = parse_rule(given["threshold"], "--threshold")
    if not measured.is_ratio:
        raise InputError(f"--threshold {given['threshold']}: the wire's cut-off is a fraction such as 0.80.")

    def rule(name: str) -> Any:
        text = given[f"{name}_threshold"]
        return measured if text is None else parse_rule(text, f"--{name}-threshold")

    if given["second"] is None and (given["second_threshold"] is not None or given["margin"] is not None):
        raise InputError("--second-threshold and --margin need a second method; name its column with --second.")
    return Mapping(
        given["computed"],
        given["measured"],
        given["patient"],
        given["second"],
        given["vessel"],
        given["reason"],
        given["subgroup"],
        given["exploratory"],
        measured,
        rule("computed"),
        rule("second"),
        given["missing"],
        given["repeats"],
        given["unit"],
        given["beside"],
        parse_keys(given["on"] or [name for name in (given["patient"], given["vessel"]) if name]),
    )


def _options(given: dict[str, Any]) -> Options:
    from hemo.agreement.bands import WIRE_SD
    from hemo.agreement.study import Options

    spread = given["wire_sd"] or WIRE_SD
    limits = (
        ("--draws", given["draws"], 200, 100_000),
        ("--seed", given["seed"], 0, 2**32 - 1),
        ("--error-ratio", given["error_ratio"], 0.01, 100.0),
        ("--margin", given["margin"], 0.001, 0.5),
        *(("--wire-sd", value, 0.001, 0.2) for value in spread),
    )
    for name, value, least, most in limits:
        if value is not None and not least <= value <= most:
            raise InputError(f"{name} {value:g}: is outside {least:g} to {most:g}.")
    return Options(given["draws"], given["seed"], given["error_ratio"], given["margin"], tuple(spread))
