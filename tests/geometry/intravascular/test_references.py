"""The published rule for reference sites."""

from __future__ import annotations

import numpy as np

from hemo.geometry.intravascular.references import ReferenceRule, references

PLACE = np.arange(0.0, 40e-3, 1e-3)
HEALTHY = np.full(len(PLACE), 7e-6)


def lumen(**sites):
    area = np.full(len(PLACE), 6e-6)
    area[18:23] = 2e-6
    for place, value in sites.items():
        area[int(place[1:])] = value
    return area


def test_the_largest_lumen_within_ten_millimetres_on_either_side():
    found = references(PLACE, lumen(p10=7e-6, p25=6.5e-6, p3=9e-6, p39=9e-6), HEALTHY, (18e-3, 22e-3))
    assert (found.proximal, found.distal, found.lacking) == (10, 25, ())
    assert found.mean(lumen(p10=7e-6, p25=6.5e-6)) == 6.75e-6


def test_no_reference_beyond_a_major_branch_but_beyond_a_small_one():
    area = lumen(p10=7e-6, p27=7e-6, p24=6.2e-6)
    major = references(PLACE, area, HEALTHY, (18e-3, 22e-3), [(14e-3, 1.6e-3), (25e-3, 2e-3)])
    assert (major.proximal in range(14, 18), major.distal) == (True, 24)
    small = references(PLACE, area, HEALTHY, (18e-3, 22e-3), [(14e-3, 1.2e-3)])
    assert (small.proximal, small.distal) == (10, 27)


def test_a_site_narrowed_by_a_fifth_of_the_diameter_is_none():
    area = lumen()
    area[:18] = 0.63 * 7e-6  # 20.6 % of the diameter lost
    found = references(PLACE, area, HEALTHY, (18e-3, 22e-3))
    assert found.proximal is None
    assert "narrowed by 20 % or more" in found.lacking[0]
    area[:18] = 0.65 * 7e-6  # 19.4 %
    assert references(PLACE, area, HEALTHY, (18e-3, 22e-3)).proximal is not None


def test_a_lesion_at_the_end_has_no_reference_there():
    found = references(PLACE, lumen(), HEALTHY, (18e-3, 39e-3), rule=ReferenceRule())
    assert found.distal is None
    assert "no frame lies within 10 mm" in found.lacking[0]
