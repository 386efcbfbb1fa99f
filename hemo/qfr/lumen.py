"""The closed lumen of a reconstructed vessel, for the finite elements: ``[geometry] surface = "lumen.stl"``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hemo.errors import InputError
from hemo.geometry.lumen.rings import closed_tube
from hemo.geometry.lumen.surface import Surface
from hemo.qfr.reconstruct import Reconstruction
from hemo.qfr.sections import Sections
from hemo.tree import Branch


def lumen_surface(found: Reconstruction, around: int = 48) -> Surface:
    """The wall through a reconstructed vessel's elliptic sections: see :func:`sections_surface`."""
    return sections_surface(found.branch, found.sections, around)


def sections_surface(branch: Branch, sections: Sections, around: int = 48) -> Surface:
    """The wall through the sections at a branch's points, with flat ends; m, LPS.

    The chords of ``around`` points on an ellipse cut off 0.3 % of its area at 48: the outlines are made larger by that.

    Raises
    ------
    InputError
        If the vessel bends within its own radius, so that sections cut each other.
    """
    tangent = branch.tangent
    bend = np.linalg.norm(np.gradient(tangent, branch.arc, axis=0), axis=1)
    worst = int(np.argmax(bend * sections.semi_axes[:, 0]))
    if bend[worst] * sections.semi_axes[worst, 0] > 0.95:
        raise InputError(
            f"{branch.name}: {1e3 * branch.arc[worst]:.0f} mm from its start the vessel bends within its own radius, "
            "so it has no lumen to mesh: check the midlines there, or use the reduced model."
        )
    turn = 2.0 * np.pi / around
    wider = np.sqrt(turn / np.sin(turn))
    rings = sections.rings(branch.points, tangent, around)
    rings = branch.points[:, None] + wider * (rings - branch.points[:, None])
    return closed_tube(rings, branch.points[[0, -1]])


def write_lumen(found: Reconstruction, path: Path) -> None:
    """Write the lumen as ``.stl`` or ``.vtp``, in mm, whose unit a case file calls ``unit = "mm"``."""
    write_surface(lumen_surface(found), path)


def write_surface(surface: Surface, path: Path) -> None:
    """The same of any surface."""
    from hemo.vtkio import write_polydata

    write_polydata(path, 1e3 * surface.points, surface.triangles)
