"""A cine as the XA file that an angiography system would write, with every element that the standard requires.

DICOM PS3.3, A.14 (XA Image IOD) with C.7.6.5 (Cine), C.7.6.6 (Multi-frame), C.8.7.1 (X-Ray Image), C.8.7.2 (X-Ray
Acquisition), C.8.7.5 (XA Positioner). The patient is a pseudonym and the dates are nobody's.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hemo.errors import InputError
from hemo.qfr.camera import Array, Camera
from hemo.qfr.cine import Cine
from hemo.qfr.xageometry import MM_PER_M

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_OBLIQUE = 0.2  # the share of a direction that is worth a letter
_EVEN = 1e-9  # of a frame's time
_DATE, _TIME = "20000101", "120000"


def write_cine(path: Path, cine: Cine, bits: int = 12, patient: str = "HEMO-PHANTOM") -> None:
    """Write a cine as X-Ray Angiographic Image Storage, uncompressed, so that ``read_cine`` gives it back.

    Angles, distances and times come back to the 16 characters that a decimal string holds; frames as they are if they
    are whole numbers that fit ``bits``, else rounded to one of 2**bits steps of their range. The camera's shift is
    written as the table's position (an extension of the class), of which :func:`hemo.qfr.dicom.read_views` gives back
    the difference between views. Equal cines give equal files.

    Parameters
    ----------
    path
        Where to; the file appears whole or not at all.
    cine
        Any; of one frame, too.
    bits
        Bits a pixel, 8 to 16.
    patient
        The pseudonym, as the patient's name and number.

    Raises
    ------
    InputError
        ``bits`` out of range, frames that are not finite, or not as many times as frames.
    """
    if not 8 <= bits <= 16:
        raise InputError(f"{path}: a pixel of {bits} bits cannot be written; choose 8 to 16.")
    if not np.isfinite(cine.frames).all() or cine.frames.shape != (len(cine.times), *cine.camera.shape):
        raise InputError(f"{path}: frames must be finite, as many as times, and of the camera's shape.")
    pixels, slope, intercept = _quantised(cine.frames, bits)
    dataset = _identified(patient, pixels, cine)
    _describe_pixels(dataset, pixels, bits)
    _describe_brightness(dataset, slope, intercept, cine.logarithmic)
    _describe_times(dataset, cine.times)
    _describe_geometry(dataset, cine.camera)
    partial = path.with_name(f"{path.name}.partial")
    try:
        dataset.save_as(partial, enforce_file_format=True)
        os.replace(partial, path)
    except OSError:
        raise InputError(f"{path}: cannot be written; choose a folder that exists and that you may write to.") from None
    finally:
        partial.unlink(missing_ok=True)


def _quantised(frames: Array, bits: int) -> tuple[Array, float, float]:
    """Whole numbers, and the slope and intercept that lead from them back to the frames."""
    kind, most = (np.uint8 if bits == 8 else np.uint16), 2**bits - 1
    low, high = float(frames.min()), float(frames.max())
    if low >= 0.0 and high <= most and np.array_equal(frames, np.rint(frames)):
        return frames.astype(kind), 1.0, 0.0
    # The decimal strings that are written decide the steps.
    slope = float(_decimal((high - low) / most or 1.0))
    intercept = float(_decimal(low))
    return np.clip(np.rint((frames - intercept) / slope), 0, most).astype(kind), slope, intercept


def _identified(patient: str, pixels: Array, cine: Cine) -> Dataset:
    """Patient, study, series and instance (PS3.3, C.7.1 to C.7.5, C.12.1), with UIDs that follow from the content."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage, generate_uid

    content = [patient, repr(cine.camera), *(sha256(array.tobytes()).hexdigest() for array in (cine.times, pixels))]
    dataset = Dataset()
    dataset.SOPClassUID = XRayAngiographicImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=content)
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[patient, "study"])
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[*content, "series"])
    dataset.PatientName, dataset.PatientID = patient, patient
    dataset.PatientBirthDate, dataset.PatientSex, dataset.ReferringPhysicianName = "", "O", ""
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", "Made by computation"
    dataset.StudyDate = dataset.ContentDate = dataset.AcquisitionDate = _DATE
    dataset.StudyTime = dataset.ContentTime = dataset.AcquisitionTime = _TIME
    dataset.StudyID, dataset.AccessionNumber = "1", ""
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.AcquisitionNumber = 1, 1, 1
    dataset.Modality, dataset.Manufacturer, dataset.ManufacturerModelName = "XA", "hemo", "virtual angiography"
    dataset.Laterality = ""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _describe_pixels(dataset: Dataset, pixels: Array, bits: int) -> None:
    """The Image Pixel and Multi-frame Modules (C.7.6.3, C.7.6.6)."""
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8 * pixels.dtype.itemsize, bits, bits - 1
    dataset.PixelRepresentation, dataset.LossyImageCompression = 0, "00"
    content = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if bits == 8 else "OW"


