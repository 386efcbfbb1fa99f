"""Units at the edge: strings such as ``"128 mmHg"`` become SI floats here and nowhere else.

Inside hemo every quantity is SI (m, m^2, m^3/s, Pa, Pa s, kg/m^3, s). The constants below are for
printing; :func:`parse` is for reading. Parsing is done by pint.
"""

from __future__ import annotations

from functools import lru_cache
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from hemo.errors import InputError

if TYPE_CHECKING:
    import pint

MMHG = 133.322387415  # Pa in one mmHg (conventional millimetre of mercury)
MILLIMETRE = 1e-3  # m
SQUARE_MILLIMETRE = 1e-6  # m^2
ML_PER_MIN = 1e-6 / 60.0  # m^3/s
ML_PER_S = 1e-6  # m^3/s
MMHG_MIN_PER_ML = MMHG / ML_PER_MIN  # Pa s/m^3
GRAM = 1e-3  # kg


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[Any]:
    import pint

    # pint knows mmHg, mL, min, mPa and the rest; "/min" needs a leading number, which parse() supplies.
    return pint.UnitRegistry()


def parse(text: str, unit: str, where: str) -> float:
    """Return the magnitude of ``text`` in ``unit``.

    Parameters
    ----------
    text
        A number followed by a unit, for example ``"128 mmHg"`` or ``"66 /min"``.
    unit
        The unit wanted, in pint's words; usually SI, for example ``"pascal"``.
    where
        The name of the key or option, for the message.

    Raises
    ------
    InputError
        If the text is not a quantity, has no unit, or has a unit of another dimension.
    """
    import pint

    if not isinstance(text, str):
        raise InputError(f'{where}: a value with its unit is needed, such as "1 {unit}", but {text!r} was given.')
    try:
        quantity = _registry().Quantity(text)
    except (pint.PintError, ValueError, TypeError, AttributeError, SyntaxError, AssertionError, TokenError) as error:
        raise InputError(f"{where}: cannot read {text!r} as a quantity; write a number and a unit.") from error
    if quantity.dimensionless and not _registry().Unit(unit).dimensionless:
        raise InputError(f"{where}: {text!r} has no unit; write one that means {unit}.")
    try:
        return float(quantity.to(unit).magnitude)
    except (pint.PintError, ValueError, TypeError) as error:
        raise InputError(f"{where}: {text!r} is not a quantity in {unit}.") from error
