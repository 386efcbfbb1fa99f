"""Damaged inputs: each must end in a result or in one plain sentence.

``python -m validation fuzz`` makes HEMO_FUZZ (500) damaged files out of a small lumen in every format that
``hemo tree`` reads and gives each to it, in a process that is stopped after 120 s. A traceback, a hang, an exit code
other than 0 and 2, more than one sentence, or a result in a wrong unit is a failure, and the file is kept.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import meshio
import numpy as np
import SimpleITK as sitk

from hemo.geometry.image.labelimage import label_image
from hemo.geometry.lumen.fromlabels import surface_from_labels
from hemo.vtkio import write_polydata
from validation.table import DOCS, Table, publish

LIMIT_S = 120
WORKERS, CHUNK = int(os.environ.get("HEMO_FUZZ_WORKERS", "2")), 50
KEPT = DOCS.parent / "results" / "fuzz"
SPACING = 0.4
Rng = np.random.Generator


@dataclass(frozen=True)
class Outcome:
    """What ``hemo tree`` made of one damaged file."""

    number: int
    form: str
    damage: str
    verdict: str
    detail: str

    @property
    def failed(self) -> bool:
        """Neither a result nor one plain sentence."""
        return self.verdict not in ("result", "sentence")


def lumen_voxels() -> np.ndarray:
    """(nz, ny, nx) a vessel of 3 mm with a side branch of 2 mm, both straight, at 0.4 mm."""
    z, y, x = np.meshgrid(np.arange(40), np.arange(60), np.arange(100), indexing="ij")
    places = SPACING * np.stack([x, y, z], axis=-1).astype(float)

    def tube(start: list[float], end: list[float], radius: float) -> np.ndarray:
        a, b = np.array(start), np.array(end)
        share = np.clip((places - a) @ (b - a) / ((b - a) @ (b - a)), 0.0, 1.0)
        return np.linalg.norm(places - a - share[..., None] * (b - a), axis=-1) < radius

    return (tube([3, 8, 8], [37, 8, 8], 1.5) | tube([16, 8, 8], [30, 20, 8], 1.0)).astype(np.uint8)


def write_image(path: Path, voxels: np.ndarray, spacing: float = SPACING) -> None:
    """Voxels (nz, ny, nx) of an edge in mm; the format by the ending."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((spacing,) * 3)
    sitk.WriteImage(image, str(path))


def write_surface(path: Path, points: np.ndarray, triangles: np.ndarray) -> None:
    """Points in mm; the format by the ending, ``.ascii.stl`` for text."""
    if path.suffix == ".vtp":
        write_polydata(path, points, triangles)
        return
    options = {"binary": not path.name.endswith(".ascii.stl")} if path.suffix == ".stl" else {}
    with contextlib.redirect_stdout(io.StringIO()):
        meshio.write(path, meshio.Mesh(points, [("triangle", triangles)]), **options)


IMAGES = (".nii.gz", ".nii", ".nrrd", ".mha")
SURFACES = (".stl", ".ascii.stl", ".vtp", ".ply", ".obj")
FORMS = (*IMAGES, *SURFACES, ".json")


def bytes_damage(rng: Rng, data: bytes) -> tuple[str, bytes]:
    """A damage that knows nothing of the format."""
    kind = str(
        rng.choice(["cut short", "bytes flipped", "block zeroed", "block lost", "block doubled", "empty", "tail"])
    )
    raw = bytearray(data)
    a, b = sorted(int(i) for i in rng.integers(0, len(raw), 2))
    if kind == "cut short":
        raw = raw[:a]
    elif kind == "bytes flipped":
        reach = 400 if rng.random() < 0.5 else len(raw)
        for place in rng.integers(0, min(reach, len(raw)), int(rng.integers(1, 20))):
            raw[place] = int(rng.integers(0, 256))
    elif kind == "block zeroed":
        raw[a:b] = bytes(b - a)
    elif kind == "block lost":
        del raw[a:b]
    elif kind == "block doubled":
        raw[a:a] = raw[a:b]
    elif kind == "empty":
        raw = bytearray()
    else:
        raw += rng.bytes(100)
    return kind, bytes(raw)


