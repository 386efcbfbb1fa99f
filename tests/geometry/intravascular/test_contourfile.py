"""Contours are read as they were drawn, or refused in a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from hemo.cli.schema import load_schema
from hemo.errors import InputError
from hemo.geometry.intravascular.assembling import Reading
from hemo.geometry.intravascular.contourfile import read_pullback
from hemo.geometry.intravascular.sections import lumen_sections
from tests.geometry.intravascular.synthetic import as_json, circle, folder, made, ring, write_csv

DATA = os.environ.get("HEMO_DATA")


def test_a_folder_is_read_proximal_first(tmp_path):
    pullback = read_pullback(folder(tmp_path / "ivus"))
    assert [frame.number for frame in pullback.frames] == list(range(16, 0, -1))
    assert pullback.place == pytest.approx(np.arange(16) * 0.5e-3)
    assert pullback.ostium == 0.0
    assert sum(frame.eem is not None for frame in pullback.frames) == 16
    assert sum(bool(frame.calcium) for frame in pullback.frames) == 5
    assert lumen_sections(pullback.frames).area[0] == pytest.approx(np.pi * 1.5e-3**2, rel=2e-3)


@pytest.mark.parametrize("separator", ["\t", ",", ";", " "])
def test_any_separator_and_a_header(tmp_path, separator):
    file = tmp_path / "lumen.csv"
    frames = {n: (0.5 * n, circle(1.0 + 0.01 * n)) for n in range(1, 6)}
    write_csv(file, frames, separator)
    file.write_text(separator.join(["Frame", "x (mm)", "y", "z"]).replace(" (mm)", "") + "\n" + file.read_text())
    pullback = read_pullback(file)
    assert len(pullback.frames) == 5
    assert "taken for the distal end" in pullback.warnings[0]


def test_the_mark_or_the_user_says_which_end_is_proximal(tmp_path):
    path = folder(tmp_path / "ivus")
    (path / "diastolic_reference_points.csv").write_text("1\t1.0\t2.0\t0.0\n")
    assert read_pullback(path).frames[0].number == 1
    assert read_pullback(path, Reading(first="distal")).frames[0].number == 16
    (path / "diastolic_reference_points.csv").write_text("8\t1.0\t2.0\t3.5\n")
    with pytest.raises(InputError, match="at neither end"):
        read_pullback(path)


def test_spacing_or_speed_replace_z(tmp_path):
    assert read_pullback(folder(tmp_path / "a"), Reading(frame_step=0.2e-3)).spacing == pytest.approx(0.2e-3)
    file = tmp_path / "flat.csv"
    write_csv(file, {n: (0.0, circle(1.0 + 0.01 * n)) for n in range(1, 6)})
    with pytest.raises(InputError, match="z does not go on in one direction"):
        read_pullback(file)
    assert read_pullback(file, Reading(frame_step=1e-3, first="proximal")).place[-1] == pytest.approx(4e-3)
    file.write_text("\n".join("\t".join(line.split("\t")[:3]) for line in file.read_text().splitlines()))
    with pytest.raises(InputError, match="give --frame-spacing"):
        read_pullback(file)
    assert len(read_pullback(file, Reading(frame_step=1e-3)).frames) == 5


def test_systole_is_read_beside_diastole(tmp_path):
    path = folder(tmp_path / "ivus")
    write_csv(path / "systolic_contours.csv", {n: (0.5 * n, circle(1.2 + 0.01 * n)) for n in range(1, 8)})
    assert len(read_pullback(path).frames) == 16
    assert len(read_pullback(path, phase="systolic").frames) == 7
    assert read_pullback(path, phase="systolic").name == "ivus (systole)"


def test_the_same_outline_twice_and_a_mark_elsewhere_are_refused(tmp_path):
    twice = [("calcium", ring(1.55, 1.9, 60.0))] * 2
    with pytest.raises(InputError, match="there twice"):
        made([1.5] * 6, extra={3: twice})
    path = folder(tmp_path / "ivus")
    (path / "diastolic_reference_points.csv").write_text("900\t1\t2\t700\n")
    with pytest.raises(InputError, match="is not in the pullback"):
        read_pullback(path)


def test_two_outlines_of_one_frame_are_two(tmp_path):
    path = folder(tmp_path / "ivus")
    with open(path / "calcium_diastolic_contours.csv", "a") as stream:
        for start in (0.0, 180.0):
            piece = ring(1.55, 1.8, 40.0, start)
            for x, y in np.vstack([piece, piece[:1]]):
                stream.write(f"14\t{x!r}\t{y!r}\t6.5\n".replace("np.float64(", "").replace(")", ""))
    frame = next(frame for frame in read_pullback(path).frames if frame.number == 14)
    assert len(frame.calcium) == 2


def test_json_follows_its_schema(tmp_path):
    path = as_json(tmp_path / "p.json", first="proximal", modality="oct", unit="mm")
    jsonschema.validate(json.loads(path.read_text()), load_schema("pullback"))
    pullback = read_pullback(path)
    assert (pullback.name, pullback.modality, len(pullback.frames)) == ("j", "oct", 10)
    assert pullback.frames[0].stent is not None
    for bad, words in (({"extra": 1}, "extra"), ({"unit": "inch"}, "unit"), ({"frame_rate_hz": 30.0}, "together")):
        with pytest.raises(InputError, match=words):
            read_pullback(as_json(tmp_path / "bad.json", **bad))
    spaced = read_pullback(
        as_json(tmp_path / "s.json", pullback_speed_mm_s=20.0, frame_rate_hz=100.0, first="proximal")
    )
    assert spaced.place[-1] == pytest.approx(9 * 0.2e-3)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ([("eem", circle(1.1))], "outside the external elastic membrane"),
        ([("stent", circle(1.3, (3.0, 0.0)))], "stent lies beside the lumen"),
        ([("calcium", ring(0.3, 0.9, 90.0))], "calcium lies within the lumen"),
        ([("calcium", ring(5.0, 5.5, 30.0))], "outside the vessel's wall"),
        ([("eem", circle(2.0)), ("eem", circle(2.1))], "more than one external elastic membrane"),
        ([("calcium", circle(1.0, points=8))], "8 points; at least 12"),
        ([("eem", circle(20.0))], "outside 0.8 to 12 mm"),
        ([("eem", circle(2.0)[:90])], "is open"),
        ([("eem", np.vstack([circle(2.0)[:60], [[9.0, 9.0]], circle(2.0)[60:]]))], "far from its neighbours"),
        ([("eem", circle(2.0)[np.r_[0:40, 60:40:-1, 60:120]])], "crosses itself|far from"),
    ],
)
def test_contours_that_cannot_be_are_refused(extra, words):
    with pytest.raises(InputError, match=words):
        made([1.5] * 6, extra={3: extra})


def test_a_contour_between_frames_that_it_does_not_belong_to_is_refused():
    with pytest.raises(InputError, match="lumen of frame 4 has"):
        made([1.5, 1.5, 1.5, 0.6, 1.5, 1.5])
    with pytest.raises(InputError, match=r"7\.5 mm lie between"):
        made([1.5] * 6, spacing=7.5)
    with pytest.raises(InputError, match="at least 3"):
        made([1.5] * 2)


@pytest.mark.skipif(DATA is None, reason="HEMO_DATA is not set")
@pytest.mark.parametrize(
    ("name", "frames"), [("full", 32), ("prestent", 30), ("poststent", 35), ("rest", 20), ("stress", 25)]
)
def test_real_pullbacks_are_read_whole(name, frames):
    pullback = read_pullback(Path(DATA) / "ivus_pullbacks" / name)
    assert len(pullback.frames) == frames
    assert pullback.warnings == ()
    assert pullback.frames[0].number > pullback.frames[-1].number  # the mark is on the last frame's side
