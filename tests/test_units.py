import pytest

from hemo.errors import InputError
from hemo.units import MMHG, parse


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("128 mmHg", "pascal", 128 * MMHG),
        ("17.1 kPa", "pascal", 17100.0),
        ("66 /min", "1/second", 1.1),
        ("135 g", "kilogram", 0.135),
        ("200 mL/min", "metre**3/second", 200e-6 / 60),
        ("1.5 mL/s", "metre**3/second", 1.5e-6),
        ("3.5 mPa*s", "pascal*second", 3.5e-3),
        ("1060 kg/m^3", "kilogram/metre**3", 1060.0),
        ("1.06 g/cm^3", "kilogram/metre**3", 1060.0),
    ],
)
def test_quantities_become_si(text, unit, value):
    assert parse(text, unit, "key") == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("text", ["", "128", "mmHg mmHg mmHg (", "128 mmGh", "3 mm", "nonsense", 128, None])
def test_what_is_no_pressure_is_refused_by_name(text):
    with pytest.raises(InputError, match="systolic"):
        parse(text, "pascal", "systolic")