def surface_damage(rng: Rng, points: np.ndarray, triangles: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    """A damage of the vertices or triangles."""
    p, t = points.copy(), triangles.copy()
    some = rng.choice(len(t), int(rng.integers(1, 60)), replace=False)
    centre = t[some[0]]
    patch = np.linalg.norm(p[t].mean(axis=1) - p[centre].mean(axis=0), axis=1) < rng.uniform(0.3, 6.0)
    damages: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "NaN vertices": lambda: (np.where(np.isin(np.arange(len(p)), t[some[:3]])[:, None], np.nan, p), t),
        "infinite vertex": lambda: (np.where((np.arange(len(p)) == t[some[0], 0])[:, None], np.inf, p), t),
        "some triangles flipped": lambda: (p, np.where(np.isin(np.arange(len(t)), some)[:, None], t[:, ::-1], t)),
        "all triangles flipped": lambda: (p, t[:, ::-1]),
        "doubled triangles": lambda: (p, np.vstack([t, t[some]])),
        "triangles lost": lambda: (p, np.delete(t, some, axis=0)),
        "patch lost": lambda: (p, t[~patch]),
        "spike": lambda: (p + 8.0 * (np.arange(len(p)) == t[some[0], 0])[:, None], t),
        "noise": lambda: (p + rng.normal(0.0, rng.uniform(0.02, 0.5), p.shape), t),
        "metres": lambda: (1e-3 * p, t),
        "centimetres": lambda: (0.1 * p, t),
        "micrometres": lambda: (1e3 * p, t),
        "far away": lambda: (p + 1e6, t),
        "collapsed triangles": lambda: (p, np.vstack([t, t[some][:, [0, 0, 1]]])),
        "twice, shifted": lambda: (np.vstack([p, p + rng.normal(0.0, 1.0, 3)]), np.vstack([t, t + len(p)])),
        "one triangle": lambda: (p, t[:1]),
        "flattened": lambda: (p * np.array([1.0, 1.0, 1e-6]), t),
    }
    kind = str(rng.choice(list(damages)))
    return (kind, *damages[kind]())


def image_damage(rng: Rng, voxels: np.ndarray) -> tuple[str, np.ndarray, float]:
    """A damage of the voxels or their spacing."""
    v = voxels.copy()
    gap = int(rng.integers(20, 80))
    damages: dict[str, Callable[[], tuple[np.ndarray, float]]] = {
        "gap of a voxel": lambda: (np.where(np.arange(v.shape[2]) == gap, 0, v), SPACING),
        "gap of five voxels": lambda: (np.where(abs(np.arange(v.shape[2]) - gap) < 3, 0, v), SPACING),
        "islands": lambda: (np.maximum(v, (rng.random(v.shape) < 0.002).astype(v.dtype)), SPACING),
        "holes": lambda: (np.where(rng.random(v.shape) < 0.02, 0, v), SPACING),
        "metres": lambda: (v, 1e-3 * SPACING),
        "centimetres": lambda: (v, 0.1 * SPACING),
        "micrometres": lambda: (v, 1e3 * SPACING),
        "all lumen": lambda: (np.ones_like(v), SPACING),
        "nothing": lambda: (np.zeros_like(v), SPACING),
        "two voxels": lambda: (
            np.where(np.arange(v.size).reshape(v.shape) % 97001 == 5, 1, 0).astype(v.dtype),
            SPACING,
        ),
        "many labels": lambda: ((v * rng.integers(1, 9, v.shape)).astype(v.dtype), SPACING),
        "CT values": lambda: (rng.normal(0.0, 300.0, v.shape).astype(np.int16), SPACING),
        "probabilities": lambda: (v * rng.random(v.shape), SPACING),
        "NaN": lambda: (np.where(rng.random(v.shape) < 0.01, np.nan, v.astype(float)), SPACING),
        "one slice": lambda: (v[20:21], SPACING),
        "noise at the wall": lambda: (np.where(rng.random(v.shape) < 0.1, np.roll(v, 1, axis=1), v), SPACING),
    }
    kind = str(rng.choice(list(damages)))
    made, spacing = damages[kind]()
    return kind, made, spacing


def json_damage(rng: Rng, text: str) -> tuple[str, str]:
    """A damage of one value of a tree file."""
    data = json.loads(text)
    branch = data["trees"][0]["branches"][0]
    key = str(rng.choice(list(branch)))
    value = rng.choice(
        np.array(["NaN", "-1", "null", '"x"', "[]", "{}", "1e400", "[[1, 2], [3]]", "lost"], dtype=object)
    )
    if value == "lost":
        del branch[key]
        return f"{key} lost", json.dumps(data)
    branch[key] = "@@"
    return f"{key} = {value}", json.dumps(data).replace('"@@"', str(value))


def make(number: int, base: Path, folder: Path) -> tuple[Path, str, str]:
    """The damaged file of one number, its form and its damage."""
    rng = np.random.default_rng([number, 7])
    form = FORMS[number % len(FORMS)]
    target = folder / f"{number:04d}{form}"
    given = np.load(base / "lumen.npz")
    if rng.random() < 0.4:
        kind, data = bytes_damage(rng, (base / f"lumen{form}").read_bytes())
        target.write_bytes(data)
    elif form in IMAGES:
        kind, voxels, spacing = image_damage(rng, given["voxels"])
        write_image(target, voxels, spacing)
    elif form in SURFACES:
        kind, points, triangles = surface_damage(rng, given["points"], given["triangles"])
        write_surface(target, points, triangles)
    else:
        kind, text = json_damage(rng, (base / "lumen.json").read_text())
        target.write_text(text)
    return target, form, kind


