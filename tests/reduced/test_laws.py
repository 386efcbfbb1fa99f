"""The published loss laws against what their papers print, and against one another."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.reduced import LossOptions, solve
from hemo.reduced.laws import developing_shapes
from hemo.reduced.losses import interval_losses, lumen_losses
from hemo.reduced.lumen import lumen
from hemo.tree import Lesion
from hemo.units import MMHG

BLOOD = Blood()
Q = 3e-6


def vessel(severity, length=10e-3, calibre=3e-3):
    """A straight vessel whose lesion is all of what the laws ask for, and nothing else."""
    _, tree = straight_stenosis(calibre, 60e-3, severity, length, 20e-3)
    area = np.pi / 4 * calibre**2
    lesion = Lesion("a", "vessel", 15e-3, 20e-3, 25e-3, area * (1 - severity) ** 2, area, 0.1, 0.1)
    return replace(tree, lesions=(lesion,))


def lost(tree, options, flow=Q):
    """Total pressure, mmHg, by the law, in excess of friction by the area."""
    plain = interval_losses(replace(tree, lesions=()), BLOOD, options)
    whole = interval_losses(tree, BLOOD, options)
    at = np.full(len(plain.linear), flow)
    return float((whole.loss(at) - plain.loss(at)).sum() / MMHG)


@pytest.mark.parametrize(
    ("severity", "friction", "expansion"),
    [(0.4, 3.44, 3.44), (0.5, 6.82, 9.80), (0.6, 15.89, 30.00), (0.7, 47.8, 111.3)],
)
def test_young_and_tsai_as_printed(severity, friction, expansion):
    """The reference sheet's values for 3 mm, 10 mm and 3 mL/s."""
    tree = vessel(severity)
    within = interval_losses(tree, BLOOD, LossOptions(law="young_tsai"))
    inside = np.unique(lumen(tree).lesions.interval)
    assert within.linear[inside].sum() * Q / MMHG == pytest.approx(friction, rel=4e-3)
    assert within.quadratic.sum() * Q**2 / MMHG == pytest.approx(expansion, rel=2e-3)


@pytest.mark.parametrize(("severity", "flat"), [(0.4, 2.26), (0.5, 6.44), (0.6, 19.74), (0.7, 73.2)])
def test_borda_and_carnot_and_itu(severity, flat):
    tree = vessel(severity)
    assert lost(tree, LossOptions(law="borda_carnot")) == pytest.approx(flat, rel=2e-3)
    assert lost(tree, LossOptions(expansion=0.5, law="borda_carnot")) == pytest.approx(flat / 2, rel=2e-3)
    assert lost(tree, LossOptions(law="itu")) == pytest.approx(1.52 * flat, rel=2e-3)


@pytest.mark.parametrize(("severity", "friction"), [(0.4, 3.06), (0.5, 6.34), (0.6, 15.47), (0.7, 48.9)])
def test_gould_has_the_throat_all_along(severity, friction):
    tree = vessel(severity)
    within = interval_losses(tree, BLOOD, LossOptions(law="gould"))
    inside = np.unique(lumen(tree).lesions.interval)
    assert within.linear[inside].sum() * Q / MMHG == pytest.approx(friction, rel=1e-2)


def test_huo_and_kassab_is_between_flat_and_parabolic():
    """At very high flow it expands like a flat profile, at low flow like a parabola."""
    long = vessel(0.5)
    flat, parabolic = 6.44, 15.75  # mmHg at 3 mL/s
    law = LossOptions(law="huo_kassab")
    density, area, throat = BLOOD.density, np.pi / 4 * 3e-3**2, np.pi / 4 * 1.5e-3**2
    high, low = 3e-3, 0.03e-6
    assert lost(long, law, high) == pytest.approx(flat * 1e6, rel=0.1)  # and the friction of a thin layer
    terms = interval_losses(long, BLOOD, law)
    spread = terms.terms[1]
    at = spread.coefficient * spread.shape.value(low / spread.scale) + terms.quadratic[spread.at] * low**2
    assert at.sum() / MMHG == pytest.approx(parabolic * 1e-4, rel=0.12)
    assert parabolic == pytest.approx(
        density * Q**2 * (1 / throat - 1 / area) * (1 / throat - 1 / (3 * area)) / MMHG, rel=1e-3
    )


def test_development_has_its_published_length_and_excess():
    """The reference sheet's: alpha 0.05 at L / (D Re) 0.0356, where the excess over Poiseuille's is 1.314."""
    developing, _ = developing_shapes()
    y = 1.0 / 0.0356
    assert developing.value(np.array(y)) / y**2 - 64.0 * 0.0356 == pytest.approx(1.314, abs=0.01)


@pytest.mark.parametrize("law", ["fitted", "borda_carnot", "young_tsai", "itu", "gould", "huo_kassab"])
def test_every_law_converges_in_a_tree_and_keeps_its_balance(law):
    for severity in (0.3, 0.7, 0.99):
        tree = left_coronary(severity).tree
        conditions = FlowConditions(93 * MMHG, 5 * MMHG, dict.fromkeys(tree.outlets, 6e9))
        flow = solve(tree, conditions, BLOOD, LossOptions(law=law))
        assert flow.status.name == "CONVERGED"
        for name in tree.outlets:
            end = flow.branches[name]
            expected = 5 * MMHG + 6e9 * end.flow[-1]
            assert end.pressure[-1] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("law", ["fitted", "borda_carnot", "young_tsai", "itu", "gould", "huo_kassab"])
def test_many_lumens_and_fluids_are_those_one_by_one(law):
    tree = left_coronary(0.6).tree
    vessels, options = lumen(tree), LossOptions(law=law)
    factor = 1.0 + 0.1 * np.sin(np.arange(len(vessels.radius) * 3)).reshape(-1, 3)
    density, viscosity = np.array([1040.0, 1060.0, 1070.0]), np.array([3e-3, 3.5e-3, 4e-3])
    flow = np.full((len(vessels.step), 3), 2e-6)
    together = lumen_losses(vessels.resized(factor), (density, viscosity), options).loss(flow)
    for i in range(3):
        alone = lumen_losses(vessels.resized(factor[:, i]), (density[i], viscosity[i]), options).loss(flow[:, i])
        assert together[:, i] == pytest.approx(alone, rel=1e-12)
    same = lumen_losses(vessels.resized(np.ones(len(vessels.radius))), (1060.0, 3.5e-3), options).loss(flow[:, 0])
    assert same == pytest.approx(lumen_losses(vessels, (1060.0, 3.5e-3), options).loss(flow[:, 0]), rel=1e-9)


def test_unknown_laws_are_named():
    with pytest.raises(InputError, match="no loss law"):
        LossOptions(law="bernoulli")


@pytest.mark.parametrize("severity", [0.4, 0.55, 0.7])
def test_what_public_qfr_codes_lose_is_the_sudden_expansion_times_152(severity):
    """Poiseuille by segments + 1.52 rho/2 (1 - A_s/A_d)^2 V_s^2: a law that is there by an option."""
    area = np.pi / 4 * 3e-3**2
    throat = area * (1 - severity) ** 2
    expected = 1.52 * 0.5 * BLOOD.density * (1 - throat / area) ** 2 * (Q / throat) ** 2 / MMHG
    found = lost(vessel(severity), LossOptions(law="borda_carnot", expansion=1.52))
    assert found == pytest.approx(expected, rel=1e-9)
