"""XA files for tests: a view of a vessel that fills, as a file, changed in one place, and full of a patient's words."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.config import IGNORE, disable_value_validation
from pydicom.datadict import DicomDictionary, dictionary_keyword, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedXAImageStorage

from hemo.qfr.camera import Camera
from hemo.qfr.cine import Cine
from hemo.qfr.synthetic.xadicom import write_cine

SECRET = "ZQX"
SECRETS = {
    "AE": "ZQXAPP",
    "AS": "077Y",
    "CS": "ZQXCODE",
    "DA": "19370321",
    "DT": "19370321111317",
    "LO": "ZQX Hospital",
    "LT": "ZQX long text",
    "PN": "ZQXName^ZQXGiven",
    "SH": "ZQX short",
    "ST": "ZQX some text",
    "TM": "111317",
    "UC": "ZQX unlimited",
    "UI": "1.2.77.1937032111",
    "UR": "http://zqx.example",
    "UT": "ZQX unlimited text",
}
TOLD = [SECRET, SECRET.lower(), "077Y", "19370321", "111317", "1.2.77", "1937032111", "7777707"]  # 7777707: a number


def view(primary: float = -30.0, secondary: float = 25.0, **camera: Any) -> Camera:
    given = {"source_detector": 1.1, "source_isocentre": 0.76, "pixel": (2.5e-4, 2.5e-4), "shape": (64, 48)} | camera
    return Camera(np.radians(primary), np.radians(secondary), **given)


def filling(camera: Camera | None = None, frames: int = 8, rate: float = 15.0, logarithmic: bool = False) -> Cine:
    """A bent vessel that contrast fills from the top, dark on a bright, uneven background; 12 bits."""
    camera = camera or view()
    rows, columns = np.indices(camera.shape)
    centre = 0.5 * camera.shape[1] + 0.15 * camera.shape[1] * np.sin(rows / 9.0)
    depth = np.clip(1.0 - ((columns - centre) / 4.0) ** 2, 0.0, None)
    bright = 2600.0 + 8.0 * columns + 3.0 * rows + 90.0 * np.sin(columns / 7.0)
    filled = (np.arange(1, frames + 1)[:, None, None] * camera.shape[0] / frames) > rows
    noise = np.random.default_rng(5).normal(0.0, 12.0, (frames, *camera.shape))
    pixels = np.rint(bright * np.exp(-0.7 * depth * filled) + noise).astype(np.uint16)
    return Cine(pixels, np.arange(frames) / rate, camera, logarithmic)


def changed(path: Path, **elements: Any) -> Path:
    """The file with elements set, or deleted where the value is None; written whatever it is worth."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        for keyword, value in elements.items():
            if value is None:
                del dataset[keyword]
            elif isinstance(value, DataElement):
                dataset[keyword] = value
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)
    return path


def file(folder: Path, cine: Cine | None = None, /, **elements: Any) -> Path:
    """A cine's file with elements changed."""
    path = folder / "view.dcm"
    write_cine(path, cine or filling())
    return changed(path, **elements) if elements else path


def enhanced(folder: Path, frames: int = 8) -> Path:
    """The cine as Enhanced XA: geometry in functional groups, angles and times frame by frame."""
    path = file(folder, filling(frames=frames))
    dataset = pydicom.dcmread(path)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = EnhancedXAImageStorage
    for keyword in ("PositionerPrimaryAngle", "PositionerSecondaryAngle", "DistanceSourceToDetector", "FrameTime"):
        del dataset[keyword]
    for keyword in ("DistanceSourceToPatient", "ImagerPixelSpacing", "PixelIntensityRelationship", "PositionerMotion"):
        del dataset[keyword]
    for keyword in ("TableTopVerticalPosition", "TableTopLongitudinalPosition", "TableTopLateralPosition"):
        del dataset[keyword]
    del dataset.FrameIncrementPointer, dataset.EstimatedRadiographicMagnificationFactor, dataset.CineRate
    shared = Dataset()
    shared.XRayGeometrySequence = Sequence([Dataset()])
    shared.XRayGeometrySequence[0].DistanceSourceToIsocenter = 760.0
    shared.XRayGeometrySequence[0].DistanceSourceToDetector = "1100"
    shared.FramePixelDataPropertiesSequence = Sequence([Dataset()])
    shared.FramePixelDataPropertiesSequence[0].ImagerPixelSpacing = ["0.25", "0.25"]
    shared.FramePixelDataPropertiesSequence[0].PixelIntensityRelationship = "LOG"
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    each = []
    for number in range(frames):
        group = Dataset()
        group.PositionerPositionSequence = Sequence([Dataset()])
        group.PositionerPositionSequence[0].PositionerPrimaryAngle = "-30"
        group.PositionerPositionSequence[0].PositionerSecondaryAngle = "25"
        group.FrameContentSequence = Sequence([Dataset()])
        group.FrameContentSequence[0].FrameReferenceDateTime = f"19370321235959.{500000 + 62500 * number:06d}+0100"
        if 500000 + 62500 * number >= 1000000:
            group.FrameContentSequence[0].FrameReferenceDateTime = f"19370322000000.{62500 * number - 500000:06d}+0100"
        group.TablePositionSequence = Sequence([Dataset()])
        group.TablePositionSequence[0].TableTopVerticalPosition = "120"
        group.TablePositionSequence[0].TableTopLongitudinalPosition = "-40"
        group.TablePositionSequence[0].TableTopLateralPosition = "900"
        each.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(each)
    dataset.save_as(path)
    return path


def as_text(keyword: str, value: str, kind: str = "LO") -> DataElement:
    """An element with a value of the wrong kind."""
    return DataElement(tag_for_keyword(keyword), kind, value, validation_mode=IGNORE)


def plant(dataset: Dataset, spare: Iterable[str]) -> int:
    """Put words of the patient into every element of text, dates or UIDs that the standard knows; how many."""
    count, spared = 0, {tag_for_keyword(keyword) for keyword in spare}
    for tag, (kind, *_) in DicomDictionary.items():
        if kind not in SECRETS or tag in spared or not 0x0008 <= tag >> 16 < 0x7FE0 or tag & 0xFFFF == 0:
            continue
        dataset.add(DataElement(tag, kind, SECRETS[kind]))
        count += 1
    for kind, text in SECRETS.items():  # and into private ones
        dataset.private_block(0x0019, "ZQX MAKER", create=True).add_new(list(SECRETS).index(kind), kind, text)
    return count


def planted(path: Path, spare: Iterable[str]) -> Path:
    """The file with words of the patient wherever words can be."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        assert plant(dataset, spare) > 1000
        dataset.file_meta.MediaStorageSOPInstanceUID = SECRETS["UI"]
        dataset.file_meta.SourceApplicationEntityTitle = SECRETS["AE"]
        dataset.preamble = b"ZQX".ljust(128, b"Z")
        dataset.save_as(path)
    return path


def keywords(path: Path) -> list[str]:
    """Of the file's elements."""
    return [dictionary_keyword(element.tag) for element in pydicom.dcmread(path) if not element.tag.is_private]


def told(cine: Cine | None, *texts: str) -> list[str]:
    """Which of the patient's words are in a cine, or in texts."""
    everything = " ".join(texts)
    if cine is not None:
        np_all = {"threshold": 10**9}
        with np.printoptions(**np_all):
            everything += repr(cine)
        arrays = [cine.frames.tobytes(), cine.times.tobytes(), cine.camera.matrix.tobytes()]
        everything += " ".join(array.decode("latin-1") + array.decode("utf-16", "replace") for array in arrays)
    return [word for word in TOLD if word in everything]
