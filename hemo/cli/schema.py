"""``hemo schema``: the JSON schemas of the files hemo reads and writes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import click

NAMES = ("case", "tree", "summary", "pullback", "contours", "wire", "outcome", "request", "answer")


@click.command(epilog="Example: hemo schema summary > summary.schema.json")
@click.argument("name", type=click.Choice(NAMES))
def schema(name: str) -> None:
    """Print the JSON schema of the case file, tree.json, summary.json (that of hemo wire is wire), a pullback's or an
    angiogram's contours, the study file of hemo outcome, or a line of hemo lines.
    """
    click.echo(json.dumps(load_schema(name), indent=1))


def load_schema(name: str) -> dict[str, Any]:
    """The schema of that name."""
    if name == "case":
        from hemo.case import Case

        return Case.model_json_schema()
    if name == "pullback":
        from hemo.geometry.intravascular.contourjson import JsonPullback

        return JsonPullback.model_json_schema()
    if name == "outcome":
        from hemo.outcome.study import Study

        return Study.model_json_schema()
    if name in ("request", "answer"):
        from hemo.cli.lines import Answer, Request

        return (Request if name == "request" else Answer).model_json_schema()
    text = files("hemo").joinpath(f"schemas/{name}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
