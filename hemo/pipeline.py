"""The main job: a case file in, a result folder out. Each stage is a function; this module orders them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

from hemo import __version__, femresults, femstages, flowstage, meshstage, stages
from hemo.calibrationstage import with_calibration
from hemo.case import Case, read_case
from hemo.errors import InputError, NotConverged
from hemo.files import file_name, sha256
from hemo.geometry.image.perfusion import Muscle
from hemo.geometry.territories import territory_flows
from hemo.gridstage import check_grid_study, with_grid_study
from hemo.meshpicture import mesh_picture
from hemo.output import VolumeFields, write_centrelines, write_volume, write_walls, write_waveforms
from hemo.report import write_report
from hemo.resultfolder import partial_path, working_folder
from hemo.results import Status
from hemo.summary import RunRecord, build_summary, overall_status
from hemo.tree import VesselTree
from hemo.treejson import document, tree_to_json
from hemo.treesummary import TreeResult

log = logging.getLogger(__name__)

Method = Literal["reduced", "fem", "both"]


class Progress(Protocol):
    """What a caller may show of a running job."""

    def stage(self, name: str) -> None:
        """A stage begins."""

    def detail(self, text: str) -> None:
        """Something happened within it."""


class Silent:
    """Shows nothing."""

    def stage(self, name: str) -> None:
        """Ignore."""

    def detail(self, text: str) -> None:
        """Ignore."""


@dataclass(frozen=True)
class RunOptions:
    """How to run a case; ``patience``: how long to wait for another run in the same folder, s, negative for ever."""

    out: Path
    method: Method = "both"
    ranks: int = 2
    fresh: bool = False
    grid_study: bool = False
    patience: float = 0.0

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods asked for."""
        return ("reduced", "fem") if self.method == "both" else (self.method,)


@dataclass
class _Clock:
    """Seconds by stage, told to the progress display."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, key: str, title: str, tree: str = "") -> Iterator[None]:
        self.progress.stage(title)
        log.info("%s", title)
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            for name in (key, f"{key}_{tree}") if tree else (key,):
                self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def run_case(path: Path, options: RunOptions, progress: Progress | None = None) -> dict[str, object]:
    """Run a case and return its summary; the files lie in ``options.out``.

    Raises
    ------
    InputError
        The case, its files or the result folder cannot be used.
    NotConverged
        A solver stopped short; the files stay in ``OUT.partial``, marked.
    """
    case = read_case(path)
    if options.ranks < 1:
        raise InputError("--ranks must be at least 1.")
    inputs = stages.input_files(case, path)
    stages.check_case(case, options.methods)
    if options.grid_study:
        check_grid_study(case, options.methods)
    hashes = {name: sha256(file) for name, file in inputs.items()}
    fingerprint = {**hashes, "method": options.method, "hemo": __version__}
    fingerprint |= {"grid study": "yes"} if options.grid_study else {}
    place = working_folder(options.out, fingerprint, options.fresh, options.patience)
    with place as work, _logged(work / "log.txt") as warnings:
        summary = _run(case, path, options, work, hashes, _Clock(progress or Silent()), warnings)
        if not Status[str(summary["status"]).upper()].usable:
            raise NotConverged(
                f"{case.case.name}: a solver did not converge, so no FFR is claimed; "
                f"see {partial_path(options.out) / 'summary.json'} and log.txt there."
            )
    return summary


def _run(
    case: Case,
    path: Path,
    options: RunOptions,
    work: Path,
    hashes: dict[str, str],
    clock: _Clock,
    warnings: list[str],
) -> dict[str, object]:
    log.info("hemo %s, case %s, for research, not for diagnosis", __version__, case.case.name)
    with clock.stage("geometry", "Reading the lumen and finding the vessel trees"):
        geometry = stages.load_geometry(case, path, work / "work")
    clock.progress.detail(stages.describe(geometry.trees))
    muscle = stages.load_muscle(case, path)
    results: list[TreeResult] = []
    volumes, meshes = [], []
    if "fem" in options.methods:
        with clock.stage("mesh", f"Meshing the {' and the '.join(tree.name for tree in geometry.trees)} tree"):
            for cells in meshstage.mesh_trees(case, geometry, work / "work", meshstage.cells, options.ranks):
                clock.progress.detail(f"{cells:,} tetrahedra")
    for tree in geometry.trees:
        if "fem" in options.methods:
            place = work / "work" / file_name(tree.name)
            meshed = meshstage.mesh_tree(case, geometry, tree, place)
            again, tree = meshstage.mesher(geometry, tree, place), meshed.tree
        with clock.stage("reduced", f"Reduced-order solve of the {tree.name} tree", tree.name):
            reduced = partial(_reduced, case, geometry, muscle)
            result = reduced(tree)
        if "fem" in options.methods:
            title = f"Finite-element solve of the {tree.name} tree on {options.ranks} ranks"
            with clock.stage("fem", title, tree.name):
                tell = clock.progress.detail
                solution = femstages.solve_fem(case, meshed, result, place, work, options.ranks, tell, again)
            clock.seconds |= {f"fem_{tree.name}_{key}": value for key, value in solution.timing.items()}
            result = femresults.with_fem(result, meshed, solution, case.reading())
            result = femresults.with_beat(case, result, meshed, solution)
            if options.grid_study and result.fem is not None and result.fem.status is Status.CONVERGED:
                with clock.stage("grid_study", f"Grid study of the {tree.name} tree", tree.name):
                    result = with_grid_study(case, meshed, result, again, reduced, work, options.ranks, tell)
            elif options.grid_study:
                log.warning("%s tree: no grid study: its flow is not steady.", tree.name)
            if options.method == "both":
                with clock.stage("calibration", f"Fitting the reduced model of the {tree.name} tree to 3D", tree.name):
                    result = with_calibration(case, result)
            volumes.append(femresults.volume(meshed, solution))
            meshes.append(meshed)
        results.append(result)
    record = RunRecord(
        case.case.name,
        options.methods,
        tuple(warnings),
        clock.seconds,
        hashes,
        case.blood.density,
        case.reading(),
        geometry.orientation_known,
    )
    with clock.stage("output", "Writing the result"):
        _write_fields(work, results, volumes)
        _write_beats(work, results)
        _draw_meshes(work / "figures", meshes)
        page = work / "report.html"
        write_report(page, build_summary(record, results), results, work / "figures", geometry.orientation_known)
    summary = build_summary(record, results)  # once more, for the time that writing took
    (work / "summary.json").write_text(json.dumps(summary, indent=1, allow_nan=False))
    if not overall_status(results).usable:
        (work / "NOT_CONVERGED").write_text("A solver did not converge: no FFR is claimed from these files.\n")
    return summary


def _reduced(case: Case, geometry: stages.Geometry, muscle: Muscle | None, tree: VesselTree) -> TreeResult:
    """The reduced solution of a tree as it is meshed."""
    return flowstage.solve_reduced(case, tree, geometry.voxel, _territory(tree, geometry.trees, muscle))


def _territory(tree: VesselTree, trees: Sequence[VesselTree], muscle: Muscle | None) -> dict[str, float] | None:
    """Flow of each vessel's territory in the perfusion map; ``tree`` is one of the trees as it is meshed."""
    if muscle is None:
        return None
    others = [other for other in trees if other.name != tree.name]
    return territory_flows([tree, *others], muscle)[tree.name]


