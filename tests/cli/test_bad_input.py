"""Every kind of bad input ends in exit code 2, one sentence on stderr and nothing left behind."""

import errno
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hemo import cli
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.vessels import straight_stenosis, write_label_map
from hemo.vtkio import write_polydata
from tests.geometry.segmentations import ct_series, lumen_at, places, segmentation

ROOT = Path(__file__).resolve().parents[2]
PATIENT = '[patient]\nsystolic = "128 mmHg"\ndiastolic = "76 mmHg"\n'


@pytest.fixture
def hemo(monkeypatch, capfd):
    """Run the command line in this process: exit code, stdout, stderr, what C libraries print included."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["hemo", *map(str, arguments)])
        code = cli._guarded()
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return call


def write_case(folder, geometry, patient=PATIENT):
    file = folder / "case.toml"
    file.write_text(f'[case]\nname = "bad"\n[geometry]\n{geometry}\n{patient}')
    return file


def refused(hemo, folder, case, *words, method="reduced"):
    """The run ends with code 2 and one sentence with ``words`` in it; the folder holds no result."""
    code, out, err = hemo("run", case, "--out", folder / "out", "--method", method, "--quiet")
    assert code == 2, err
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("hemo: ")
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0]
    assert not (folder / "out").exists()
    assert not (folder / "out.partial").exists()
    assert not (folder / ".out.lock").exists()


def label_map(folder, labels):
    file = folder / "lumen.nii.gz"
    write_label_map(file, labels, np.zeros(3), 0.5e-3)
    return 'label_map = "lumen.nii.gz"'


def tube_labels():
    """An aorta (1) with one vessel (2) growing out of it, as voxels."""
    z, y, x = np.mgrid[0:60, 0:60, 0:120] * 0.5
    labels = np.zeros(x.shape, dtype=np.uint8)
    labels[(np.hypot(y - 15, z - 15) < 1.5) & (x > 12)] = 2
    labels[(np.hypot(x - 12, y - 15) < 10) & (z > 1) & (z < 28)] = 1
    labels[..., :2] = labels[..., -4:] = 0
    return labels


def surface_file(folder, surface, scale=1e3, name="lumen.stl"):
    write_polydata(folder / name, surface.points * scale, surface.triangles)
    return f'surface = "{name}"'


def test_missing_case_and_missing_files(hemo, tmp_path):
    refused(hemo, tmp_path, tmp_path / "none.toml", "none.toml", "cannot read")
    refused(hemo, tmp_path, write_case(tmp_path, 'label_map = "none.nii.gz"'), "none.nii.gz")
    refused(hemo, tmp_path, write_case(tmp_path, 'surface = "none.stl"'), "none.stl")


def test_unreadable_files(hemo, tmp_path):
    for name, key in (("a.nii.gz", "label_map"), ("a.nrrd", "label_map"), ("a.stl", "surface"), ("a.vtp", "surface")):
        (tmp_path / name).write_bytes(b"this is no image and no surface")
        refused(hemo, tmp_path, write_case(tmp_path, f'{key} = "{name}"'), name)


@pytest.mark.parametrize("name", ["lumen.nii.gz", "lumen.nii", "lumen.nrrd", "lumen.mha"])
def test_truncated_label_map(hemo, tmp_path, name):
    write_label_map(tmp_path / name, tube_labels(), np.zeros(3), 0.5e-3)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    refused(hemo, tmp_path, write_case(tmp_path, f'label_map = "{name}"'), name, "cannot be read")


@pytest.mark.parametrize("name", ["lumen.stl", "lumen.vtp"])
def test_truncated_surface(hemo, tmp_path, name):
    surface, _ = straight_stenosis()
    geometry = surface_file(tmp_path, surface, name=name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    refused(hemo, tmp_path, write_case(tmp_path, geometry), name)


def test_files_of_another_kind(hemo, tmp_path):
    (tmp_path / "lumen.txt").write_text("1 2 3")
    refused(hemo, tmp_path, write_case(tmp_path, 'surface = "lumen.txt"'), "lumen.txt", ".stl")
    refused(hemo, tmp_path, write_case(tmp_path, 'label_map = "lumen.txt"'), "lumen.txt", "NIfTI")
    refused(hemo, tmp_path, write_case(tmp_path, 'tree = "lumen.txt"'), "lumen.txt")
    (tmp_path / "folder.nii.gz").mkdir()
    refused(hemo, tmp_path, write_case(tmp_path, 'label_map = "folder.nii.gz"'), "folder.nii.gz")


def test_empty_mask_missing_labels_and_separate_vessel(hemo, tmp_path):
    good = tube_labels()
    stated = "\nlabels = { aorta = 1, coronary = 2 }"
    refused(hemo, tmp_path, write_case(tmp_path, label_map(tmp_path, 0 * good)), "empty")
    for missing, name in ((2, "coronary"), (1, "aorta")):
        case = write_case(tmp_path, label_map(tmp_path, np.where(good == missing, 0, good).astype("u1")) + stated)
        refused(hemo, tmp_path, case, f"the {name} label {missing}")
    apart = good.copy()
    apart[..., 44:50] = 0
    refused(hemo, tmp_path, write_case(tmp_path, label_map(tmp_path, apart)), "touch")


def test_labels_that_nobody_stated(hemo, tmp_path):
    three = tube_labels()
    three[:, :, 100:][three[:, :, 100:] == 2] = 3
    refused(hemo, tmp_path, write_case(tmp_path, label_map(tmp_path, three)), "holds 1, 2, 3", "labels = {")
    case = write_case(tmp_path, label_map(tmp_path, three) + '\nlabels = { aorta = 1, coronary = [2, "left"] }')
    refused(hemo, tmp_path, case, "'left'", "numbers")
    for wrong in ("true", "1.5", '""', "{}"):
        case = write_case(tmp_path, label_map(tmp_path, three) + f"\nlabels = {{ aorta = {wrong}, coronary = 2 }}")
        refused(hemo, tmp_path, case, "labels")


def test_bad_label_options(hemo, tmp_path):
    label_map(tmp_path, tube_labels())
    for option in ("coronary", "=2", "coronary=2,", "coronary="):
        code, _, err = hemo("tree", tmp_path / "lumen.nii.gz", "--label", option, "-o", tmp_path / "tree.json")
        assert code == 2
        assert "--label" in err
        assert not (tmp_path / "tree.json").exists()


def test_dicom_that_is_no_segmentation_and_unknown_names(hemo, tmp_path):
    folder = tmp_path / "series"
    folder.mkdir()
    refused(hemo, tmp_path, write_case(tmp_path, 'label_map = "series"'), "series", "no DICOM file")
    for k, ct in enumerate(ct_series()[:2]):
        ct.save_as(folder / f"{k}.dcm", enforce_file_format=True)
    refused(hemo, tmp_path, write_case(tmp_path, 'label_map = "series"'), "2 CT Image")
    refused(hemo, tmp_path, write_case(tmp_path, 'label_map = "series/0.dcm"'), "0.dcm", "CT Image", "SEG")
    segmentation(lumen_at(places())).save_as(folder / "seg")
    case = write_case(tmp_path, 'label_map = "series"\nlabels = { aorta = "Aorta", coronary = ["LCA", "RCX"] }')
    refused(hemo, tmp_path, case, "'RCX'", "3 (RCA)", "did you mean 'RCA'?")
    code, out, err = hemo("tree", folder, "--label", "aorta=Aorta", "--label", "coronary=LCA,RCX", "-o", "-")
    assert (code, out) == (2, "")
    assert "'RCX'" in err.splitlines()[-1]


def test_surface_with_a_hole(hemo, tmp_path):
    surface, _ = straight_stenosis()
    middle = surface.points[surface.triangles].mean(axis=1)
    torn = (middle[:, 1] > 0.0) & (middle[:, 2] < 8e-3) & (middle[:, 2] > 4e-3)
    opened = Surface(surface.points, surface.triangles[~torn])
    refused(hemo, tmp_path, write_case(tmp_path, surface_file(tmp_path, opened)), "has a hole", "z 6.0 mm", "close it")


def test_lines_and_contours_without_a_lumen(hemo, tmp_path):
    surface, _ = straight_stenosis()
    refused(hemo, tmp_path, write_case(tmp_path, 'centreline = "none.vtp"'), "none.vtp")
    refused(hemo, tmp_path, write_case(tmp_path, 'contours = "none"'), "none", "not a file")
    (tmp_path / "empty").mkdir()
    refused(hemo, tmp_path, write_case(tmp_path, 'contours = "empty"'), "no .ctgr file")
    surface_file(tmp_path, surface, name="wall.vtp")
    refused(hemo, tmp_path, write_case(tmp_path, 'centreline = "wall.vtp"'), "MaximumInscribedSphereRadius")
    both = 'contours = "empty"\nsurface = "wall.vtp"'
    refused(hemo, tmp_path, write_case(tmp_path, both), "exactly one of", "contours")


def test_self_crossing_surface(hemo, tmp_path):
    surface, _ = straight_stenosis(severity=0.0, length=40e-3)
    points = surface.points.copy()
    bent = np.abs(points[:, 2] - 20e-3) < 2e-3
    points[bent, 0] += 0.2e-3 * np.sign(points[bent, 0])
    # A second tube that pierces the first.
    other = points[:, [2, 0, 1]] - np.array([20e-3, 0.0, -20e-3])
    both = Surface(np.vstack([points, other]), np.vstack([surface.triangles, surface.triangles + len(points)]))
    refused(hemo, tmp_path, write_case(tmp_path, surface_file(tmp_path, both)), "cross")


@pytest.mark.parametrize(
    ("scale", "unit", "likely"),
    [
        (1.0, "", "m"),  # metres, taken for mm
        (1.0, 'unit = "mm"', "m"),
        (100.0, "", "cm"),  # centimetres, taken for mm
        (100.0, 'unit = "mm"', "cm"),
        (1e3, 'unit = "m"', "mm"),
    ],
)
def test_surface_in_another_unit(hemo, tmp_path, scale, unit, likely):
    surface, _ = straight_stenosis(severity=0.0)
    geometry = surface_file(tmp_path, surface, scale) + "\n" + unit
    refused(hemo, tmp_path, write_case(tmp_path, geometry), f'unit = "{likely}"')


@pytest.mark.parametrize("scale", [1e-3, 0.1])
def test_label_map_in_another_unit(hemo, tmp_path, scale):
    write_label_map(tmp_path / "lumen.nii.gz", tube_labels(), np.zeros(3), scale * 0.5e-3)
    refused(hemo, tmp_path, write_case(tmp_path, 'label_map = "lumen.nii.gz"'), "lumen.nii.gz", "in mm")


def test_unknown_and_misspelt_keys(hemo, tmp_path):
    case = write_case(tmp_path, 'label_map = "a.nii"', PATIENT + 'hart_rate = "66 /min"\n')
    refused(hemo, tmp_path, case, "hart_rate", "heart_rate")
    case = write_case(tmp_path, 'label_map = "a.nii"', PATIENT + "[blod]\n")
    refused(hemo, tmp_path, case, "blod", "blood")
    case = write_case(tmp_path, 'labelmap = "a.nii"')
    refused(hemo, tmp_path, case, "labelmap", "label_map")
    case = write_case(tmp_path, label_map(tmp_path, tube_labels()) + "\nlabels = { aorta = 1, coronaries = 2 }")
    refused(hemo, tmp_path, case, "coronaries", "coronary")
    case.write_text("[case\n")
    refused(hemo, tmp_path, case, "case.toml")


@pytest.mark.parametrize(
    ("patient", "word"),
    [
        ('[patient]\nsystolic = "-128 mmHg"\ndiastolic = "76 mmHg"\n', "positive"),
        ('[patient]\nsystolic = "70 mmHg"\ndiastolic = "90 mmHg"\n', "not above"),
        ('[patient]\nmean_pressure = "-3 mmHg"\n', "mean_pressure"),
        ("", "systolic"),
        ('[patient]\nsystolic = "128"\ndiastolic = "76 mmHg"\n', "unit"),
        (PATIENT + '[flow]\ninlet_flow = "-1 mL/s"\n', "inlet_flow"),
        (PATIENT + '[blood]\ndensity = "1.06 kg/m^3"\n', "density"),
        (PATIENT + 'myocardial_mass = "135 kg"\n', "myocardial_mass"),
    ],
)
def test_absurd_patients(hemo, tmp_path, patient, word):
    geometry = 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }'
    refused(hemo, tmp_path, write_case(tmp_path, geometry, patient), word)


def test_zero_outlets(hemo, tmp_path):
    (tmp_path / "t.json").write_text(
        '{"branches": [{"name": "a", "arc_length_mm": [0, 9], "radius_mm": [1, 1], "is_outlet": false}]}'
    )
    refused(hemo, tmp_path, write_case(tmp_path, 'tree = "t.json"'), "outlet")


def test_tree_without_places_cannot_be_meshed(hemo, tmp_path):
    line = {"arc_length_mm": [0, 4, 9], "radius_mm": [1, 1, 1]}
    daughters = [{"name": name, "parent": "a", "parent_index": 2, **line} for name in "bc"]
    tree = {"branches": [{"name": "a", "is_outlet": False, **line}, *daughters]}
    (tmp_path / "t.json").write_text(json.dumps(tree))
    case = write_case(tmp_path, 'tree = "t.json"')
    refused(hemo, tmp_path, case, "does not begin in its parent", "--method reduced", method="fem")


def test_existing_result_is_not_touched(hemo, tmp_path):
    case = write_case(tmp_path, 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    code, _, err = hemo("run", case, "--out", tmp_path / "out", "--method", "reduced", "--quiet")
    assert code == 2
    assert "exists already" in err
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_bad_options(hemo, tmp_path):
    case = write_case(tmp_path, 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }')
    assert hemo("run", case, "--method", "magic")[0] == 2
    assert hemo("run", case, "--out", tmp_path / "out", "--ranks", "0")[0] == 2
    assert hemo("run")[0] == 2
    assert hemo("fly")[0] == 2


def run_with_room_for(folder, case, size, *options):
    """``hemo run`` in a process whose files the kernel limits to ``size`` bytes, as a disk that is full does."""
    return subprocess.run(
        [sys.executable, "-m", "hemo", "run", str(case), "--out", str(folder / "out"), "--quiet", *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


@pytest.mark.parametrize("size", [0, 500, 4096, 20_000, 60_000])  # the record, the log, the geometry, the report ...
def test_full_disk(tmp_path, size):
    case = write_case(tmp_path, 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }')
    done = run_with_room_for(tmp_path, case, size, "--method", "reduced")
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "the disk is full" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["case.toml"]
    assert run_with_room_for(tmp_path, case, resource.RLIM_INFINITY, "--method", "reduced").returncode == 0


def test_full_disk_while_meshing(tmp_path):
    case = write_case(tmp_path, 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }')
    done = run_with_room_for(tmp_path, case, 2_000_000, "--method", "fem")
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["case.toml"]


def test_no_space_left(hemo, tmp_path, monkeypatch):
    """The same by the operating system's other word for it, at the very last file."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hemo.pipeline.write_report", full)
    case = write_case(tmp_path, 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }')
    code, _, err = hemo("run", case, "--out", tmp_path / "out", "--method", "reduced", "--quiet")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "the disk is full" in err
    assert [file.name for file in tmp_path.iterdir()] == ["case.toml"]


def test_read_only_place(hemo, tmp_path):
    case = write_case(tmp_path, 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }')
    (tmp_path / "file").write_text("")
    code, _, err = hemo("run", case, "--out", tmp_path / "file" / "out", "--method", "reduced", "--quiet")
    assert code == 2
    assert len(err.strip().splitlines()) == 1


def test_missing_environment_is_code_4(hemo, tmp_path, monkeypatch):
    case = write_case(tmp_path, 'analytic = { diameter = "3 mm", length = "60 mm", severity = 0.5 }')
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, err = hemo("check", case)
    assert code == 4
    assert "make setup" in err
