"""What hemo is asked to be, and where it is measured: one line for each, read from the tables of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from validation.page_tables import Tables, number

Measure = Callable[[Tables], float]


@dataclass(frozen=True)
class Limit:
    """What is asked: ``value`` in ``unit`` at most, or at ``least``."""

    value: float
    unit: str
    least: bool

    def kept(self, value: float) -> bool:
        """Whether a measured value is within."""
        return value >= self.value if self.least else value <= self.value


@dataclass(frozen=True)
class Claim:
    """One requirement, ``measured`` in the tables that ``python -m validation`` with ``benchmark`` fills."""

    part: str
    what: str
    limit: Limit
    measured: Measure
    benchmark: str


def most(value: float, unit: str = "") -> Limit:
    """So much at most, of either sign."""
    return Limit(value, unit, least=False)


def least(value: float, unit: str = "") -> Limit:
    """So much at least."""
    return Limit(value, unit, least=True)


def largest(table: str, column: str, **holding: str) -> Measure:
    """The largest size in a column, of the rows that hold something."""
    return lambda tables: max(map(abs, tables.numbers(table, column, **holding)))


def last(table: str, column: str, place: int = -1, **holding: str) -> Measure:
    """The last one's, or the one's at a place: the finest mesh's where meshes grow finer."""
    return lambda tables: abs(tables.numbers(table, column, **holding)[place])


def womersley(*columns: str) -> Measure:
    """The largest error of the usual pipe and step."""
    each = [largest("womersley", column, first="4", cells_across="6", steps_a_period="40") for column in columns]
    return lambda tables: max(one(tables) for one in each)


def nozzle(tables: Tables) -> float:
    """Off the sets' median, to 60 mm behind the expansion."""
    places, off = (np.array(tables.numbers("fda_nozzle", column)) for column in ("z / mm", "off the median"))
    return float(np.abs(off[places <= 60.0]).max())


def ranks(tables: Tables) -> float:
    """One rank's time over two's, on the finest mesh that one has solved."""
    alone = tables.of("real_tree", ranks="1")[-1]["cells"]
    one, two = (tables.numbers("real_tree", "seconds", ranks=count, cells=alone)[0] for count in "12")
    return one / two


def faster(table: str, **holding: str) -> Measure:
    """OpenFOAM's time over hemo's."""
    return lambda tables: 1.0 / max(tables.numbers(table, "hemo over OpenFOAM", **holding))


def throats(tables: Tables) -> float:
    """90th percentile of the error, the third number of a cell."""
    return float(
        tables.of("random_trees", first="minimal lumen area: bias")[0]["label map"].split("%")[0].split(",")[2]
    )


def together(table: str, column: str) -> Measure:
    """The sum of a column."""
    return lambda tables: sum(tables.numbers(table, column))


def mean_size(table: str, column: str) -> Measure:
    """The mean of the sizes in a column."""
    return lambda tables: float(np.abs(tables.numbers(table, column)).mean())


def within(tables: Tables) -> float:
    """How many of the first five reconstructed vessels have the FFR of the true ones to 0.03."""
    return float((np.abs(tables.numbers("qfr_fem", "difference")[:5]) <= 0.03).sum())


def wire_error(kind: str) -> Measure:
    """The largest error of FFR, windows given, of traces of a kind: the second number of a cell."""
    return lambda tables: number(tables.of("wire_traces", first=kind)[0]["FFR, windows given"].split(";")[1])


def covering(worst: Callable[[list[float]], float]) -> Measure:
    """The least or largest share of cohorts whose interval holds the truth, of the intervals asked for."""

    def measure(tables: Tables) -> float:
        rows = [row for row in tables.of("agreement_coverage") if "not asked" not in row["interval"]]
        return worst([number(cell) for row in rows for cell in list(row.values())[2:]])

    return measure


def lost_or_doubled(tables: Tables) -> float:
    """Of the results of cohorts that were killed."""
    starts = ("results lost", "computed again", "other values")
    return sum(tables.numbers("batch_kills", "number", first=start)[0] for start in starts)


SOLVER, SPEED, GEOMETRY = "Flow in three dimensions", "Speed of the finite elements", "From image to tree and mesh"
REDUCED, QFR, PULLBACK = "Reduced model", "QFR from angiograms", "Pullbacks"
WIRE, STUDY, BATCH = "Pressure wire", "Statistics of a study", "Cohorts"
VELOCITY, CYLINDER, TREES = "order of the velocity in", "structured, twice the layers", "mean absolute"
WAVES = ("axis velocity", "flow", "wall shear")

