"""One measured heart beat, of pressure or of flow, from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.units import ML_PER_MIN, MMHG

Array = NDArray[Any]

TIMES = {"time_s": 1.0, "time_ms": 1e-3}
PRESSURES = {"pressure_mmhg": MMHG, "pressure_pa": 1.0, "pressure_kpa": 1e3}
FLOWS = {"flow_ml_s": 1e-6, "flow_ml_min": ML_PER_MIN, "flow_l_min": 1e3 * ML_PER_MIN, "flow_m3_s": 1.0}
LEAST_SAMPLES = 20
LONGEST_GAP = 0.1  # of the beat, between two samples
UNLIKE = 0.15  # of the swing, between a beat's first and last sample
PLAUSIBLE = (20.0 * MMHG, 300.0 * MMHG)
STRONGEST = (1.0 * ML_PER_MIN, 60e3 * ML_PER_MIN)  # flow at the peak: from a side branch to the aorta
LEAST_SWING = 0.05  # of the peak flow
PERIODS = (1.0 / 3.0, 2.0)  # s; 30 to 180 beats a minute


@dataclass(frozen=True)
class BeatTrace:
    """One beat that repeats.

    Attributes
    ----------
    time
        (n,) s, increasing from 0.
    values
        (n,) Pa or m^3/s.
    period
        s: the last sample lies one interval before it.
    """

    time: Array
    values: Array
    period: float

    @property
    def mean(self) -> float:
        """Over the beat, Pa or m^3/s."""
        return float(np.trapezoid(*self._closed()[::-1]) / self.period)

    def at_even_times(self, count: int, start: float = 0.0) -> Array:
        """(count,) values at even times from ``start``, s, on straight lines between the samples."""
        times = start + np.arange(count) * self.period / count
        return np.interp(times % self.period, *self._closed())

    def from_its_foot(self, count: int) -> Array:
        """The same from where it is lowest."""
        return self.at_even_times(count, float(self.time[np.argmin(self.values)]))

    def _closed(self) -> tuple[Array, Array]:
        return np.append(self.time, self.period), np.append(self.values, self.values[0])


def read_pressure_trace(path: Path) -> BeatTrace:
    """Read one beat: columns ``time_s`` or ``time_ms``, and ``pressure_mmHg``, ``pressure_kPa`` or ``pressure_Pa``.

    Raises
    ------
    InputError
        For a file that cannot be read, columns or numbers that are missing, times that do not increase, and what is no
        single beat of a pressure.
    """
    return _read(path, "pressure trace", PRESSURES, _check_pressure)


def read_flow_trace(path: Path) -> BeatTrace:
    """Read one beat: columns ``time_s`` or ``time_ms``, and ``flow_mL/s``, ``flow_mL/min``, ``flow_L/min`` or
    ``flow_m3/s``, positive into the vessel; an underscore may stand for the slash.

    Raises
    ------
    InputError
        As :func:`read_pressure_trace`, and for a flow whose mean does not enter the vessel.
    """
    trace = _read(path, "flow trace", FLOWS, _check_flow)
    if trace.mean <= 0.0:
        raise InputError(
            f"{path}: the mean flow is {trace.mean / ML_PER_MIN:.3g} mL/min; flow into the vessel must be positive."
        )
    return trace


def _read(path: Path, what: str, units: dict[str, float], check: Callable[[Path, Array], None]) -> BeatTrace:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no text file"
        raise InputError(f"{path}: cannot read the {what} ({reason}); give a CSV file.") from error
    heads = [head.strip().lower().replace("/", "_") for head in rows[0]] if rows else []
    time, values = (_column(path, heads, rows[1:], known) for known in (TIMES, units))
    return _checked(path, time - time[0] if len(time) else time, values, check)


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


def _checked(path: Path, time: Array, values: Array, check: Callable[[Path, Array], None]) -> BeatTrace:
    if len(time) < LEAST_SAMPLES:
        raise InputError(f"{path}: {len(time)} samples are too few for a beat; give {LEAST_SAMPLES} at least.")
    if not (np.isfinite(time).all() and np.isfinite(values).all()):
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
    check(path, values)
    jump = float(abs(values[-1] - values[0]) / np.ptp(values))
    if jump > UNLIKE:
        raise InputError(
            f"{path}: it ends {100 * jump:.0f} % of its swing from where it begins; cut one whole beat out."
        )
    return BeatTrace(time, values, period)


def _check_pressure(path: Path, pressure: Array) -> None:
    low, high = float(pressure.min()), float(pressure.max())
    if low < PLAUSIBLE[0] or high > PLAUSIBLE[1] or high - low < 5.0 * MMHG:
        raise InputError(
            f"{path}: {low / MMHG:.0f} to {high / MMHG:.0f} mmHg is no beat of aortic pressure; check the unit."
        )


def _check_flow(path: Path, flow: Array) -> None:
    low, high, most = float(flow.min()), float(flow.max()), float(np.abs(flow).max())
    if not STRONGEST[0] <= most <= STRONGEST[1] or high - low < LEAST_SWING * most:
        raise InputError(
            f"{path}: {low / ML_PER_MIN:.3g} to {high / ML_PER_MIN:.3g} mL/min is no beat of a vessel's flow; check "
            "the unit."
        )
