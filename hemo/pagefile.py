"""Pages from the templates of ``hemo/templates``: everything escaped, a missing value refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def number(value: float | None, digits: int = 2) -> str:
    """A number for a page's text; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def write_template(path: Path, template: str, values: Mapping[str, Any], **filters: Callable[..., str]) -> None:
    """Fill the template of that name and write the page; ``filters`` come beside :func:`number`, or in its place."""
    import jinja2

    loader = jinja2.PackageLoader("hemo", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"number": number, **filters}
    path.write_text(environment.get_template(template).render(values), encoding="utf-8")
