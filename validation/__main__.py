"""``python -m validation [NAME ...]``: run the benchmarks, all of them without a name.

What follows one name and begins with a hyphen are options of that benchmark (those against OpenFOAM have some).
"""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = (
    "loss_law",
    "reduced_speed",
    "stenosis_flow",
    "tree_solutions",
    "fit_losses",
    "reduced_trees",
    "outliers",
    "plan_trees",
    "pullback_trees",
    "straight_stenosis",
    "axisymmetric",
    "stability",
    "realisations",
    "surface_accuracy",
    "narco_trees",
    "cut_invariance",
    "cut_invariance_3d",
    "physiology",
    "random_trees",
    "fuzz",
    "cases",
    "stage_times",
    "real_tree",
    "roofline",
    "manufactured",
    "poiseuille",
    "womersley",
    "ethier_steinman",
    "dfg_cylinder",
    "fda_nozzle",
    "contour_accuracy",
    "angiogram_frames",
    "qfr_phantoms",
    "qfr_fem",
    "agreement_coverage",
    "agreement_size",
    "wire_traces",
    "outcome_simulation",
    "beat_steps",
    "ranks",
    "kills",
    "batch_kills",
    "batch_throughput",
    "real_meshes",
    "mesh_cost",
    "mesh_optimisers",
    "boundary_layers",
    "openfoam",
    "openfoam_tree",
    "openfoam_beat",
    "virtual_study",
    "page",
)


def main() -> None:
    """Run the named benchmarks."""
    first = next((k for k, word in enumerate(sys.argv) if k and word.startswith("-")), len(sys.argv))
    names, options = sys.argv[1:first] or BENCHMARKS, sys.argv[first:]
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        raise SystemExit(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    if options and len(names) != 1:
        raise SystemExit("options follow the name of one benchmark")
    for name in names:
        importlib.import_module(f"validation.{name}").main(*([options] if options else []))


if __name__ == "__main__":
    main()
