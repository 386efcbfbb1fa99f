"""Random hearts through the whole geometry: label map, surface, trees, lesions, mesh, against what is known.

``python -m validation random_trees`` works through seeds 0 to N - 1, N from HEMO_RANDOM_TREES (200); each seed
runs in its own process and leaves one line in ``results/random_trees.jsonl``, so that the campaign
goes on where it stopped. ``python -m validation.random_trees SEED`` prints one seed's line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from hemo.errors import HemoError
from hemo.geometry.centreline.trees import find_trees
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.lumen.fromlabels import surface_from_labels
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.synthetic.random_trees import random_heart
from hemo.geometry.synthetic.wall import label_map
from hemo.geometry.truncate import truncate
from hemo.tree import Branch, Lesion, VesselTree
from validation.table import DOCS, Table, publish

RESULTS = DOCS.parent / "results" / "random_trees.jsonl"
LIMIT_S = 1800.0
# True lesions count where the healthy vessel is at least as wide as the default truncation all the way to them.
SMALLEST = MeshOptions().minimal_outlet_diameter
STENOSIS = 0.40


def run_seed(seed: int) -> dict[str, Any]:
    """What became of one heart."""
    rng = np.random.default_rng([seed, 1])
    heart = random_heart(seed)
    spacing = float(rng.uniform(0.35e-3, 0.40e-3))
    turn = Rotation.from_rotvec(rng.normal(0.0, 0.15, 3)).as_matrix()
    image = label_map(heart, spacing, turn, tuple(rng.uniform(0.0, 1.0, 3)))
    line: dict[str, Any] = {"seed": seed, "spacing_mm": 1e3 * spacing, "dominance": heart.dominance, "time_s": {}}
    clock = time.perf_counter()
    try:
        surface = surface_from_labels(image)
        line["time_s"]["surface"] = time.perf_counter() - clock
        clock = time.perf_counter()
        found = tuple(with_reference_and_lesions(tree) for tree in find_trees(surface, image))
        line["time_s"]["trees"] = time.perf_counter() - clock
    except Exception as error:
        return line | {"failure": f"{type(error).__name__}: {error}", "meshes": [], "lesions": {}}
    clock = time.perf_counter()
    line["meshes"] = [mesh_line(surface, truncate(tree, SMALLEST)) for tree in found]
    line["time_s"]["meshes"] = time.perf_counter() - clock
    line["branches"] = [branch_count(heart.trees), branch_count(found)]
    return line | {"failure": "" if len(found) == 2 else f"{len(found)} trees", "lesions": compare(heart.trees, found)}


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
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return {"seed": seed, "failure": f"longer than {LIMIT_S:.0f} s", "meshes": [], "lesions": {}, "time_s": {}}
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return {"seed": seed, "failure": f"CRASH {reason[0]}", "meshes": [], "lesions": {}, "time_s": {}}
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(lines: list[dict[str, Any]]) -> Table:
    """The campaign in numbers."""
    meshes = [mesh for line in lines for mesh in line["meshes"]]
    valid = [mesh for mesh in meshes if not mesh["failure"]]
    whole = [line for line in lines if not line["failure"] and not any(m["failure"] for m in line["meshes"])]
    true = [row for line in lines for row in line["lesions"].get("true", []) if row[1] >= STENOSIS]
    seen = [row for row in true if row[3] is not None]
    found = [row for line in lines for row in line["lesions"].get("found", []) if row[1] >= STENOSIS]
    real = [row for row in found if row[2] > 0.0]
    branches = [sum(line["branches"][k] for line in lines if "branches" in line) for k in (0, 1)]
    error = np.array([row[4] / row[2] - 1.0 for row in seen])
    rows = [
        ("hearts with both trees meshed, every cap tagged", f"{len(whole)} of {len(lines)}"),
        ("trees that became a valid mesh", f"{len(valid)} of {len(meshes)}"),
        ("branches after truncation, found and true", f"{branches[1]} and {branches[0]}"),
        ("true stenoses of at least 40 % found (sensitivity)", share(len(seen), len(true))),
        ("measured stenoses of at least 40 % that are real (precision)", share(len(real), len(found))),
    ]
    if len(error):
        rows.append(("minimal lumen area, bias (median)", f"{100 * np.median(error):+.1f} %"))
        size = np.abs(error)
        rows.append(
            (
                "its error, median and 90th percentile",
                f"{100 * np.median(size):.1f} %, {100 * np.quantile(size, 0.9):.1f} %",
            )
        )
    for step in ("surface", "trees", "meshes"):
        times = [line["time_s"][step] for line in lines if step in line["time_s"]]
        if times:
            rows.append((f"{step}, seconds (median, longest)", f"{np.median(times):.0f}, {max(times):.0f}"))
    reasons = [(line["seed"], line["failure"]) for line in lines if line["failure"]]
    reasons += [
        (line["seed"], f"{m['tree']}: {m['failure']}") for line in lines for m in line["meshes"] if m["failure"]
    ]
    rows += [(f"failure, seed {seed}", reason.replace("|", "/")[:160]) for seed, reason in sorted(reasons)]
    note = (
        f"Seeds 0 to {len(lines) - 1}, isotropic voxels of 0.35 to 0.40 mm, random orientation and offset. Counted are "
        f"true lesions where the healthy vessel is at least {1e3 * SMALLEST:.1f} mm wide; a measured one is real where "
        f"it lies on a true lesion of any severity (20 % or more)."
    )
    return Table("random_trees", ("", "result"), tuple(rows), note)


def share(part: int, whole: int) -> str:
    """``n of N (p %)``."""
    return f"{part} of {whole}" + (f" ({100 * part / whole:.1f} %)" if whole else "")


def main() -> None:
    """Do what is missing of the campaign, then the table."""
    count = int(os.environ.get("HEMO_RANDOM_TREES", "200"))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
    done = {line["seed"]: line for line in map(json.loads, text.splitlines())}
    for seed in range(count):
        if seed not in done:
            done[seed] = in_own_process(seed)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[seed]) + "\n")
    publish(table([done[seed] for seed in range(count)]))


if __name__ == "__main__":
    print(json.dumps(run_seed(int(sys.argv[1]))))
