"""Makes the perfusion map of cases/flow: muscle round the left tree, less perfused in the lateral wall."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.spatial import cKDTree

from hemo.treejson import read_trees
from validation.table import DOCS

FOLDER = DOCS.parent / "cases" / "flow"
SPACING, MARGIN = 4.0, 24.0  # mm
NEAR, FAR = 4.0, 14.0  # mm from the vessels: where the muscle begins and ends
NORMAL, LATERAL = 2.2, 1.4  # mL/min/g


def write(folder: Path = FOLDER) -> None:
    """Write perfusion.nii.gz and myocardium.nii.gz beside left_tree.json."""
    (stored,) = read_trees(FOLDER / "left_tree.json")
    branches = stored.tree.branches
    points = 1e3 * np.vstack([branch.points for branch in branches])
    lateral = np.concatenate([np.full(len(b.points), b.name in ("LCX", "OM1")) for b in branches])
    low = np.floor(points.min(axis=0) - MARGIN)
    size = np.ceil((points.max(axis=0) + MARGIN - low) / SPACING).astype(int)
    index = np.indices(size[::-1]).reshape(3, -1).T[:, ::-1]
    distance, nearest = cKDTree(points).query(low + SPACING * index)
    muscle = (distance >= NEAR) & (distance <= FAR)
    values = np.where(muscle, np.where(lateral[nearest], LATERAL, NORMAL), 0.0)
    for name, data in (("perfusion", values.astype(np.float32)), ("myocardium", muscle.astype(np.uint8))):
        image = sitk.GetImageFromArray(data.reshape(size[::-1]))
        image.SetSpacing([SPACING] * 3)
        image.SetOrigin(low.tolist())
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))


if __name__ == "__main__":
    write()
