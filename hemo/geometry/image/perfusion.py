"""Perfusion maps (CT, magnetic resonance, positron emission): how much blood each piece of muscle takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.image.imagefile import check_complete

Array = NDArray[Any]
log = logging.getLogger(__name__)

MUSCLE_DENSITY = 1.05  # g/mL, of myocardium
# mL/min per mL of muscle in one of each unit.
UNITS = {
    "mL/min/g": MUSCLE_DENSITY,
    "mL/min/100 g": MUSCLE_DENSITY / 100.0,
    "mL/min/mL": 1.0,
    "mL/min/100 mL": 0.01,
}
# Median over the muscle, mL/min/mL: beyond these the unit is wrong, in rest or stress, health or disease.
PLAUSIBLE = (0.15, 8.0)
_PER_SECOND = 1.0 / 60.0


@dataclass(frozen=True)
class Muscle:
    """Pieces of muscle: (n, 3) places, LPS m, and the (n,) flow that each takes, m^3/s."""

    points: Array
    flow: Array


def read_perfusion(map_file: Path, mask_file: Path, unit: str) -> Muscle:
    """The myocardium of a perfusion map.

    Parameters
    ----------
    map_file
        NIfTI, NRRD or MetaImage with a perfusion in ``unit``, one of :data:`UNITS`, in each voxel.
    mask_file
        Label map of the myocardium (every value but 0), on any grid of the same patient space.

    Raises
    ------
    InputError
        Unreadable files, an empty mask or one beside the map, or values that no muscle has in that unit.

    Voxels of the muscle without a positive value get the mean of the others, with a warning.
    """
    import SimpleITK as sitk

    values, mask = _read(map_file), _read(mask_file)
    inside = sitk.GetArrayFromImage(
        sitk.Resample(mask, values, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0, mask.GetPixelID())
    )
    index = np.argwhere(inside != 0)
    if not len(index):
        raise InputError(f"{mask_file}: marks no muscle within {map_file.name}; check that both are of one scan.")
    perfusion = sitk.GetArrayFromImage(values).astype(np.float64)[tuple(index.T)] * UNITS[unit]
    known = np.isfinite(perfusion) & (perfusion > 0.0)  # SimpleITK reads NaN in NIfTI as 0
    if not known.any():
        raise InputError(f"{map_file}: holds no number in the muscle.")
    median = float(np.median(perfusion[known]))
    if not PLAUSIBLE[0] <= median <= PLAUSIBLE[1]:
        raise InputError(
            f"{map_file}: the muscle's median perfusion would be {median:.3g} mL/min/mL; check "
            f"perfusion.unit ({unit!r})."
        )
    if not known.all():
        log.warning("%s: %.0f %% of the muscle has no value and gets the mean.", map_file.name, 100.0 * (~known).mean())
        perfusion = np.where(known, perfusion, perfusion[known].mean())
    spacing = np.asarray(values.GetSpacing()) * 1e-3
    direction = np.asarray(values.GetDirection()).reshape(3, 3)
    points = np.asarray(values.GetOrigin()) * 1e-3 + (index[:, ::-1] * spacing) @ direction.T
    return Muscle(points, perfusion * _PER_SECOND * float(np.prod(spacing)))


def _read(path: Path) -> Any:
    import SimpleITK as sitk

    if not path.is_file():
        raise InputError(f"{path}: no such file; correct the path under [perfusion].")
    check_complete(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read as an image; export it again.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path}: is not a three-dimensional image of one value a voxel.")
    return image
