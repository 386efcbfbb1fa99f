"""Damaged XA files: each is read as it was, or refused in one sentence; none is read as another view in silence.

What cannot be found out is left out: another plausible number in the place of one that nothing else tells, and other
pixels in the place of pixels.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from hemo.errors import InputError
from hemo.qfr.cine import Cine
from hemo.qfr.dicom import read_cine
from hemo.qfr.synthetic.xadicom import write_cine
from tests.qfr.xafiles import as_text, changed, enhanced, filling, keywords, planted, told, view

VARIANTS = 200
NUMBERS = [
    *("PositionerPrimaryAngle", "PositionerSecondaryAngle", "DistanceSourceToDetector", "DistanceSourceToPatient"),
    *("EstimatedRadiographicMagnificationFactor", "ImagerPixelSpacing", "FrameTime", "CineRate", "NumberOfFrames"),
    *("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel", "PixelRepresentation"),
    *("RescaleSlope", "RescaleIntercept"),
]
# Their values, changed to others that are as good, mean another view, other times or another brightness.
TELLING = [
    *("PositionerPrimaryAngle", "PositionerSecondaryAngle", "DistanceSourceToDetector", "DistanceSourceToPatient"),
    *("EstimatedRadiographicMagnificationFactor", "ImagerPixelSpacing", "FrameTime", "RescaleSlope"),
    *("RescaleIntercept", "PhotometricInterpretation", "PixelIntensityRelationship"),
]
ABSURD = ["nan", "inf", "-inf", "1e300", "-1", "0", "1e-30", "99999999999", "0x10", "1,5", "--", " ", "ZQX", "19370321"]
SYNTAXES = [
    *("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"),
    *("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.5", "1.2.77"),
]
SPARED = [*NUMBERS, *TELLING, "SOPClassUID", "PositionerMotion", "TableMotion", "LossyImageCompression"]
SPARED += ["PatientOrientation", "PixelSpacingCalibrationType", "FrameReferenceDateTime", "FrameAcquisitionDateTime"]

Damage = Callable[[Path, random.Random], str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An XA file full of a patient's words."""
    path = tmp_path_factory.mktemp("whole") / "view.dcm"
    write_cine(path, filling())
    small = pydicom.dcmread(path)
    small.save_as(path)
    return path


@pytest.fixture(scope="module")
def named(whole: Path) -> Path:
    """The same with the patient's words in what is not read, few enough to be quick."""
    path = whole.with_name("named.dcm")
    path.write_bytes(whole.read_bytes())
    return changed(
        path,
        **{
            "PatientName": "ZQXName^ZQXGiven",
            "PatientID": "ZQX-7777707",
            "PatientBirthDate": "19370321",
            "StudyInstanceUID": "1.2.77.1937032111",
            "InstitutionName": "ZQX Hospital",
            "StudyTime": "111317",
            "ImageComments": "ZQX some text",
        },
    )


def places(path: Path) -> list[tuple[int, int]]:
    """Where the values of the telling elements lie in a file."""
    found = []
    dataset = pydicom.dcmread(path)
    for keyword in TELLING:
        element = dataset.get_item(keyword)
        assert element is not None and element.length
        found.append((element.value_tell, element.value_tell + element.length))
    return found


# Each damages the file and says which of "geometry", "frames" may be other than they were without a word.


def cut(path: Path, chance: random.Random) -> str:
    data = path.read_bytes()
    at = chance.choice([chance.randrange(len(data)), chance.randrange(3000), len(data) - chance.randrange(1, 9)])
    path.write_bytes(data[:at])
    return ""


def grown(path: Path, chance: random.Random) -> str:
    data = path.read_bytes()
    at = chance.randrange(len(data))
    path.write_bytes(data[:at] + chance.randbytes(chance.randrange(1, 40)) + data[at:])
    return "frames" if at > pixels_at(data) else ""


def header_flipped(path: Path, chance: random.Random) -> str:
    data = bytearray(path.read_bytes())
    flips = [chance.randrange(132, pixels_at(bytes(data))) for _ in range(chance.randrange(1, 6))]
    telling = places(path)
    for at in flips:
        data[at] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return "geometry frames" if any(first <= at < last for at in flips for first, last in telling) else ""


def pixels_flipped(path: Path, chance: random.Random) -> str:
    data = bytearray(path.read_bytes())
    first, bits = pixels_at(bytes(data)), chance.choice([4, 8])  # the upper byte holds 4 of 12 bits
    for _ in range(chance.randrange(1, 200)):
        data[chance.randrange(first, len(data))] ^= 1 << chance.randrange(bits)
    path.write_bytes(data)
    return "frames"


