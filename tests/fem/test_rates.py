"""Rates on a manufactured solution of the steady equations; the whole table is validation/manufactured.py's."""

import numpy as np
import pytest

from validation import ethier_steinman
from validation import manufactured as flow

COUNTS = flow.COUNTS[:3]


@pytest.fixture(scope="module")
def rates():
    table = np.array([flow.errors(flow.solve(count)) for count in COUNTS])
    return ethier_steinman.rates(COUNTS, table), table


@pytest.mark.parametrize(("column", "least"), [(0, 2.8), (1, 1.9), (2, 1.8)], ids=["velocity", "gradient", "pressure"])
def test_rates(rates, column, least):
    found, table = rates
    assert found[-1, column] >= least, f"rates {found[:, column]}, errors {table[:, column]}"


def test_errors_are_small(rates):
    """The rates are those of a solution that is right, not of one that is far off."""
    assert np.all(rates[1][-1] < [1e-4, 1e-2, 5e-3])
