"""Random hearts through the whole geometry: label map, surface, trees, lesions, mesh, against what is known.

``python -m validation random_trees`` works through seeds 0 to N - 1, N from HEMO_RANDOM_TREES (200); each seed
runs in its own process and leaves one line in ``validation/records/random_trees.jsonl``, so that the campaign
goes on where it stopped; take the file away to begin anew. ``HEMO_RANDOM_TREES_WORKERS`` (2) run at a time.
``python -m validation.random_trees SEED`` prints one seed's line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from hemo.errors import HemoError
from hemo.geometry.centreline.trees import find_trees
from hemo.geometry.image.labelimage import LabelImage
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.lumen.fromlabels import surface_from_labels
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.synthetic.random_trees import random_heart
from hemo.geometry.synthetic.wall import label_map, lumen_surface
from hemo.geometry.truncate import truncate
from hemo.tree import Branch, Lesion, VesselTree
from validation.campaign import resumed
from validation.table import DOCS, Table, publish

RESULTS = DOCS.parent / "validation" / "records" / "random_trees.jsonl"
LIMIT_S = 1800.0
# True lesions count where the healthy vessel is at least as wide as the default truncation all the way to them.
SMALLEST = MeshOptions().minimal_outlet_diameter
STENOSIS = 0.40
WAYS = ("label map", "exact surface")


def run_seed(seed: int) -> dict[str, Any]:
    """What became of one heart, by way of a label map (with meshes) and by way of its exact surface."""
    rng = np.random.default_rng([seed, 1])
    heart = random_heart(seed)
    spacing = float(rng.uniform(0.35e-3, 0.40e-3))
    turn = Rotation.from_rotvec(rng.normal(0.0, 0.15, 3)).as_matrix()
    image = label_map(heart, spacing, turn, tuple(rng.uniform(0.0, 1.0, 3)))
    exact = lumen_surface(heart)
    return {
        "seed": seed,
        "spacing_mm": 1e3 * spacing,
        "dominance": heart.dominance,
        "label map": one_way(heart.trees, lambda: surface_from_labels(image), image, meshed=True),
        "exact surface": one_way(heart.trees, lambda: exact, None, meshed=False),
    }


def one_way(
    true: tuple[VesselTree, ...], make: Callable[[], Surface], image: LabelImage | None, meshed: bool
) -> dict[str, Any]:
    """Surface, trees, lesions and, if asked for, meshes of one heart."""
    line: dict[str, Any] = {"time_s": {}, "meshes": [], "lesions": {}}
    clock = time.perf_counter()
    try:
        surface = make()
        line["time_s"]["surface"] = time.perf_counter() - clock
        clock = time.perf_counter()
        found = tuple(with_reference_and_lesions(tree) for tree in find_trees(surface, image))
        line["time_s"]["trees"] = time.perf_counter() - clock
    except Exception as error:
        return line | {"failure": f"{type(error).__name__}: {error}"}
    clock = time.perf_counter()
    if meshed:
        line["meshes"] = [mesh_line(surface, truncate(tree, SMALLEST)) for tree in found]
        line["time_s"]["meshes"] = time.perf_counter() - clock
    line["branches"] = [branch_count(true), branch_count(found)]
    return line | {"failure": "" if len(found) == 2 else f"{len(found)} trees", "lesions": compare(true, found)}


def branch_count(trees: tuple[VesselTree, ...]) -> int:
    """Branches in all trees once each is truncated."""
    return sum(len(truncate(tree, SMALLEST).branches) for tree in trees)


def mesh_line(surface: Surface, tree: VesselTree) -> dict[str, Any]:
    """Whether one tree becomes a valid mesh (every cap tagged: ``build_mesh`` refuses another)."""
    try:
        report = build_mesh(surface, tree).report
    except HemoError as error:
        return {"tree": tree.name, "failure": f"{type(error).__name__}: {error}"}
    except Exception as error:
        return {"tree": tree.name, "failure": f"UNEXPECTED {type(error).__name__}: {error}"}
    return {
        "tree": tree.name, "failure": "", "outlets": len(tree.outlets), "cells": report.cells,
        "min_quality": report.min_quality,
    }  # fmt: skip


def compare(true: tuple[VesselTree, ...], found: tuple[VesselTree, ...]) -> dict[str, list[list[Any]]]:
    """True lesions with the measured one on them, and measured lesions with the true one under them.

    ``true``: id, diameter stenosis, MLA, stenosis found or null, MLA found; ``found``: id, diameter stenosis,
    greatest true stenosis there (0: none). Areas in mm^2.
    """
    measured = [(lesion, tree[lesion.branch]) for tree in found for lesion in tree.lesions]
    rows = []
    under: dict[int, float] = {}
    for tree in true:
        for lesion in tree.lesions:
            hits = [k for k, (other, on) in enumerate(measured) if same_place(lesion, tree[lesion.branch], other, on)]
            for k in hits:
                under[k] = max(under.get(k, 0.0), lesion.diameter_stenosis)
            if not assessable(tree, lesion):
                continue
            best = min((measured[k][0] for k in hits), key=lambda item: item.minimal_lumen_area, default=None)
            pair = [None, None] if best is None else [best.diameter_stenosis, 1e6 * best.minimal_lumen_area]
            rows.append([lesion.id, lesion.diameter_stenosis, 1e6 * lesion.minimal_lumen_area, *pair])
    return {
        "true": rows,
        "found": [[item.id, item.diameter_stenosis, under.get(k, 0.0)] for k, (item, _) in enumerate(measured)],
    }


def same_place(lesion: Lesion, branch: Branch, other: Lesion, on: Branch) -> bool:
    """Whether a measured lesion's throat lies on a true lesion, or its extent holds the true throat."""
    line = cKDTree(branch.points)
    inside = (on.arc >= other.start - 1e-9) & (on.arc <= other.end + 1e-9)
    throat = on.points[[int(np.argmin(np.abs(on.arc - other.minimum)))]]
    distance, nearest = line.query(np.vstack([throat, on.points[inside]]))
    if distance[0] > 1.5e-3 + np.interp(branch.arc[nearest[0]], branch.arc, branch.reference_radius):
        return False
    place, extent = branch.arc[nearest[0]], branch.arc[nearest[1:]]
    on_it = lesion.start - 1.5e-3 <= place <= lesion.end + 1.5e-3
    return bool(on_it or extent.min() <= lesion.minimum <= extent.max())


