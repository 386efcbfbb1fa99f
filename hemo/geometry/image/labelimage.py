"""Label maps: what a reader segmented, voxel by voxel, placed in the patient's LPS frame.

Files give millimetres; from here on lengths are metres. Anisotropic spacing and oblique directions are kept.
Only the labelled part of a volume is held, and what every later stage sees is one lumen: gaps of a voxel are
closed, islands left out, holes filled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.image.cleaning import clean
from hemo.geometry.image.dicomfile import is_dicom
from hemo.geometry.image.dicomseg import read_segmentation, segmentation_in
from hemo.geometry.image.placement import Array, Placement, checked_placement
from hemo.geometry.image.segments import AORTA, BACKGROUND, CORONARY, Labels, Segment, choose
from hemo.geometry.image.voxelfile import label_values, paint, read_voxels

__all__ = ["AORTA", "BACKGROUND", "CORONARY", "LabelImage", "label_file", "label_image", "read_labels"]


@dataclass(frozen=True)
class LabelImage:
    """A segmented volume.

    Attributes
    ----------
    labels
        (nz, ny, nx) uint8: 0 background, 1 aorta, 2 coronary lumen.
    origin
        (3,) LPS centre of voxel (0, 0, 0), m.
    spacing
        (3,) voxel size along the image axes x, y, z, m.
    direction
        (3, 3) columns are the LPS unit vectors of the image axes x, y, z.
    """

    labels: NDArray[np.uint8]
    origin: Array
    spacing: Array
    direction: Array

    def to_points(self, index: Array) -> Array:
        """LPS places (n, 3), m, of continuous indices (n, 3) in the order x, y, z."""
        return np.asarray(self.origin + (index * self.spacing) @ self.direction.T)

    def to_index(self, points: Array) -> Array:
        """Continuous indices (n, 3), in the order x, y, z, of LPS places (n, 3), m."""
        return np.asarray(((points - self.origin) @ self.direction) / self.spacing)

    def values_at(self, points: Array) -> NDArray[np.uint8]:
        """(n,) label of the voxel that holds each LPS place (n, 3), m; background outside the image."""
        index = np.rint(self.to_index(points)).astype(np.int64)
        size = np.array(self.labels.shape[::-1])
        inside = np.all((index >= 0) & (index < size), axis=1)
        values = np.zeros(len(points), dtype=np.uint8)
        x, y, z = index[inside].T
        values[inside] = self.labels[z, y, x]
        return values

    @property
    def has_aorta(self) -> bool:
        """Whether any voxel is labelled as aorta."""
        return bool(np.any(self.labels == AORTA))


def label_file(path: Path | str) -> Path:
    """The file of a label map: itself, or the one DICOM segmentation in a folder.

    Raises
    ------
    InputError
        No such file, or a folder that holds no segmentation or several.
    """
    path = Path(path)
    if path.is_dir():
        return segmentation_in(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path in the case file.")
    return path


def read_labels(path: Path | str, labels: Labels | None = None) -> LabelImage:
    """Read a label map.

    Parameters
    ----------
    path
        NIfTI, NRRD, MetaImage or DICOM segmentation (or a folder that holds one).
    labels
        What is ``"coronary"`` and what ``"aorta"`` in the file: a number, a name or a list of them; see
        :func:`hemo.geometry.image.segments.choose`. Without ``"aorta"`` the image holds one lumen label, and
        the aorta is found by its calibre later.

    Raises
    ------
    InputError
        Missing or unreadable file, not a three-dimensional volume of labels, an absurd voxel size, an
        empty mask, a label that does not occur, or an aorta that touches no coronary.
    """
    file = label_file(path)
    mapped, placement = (read_segmentation if is_dicom(file) else read_voxels)(file, labels)
    return _whole(mapped, placement, labels, str(file))


def label_image(
    values: NDArray[Any], origin: Array, spacing: Array, direction: Array, labels: Labels | None, where: str
) -> LabelImage:
    """The same from an array (nz, ny, nx) in memory; lengths in m, ``where`` names the source in messages."""
    placement = checked_placement(origin, spacing, direction, where)
    present = tuple(Segment(value) for value in label_values(values, where))
    mapped, first = paint((values,), choose(present, labels, where))
    return _whole(mapped, placement.moved(first), labels, where)


def _whole(mapped: NDArray[np.uint8], placement: Placement, labels: Labels | None, where: str) -> LabelImage:
    """The label image of the chosen voxels, as every later stage sees it."""
    for name, target in (("aorta", AORTA), ("coronary", CORONARY)):
        if labels is not None and name in labels and not np.any(mapped == target):
            raise InputError(f"{where}: the segment {labels[name]} of the {name} is empty; export it again.")
    image = LabelImage(mapped, placement.origin, placement.spacing, placement.direction)
    image = replace(image, labels=clean(mapped, placement, where))
    if image.has_aorta and not _touching(image.labels):
        raise InputError(
            f"{where}: the aorta touches no coronary, not even across a gap of one voxel; "
            f"segment the vessels up to their ostia."
        )
    return image


def _touching(mapped: NDArray[np.uint8]) -> bool:
    """Whether an aortic and a coronary voxel are neighbours (26-connected), in labels with background around."""
    coronary = np.argwhere(mapped == CORONARY)
    steps = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    return any(np.any(mapped[tuple((coronary + step).T)] == AORTA) for step in steps)
