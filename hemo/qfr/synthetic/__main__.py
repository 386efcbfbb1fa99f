"""Two XA cines of a virtual patient with the marks of a person: something to try ``hemo qfr`` on.

``python -m hemo.qfr.synthetic FOLDER [--severity 0.6] [--hyperaemia]`` writes ``view1.dcm``, ``view2.dcm`` and the
marks beside them, of hemo's left coronary model with a lesion of the left anterior descending artery, and says its FFR.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.qfr.contoursjson import write_points
from hemo.qfr.synthetic.angiogram import AngiogramOptions, angiogram
from hemo.qfr.synthetic.person import last_place, marked_by_person
from hemo.qfr.synthetic.views import centred, viewing
from hemo.qfr.synthetic.way import followed, on_the_way, vessel_path
from hemo.qfr.synthetic.xadicom import write_cine
from hemo.reduced import solve_states
from hemo.results import TreeFlow
from hemo.tree import VesselTree
from hemo.units import GRAM, MMHG

log = logging.getLogger("hemo.qfr.synthetic")
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=135 * GRAM)
VIEWS = ("view1", "view2")
BEAT = 60.0 / 70.0  # s
INJECTION = 0.55  # of the hyperaemic flow, while contrast is injected


def patient(severity: float) -> tuple[VesselTree, TreeFlow]:
    """The vessels about the isocentre, and their hyperaemic flow."""
    tree = with_reference_and_lesions(left_coronary(severity).tree)
    return centred(tree), solve_states(tree, PATIENT, Blood()).hyperaemia


def make(folder: Path, severity: float, hyperaemia: bool = False, outlet: str = "LAD") -> float:
    """Write two cines and their marks; FFR at the last point marked, by the reduced model."""
    tree, flow = patient(severity)
    factor = 1.0 if hyperaemia else INJECTION
    flowing = {name: factor * one.flow for name, one in flow.branches.items()}
    folder.mkdir(parents=True, exist_ok=True)
    path, names = vessel_path(tree, outlet, flow), on_the_way(tree, outlet)
    options = AngiogramOptions(beat=BEAT)
    cameras = viewing(followed(tree, outlet, flow), outlet, np.random.default_rng(6))
    for seed, (name, camera) in enumerate(zip(VIEWS, cameras, strict=True)):
        cine, truth = angiogram(tree, flowing, camera, options, seed)
        write_cine(folder / f"{name}.dcm", cine)
        marks = marked_by_person(path, names, truth, np.random.default_rng(seed))
        write_points(marks, folder / f"{name}.json")
    end = last_place(path.tree.root)
    return float(np.interp(end, path.tree.root.arc, path.pressure)) / flow.aortic_pressure


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="python -m hemo.qfr.synthetic", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--severity", type=float, default=0.6, help="diameter stenosis of the lesion, 0 to 0.8")
    parser.add_argument("--hyperaemia", action="store_true", help="cines under adenosine, not at rest")
    parser.add_argument("--outlet", default="LAD", help="the vessel that is marked: LAD, LCX, D1, OM1")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ffr = make(asked.folder, asked.severity, asked.hyperaemia, asked.outlet)
    log.warning(
        "%s: %s with their marks; heart rate %.0f /min, mean aortic pressure %.1f mmHg; FFR at the last point %.3f.",
        asked.folder,
        " and ".join(f"{name}.dcm" for name in VIEWS),
        60.0 / BEAT,
        hyperaemic_pressure() / MMHG,
        ffr,
    )


def hyperaemic_pressure() -> float:
    """Mean aortic pressure of the virtual patient, Pa."""
    return solve_states(left_coronary(0.0).tree, PATIENT, Blood()).hyperaemia.aortic_pressure


if __name__ == "__main__":
    main()
