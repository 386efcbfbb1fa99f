"""The lumen of a tree that came without one: its sections have the tree's areas, and it is closed."""

import numpy as np
import pytest

from hemo.geometry.lumen.surfacecheck import enclosed_volume
from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.synthetic.roundlumen import round_lumen
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.tree import VesselTree

# Metres beyond a fork from which a daughter's section is its own.
APART = 4e-3


def test_volume_of_a_straight_vessel_and_its_two_half_spheres():
    _, tree = straight_stenosis(3e-3, 30e-3, 0.6, 10e-3, 12e-3)
    surface = round_lumen(tree)
    branch = tree["vessel"]
    expected = np.trapezoid(branch.area, branch.arc) + 4.0 / 3.0 * np.pi * 1.5e-3**3
    assert enclosed_volume(surface.points, surface.triangles) == pytest.approx(expected, rel=2e-3)


def test_sections_of_a_tree_have_its_areas():
    whole = left_coronary(0.6).tree
    tree = VesselTree("left", tuple(whole[name] for name in ("LM", "LAD", "LCX")), whole.lesions)
    made = build_mesh(round_lumen(tree), tree, MeshOptions(cells_per_diameter=3.0, minimal_outlet_diameter=0.0))
    volumes = made.mesh.cell_volumes()
    assert volumes.min() > 0.0
    for name in ("LAD", "LCX"):
        start, stop = made.probes.branch_slices[name]
        sections = np.bincount(made.probes.section, made.probes.weight, made.probes.n_sections)[start:stop]
        own = made.tree[name]
        inner = (own.arc > APART) & (own.arc < own.arc[-1] - 1e-3)
        assert np.median(np.abs(sections / own.area - 1.0)[inner]) < 0.01
        assert np.abs(sections / own.area - 1.0)[inner].max() < 0.06
