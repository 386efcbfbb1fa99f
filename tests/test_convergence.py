"""The grid convergence index against numbers whose convergence is known."""

import numpy as np
import pytest

from hemo.convergence import MOST_ORDER, convergence


def by_power(order, sizes, true=0.8, weight=0.01):
    return tuple(true + weight * size**order for size in sizes)


@pytest.mark.parametrize("sizes", [(1.0, 1.4, 2.0), (1.0, 1.5, 2.1), (0.3, 0.45, 0.6)])
@pytest.mark.parametrize("order", [0.8, 1.0, 2.0, 2.7])
def test_a_power_is_found_and_extrapolated(order, sizes):
    values = by_power(order, sizes)
    found = convergence(values, sizes)
    assert found.order == pytest.approx(order, rel=1e-6)
    assert found.extrapolated == pytest.approx(0.8, rel=1e-9)
    assert found.uncertainty == pytest.approx(1.25 * (values[0] - 0.8), rel=1e-6)
    assert found.index == pytest.approx(found.uncertainty / values[0])


def test_the_example_of_celik():
    """His table 1: reattachment length on 18000, 8000 and 4500 cells in two dimensions."""
    found = convergence((6.063, 5.972, 5.863), (1.0, 1.5, 2.0))
    assert found.order == pytest.approx(1.53, abs=0.01)
    assert found.extrapolated == pytest.approx(6.1685, abs=0.0005)
    assert found.index == pytest.approx(0.022, abs=0.0005)


def test_an_order_beyond_the_elements_is_not_believed():
    sizes = (1.0, 1.4, 2.0)
    values = by_power(6.0, sizes)
    found = convergence(values, sizes)
    assert found.order == MOST_ORDER
    assert found.uncertainty > values[0] - 0.8


def test_two_values_that_agree_by_chance_do_not_hide_the_third():
    found = convergence((0.8000, 0.8001, 0.8100), (1.0, 2.0**0.5, 2.0))
    assert found.uncertainty == pytest.approx(1.25 * 0.01 / 7.0)


def test_a_low_order_is_found_where_the_meshes_are_not_evenly_spaced():
    sizes = (1.0, 1.35, 2.0925)
    assert convergence(by_power(0.84, sizes), sizes).order == pytest.approx(0.84, rel=1e-6)


@pytest.mark.parametrize("values", [(0.80, 0.81, 0.79), (0.80, 0.82, 0.83), (0.80, 0.80, 0.82), (0.8, 0.8, 0.8)])
def test_where_no_power_shows_the_range_counts(values):
    """Values that swing, that come no nearer, or whose last two agree by chance."""
    found = convergence(values, (1.0, 1.4, 2.0))
    assert found.order is None
    assert found.extrapolated is None
    assert found.uncertainty == pytest.approx(3.0 * np.ptp(values))


def test_meshes_in_the_wrong_order():
    with pytest.raises(ValueError, match="coarser"):
        convergence((0.8, 0.81, 0.82), (2.0, 1.4, 1.0))