def assessable(tree: VesselTree, lesion: Lesion) -> bool:
    """Whether the healthy vessel is wide enough up to the lesion's end, from the aorta on."""
    branch: Branch | None = tree[lesion.branch]
    end = int(np.searchsorted(branch.arc, lesion.end)) if branch else 0
    while branch is not None:
        if 2.0 * branch.reference_radius[: end + 1].min() < SMALLEST:
            return False
        end = branch.parent_index or 0
        branch = tree[branch.parent] if branch.parent else None
    return True


def in_own_process(seed: int) -> dict[str, Any]:
    """The line of a seed; a crash or a hang is a line too."""
    command = [sys.executable, "-m", "validation.random_trees", str(seed)]
    failed: dict[str, Any] = {"meshes": [], "lesions": {}, "time_s": {}}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        failed["failure"] = f"longer than {LIMIT_S:.0f} s"
        return {"seed": seed, **dict.fromkeys(WAYS, failed)}
    if done.returncode:
        failed["failure"] = "CRASH " + (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"seed": seed, **dict.fromkeys(WAYS, failed)}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def table(lines: list[dict[str, Any]]) -> Table:
    """The campaign in numbers."""
    columns = [summary([line[way] | {"seed": line["seed"]} for line in lines]) for way in WAYS]
    rows = [(name, *(column.get(name, "") for column in columns)) for name in columns[0]]
    for line in lines:
        for way in WAYS:
            failures = [m["tree"] + ": " + m["failure"] for m in line[way]["meshes"] if m["failure"]]
            for reason in filter(None, [line[way]["failure"], *failures]):
                rows.append((f"failure, seed {line['seed']}, {way}", reason.replace("|", "/")[:160], ""))
    note = (
        f"Seeds 0 to {len(lines) - 1}. Label maps: isotropic voxels of 0.35 to 0.40 mm, random orientation and offset; "
        "exact surfaces: triangulated from the formula. Counted are true lesions where the healthy vessel is at least "
        f"{1e3 * SMALLEST:.1f} mm wide up to them; a measured one is real where it lies on a true lesion of any "
        "severity (20 % or more)."
    )
    return Table("random_trees", ("", *WAYS), tuple(rows), note)


def summary(lines: list[dict[str, Any]]) -> dict[str, str]:
    """The rows of one column."""
    meshes = [mesh for line in lines for mesh in line["meshes"]]
    whole = [line for line in lines if not line["failure"] and not any(m["failure"] for m in line["meshes"])]
    true = [row for line in lines for row in line["lesions"].get("true", []) if row[1] >= STENOSIS]
    seen = [row for row in true if row[3] is not None]
    found = [row for line in lines for row in line["lesions"].get("found", []) if row[1] >= STENOSIS]
    branches = [sum(line["branches"][k] for line in lines if "branches" in line) for k in (0, 1)]
    rows = {
        "hearts with both trees, and where meshed every cap tagged": f"{len(whole)} of {len(lines)}",
        "trees that became a valid mesh": f"{sum(not m['failure'] for m in meshes)} of {len(meshes)}" if meshes else "",
        "branches after truncation, found and true": f"{branches[1]} and {branches[0]}",
        "true stenoses of at least 40 % found (sensitivity)": share(len(seen), len(true)),
        "measured ones of at least 40 % that are real (precision)": share(sum(r[2] > 0.0 for r in found), len(found)),
    }
    for name, least in (("", 0.0), (", throats from 1 mm", 0.25 * np.pi), (", throats from 1.5 mm", 0.5625 * np.pi)):
        error = np.array([row[4] / row[2] - 1.0 for row in seen if row[2] >= least])
        if len(error):
            size = np.abs(error)
            rows[f"minimal lumen area{name}: bias, median and 90th percentile of the error"] = (
                f"{100 * np.median(error):+.1f}, {100 * np.median(size):.1f}, {100 * np.quantile(size, 0.9):.1f} % "
                f"({len(error)} lesions)"
            )
    for step in ("surface", "trees", "meshes"):
        times = [line["time_s"][step] for line in lines if step in line["time_s"]]
        if times:
            rows[f"{step}, seconds (median, longest)"] = f"{np.median(times):.0f}, {max(times):.0f}"
    return rows


def share(part: int, whole: int) -> str:
    """``n of N (p %)``."""
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")


def main() -> None:
    """Do what is missing of the campaign, then the table."""
    count = int(os.environ.get("HEMO_RANDOM_TREES", "200"))
    with ThreadPoolExecutor(int(os.environ.get("HEMO_RANDOM_TREES_WORKERS", "2"))) as pool:
        done = resumed(RESULTS, ("seed",), ((seed,) for seed in range(count)), in_own_process, pool.map)
    publish(table(list(done.values())))


if __name__ == "__main__":
    print(json.dumps(run_seed(int(sys.argv[1]))))