def _write_fields(work: Path, results: Sequence[TreeResult], volumes: Sequence[VolumeFields]) -> None:
    flows = [{k: f for k, f in (("reduced", r.reduced), ("fem", r.fem)) if f is not None} for r in results]
    write_centrelines(work / "centreline.vtp", [r.tree for r in results], flows)
    trees = [tree_to_json(r.tree, r.conditions, r.calibration) for r in results]
    (work / "tree.json").write_text(json.dumps(document(trees)))
    tractions = [r.traction for r in results if r.traction is not None]
    if tractions and results[0].fem is not None:
        write_walls(work / "wall.vtp", [r.tree for r in results], tractions, results[0].fem.aortic_pressure)
        write_volume(work / "volume.vtu", volumes)


def _write_beats(work: Path, results: Sequence[TreeResult]) -> None:
    beats = [(result.tree, result.fem_curves) for result in results if result.fem_curves is not None]
    if beats:
        write_waveforms(work / "beat.csv", beats)


def _draw_meshes(figures: Path, meshes: Sequence[meshstage.MeshedTree]) -> None:
    figures.mkdir(exist_ok=True)
    for meshed in meshes:
        picture = mesh_picture(meshed.mesh, meshed.tree, meshed.quality)
        (figures / file_name(f"mesh_{meshed.tree.name}.png")).write_bytes(picture)


@contextmanager
def _logged(path: Path) -> Iterator[list[str]]:
    """Write hemo's log to a file and collect its warnings."""
    logger = logging.getLogger("hemo")
    collector = WarningCollector()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.addHandler(collector)
    try:
        yield collector.messages
    finally:
        logger.removeHandler(handler)
        logger.removeHandler(collector)
        logger.setLevel(before)
        handler.close()


class WarningCollector(logging.Handler):
    """Keeps the text of each warning once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note a warning."""
        message = record.getMessage()
        if message not in self.messages:
            self.messages.append(message)


@contextmanager
def collected_warnings() -> Iterator[WarningCollector]:
    """Collect hemo's warnings instead of letting them go to stderr."""
    collector, logger = WarningCollector(), logging.getLogger("hemo")
    logger.addHandler(collector)
    try:
        yield collector
    finally:
        logger.removeHandler(collector)
