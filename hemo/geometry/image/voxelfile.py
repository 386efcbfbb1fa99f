"""NIfTI, NRRD and MetaImage files, read by SimpleITK, which gives LPS millimetres for all of them."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.image.imagefile import check_complete
from hemo.geometry.image.placement import Array, Placement, checked_placement
from hemo.geometry.image.planes import Plane, cropped
from hemo.geometry.image.segmentnames import names_beside, slicer_segments
from hemo.geometry.image.segments import AORTA, CORONARY, Choice, Labels, Segment, choose, written

_log = logging.getLogger(__name__)

_MILLIMETRE = 1e-3
_MOST_VOXELS = 4e9
# A label map holds few values, none far below zero; a CT image holds thousands, from -1024.
_MOST_LABELS = 200
_LEAST_LABEL = -10


def read_voxels(path: Path, labels: Labels | None) -> tuple[NDArray[np.uint8], Placement]:
    """The chosen labels of an image file, cropped to where there are any, and where they lie.

    Raises
    ------
    InputError
        Unreadable or damaged, not a three-dimensional volume of one label a voxel, an absurd voxel size,
        values that are no labels, or labels that do not fit.
    """
    import SimpleITK as sitk

    check_complete(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with _silent():
        try:
            reader.ReadImageInformation()
            named = slicer_segments({key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys() if key.isascii()})
            placement = _checked_header(reader, str(path), bool(named))
            image = reader.Execute()
        except RuntimeError as error:
            raise InputError(
                f"{path}: cannot be read as an image: it is damaged or of another format; export it again."
            ) from error
    values = sitk.GetArrayViewFromImage(image)  # no copy: `image` outlives it here
    values = values.reshape(values.shape[values.ndim - (4 if image.GetNumberOfComponentsPerPixel() > 1 else 3) :])
    layers = tuple(np.moveaxis(values, 3, 0)) if values.ndim == 4 else (values,)
    mapped, first = paint(layers, choose(_present(layers, named, path), labels, str(path)))
    return mapped, placement.moved(first)


def _checked_header(reader: Any, where: str, layered: bool) -> Placement:
    """Where the image lies, read before its voxels; refuses what is no label map by its header alone."""
    size = reader.GetSize()
    shape = " x ".join(str(count) for count in size)
    if reader.GetNumberOfComponents() != 1 and not layered:
        raise InputError(f"{where}: holds several values a voxel; a label map holds one.")
    if len(size) < 3 or min(size[:3]) < 3 or any(count > 1 for count in size[3:]):
        raise InputError(f"{where}: is {shape}, not a three-dimensional volume; give the whole stack, at one time.")
    if prod(size) * reader.GetNumberOfComponents() > _MOST_VOXELS:
        raise InputError(f"{where}: is {shape} voxels, more than any heart needs; crop it to the heart.")
    rank = len(size)
    direction = np.asarray(reader.GetDirection(), dtype=np.float64).reshape(rank, rank)[:3, :3]
    origin, spacing = np.asarray(reader.GetOrigin()[:3]), np.asarray(reader.GetSpacing()[:3])
    return checked_placement(_MILLIMETRE * origin, _MILLIMETRE * spacing, direction, where)


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing on stderr, to which ITK and the libraries under it write at will: hemo says it in its own sentences."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _present(layers: Sequence[NDArray[Any]], named: Sequence[Segment], path: Path) -> tuple[Segment, ...]:
    """The segments that occur in the voxels, with the names that the header or a file beside it gives."""
    where = str(path)
    occurring = [(value, layer) for layer, values in enumerate(layers) for value in label_values(values, where)]
    if named:
        names = {(segment.number, segment.layer): segment.names for segment in named}
    else:
        beside, file = names_beside(path)
        names = {(number, 0): written([name]) for number, name in beside.items()}
        if file is not None:
            _log.info("%s: names of the labels from %s.", where, file.name)
    return tuple(Segment(value, names.get((value, layer), ()), layer) for value, layer in occurring)


def label_values(values: NDArray[Any], where: str) -> list[int]:
    """The values other than 0 that occur in a volume (nz, ny, nx), in order.

    Raises
    ------
    InputError
        For values that are no labels: fractions, not a number, a CT image's.
    """
    found: set[int] = set()
    for plane in values:
        if not plane.any():
            continue
        occurring = np.flatnonzero(np.bincount(plane.ravel())) if plane.dtype == np.uint8 else np.unique(plane)
        whole = np.isfinite(occurring) & (occurring == np.round(occurring)) & (occurring >= _LEAST_LABEL)
        if whole.all():
            found.update(int(value) for value in occurring)
        if not whole.all() or len(found) > _MOST_LABELS:
            raise _no_labels(values, where)
    return sorted(found - {0})


def _no_labels(values: NDArray[Any], where: str) -> InputError:
    """What the values seem to be instead."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        return InputError(f"{where}: holds values that are not numbers; export the segmentation again.")
    if low >= 0.0 and high <= 1.0:
        return InputError(f"{where}: holds values between 0 and 1, a probability map; threshold it, usually at 0.5.")
    return InputError(
        f"{where}: holds values from {low:g} to {high:g}, no labels; give the label map, not the CT image."
    )


def paint(layers: Sequence[NDArray[Any]], chosen: Choice) -> tuple[NDArray[np.uint8], Array]:
    """The chosen labels of volumes (nz, ny, nx), cropped (see :func:`cropped`); where both occur, the aorta stands."""
    wanted = [
        (target, layers[segment.layer], segment.number)
        for target in (CORONARY, AORTA)
        for segment in chosen.get(target, ())
    ]
    planes: dict[int, Plane] = {}
    for z in range(len(layers[0])):
        if any(layer[z].any() for layer in layers):
            plane = np.zeros(layers[0].shape[1:], dtype=np.uint8)
            for target, layer, number in wanted:
                plane[layer[z] == number] = target
            planes[z] = plane
    return cropped(planes)
