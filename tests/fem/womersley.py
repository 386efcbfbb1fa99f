"""What the tests ask of a swing beside Womersley's; his flow itself is in validation/womersley_flow.py."""

from __future__ import annotations

import numpy as np
import pytest

from validation.womersley_flow import Womersley

__all__ = ["Womersley", "assert_amplitude"]


def assert_amplitude(found: complex, exact: complex) -> None:
    """Within 2 % and 2 degrees."""
    assert abs(found) == pytest.approx(abs(exact), rel=0.02)
    assert abs(np.degrees(np.angle(found / exact))) < 2.0