def compressed_flipped(path: Path, chance: random.Random) -> str:
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 20)):
        data[chance.randrange(pixels_at(bytes(data)), len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return "frames"


def deleted(path: Path, chance: random.Random) -> str:
    changed(path, **{key: None for key in chance.sample(keywords(path), chance.randrange(1, 4))})
    return ""


def emptied(path: Path, chance: random.Random) -> str:
    changed(path, **{chance.choice(NUMBERS): None})
    return ""


def absurd(path: Path, chance: random.Random) -> str:
    keyword, value = chance.choice(NUMBERS), chance.choice(ABSURD)
    changed(path, **{keyword: as_text(keyword, value, chance.choice(["LO", "LT", "CS", "PN"]))})
    plausible = keyword in ("PositionerPrimaryAngle", "PositionerSecondaryAngle", "RescaleIntercept", "RescaleSlope")
    return "geometry frames" if plausible and value in ("0", "-1", "1e-30", "1e300", "99999999999") else ""


def miscounted(path: Path, chance: random.Random) -> str:
    keyword = chance.choice([key for key in NUMBERS if key not in ("Rows", "Columns")])
    changed(path, **{keyword: as_text(keyword, "\\".join(["15"] * chance.choice([2, 3, 9])))})
    return "geometry" if keyword == "ImagerPixelSpacing" else ""


def contradicted(path: Path, chance: random.Random) -> str:
    elements: list[dict[str, Any]] = [
        {"DistanceSourceToDetector": "1000"},
        {"DistanceSourceToPatient": "700"},
        {"EstimatedRadiographicMagnificationFactor": "1.3"},
        {"FrameTime": "40"},
        {"CineRate": "30"},
        {"Rows": 48, "Columns": 64},
        {"Rows": 63},
        {"NumberOfFrames": 9},
        {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
        {"PixelSpacing": ["0.2", "0.2"]},
        {"PositionerPrimaryAngleIncrement": "2"},
        {"PatientOrientation": ["R", "F"]},
        {"BitsStored": 8, "HighBit": 7},
    ]
    changed(path, **chance.choice(elements))
    return "never"


def other_syntax(path: Path, chance: random.Random) -> str:
    syntax = chance.choice(SYNTAXES)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"1.2.840.10008.1.2.1\0", syntax.encode().ljust(20, b"\0"), 1))
    return ""


def spliced(path: Path, chance: random.Random) -> str:
    data = path.read_bytes()
    one, other = sorted(chance.randrange(132, len(data)) for _ in range(2))
    path.write_bytes(data[:one] + data[other:])
    return ""


def pixels_at(data: bytes) -> int:
    """Where the pixels begin."""
    return data.rindex(b"\xe0\x7f\x10\x00O") + 12


DAMAGES: list[Damage] = [
    *(cut, grown, header_flipped, pixels_flipped, compressed_flipped, deleted, emptied, absurd, miscounted),
    *(contradicted, other_syntax, spliced, header_flipped, header_flipped),
]


def numbers(cine: Cine) -> list[float]:
    """Of its geometry."""
    camera = cine.camera
    distances = [camera.source_detector, camera.source_isocentre, *camera.pixel, *camera.shape, *camera.shift]
    return [camera.primary_angle, camera.secondary_angle, *distances]


def judged(path: Path, may: str, truth: Cine, caplog: pytest.LogCaptureFixture) -> str:
    """What became of a file; fails where it is read as another view without a word."""
    caplog.clear()
    try:
        found = read_cine(path)
    except InputError as error:
        sentence = str(error)
        assert sentence.startswith(f"{path}: ") and sentence.endswith(".") and "\n" not in sentence
        assert len(sentence) - len(str(path)) <= 250
        assert not told(None, sentence, caplog.text), sentence
        return "refused"
    assert may != "never", "a contradiction was read"
    assert not told(None, caplog.text), caplog.text
    if "geometry" not in may:
        assert numbers(found) == pytest.approx(numbers(truth), rel=1e-14)
        assert found.times == pytest.approx(truth.times, rel=2e-3 if "FrameTime" in caplog.text else 1e-12)
    if "frames" not in may:
        assert np.array_equal(found.frames, truth.frames)
        assert found.logarithmic == truth.logarithmic or "neither LIN nor LOG" in caplog.text
    return "read"


def campaign(named: Path, folder: Path, variants: range, caplog: pytest.LogCaptureFixture) -> dict[str, int]:
    caplog.set_level(logging.DEBUG, logger="")
    truth = read_cine(named)
    outcomes = {"read": 0, "refused": 0}
    for number in variants:
        damage = DAMAGES[number % len(DAMAGES)]
        chance = random.Random(f"damage {number}")
        path = folder / "view.dcm"
        path.write_bytes(named.read_bytes())
        may = damage(path, chance)
        try:
            outcomes[judged(path, may, truth, caplog)] += 1
        except Exception as error:
            raise AssertionError(f"variant {number}, {damage.__name__}: {error}") from error
    return outcomes


def test_two_hundred_damaged_files_are_read_as_they_were_or_refused(
    named: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = campaign(named, tmp_path, range(VARIANTS), caplog)
    assert sum(outcomes.values()) == VARIANTS
    assert min(outcomes.values()) > VARIANTS // 10  # neither everything refused nor everything read


def test_cut_short_anywhere_a_file_of_all_the_patients_words_is_refused(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "view.dcm"
    path.write_bytes(whole.read_bytes())
    data = planted(path, SPARED).read_bytes()
    truth = read_cine(path)
    assert truth.camera == view()
    for at in np.linspace(0, len(data) - 1, 40).astype(int):
        path.write_bytes(data[:at])
        assert judged(path, "never", truth, caplog) == "refused"


def test_damaged_functional_groups_end_in_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="")
    path = changed(enhanced(tmp_path), PatientName="ZQXName^ZQXGiven", PatientID="ZQX-7777707")
    data, truth = path.read_bytes(), read_cine(path)
    outcomes = {"read": 0, "refused": 0}
    for number in range(60):
        chance, damaged = random.Random(number), bytearray(data)
        for _ in range(chance.randrange(1, 9)):
            damaged[chance.randrange(132, pixels_at(data))] = chance.randrange(256)
        path.write_bytes(damaged)
        outcomes[judged(path, "geometry frames", truth, caplog)] += 1
    assert min(outcomes.values()) > 5
