"""The frames of an XA file as brightness in which contrast is dark.

DICOM PS3.3, C.8.7.1 (X-Ray Image Module): one unsigned sample a pixel, and Pixel Intensity Relationship says whether it
goes with the dose (LIN), its logarithm (LOG) or neither (DISP). The Modality LUT of an XA image leads back to the dose
(A.14.3: required with LOG, optional with DISP) and is none for display, so LOG frames are left as they are. A window
(VOI LUT) only says how to show the frames and would clip them: it is not applied.
"""

from __future__ import annotations

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hemo.errors import EnvironmentMissing, InputError
from hemo.geometry.image.dicomfile import class_name, decodable
from hemo.qfr.xaelements import AGAIN, Array, Elements, named

_log = logging.getLogger(__name__)

_MOST_PIXELS = 4_000_000_000
_LOSSY = {f"1.2.840.10008.1.2.4.{ending}" for ending in (50, 51, 81, 91, 93, 203)}
# pydicom decodes some of these with packages that hemo does not install; GDCM, a part of SimpleITK, decodes them all.
_BY_GDCM = {f"1.2.840.10008.1.2.4.{ending}" for ending in (50, 51, 57, 70, 80, 81, 90, 91)}
_BY_OPENJPEG = {f"1.2.840.10008.1.2.4.{ending}" for ending in (201, 202, 203)}
_PIXEL_ELEMENTS = [
    *("SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData"),
]
_ITEM = b"\xfe\xff\x00\xe0"  # what compressed frames begin with (PS3.5, A.4)
_SWAPPED = 0.5
_BORDER = 0.02  # of an image's side


def shape_of(elements: Elements) -> tuple[int, int]:
    """Rows and columns, of an image that is of one unsigned sample a pixel.

    Raises
    ------
    InputError
        Colour, or elements that contradict each other.
    """
    if elements.whole("SamplesPerPixel", 1, 4) != 1:
        raise elements.error("SamplesPerPixel", "says that the image is in colour", "give the original XA cine")
    if elements.text("PhotometricInterpretation") not in ("MONOCHROME1", "MONOCHROME2"):
        raise elements.error("PhotometricInterpretation", "does not say shades of grey", "give the original XA cine")
    if elements.whole("BitsAllocated", 1, 64) not in (8, 16):
        raise elements.error("BitsAllocated", "is neither 8 nor 16")
    stored = elements.whole("BitsStored", 2, elements.whole("BitsAllocated", 8, 16))
    if elements.whole("HighBit", 0, 63) != stored - 1:
        raise elements.error("HighBit", f"is not one less than {named('BitsStored')}")
    if elements.whole("PixelRepresentation", 0, 1) != 0:
        raise elements.error("PixelRepresentation", "says that pixels are signed, which those of XA never are")
    return elements.whole("Rows", 16, 8192), elements.whole("Columns", 16, 8192)


def frames_of(elements: Elements, frames: int, shape: tuple[int, int]) -> tuple[Array, bool]:
    """(frames, rows, columns) brightness, and whether it is linear in the absorption.

    Integers where the file's are brightness already, else single precision.

    Raises
    ------
    InputError
        Frames that are cut short, or that the elements describe wrongly.
    EnvironmentMissing
        Their compression needs a decoder that is not installed.
    """
    pixels = _stored(elements, frames, shape)
    most = 2 ** elements.whole("BitsStored", 2, 16) - 1
    if int(pixels.max()) > most:
        raise elements.error("BitsStored", "is too small for the pixels")
    _check_sides(elements, pixels)
    _warn_of_what_is_in_them(elements)
    _warn_of_border(elements, pixels)
    relation = elements.text("PixelIntensityRelationship")
    if relation not in ("LIN", "LOG"):
        _log.warning(
            "%s: %s is neither LIN nor LOG, so brightness is linear neither in the dose nor in the absorption.",
            *(elements.where, named("PixelIntensityRelationship")),
        )
    return _brightness(elements, pixels, most), relation == "LOG"


def _stored(elements: Elements, frames: int, shape: tuple[int, int]) -> Array:
    """The frames as they are stored, all of them and no more."""
    dataset = elements.dataset
    if "PixelData" not in dataset or not dataset.PixelData:
        raise elements.error("PixelData", "is missing, or the file is cut short before it")
    if frames * shape[0] * shape[1] > _MOST_PIXELS:
        raise elements.error("NumberOfFrames", "is more than any cine has")
    pixels = np.asarray(_decoded(elements))
    if pixels.size != frames * shape[0] * shape[1]:
        raise elements.error("PixelData", "holds more or fewer frames than the file says")
    return pixels.reshape(frames, *shape)