# One claim in two lines, so that they can be read as a table.
# fmt: off
CLAIMS: tuple[Claim, ...] = (
    Claim(SOLVER, f"manufactured solution: {VELOCITY} space",
          least(2.9), last("manufactured", "rate"), "manufactured"),
    Claim(SOLVER, f"Ethier and Steinman: {VELOCITY} space",
          least(2.9), last("ethier_steinman", "rate"), "ethier_steinman"),
    Claim(SOLVER, f"Ethier and Steinman: {VELOCITY} time",
          least(1.9), last("ethier_steinman_steps", "rate"), "ethier_steinman"),
    Claim(SOLVER, "Poiseuille, 6 cells across: pressure drop",
          most(1.0, "%"), largest("poiseuille", "drop", first="2", cells_across="6"), "poiseuille"),
    Claim(SOLVER, "Poiseuille, 6 cells across: WSS at the worst vertex",
          most(2.0, "%"), largest("poiseuille", "worst, vertices", first="2", cells_across="6"), "poiseuille"),
    Claim(SOLVER, "Womersley, alpha 3, 6 cells across, 40 steps: amplitude of velocity, flow and WSS",
          most(2.0, "%"), womersley(*(f"{what}, %" for what in WAVES)), "womersley"),
    Claim(SOLVER, "... phase",
          most(2.0, "degrees"), womersley(*(f"{what}, degrees" for what in WAVES)), "womersley"),
    Claim(SOLVER, "... OSI", most(0.01), womersley("OSI"), "womersley"),
    Claim(SOLVER, "... TAWSS", most(1.0, "%"), womersley("TAWSS, %"), "womersley"),
    Claim(SOLVER, "cylinder DFG 3D-1Z, finest mesh, as hemo solves: drag",
          most(1.0, "%"), last("dfg_cylinder", "off", -2, first=CYLINDER), "dfg_cylinder"),
    Claim(SOLVER, "cylinder DFG 3D-1Z, finest mesh, as hemo solves: lift",
          most(1.0, "%"), last("dfg_cylinder", "off 7", -2, first=CYLINDER), "dfg_cylinder"),
    Claim(SOLVER, "FDA nozzle, Re 500: velocity on the axis against the sets' median, to 60 mm",
          most(6.0, "%"), nozzle, "fda_nozzle"),
    Claim(SOLVER, "... against the axisymmetric solution",
          most(1.0, "%"), largest("fda_nozzle", "off the axisymmetric"), "fda_nozzle"),
    Claim(SOLVER, "FFR on 2, 3 and 4 ranks against 1, tight tolerances",
          most(1e-8), largest("ranks", "FFR off 1 rank's", first="tight"), "ranks"),
    Claim(SOLVER, "a beat that was killed 20 times and continued on other numbers of ranks",
          most(1e-8), largest("kills", "largest difference"), "kills"),
    Claim(SPEED, "real left tree with a 60 % lesion, 3 cells across: FFR off the finest mesh's",
          most(0.005), largest("real_tree", "FFR off the finest at most", first="3"), "real_tree"),
    Claim(SPEED, "... in", most(60.0, "s"), largest("real_tree", "seconds", first="3"), "real_tree"),
    Claim(SPEED, "... with", most(4.0, "GB"), largest("real_tree", "GB", first="3"), "real_tree"),
    Claim(SPEED, "one rank's time over two's, on the finest mesh that one has solved",
          least(1.8, "times"), ranks, "real_tree"),
    Claim(SPEED, "simpleFoam's time over hemo's at 1 % of the drop, straight stenoses",
          least(10.0, "times"), faster("openfoam_ratio", error="1 %"), "openfoam"),
    Claim(SPEED, "... at 0.005 of FFR, real left tree",
          least(10.0, "times"), faster("openfoam_tree_ratio", first="0.005"), "openfoam_tree"),
    Claim(GEOMETRY, "random hearts: trees that become a valid mesh, of 400",
          least(400.0), last("random_trees", "label map", first="trees that became"), "random_trees"),
    Claim(GEOMETRY, "minimal lumen area from label maps: 90th percentile of the error",
          most(8.0, "%"), throats, "random_trees"),
    Claim(GEOMETRY, "damaged inputs that ended in a failure, of 500",
          most(0.0), together("fuzz", "failure"), "fuzz"),
    Claim(REDUCED, f"FFR against 3D, synthetic trees: {TREES} difference",
          most(0.02), largest("reduced_trees", TREES, first="fitted"), "reduced_trees"),
    Claim(REDUCED, "... calibrated on one solution",
          most(0.005), largest("reduced_trees", TREES, first="fitted, calibrated"), "reduced_trees"),
    Claim(REDUCED, "... calibrated, at another flow",
          most(0.005), largest("reduced_trees", TREES, first="... calibrated at hyperaemia"), "reduced_trees"),
    Claim(REDUCED, f"plans against 3D with the lesion opened, 20 trees: {TREES} difference",
          most(0.02), mean_size("plan_trees", "plan - 3D"), "plan_trees"),
    Claim(REDUCED, "cut at 1.2 to 2.0 mm, no stenosis being cut away: largest change of a lesion's FFR",
          most(0.01), largest("cut_invariance", "largest change", first="... in which"), "cut_invariance"),
    Claim(REDUCED, "steady, 49 segments, 2,009 points",
          most(1.0, "ms"), largest("reduced_speed", "time", first="steady, tree made ready"), "reduced_speed"),
    Claim(REDUCED, "... 100,000 samples, every radius varied",
          most(10.0, "s"), largest("reduced_speed", "time", first="samples: ... and every radius"), "reduced_speed"),
    Claim(REDUCED, "... periodic state of its 25 outlets",
          most(50.0, "ms"), largest("reduced_speed", "time", first="periodic state"), "reduced_speed"),
    *(
        Claim(QFR, f"{what}: {kind}", limit, largest("qfr_phantoms", column, first=what), "qfr_phantoms")
        for what, limits in (
            ("diameter at the narrowest place, mm", (most(0.03), most(0.07))),
            ("QFR - FFR, measured hyperaemic flow", (most(0.01), most(0.04))),
            ("QFR - FFR, contrast flow", (most(0.01), most(0.07))),
            ("QFR - FFR, fixed flow", (most(0.01),)),
        )
        for kind, column, limit in zip(("bias", "standard deviation"), ("mean", "standard deviation"), limits)  # noqa: B905
    ),
    Claim(QFR, "reconstructed vessels with the true ones' 3D FFR to 0.03, of the first 5",
          least(5.0), within, "qfr_fem"),
    Claim(PULLBACK, "FFR at the vessel's end within 0.03 of 3D, true flow, 0.5 mm",
          least(100.0, "%"), last("pullback_trees", "within 0.03", first="true flow, 0.5 mm", read="distal"),
          "pullback_trees"),
    Claim(WIRE, "disturbances found in generated traces, of usual size",
          least(95.0, "%"), last("wire_traces", "found", first="all, none slight"), "wire_traces"),
    Claim(WIRE, "... with slight ones, which an eye may miss",
          least(95.0, "%"), last("wire_traces", "found", first="all"), "wire_traces"),
    Claim(WIRE, "FFR of traces with disturbances of usual size, windows given: largest error",
          most(0.01), wire_error("all, none slight"), "wire_traces"),
    Claim(STUDY, "least coverage of the nominal 95 % intervals that are asked for",
          least(93.0, "%"), covering(min), "agreement_coverage"),
    Claim(STUDY, "... largest", most(97.0, "%"), covering(max), "agreement_coverage"),
    Claim(STUDY, "virtual patients: wire as read against its trace's truth, mean absolute difference",
          most(0.01), last("virtual_study", "mean absolute", first="wire as read"), "virtual_study"),
    Claim(STUDY, "... 95 % intervals of `hemo uncertainty` that hold the true FFR",
          least(93.0, "%"), last("virtual_study", "mean ± standard deviation, or value", first="95 % intervals"),
          "virtual_study"),
    Claim(STUDY, "outcome: coverage and errors over simulated trials that miss what is asked",
          most(0.0), lambda tables: float(sum(row["met"] == "NO" for row in tables.of("outcome_simulation"))),
          "outcome_simulation"),
    Claim(BATCH, "results lost or computed twice in 50 kills",
          most(0.0), lost_or_doubled, "batch_kills"),
    Claim(BATCH, "the engine's overhead a job",
          most(5.0, "s"), last("batch_throughput", "overhead of a job / s", 0), "batch_throughput"),
    Claim(BATCH, "... a reduced-order case, a hundred to a job",
          most(0.5, "s"), last("batch_throughput", "overhead in all, s a case", 0), "batch_throughput"),
)
# fmt: on
