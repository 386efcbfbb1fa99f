"""Label maps: what a reader segmented, voxel by voxel, placed in the patient's LPS frame.

SimpleITK reads the files (NIfTI, NRRD, MetaImage) and gives LPS millimetres for all of them; from here on
lengths are metres. Anisotropic spacing and oblique directions are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from hemo.errors import InputError
from hemo.geometry.image.imagefile import check_complete

Array = NDArray[np.float64]

BACKGROUND, AORTA, CORONARY = 0, 1, 2
_MILLIMETRE = 1e-3
_SPACING_RANGE = (0.08e-3, 5e-3)


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


def read_labels(path: Path | str, labels: Mapping[str, int]) -> LabelImage:
    """Read a label map.

    Parameters
    ----------
    path
        NIfTI, NRRD or MetaImage.
    labels
        The value of ``"coronary"`` and of ``"aorta"`` in the file. Without ``"aorta"`` the image holds
        one lumen label, and the aorta is found by its calibre later.

    Raises
    ------
    InputError
        Missing or unreadable file, not a three-dimensional scalar volume, an absurd voxel size, an
        empty mask, a label that does not occur, or an aorta that touches no coronary.
    """
    values, origin, spacing, direction = _read_volume(Path(path))
    return label_image(values, origin, spacing, direction, labels, str(path))


def label_image(
    values: NDArray[Any], origin: Array, spacing: Array, direction: Array, labels: Mapping[str, int], where: str
) -> LabelImage:
    """The same from an array (nz, ny, nx) in memory; lengths in m, ``where`` names the source in messages."""
    if not np.all(np.isfinite(spacing)) or np.any(spacing < _SPACING_RANGE[0]) or np.any(spacing > _SPACING_RANGE[1]):
        size = " x ".join(f"{1e3 * value:g}" for value in spacing)
        raise InputError(f"{where}: voxels of {size} mm are no coronary CT image; correct the spacing (in mm).")
    if not np.any(values):
        raise InputError(f"{where}: the label map is empty (every voxel is 0); export the segmentation again.")
    unknown = sorted(labels.keys() - {"aorta", "coronary"})
    if unknown:
        raise InputError(f"{where}: labels names {unknown[0]!r}; the names are aorta and coronary.")
    mapped = np.zeros(values.shape, dtype=np.uint8)
    for name, target in (("aorta", AORTA), ("coronary", CORONARY)):
        if name not in labels:
            continue
        voxels = values == labels[name]
        if not voxels.any():
            present = ", ".join(str(value) for value in np.unique(values[values != 0])[:8])
            raise InputError(
                f"{where}: no voxel has the {name} label {labels[name]}; the file holds {present}; "
                f"state the right number under labels."
            )
        mapped[voxels] = target
    if "coronary" not in labels:
        raise InputError(f"{where}: no label is given for the coronary lumen; state labels = {{ coronary = NUMBER }}.")
    if "aorta" in labels and not _touching(mapped):
        raise InputError(
            f"{where}: the aorta (label {labels['aorta']}) touches no coronary (label {labels['coronary']}); "
            f"segment the vessel up to the ostium."
        )
    return LabelImage(mapped, np.asarray(origin, float), np.asarray(spacing, float), np.asarray(direction, float))


def _read_volume(path: Path) -> tuple[NDArray[Any], Array, Array, Array]:
    """Voxels (nz, ny, nx), origin, spacing (m) and direction of an image file."""
    import SimpleITK as sitk

    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path in the case file.")
    check_complete(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path}: cannot be read as an image: it is damaged or of another format; export it again."
        ) from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path}: holds several values a voxel; a label map holds one.")
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or min(image.GetSize()) < 3:
        shape = " x ".join(str(size) for size in image.GetSize())
        raise InputError(f"{path}: is {shape}, not a three-dimensional volume; give the whole stack.")
    values = sitk.GetArrayFromImage(image)
    if not np.issubdtype(values.dtype, np.integer):
        if not np.all(np.isfinite(values)) or np.any(values != np.round(values)):
            raise InputError(f"{path}: holds values that are no whole numbers; give the label map, not the CT image.")
        values = values.astype(np.int64)
    direction = np.asarray(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    origin = _MILLIMETRE * np.asarray(image.GetOrigin(), dtype=np.float64)
    return values, origin, _MILLIMETRE * np.asarray(image.GetSpacing(), dtype=np.float64), direction


def _touching(mapped: NDArray[np.uint8]) -> bool:
    """Whether an aortic and a coronary voxel are neighbours (26-connected)."""
    where = np.argwhere(mapped == CORONARY)
    low, high = np.maximum(where.min(axis=0) - 1, 0), where.max(axis=0) + 2
    box = mapped[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    near_aorta = binary_dilation(box == AORTA, np.ones((3, 3, 3), dtype=bool))
    return bool(np.any(near_aorta & (box == CORONARY)))
