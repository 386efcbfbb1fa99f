"""``python -m validation [NAME ...]``: run the benchmarks, all of them without a name."""

from __future__ import annotations

import importlib
import sys

BENCHMARKS = (
    "loss_law",
    "straight_stenosis",
    "axisymmetric",
    "realisations",
    "surface_accuracy",
    "narco_trees",
    "cut_invariance",
    "cut_invariance_3d",
    "physiology",
    "random_trees",
    "fuzz",
    "stage_times",
    "ethier_steinman",
    "dfg_cylinder",
    "fda_nozzle",
    "kills",
    "real_meshes",
    "mesh_cost",
    "mesh_optimisers",
    "boundary_layers",
)


def main() -> None:
    """Run the named benchmarks."""
    names = sys.argv[1:] or BENCHMARKS
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        raise SystemExit(f"no benchmark is called {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    for name in names:
        importlib.import_module(f"validation.{name}").main()


if __name__ == "__main__":
    main()
