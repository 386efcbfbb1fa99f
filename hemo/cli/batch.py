"""``hemo batch``: a cohort, on this machine or on Slurm; with the commands that its jobs run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, table
from hemo.errors import HemoError, InputError

PATH = click.Path(path_type=Path)


@click.command(
    epilog="Example: hemo batch cohort.csv --executor slurm --profile site.toml --jobs 200 --out results/cohort"
)
@click.argument("cohort", metavar="COHORT.csv", type=PATH)
@click.option("--executor", type=click.Choice(["local", "slurm"]), default="local", show_default=True)
@click.option("--out", type=PATH, help="The cohort's folder.  [default: results/COHORT]")
@click.option("--profile", type=PATH, metavar="PROFILE.toml", help="The site: partition, memory, how hemo starts.")
@click.option("--jobs", type=click.IntRange(1, 100_000), help="At once.  [default: processors here; 100 on Slurm]")
@click.option("--chunk", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Reduced cases a job.")
@click.option(
    "--retries", type=click.IntRange(0, 10), default=2, show_default=True, help="Of a job, with twice as much."
)
@click.option("--keep", "kept", multiple=True, metavar="COLUMN", help="Of the table, to pass on to the results.")
@click.option("--again", is_flag=True, help="Compute the cases that failed anew.")
@click.option("--dry-run", is_flag=True, help="Read table and profile, say how many cases there are, and stop.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def batch(cohort: Path, out: Path | None, **given: Any) -> None:
    """Compute every case of a cohort; the same command goes on after whatever ended it.

    COHORT.csv has the columns id (a pseudonym), case (a case file or tree.json) and, where wanted, method (reduced,
    fem, both), ranks, memory, time, and for trees the options of hemo reduced. A case that fails fails alone:
    cohort.csv says why. What is done is not computed again unless its input has changed.
    """
    from hemo.batch.cohort import read_cohort
    from hemo.batch.cohortrun import BatchOptions, run_cohort
    from hemo.batch.engine import EngineOptions
    from hemo.batch.profile import read_profile

    rows, profile = read_cohort(cohort, given["kept"]), read_profile(given["profile"])
    if given["dry_run"]:
        return _show_rows(rows, given["as_json"], given["quiet"])
    most = given["jobs"] or ((os.cpu_count() or 1) if given["executor"] == "local" else 100)
    engine = EngineOptions(given["executor"], most, given["retries"])
    options = BatchOptions((out or Path("results") / cohort.stem).absolute(), engine, given["chunk"], given["again"])
    with Stages(given["quiet"] or given["as_json"]) as progress:
        told = run_cohort(rows, options, profile, progress)
    if given["as_json"]:
        emit_json(told)
    elif not given["quiet"]:
        _show(told)
    _tell(told, options.out)
    return None


def _show_rows(rows: list[Any], as_json: bool, quiet: bool) -> None:
    counts: dict[str, int] = {}
    for row in rows:
        name = "tree" if row.is_tree else row.method
        counts[name] = counts.get(name, 0) + 1
    if as_json:
        emit_json({"cases": len(rows), "by_method": counts})
    elif not quiet:
        click.echo(f"{len(rows)} cases: {', '.join(f'{number} {name}' for name, number in counts.items())}")


def _show(told: dict[str, Any]) -> None:
    rows = [[status, str(number)] for status, number in told["status"].items()]
    Console().print(table("Cases", ["status", "number"], rows))


class _Cohort(HemoError):
    """Not every case of a cohort is done."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


def _tell(told: dict[str, Any], out: Path) -> None:
    """Say where the tables are, and end with the cohort's exit code."""
    from hemo.resultfolder import partial_path

    done, code = told["status"].get("done", 0), told["exit_code"]
    where = partial_path(out) if code in (4, 130) else out
    if code == 0:
        return
    more = f" The engine said: {told['engine']}" if told["engine"] else ""
    goes_on = "; the same command goes on" if code in (4, 130) else ""
    raise _Cohort(f"{done} of {told['cases']} cases are done; {where / 'cohort.csv'} says why{goes_on}.{more}", code)


@click.command("batch-chunk", hidden=True)
@click.argument("chunk", type=PATH)
@click.argument("marker", type=PATH)
def batch_chunk(chunk: Path, marker: Path) -> None:
    """Compute the cases of one job of a cohort (hemo batch starts this)."""
    import signal

    from hemo.batch.chunk import run_chunk
    from hemo.batch.warm import end_with_parent

    end_with_parent(signal.SIGTERM)
    left = run_chunk(chunk, marker)
    if left:
        code = 4 if left[0].status == "environment" else 130
        raise _Cohort(f"{len(left)} cases could not be computed; {left[0].id}: {left[0].reason}", code)


@click.command("batch-gather", hidden=True)
@click.argument("folder", type=PATH)
def batch_gather(folder: Path) -> None:
    """Write the tables of a cohort (hemo batch starts this)."""
    from hemo.batch.planning import ROWS
    from hemo.batch.tables import gather

    if not (folder / ROWS).is_file():
        raise InputError(f"{folder}: is no cohort's folder.")
    gather(folder)