def hemo_tree(path: Path, out: str = "-") -> tuple[int, str, str]:
    """Exit code, stdout and stderr of ``hemo tree PATH -o -``."""
    from hemo.cli import main

    stdout, stderr, sys.argv = io.StringIO(), io.StringIO(), ["hemo", "tree", str(path), "-o", out]
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), stdout.getvalue(), stderr.getvalue()
        except Exception:
            return 1, stdout.getvalue(), traceback.format_exc()
    return 0, stdout.getvalue(), stderr.getvalue()


def _too_long(*_: object) -> None:
    raise SystemExit(124)


def attempt(job: tuple[int, Path]) -> Outcome:
    """Make and read one damaged file."""
    number, base = job
    with tempfile.TemporaryDirectory() as name:
        try:
            path, form, damage = make(number, base, Path(name))
        except Exception as error:  # a writer that refuses the damage
            return Outcome(number, FORMS[number % len(FORMS)], "not writable", "sentence", str(error))
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(LIMIT_S)
        code, out, err = hemo_tree(path)
        signal.alarm(0)
        verdict, detail = judge(code, out, err, damage)
        outcome = Outcome(number, form, damage, verdict, detail)
        if outcome.failed:
            KEPT.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, KEPT)
    return outcome


def attempt_all(jobs: list[tuple[int, Path]]) -> list[Outcome]:
    """Outcomes in order. A few dozen inputs get fresh processes; where one of these dies, each input gets its own."""
    outcomes = []
    for start in range(0, len(jobs), CHUNK):
        chunk = jobs[start : start + CHUNK]
        for job, outcome in zip(chunk, in_processes(chunk, WORKERS), strict=True):
            outcomes.append(outcome or in_processes([job], 1)[0] or crash(job[0]))
    return outcomes


def in_processes(jobs: list[tuple[int, Path]], workers: int) -> list[Outcome | None]:
    """The outcomes; None where the process died."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(attempt, job) for job in jobs]
    return [None if future.exception() else future.result() for future in futures]


def crash(number: int) -> Outcome:
    """The outcome of an input that ends its process."""
    return Outcome(number, FORMS[number % len(FORMS)], "see the number", "crash", "the process died")


def judge(code: int, out: str, err: str, damage: str) -> tuple[str, str]:
    """The verdict on an exit code and what was printed."""
    if code == 124:
        return "hang", f"over {LIMIT_S} s"
    if code == 0:
        length = longest_mm(out)
        if not 3.0 < length < 200.0:
            return "wrong unit", f"the longest vessel is {length:.3g} mm"
        return "result", ""
    said = [line for line in err.splitlines() if line.startswith("hemo: ")]
    if code == 2 and len(said) == 1 and "Traceback" not in err:
        return "sentence", said[0]
    return f"exit code {code}", err[-800:]


def longest_mm(text: str) -> float:
    """Length of the longest vessel that a tree file lists."""
    lengths = []
    for tree in json.loads(text)["trees"]:
        for branch in tree["branches"]:
            points = np.asarray(branch["points_mm"])
            lengths.append(float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum()))
    return max(lengths)


def make_base(folder: Path) -> None:
    """The undamaged lumen in every form."""
    voxels = lumen_voxels()
    size = np.full(3, 1e-3 * SPACING)
    surface = surface_from_labels(label_image(voxels, np.zeros(3), size, np.eye(3), {"coronary": 1}, "lumen"))
    np.savez(folder / "lumen.npz", voxels=voxels, points=1e3 * surface.points, triangles=surface.triangles)
    for form in IMAGES:
        write_image(folder / f"lumen{form}", voxels)
    for form in SURFACES:
        write_surface(folder / f"lumen{form}", 1e3 * surface.points, surface.triangles)
    code, _, err = hemo_tree(folder / "lumen.stl", str(folder / "lumen.json"))
    if code:
        raise SystemExit(f"the undamaged lumen fails: {err}")


def main() -> None:
    """Table of the verdicts by form, and the failures."""
    count = int(os.environ.get("HEMO_FUZZ", "500"))
    with tempfile.TemporaryDirectory() as name:
        make_base(Path(name))
        outcomes = attempt_all([(number, Path(name)) for number in range(count)])
    table = Counter((outcome.form, outcome.verdict if not outcome.failed else "failure") for outcome in outcomes)
    rows = tuple(
        (form, *(str(table[form, verdict]) for verdict in ("result", "sentence", "failure"))) for form in FORMS
    )
    failures = [o for o in outcomes if o.failed]
    for failure in failures:
        print(f"{failure.number} {failure.form} {failure.damage}: {failure.verdict}: {failure.detail}")
    note = f"{count} damaged inputs, {len(failures)} failures."
    note += "".join(f" {o.form}, {o.damage}: {o.verdict}." for o in failures)
    publish(Table("fuzz", ("form", "ended in a result", "one sentence", "failure"), rows, note))
