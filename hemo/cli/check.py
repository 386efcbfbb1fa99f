"""``hemo check``: preflight. Reads the case and the lumen, says what a run would do and everything that is wrong."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json
from hemo.cli.geometryreport import geometry_rows, show_geometry, write_geometry
from hemo.errors import EnvironmentMissing, InputError
from hemo.resultfolder import working_folder

if TYPE_CHECKING:
    from hemo.case import Case
    from hemo.geometry.image.labelimage import LabelImage


@click.command(epilog="Example: hemo check cases/left_coronary/case.toml --geometry")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(["reduced", "fem", "both"]), default="both", show_default=True)
@click.option("--geometry", is_flag=True, help="Find the vessel trees too, and list vessels and lesions (seconds).")
@click.option("--out", type=click.Path(path_type=Path), help="Write trees and pictures there; implies --geometry.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def check(case: Path, method: str, geometry: bool, out: Path | None, quiet: bool, as_json: bool) -> None:
    """Read CASE and its lumen, look for what the method needs, and say what would be done and what is wrong."""
    from hemo.pipeline import collected_warnings

    methods = ("reduced", "fem") if method == "both" else (method,)
    wrong: list[str] = []
    with collected_warnings() as said:
        plan, loaded = _plan(case, methods, wrong)
        if loaded is not None and not wrong and (geometry or out):
            with Stages(quiet or as_json) as progress:
                progress.stage("Finding the vessel trees")
                _attempt(wrong, lambda: plan.update(trees=_trees(loaded, case, out)))
    missing = [] if loaded is None else missing_parts(methods, _segmented(loaded))
    plan |= {"warnings": said.messages, "problems": wrong, "missing": missing, "ready": not wrong and not missing}
    if as_json:
        emit_json(plan)
    elif not quiet:
        _show(plan, single=len(wrong) == 1)
    if wrong:
        several = f"{case}: {len(wrong)} problems, listed above; correct them and check again."
        raise InputError(several if len(wrong) > 1 else wrong[0])
    if missing:
        raise EnvironmentMissing(f"{', '.join(missing)} not found; run `make setup` and start hemo through env/exec.")


def _plan(path: Path, methods: tuple[str, ...], wrong: list[str]) -> tuple[dict[str, Any], Case | None]:
    """What a run would do, and the case; what is wrong is added to ``wrong``."""
    from pydantic import ValidationError

    from hemo import stages
    from hemo.boundary import aortic_pressure
    from hemo.case import Case, read_case
    from hemo.tomlfile import problems
    from hemo.units import MILLIMETRE, MMHG

    try:
        case = read_case(path)
    except InputError as error:
        cause = error.__cause__
        if isinstance(cause, ValidationError):
            wrong += [f"{path}: {text}" for text in problems(cause, Case)]
        else:
            wrong.append(str(error))
        return {"case": None, "files": [], "methods": list(methods)}, None
    files = _attempt(wrong, lambda: stages.input_files(case, path))
    pressure = _attempt(wrong, lambda: aortic_pressure(case.physiology()))
    _attempt(wrong, lambda: stages.check_case(case, methods))
    fem, source = "fem" in methods, case.geometry
    extensions = {"outlets": source.flow_extension, "inlet": source.inlet_extension}
    plan: dict[str, Any] = {
        "case": case.case.name,
        "files": [str(file) for file in (files or {}).values()],
        "methods": list(methods),
        "mean_aortic_pressure_mmhg": None if pressure is None else round(pressure / MMHG, 2),
        "state": case.flow.state,
        "minimal_outlet_diameter_mm": source.minimal_outlet_diameter / MILLIMETRE if _segmented(case) else None,
        "cells_per_diameter": case.fem.cells_per_diameter if fem else None,
        "flow_extensions": {name: str(length) for name, length in extensions.items() if length is not None and fem},
    }
    plan["lumen"] = _attempt(wrong, lambda: lumen_facts(case, path)) if files is not None else None
    return plan, case


def _segmented(case: Case) -> bool:
    """Whether the trees have to be found in a lumen."""
    return case.geometry.tree is None and case.geometry.analytic is None


def _attempt[T](wrong: list[str], work: Callable[[], T]) -> T | None:
    """The result of a check, or None and its complaint among the others."""
    try:
        return work()
    except InputError as error:
        if str(error) not in wrong:
            wrong.append(str(error))
        return None


def lumen_facts(case: Case, path: Path) -> dict[str, Any] | None:
    """Size, spacing, volumes and separate pieces of the case's label map or surface; None where it has neither.

    Raises
    ------
    InputError
        What reading the file for a run would raise.
    """
    from hemo.tomlfile import resolve_path
    from hemo.units import MILLIMETRE

    source = case.geometry
    if source.label_map is not None:
        from hemo.geometry.image.labelimage import read_labels

        image = read_labels(resolve_path(path, source.label_map), source.labels)
        return label_facts(image)
    if source.surface is None:
        return None
    from hemo.geometry.lumen.surface import read_surface
    from hemo.geometry.lumen.surfacecheck import enclosed_volume, triangle_components

    surface = read_surface(resolve_path(path, source.surface), source.unit)
    return {
        "triangles": len(surface.triangles),
        "size_mm": [float(x) for x in (surface.points.max(axis=0) - surface.points.min(axis=0)) / MILLIMETRE],
        "volume_ml": enclosed_volume(surface.points, surface.triangles) * 1e6,
        "pieces": int(triangle_components(surface.triangles).max()) + 1,
    }


def label_facts(image: LabelImage) -> dict[str, Any]:
    """Voxels, spacing, and of each label the volume and how many separate pieces (26-connected) it is in."""
    import numpy as np
    from scipy.ndimage import label

    from hemo.geometry.image.labelimage import AORTA, CORONARY
    from hemo.units import MILLIMETRE

    facts: dict[str, Any] = {
        "voxels": [int(n) for n in image.labels.shape[::-1]],
        "spacing_mm": [round(float(x) / MILLIMETRE, 4) for x in image.spacing],
        "labels": {},
    }
    for name, value in (("aorta", AORTA), ("coronary", CORONARY)):
        pieces, count = label(image.labels == value, np.ones((3, 3, 3), dtype=int))
        if count:
            sizes = np.sort(np.bincount(pieces.ravel())[1:])[::-1] * float(np.prod(image.spacing)) * 1e6
            facts["labels"][name] = {
                "volume_ml": round(float(sizes.sum()), 4),
                "pieces": count,
                "largest_pieces_ml": [round(float(size), 4) for size in sizes[:8]],
            }
    return facts


def _trees(case: Case, path: Path, out: Path | None) -> list[dict[str, Any]]:
    """Vessels and lesions; with ``out`` also as files and pictures in that new folder."""
    from hemo import stages

    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(out, {}, fresh=True)) if out else None
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        geometry = stages.load_geometry(case, path, Path(scratch))
        if folder is not None:
            write_geometry(folder, geometry, case.geometry.minimal_outlet_diameter)
    return geometry_rows(geometry.trees)


def _show(plan: dict[str, Any], single: bool) -> None:
    """Print the plan; a single problem is left to the error message."""
    console = Console()
    plan = dict(plan)
    trees = plan.pop("trees", None)
    lists = {key: plan.pop(key) for key in ("files", "warnings", "problems", "missing")}
    lumen, ready = plan.pop("lumen", None) or {}, plan.pop("ready")
    rows = {**plan, **{f"lumen {key}": _box(value) for key, value in lumen.items() if key != "labels"}}
    rows |= {f"label {name}": value for name, value in lumen.get("labels", {}).items()}
    lines = [f"file: {file}" for file in lists["files"] or []]
    lines += [f"{key.replace('_', ' ')}: {_text(value)}" for key, value in rows.items() if value not in (None, {}, [])]
    lines += [f"warning: {text}" for text in lists["warnings"]]
    lines += [] if single else [f"problem: {text}" for text in lists["problems"]]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    if trees is not None:
        show_geometry(trees)
    if ready:
        console.print("ready to run", markup=False)


def _box(value: Any) -> Any:
    """Three numbers of a box as one text."""
    return " x ".join(_text(item) for item in value) if isinstance(value, list) else value


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return (
            " x ".join(_text(item) for item in value) if value and not isinstance(value[0], str) else ", ".join(value)
        )
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def missing_parts(methods: tuple[str, ...], segmented: bool) -> list[str]:
    """Names of the libraries and programs that a run would miss."""
    wanted = ["vtk", "matplotlib", "jinja2"]
    if segmented:
        wanted += ["SimpleITK", "pydicom", "skimage"]
    if "fem" in methods:
        wanted += ["dolfinx", "gmsh"]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if "fem" in methods and shutil.which("mpirun") is None:
        missing.append("mpirun")
    return missing
