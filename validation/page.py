"""docs/validation.md: what hemo is asked to be, what was measured, and by which command; nothing of it by hand."""

from __future__ import annotations

from itertools import groupby

from validation.claims import CLAIMS, Claim
from validation.page_tables import Tables, read_tables
from validation.table import DOCS

PAGE = DOCS / "validation.md"
HEAD = """# Validation

What hemo is asked to be and what it is, claim by claim, from the tables of [benchmarks.md](benchmarks.md). This page is
written by `make validate` (`env/exec python3 -m validation page` writes it anew from the tables that are there); what
stands behind a figure, and where it is weaker than it looks, is told beside its table.
"""


def measured(claim: Claim, tables: Tables) -> float | None:
    """What a claim comes to; None where its table is not there."""
    try:
        return float(claim.measured(tables))
    except LookupError:
        return None


def row(claim: Claim, value: float | None) -> str:
    """A line of a table."""
    limit = claim.limit
    unit = f" {limit.unit}" if limit.unit else ""
    asked = f"{'at least' if limit.least else 'at most'} {limit.value:g}{unit}"
    verdict = "not run" if value is None else ("yes" if limit.kept(value) else "**no**")
    found = "-" if value is None else f"{value:.3g}{unit}"
    return f"| {claim.what} | {asked} | {found} | {verdict} | `{claim.benchmark}` |"


def written(tables: Tables) -> str:
    """The page."""
    found = [(claim, measured(claim, tables)) for claim in CLAIMS]
    met = sum(value is not None and claim.limit.kept(value) for claim, value in found)
    missing = sum(value is None for _, value in found)
    lines = [
        HEAD,
        f"Of {len(CLAIMS)} claims {met} are met, {len(CLAIMS) - met - missing} are not, {missing} were not run.",
        "",
    ]
    for part, claims in groupby(found, lambda pair: pair[0].part):
        lines += [f"## {part}", "", "| what | asked | measured | met | benchmark |", "| --- | --- | --- | --- | --- |"]
        lines += [*(row(claim, value) for claim, value in claims), ""]
    return "\n".join(lines)


def main() -> None:
    """Write the page, and say what is not met."""
    tables = read_tables()
    PAGE.write_text(written(tables), encoding="utf-8")
    for claim in CLAIMS:
        value = measured(claim, tables)
        if value is None or not claim.limit.kept(value):
            print(f"page: not {'run' if value is None else 'met'}: {claim.part}: {claim.what} ({claim.benchmark})")
