"""``hemo outcome``: a declared study of haemodynamics and outcome, from tables to models, trial arms and thresholds."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, show_warnings, table
from hemo.resultfolder import working_folder

if TYPE_CHECKING:
    from hemo.outcome.analysis import Analysis

# What of each table a terminal has room for; the others are in the folder.
SHOWN = (
    ("model_performance", ("model", "events_per_parameter", "apparent", "corrected", "cross_validated")),
    ("model_comparisons", ("model", "against", "gain", "adjusted_p")),
    ("serial_", ("measure", "group", "time", "pairs", "change", "difference", "difference_of_change")),
    ("trial", ("population", "risk_difference", "hazard_ratio", "non_inferior_difference", "non_inferior_ratio")),
    ("crossover", ("assigned", "received", "crossed_over")),
    (
        "threshold_",
        ("group", "rows", "positive", "threshold", "chosen_accuracy", "fixed_accuracy", "level", "difference"),
    ),
)


@click.command(epilog="Example: hemo outcome study.toml --out results/study   (hemo schema outcome lists the keys)")
@click.argument("study", metavar="STUDY.toml", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="New folder for report, tables and figures.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def outcome(study: Path, out: Path | None, quiet: bool, as_json: bool) -> None:
    """Relate haemodynamics to outcome as a study file declares it.

    STUDY.toml names tables (CSV, Parquet, or hemo's own results) to join by patient, vessel and lesion, and what is
    analysed: models of an event with cross-validation and calibration, measures before and after, two arms of a trial
    with crossover and a margin of non-inferiority, thresholds by subgroup. docs/outcome.md explains every key.
    """
    from hemo.outcome.analysis import analyse, summary
    from hemo.outcome.page import write_folder
    from hemo.outcome.study import read_study

    declared = read_study(study)
    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(out, {}, fresh=True)) if out else None
        progress = stack.enter_context(Stages(quiet or as_json))
        found = analyse(declared, study, progress.stage)
        told = summary(found, study)
        if folder is not None:
            progress.stage("Writing the report")
            write_folder(folder, found, told)
    if as_json:
        emit_json(told)
    elif not quiet:
        show_warnings(told["warnings"])
        _show(found)
        click.echo(f"{out / 'report.html'}  (for research, not for diagnosis)" if out else "For research only.")


def _show(found: Analysis) -> None:
    """Print the tables that answer the study's questions; the others are in the folder."""
    from hemo.outcome.tabletext import cell
    from hemo.outcome.telling import tables

    console = Console()
    for made in tables(found):
        wanted = next((keys for name, keys in SHOWN if made.name.startswith(name)), ())
        keys = [key for key in made.rows[0] if key in wanted or key.startswith("received ")]
        if keys and not made.name.endswith("_levels"):
            rows = [[cell(key, row[key]) for key in keys] for row in made.rows]
            console.print(table(made.title, [key.replace("_", " ") for key in keys], rows))
