"""Nothing of a DICOM file's patient reaches an output or a log of a cohort; hemo qfr: tests/cli/test_qfr.py."""

import json
import os

import numpy as np
import pydicom
import pytest
from pydicom.datadict import dictionary_keyword

from tests.batch.cohorts import ROOT, hemo, trees, write_table
from tests.geometry.segmentations import OBLIQUE, ORIGIN, ct_series, places, segmentation
from tests.identities import WORDS, told_in
from tests.qfr.xafiles import planted

SHAPE = (26, 41, 100)
PATIENT = {
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber"),
    *("StudyID", "StudyInstanceUID", "ReferringPhysicianName"),
}
CASE = """
[case]
name = "<script>alert('x')</script> & co"
[geometry]
label_map = "seg.dcm"
labels = { aorta = "Aorta", coronary = ["LCA", "RCA"] }
minimal_outlet_diameter = "1 mm"
[patient]
systolic = "128 mmHg"
diastolic = "76 mmHg"
myocardial_mass = "135 g"
"""


def lumen():
    """An aorta and two vessels of 26 mm."""
    u = (places(SHAPE) - ORIGIN) @ OBLIQUE
    values = np.zeros(SHAPE, dtype=np.uint8)
    for label, height in ((2, 6), (3, 12)):
        values[(np.hypot(u[..., 1] - 10, u[..., 2] - height) < 1.4) & (u[..., 0] > 9) & (u[..., 0] < 35)] = label
    values[(np.hypot(u[..., 0] - 6, u[..., 1] - 10) < 5) & (u[..., 2] > 2) & (u[..., 2] < 17)] = 1
    return values


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A cohort of a label map of a patient who has a name, whole, cut off, and with its segments gone."""
    folder = tmp_path_factory.mktemp("dicom")
    seg = folder / "seg.dcm"
    segmentation(lumen(), source=ct_series(SHAPE)).save_as(seg)
    present = {dictionary_keyword(element.tag) for element in pydicom.dcmread(seg) if not element.tag.is_private}
    planted(seg, present - PATIENT)
    assert any(word.encode() in seg.read_bytes() for word in WORDS)
    (folder / "case.toml").write_text(CASE)
    content = seg.read_bytes()
    (folder / "cut.dcm").write_bytes(content[: 2 * len(content) // 3])
    (folder / "cut.toml").write_text(CASE.replace("seg.dcm", "cut.dcm"))
    (folder / "other.toml").write_text(CASE.replace('"Aorta"', '"Heart"'))
    rows = [{"id": name, "case": f"{name}.toml"} for name in ("case", "cut", "other")]
    done = hemo("batch", write_table(folder / "cohort.csv", rows), "--out", folder / "out", "--json")
    return folder, done


def test_a_cohort_tells_nothing_of_the_patients(cohort):
    folder, done = cohort
    assert done.returncode in (2, 4), done.stderr
    if done.returncode == 4:
        pytest.skip("no Snakemake here")
    assert json.loads(done.stdout)["status"] == {"bad input": 2, "done": 1}, (folder / "out/cohort.csv").read_text()
    assert (folder / "out/cases/case/report.html").is_file()
    assert told_in(folder, texts=(done.stdout, done.stderr)) == []


def test_the_page_of_a_case_is_escaped(cohort):
    folder, done = cohort
    if done.returncode == 4:
        pytest.skip("no Snakemake here")
    page = (folder / "out/cases/case/report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


AUDIT = """
import os, sys
def note(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
        if not (event == "socket.connect" and isinstance(arguments[1], (str, bytes))):  # a file's name: on this host
            os.write(log, f"{event} {arguments[1:]} of {sys.argv}\\n".encode())
log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(log, f"started {os.path.realpath(sys.executable)} {sys.prefix}\\n".encode())
sys.addaudithook(note)
"""


def test_nothing_opens_a_connection(tmp_path):
    """Every Python of the driver, the engine, the jobs and their warm processes tells when it would."""
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "sitecustomize.py").write_text(AUDIT)
    log = tmp_path / "audit.log"
    paths = os.pathsep.join([str(tmp_path / "audit"), os.environ.get("PYTHONPATH", str(ROOT))])
    environment = os.environ | {"PYTHONPATH": paths, "AUDIT_LOG": str(log)}
    table = write_table(tmp_path / "cohort.csv", trees(tmp_path, 2))
    done = hemo("batch", table, "--out", tmp_path / "out", environment=environment)
    if done.returncode == 4:
        pytest.skip("no Snakemake here")
    assert done.returncode == 0, done.stderr
    lines = log.read_text().splitlines()
    assert len([line for line in lines if line.startswith("started")]) >= 4  # driver, engine, job, warm process
    # The engine's library for URLs looks, when imported, whether this host has IPv6: a socket of its own, unconnected.
    harmless = ("started", "socket.bind (('::1', 0),)")
    assert [line for line in lines if not line.startswith(harmless)] == []
