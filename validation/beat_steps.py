"""A beat with fewer and more time steps, and with steps solved less and more tightly: what the numbers move by."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from hemo.fem.launch import run_worker
from hemo.fem.options import FemOptions
from hemo.fem.result import FemResult, read_result
from hemo.indices import oscillation
from hemo.results import Status
from validation.kills import CASE
from validation.table import Table, publish
from validation.workerjob import set_options, written_job

STEPS = (50, 100, 200, 400)  # the last is what the others are held against
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-7)  # likewise, with USUAL steps
USUAL = 200
RANKS = 2
SEVERITY = "analytic.severity = 0.6"


def job(folder: Path, steps: int) -> Path:
    """The worker's inputs."""
    place = folder / f"steps{steps}"
    place.mkdir()
    text = CASE.replace("analytic.severity = 0.4", SEVERITY).replace("steps_per_beat = 40", f"steps_per_beat = {steps}")
    (place / "case.toml").write_text(text)
    return written_job(place / "case.toml", place)


def beat(inputs: Path, tolerance: float) -> tuple[FemResult, float]:
    """The beat with its steps solved so tightly, and its seconds a step."""
    place = Path(shutil.copytree(inputs, inputs.parent / f"tolerance{tolerance:g}"))
    set_options(place, step_tolerance=tolerance)
    start = time.perf_counter()
    run_worker(place, RANKS)
    result = read_result(place)
    assert result.status is Status.CONVERGED
    return result, (time.perf_counter() - start) / len(result.iterations)


def numbers(result: FemResult) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and lowest Pd/Pa at the end, peak outflow (m^3/s); TAWSS (Pa); OSI, at the wall's vertices."""
    found = result.beat
    assert found is not None
    ratio = found.section_pressure[:, -1] / found.aortic
    mean = found.section_pressure[:, -1].mean() / found.aortic.mean()
    average, swing = oscillation(*result.wall.over_time)[:2]
    return np.array([mean, ratio.min(), found.outlet_flow.max()]), average, swing


def row(result: FemResult, seconds: float, finest: FemResult) -> tuple[str, ...]:
    """What is off against the finest."""
    (own, shear, swing), (best, true_shear, true_swing) = numbers(result), numbers(finest)
    corrections = np.mean([step["corrections"] for step in result.iterations])
    return (
        f"{corrections:.1f}",
        f"{seconds:.2f}",
        f"{own[0]:.4f} ({own[0] - best[0]:+.5f})",
        f"{own[1]:.4f} ({own[1] - best[1]:+.5f})",
        f"{100 * (own[2] / best[2] - 1):+.2f} %",
        f"{100 * np.abs(shear - true_shear).mean() / true_shear.mean():.2f} %",
        f"{np.abs(swing - true_swing).max():.4f}",
    )


COLUMNS = (
    "corrections a step",
    "seconds a step",
    "mean Pd/Pa",
    "lowest Pd/Pa",
    "peak outflow",
    "TAWSS, mean deviation",
    "OSI, largest deviation",
)


def main() -> None:
    """Both tables."""
    usual = FemOptions.step_tolerance
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = {steps: job(folder, steps) for steps in STEPS}
        found = {steps: beat(jobs[steps], usual) for steps in STEPS}
        rows = [(str(steps), *row(*found[steps], found[STEPS[-1]][0])) for steps in STEPS]
        note = (
            f"60 % stenosis of a left anterior descending artery of 3 mm, at rest, {found[USUAL][0].unknowns:,} "
            f"unknowns, {RANKS} ranks; steps solved to {usual:g}. Differences from {STEPS[-1]} steps."
        )
        publish(Table("beat_steps", ("steps a beat", *COLUMNS), tuple(rows), note))
        tight = {value: found[USUAL] if value == usual else beat(jobs[USUAL], value) for value in TOLERANCES}
        rows = [(f"{value:g}", *row(*tight[value], tight[TOLERANCES[-1]][0])) for value in TOLERANCES]
        publish(Table("beat_tolerance", ("step tolerance", *COLUMNS), tuple(rows), f"{USUAL} steps a beat."))