def _describe_brightness(dataset: Dataset, slope: float, intercept: float, logarithmic: bool) -> None:
    """The X-Ray Image and X-Ray Acquisition Modules (C.8.7.1, C.8.7.2), and how brightness follows from pixels."""
    dataset.PixelIntensityRelationship = "LOG" if logarithmic else "LIN"
    dataset.RescaleSlope, dataset.RescaleIntercept = _decimal(slope), _decimal(intercept)
    dataset.RescaleType = "US"
    dataset.KVP, dataset.RadiationSetting = "", "GR"
    dataset.XRayTubeCurrent, dataset.ExposureTime, dataset.RadiationMode = None, None, "PULSED"


def _describe_times(dataset: Dataset, times: Array) -> None:
    """The Cine Module (C.7.6.5): one frame time if the frames are even, else a vector of them."""
    if len(times) == 1:
        del dataset.NumberOfFrames
        return
    steps = np.diff(times) * 1000.0
    rate = round(1000.0 / float(steps.mean()))
    if np.ptp(steps) <= _EVEN * steps.mean():
        dataset.FrameIncrementPointer = 0x00181063
        dataset.FrameTime = _decimal(float(times[-1] - times[0]) * 1000.0 / len(steps))
    else:
        dataset.FrameIncrementPointer = 0x00181065
        dataset.FrameTimeVector = ["0", *(_decimal(step) for step in steps)]
    if rate >= 1:
        dataset.CineRate = dataset.RecommendedDisplayFrameRate = rate


def _describe_geometry(dataset: Dataset, camera: Camera) -> None:
    """The XA Positioner Module (C.8.7.5), the detector's pixels, and where the table stands."""
    detector, isocentre = (MM_PER_M * value for value in (camera.source_detector, camera.source_isocentre))
    dataset.PositionerMotion, dataset.TableMotion = "STATIC", "STATIC"
    dataset.PositionerPrimaryAngle = _decimal(np.degrees(camera.primary_angle))
    dataset.PositionerSecondaryAngle = _decimal(np.degrees(camera.secondary_angle))
    dataset.DistanceSourceToDetector, dataset.DistanceSourceToPatient = _decimal(detector), _decimal(isocentre)
    dataset.EstimatedRadiographicMagnificationFactor = _decimal(detector / isocentre)
    dataset.ImagerPixelSpacing = [_decimal(MM_PER_M * spacing) for spacing in camera.pixel]
    dataset.PatientOrientation = [_towards(axis) for axis in camera.axes[:2]]
    left, back, head = (_decimal(MM_PER_M * way) for way in camera.shift)
    dataset.TableTopLongitudinalPosition, dataset.TableTopVerticalPosition, dataset.TableTopLateralPosition = (
        *(left, back, head),
    )


def _towards(axis: Array) -> str:
    """Letters of the directions that an image's axis leads to, the foremost first (PS3.3, C.7.6.1.1.1)."""
    letters = [pair[int(part < 0.0)] for pair, part in zip(("LR", "PA", "HF"), axis, strict=True)]
    return "".join(letters[place] for place in np.argsort(-np.abs(axis)) if abs(axis[place]) > _OBLIQUE)


def _decimal(value: Any) -> str:
    """A number in the 16 characters of a decimal string (PS3.5, 6.2: DS)."""
    from pydicom.valuerep import format_number_as_ds

    return format_number_as_ds(float(value))