def _decoded(elements: Elements) -> Array:
    from pydicom.pixels import pixel_array

    dataset = elements.dataset
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and dataset.PixelData[:4] != _ITEM:
        raise elements.error("PixelData", "is not compressed in the way that the file says")
    if not syntax.is_encapsulated:
        expected = dataset.BitsAllocated // 8 * dataset.Rows * dataset.Columns * int(dataset.get("NumberOfFrames", 1))
        if not expected <= len(dataset.PixelData) <= expected + 1:  # a byte makes the length even
            raise elements.error("PixelData", "is longer or shorter than the frames need")
    if not syntax.is_encapsulated or decodable(syntax):
        try:
            return pixel_array(dataset, raw=True, correct_unused_bits=False)
        except NotImplementedError:
            pass  # Pillow's on JPEG of 12 bits
    if str(syntax) in _BY_GDCM:
        return _by_gdcm(dataset)
    compressed = f"{elements.where}: its frames are compressed ({class_name(str(syntax))}) in a way that"
    if str(syntax) in _BY_OPENJPEG:
        raise EnvironmentMissing(
            f"{compressed} needs another decoder; pip install pylibjpeg pylibjpeg-openjpeg, or store it uncompressed."
        )
    raise InputError(f"{compressed} no decoder here reads; store the file uncompressed.")


def _by_gdcm(dataset: Any) -> Array:
    """The frames by SimpleITK, from a file for the moment that holds them and nothing of the patient."""
    import SimpleITK as sitk
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import MultiFrameGrayscaleByteSecondaryCaptureImageStorage as kind
    from pydicom.uid import generate_uid

    bare = Dataset()
    for keyword in _PIXEL_ELEMENTS:
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = kind
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "frames.dcm"
        bare.save_as(path, enforce_file_format=True)
        reader = sitk.ImageFileReader()
        reader.SetImageIO("GDCMImageIO")
        reader.SetFileName(str(path))
        return np.asarray(sitk.GetArrayFromImage(reader.Execute()))


def _brightness(elements: Elements, pixels: Array, most: int) -> Array:
    """Pixels with contrast dark, rescaled where the file says so.

    The sign of Pixel Intensity Relationship decides where it is given; else how the image is to be shown, which in
    angiography is with contrast dark.
    """
    sign = elements.number("PixelIntensityRelationshipSign", -1.0, 1.0)
    inverse = sign < 0.0 if sign else elements.text("PhotometricInterpretation") == "MONOCHROME1"
    slope = elements.number("RescaleSlope", -1e6, 1e6)
    intercept = elements.number("RescaleIntercept", -1e6, 1e6)
    if (slope is None) != (intercept is None):
        raise elements.missing("RescaleSlope" if slope is None else "RescaleIntercept")
    if slope is not None and slope <= 0.0:
        raise elements.error("RescaleSlope", "is not positive")
    if inverse:
        pixels = (most - pixels).astype(pixels.dtype)
    if (slope or 1.0) == 1.0 and not intercept:
        return pixels
    rescaled = pixels.astype(np.float32)
    rescaled *= slope or 1.0
    rescaled += intercept or 0.0
    return rescaled


def _check_sides(elements: Elements, pixels: Array) -> None:
    """Rows and columns that were swapped: pixels a column's length apart resemble each other, and not a row's."""
    rows, columns = pixels.shape[1:]
    if rows == columns:
        return
    flat = pixels[0].ravel().astype(np.float64)
    unlike_above, unlike_swapped = (float(np.mean(np.abs(flat[lag:] - flat[:-lag]))) for lag in (columns, rows))
    unlike_any = float(np.mean(np.abs(flat - np.median(flat))))
    if unlike_swapped < _SWAPPED * min(unlike_above, unlike_any):
        raise elements.error("Rows", f"and {named('Columns')} are swapped, as the image shows", AGAIN)


def _warn_of_what_is_in_them(elements: Elements) -> None:
    """Losses of compression, and words on the frames, which may be the patient's (PS3.3, C.7.6.1)."""
    syntax = str(elements.dataset.file_meta.TransferSyntaxUID)
    if syntax in _LOSSY or elements.text("LossyImageCompression") == "01":
        _log.warning("%s: its frames were compressed with loss, which blurs the edges of vessels.", elements.where)
    if elements.text("BurnedInAnnotation") == "YES":
        _log.warning("%s: has words on its frames, which may name the patient; cover them first.", elements.where)


def _warn_of_border(elements: Elements, pixels: Array) -> None:
    """A border that is the same in all frames and along it: padding or a collimator's blade."""
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    sides = []
    for axis, names in ((1, ("top", "bottom")), (0, ("left", "right"))):
        blank = low.min(axis=axis) == high.max(axis=axis)
        for name, from_here in zip(names, (blank, blank[::-1]), strict=True):
            width = len(from_here) if from_here.all() else int(np.argmin(from_here))
            sides += [f"{width} pixels at the {name}"] if width > _BORDER * len(from_here) else []
    if sides:
        _log.warning(
            "%s: has a blank border (%s): collimated or padded, nothing is seen there.",
            *(elements.where, ", ".join(sides)),
        )
