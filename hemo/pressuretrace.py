"""One heart beat of measured pressure, from a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.units import MMHG

Array = NDArray[Any]

TIMES = {"time_s": 1.0, "time_ms": 1e-3}
PRESSURES = {"pressure_mmhg": MMHG, "pressure_pa": 1.0, "pressure_kpa": 1e3}
LEAST_SAMPLES = 20
LONGEST_GAP = 0.1  # of the beat, between two samples
UNLIKE = 0.15  # of the pulse pressure, between a beat's first and last sample
PLAUSIBLE = (20.0 * MMHG, 300.0 * MMHG)
PERIODS = (1.0 / 3.0, 2.0)  # s; 30 to 180 beats a minute


@dataclass(frozen=True)
class PressureTrace:
    """One beat that repeats.

    Attributes
    ----------
    time
        (n,) s, increasing from 0.
    pressure
        (n,) Pa.
    period
        s: the last sample lies one interval before it.
    """

    time: Array
    pressure: Array
    period: float

    @property
    def mean(self) -> float:
        """Pa, over the beat."""
        return float(np.trapezoid(*self._closed()[::-1]) / self.period)

    def from_its_foot(self, count: int) -> Array:
        """(count,) pressure, Pa, at even times from where it is lowest, on straight lines between the samples."""
        start = self.time[np.argmin(self.pressure)]
        times = start + np.arange(count) * self.period / count
        return np.interp(times % self.period, *self._closed())

    def _closed(self) -> tuple[Array, Array]:
        return np.append(self.time, self.period), np.append(self.pressure, self.pressure[0])


def read_pressure_trace(path: Path) -> PressureTrace:
    """Read one beat: columns ``time_s`` or ``time_ms``, and ``pressure_mmHg``, ``pressure_kPa`` or ``pressure_Pa``.

    Raises
    ------
    InputError
        For a file that cannot be read, columns or numbers that are missing, times that do not increase, and what is no
        single beat of a pressure.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no text file"
        raise InputError(f"{path}: cannot read the pressure trace ({reason}); give a CSV file.") from error
    heads = [head.strip().lower() for head in rows[0]] if rows else []
    time, pressure = (_column(path, heads, rows[1:], known) for known in (TIMES, PRESSURES))
    return _checked(path, time - time[0] if len(time) else time, pressure)


def _column(path: Path, heads: list[str], rows: list[list[str]], known: dict[str, float]) -> Array:
    """One column in SI."""
    found = [head for head in heads if head in known]
    if len(found) != 1:
        names, there = ", ".join(known), ", ".join(heads) or "none"
        raise InputError(f"{path}: the first line must name one column of {names}; it has {there}.")
    place = heads.index(found[0])
    values = []
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            values.append(float(row[place]))
        except (ValueError, IndexError):
            raise InputError(f"{path}, line {number}: no number in the column {found[0]}; correct it.") from None
    return known[found[0]] * np.array(values)


def _checked(path: Path, time: Array, pressure: Array) -> PressureTrace:
    if len(time) < LEAST_SAMPLES:
        raise InputError(f"{path}: {len(time)} samples are too few for a beat; give {LEAST_SAMPLES} at least.")
    if not (np.isfinite(time).all() and np.isfinite(pressure).all()):
        raise InputError(f"{path}: a value is not a finite number; correct it.")
    steps = np.diff(time)
    if np.any(steps <= 0.0):
        line = int(np.argmax(steps <= 0.0)) + 3
        raise InputError(f"{path}, line {line}: the time does not increase; correct it.")
    period = float(time[-1] + np.median(steps))
    if not PERIODS[0] <= period <= PERIODS[1]:
        raise InputError(f"{path}: it lasts {period:.2f} s; give one beat of {PERIODS[0]:.2f} to {PERIODS[1]:.0f} s.")
    if steps.max() > LONGEST_GAP * period:
        raise InputError(f"{path}: {1e3 * steps.max():.0f} ms lie between two samples; give a whole beat.")
    low, high = float(pressure.min()), float(pressure.max())
    if low < PLAUSIBLE[0] or high > PLAUSIBLE[1] or high - low < 5.0 * MMHG:
        raise InputError(
            f"{path}: {low / MMHG:.0f} to {high / MMHG:.0f} mmHg is no beat of aortic pressure; check the unit."
        )
    jump = float(abs(pressure[-1] - pressure[0]))
    if jump > UNLIKE * (high - low):
        raise InputError(f"{path}: it ends {jump / MMHG:.0f} mmHg from where it begins; cut one whole beat out.")
    return PressureTrace(time, pressure, period)
