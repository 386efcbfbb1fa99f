"""The preflight: facts of the lumen, and everything that is wrong at once."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hemo.cli.check import label_facts
from hemo.geometry.image.labelimage import LabelImage
from hemo.geometry.synthetic.vessels import straight_stenosis, write_label_map
from hemo.vtkio import write_polydata

PATIENT = '[patient]\nsystolic = "128 mmHg"\ndiastolic = "76 mmHg"\n'


def check(file: Path, *options: str):
    command = [sys.executable, "-m", "hemo", "check", str(file), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr.strip().splitlines()


def case(folder: Path, geometry: str, patient: str = PATIENT) -> Path:
    file = folder / "case.toml"
    file.write_text(f'[case]\nname = "x"\n[geometry]\n{geometry}\n{patient}')
    return file


def test_every_bad_key_is_told_at_once(tmp_path):
    patient = '[patient]\nsystolic = "128"\nmean_presure = "93 mmHg"\n[fem]\ncells_per_diameter = 200\n'
    code, plan, said = check(case(tmp_path, 'label_map = "lumen.nii.gz"\nflow_extension = "9 miles"', patient))
    assert code == 2 and not plan["ready"] and plan["missing"] == []
    assert [line for line in said if line.startswith("hemo: ")] == said[-1:] and "4 problems" in said[-1]
    for key in ("flow_extension", "patient.systolic", "mean_presure", "cells_per_diameter"):
        assert sum(key in problem for problem in plan["problems"]) == 1, key


def test_a_missing_file_and_missing_pressure_are_both_told(tmp_path):
    code, plan, said = check(case(tmp_path, 'label_map = "lumen.nii.gz"', ""))
    assert code == 2 and "2 problems" in said[-1]
    assert "lumen.nii.gz" in plan["problems"][0] and "pressure" in plan["problems"][1]


def test_one_problem_is_one_sentence(tmp_path):
    code, plan, said = check(case(tmp_path, 'surface = "lumen.stl"'))
    assert code == 2
    assert said == [f"hemo: {plan['problems'][0]}"]


def test_a_lumen_that_a_run_would_refuse_is_refused(tmp_path):
    write_label_map(tmp_path / "lumen.nii.gz", np.zeros((20, 20, 20), np.uint8), np.zeros(3), 0.5e-3)
    code, plan, _ = check(case(tmp_path, 'label_map = "lumen.nii.gz"'))
    assert code == 2 and plan["lumen"] is None
    assert "empty" in plan["problems"][0]


def test_a_surface_is_measured(tmp_path):
    surface, _ = straight_stenosis(3e-3, 30e-3, 0.0)
    write_polydata(tmp_path / "lumen.stl", surface.points * 1e3, surface.triangles)
    code, plan, _ = check(case(tmp_path, 'surface = "lumen.stl"'))
    assert code == 0 and plan["ready"]
    assert plan["lumen"]["size_mm"] == pytest.approx([3.0, 3.0, 30.0], abs=0.02)
    assert plan["lumen"]["volume_ml"] == pytest.approx(np.pi * 0.15**2 * 3.0, rel=0.01)
    assert plan["lumen"]["pieces"] == 1


def test_labels_are_measured_and_their_pieces_counted():
    labels = np.zeros((12, 12, 12), dtype=np.uint8)
    labels[2:4, 2:4, 2:4] = 1
    labels[4:8, 2:4, 2:4] = labels[10, 10, 10] = 2
    facts = label_facts(LabelImage(labels, np.zeros(3), np.array([0.5e-3, 0.5e-3, 1e-3]), np.eye(3)))
    voxel = 0.25e-3  # mL
    assert facts["spacing_mm"] == [0.5, 0.5, 1.0]
    assert facts["labels"]["aorta"] == {"volume_ml": 8 * voxel, "pieces": 1, "largest_pieces_ml": [8 * voxel]}
    coronary = facts["labels"]["coronary"]
    assert (coronary["pieces"], coronary["volume_ml"]) == (2, pytest.approx(17 * voxel, abs=1e-4))
    assert coronary["largest_pieces_ml"] == pytest.approx([16 * voxel, voxel], abs=1e-4)


def test_the_trees_are_found_and_drawn_on_demand(tmp_path):
    root = Path(__file__).resolve().parents[2]
    code, plan, said = check(root / "cases" / "straight_stenosis" / "case.toml", "--out", str(tmp_path / "out"))
    assert code == 0, said
    (lesion,) = plan["trees"][0]["lesions"]
    assert lesion["percent_diameter_stenosis"] == pytest.approx(50.0, abs=0.1)
    assert "50 % DS" in (tmp_path / "out" / "figures" / "tree.svg").read_text()
