"""The JSON form of a calibration: of what it stands on a block of the tree, of its numbers a block of every branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.jsonvalues import filled_list, known_keys, number, numbers
from hemo.tree import Branch
from hemo.treecalibration import Apart, Calibration, Fit, TreeCalibration
from hemo.units import ML_PER_MIN

Array = NDArray[Any]

# Of a branch, one value for every interval between its points -> the field of Calibration.
_ARRAYS = {"friction_factor": "friction", "lesion_factor": "lesion", "kinetic_per_10_mm": "kinetic"}
_KEYS = {"law", "density_kg_m3", "viscosity_pa_s", "viscosity_thins", "pieces", "solutions"}
_FIT_KEYS = {"method", "state", "inlet_flow_ml_min", "cells", "cells_per_diameter", "residual_rms_pa"}
_FIT_KEYS |= {"residual_largest_pa", "ffr_places", "ffr_apart_before", "ffr_apart_after", "source"}
_APART_KEYS = {"mean_absolute", "largest"}


def calibration_to_json(calibration: TreeCalibration) -> dict[str, Any]:
    """What a calibration was fitted to, and how well: the tree's block."""
    return {
        "law": calibration.losses.law,
        "density_kg_m3": calibration.density,
        "viscosity_pa_s": calibration.viscosity,
        "viscosity_thins": calibration.thinning,
        "pieces": calibration.pieces,
        "solutions": [_fit_to_json(fit) for fit in calibration.fits],
    }


def branch_calibrations(losses: Calibration, branches: Sequence[Branch]) -> list[dict[str, Any]]:
    """The numbers: each branch's block."""
    ends = np.cumsum([len(branch.points) - 1 for branch in branches])[:-1]
    parts = {key: np.split(getattr(losses, name), ends) for key, name in _ARRAYS.items()}
    return [{key: np.round(own[i], 6).tolist() for key, own in parts.items()} for i in range(len(branches))]


def calibration_of(
    data: Mapping[str, Any], blocks: Sequence[Any], branches: Sequence[Branch], where: str
) -> TreeCalibration | None:
    """What a tree's object ``data`` and its branches' ``blocks`` say, or None where they say nothing.

    Raises
    ------
    InputError
        If it is not whole, not of this tree, or holds what no fit gives.
    """
    own = data.get("calibration")
    if own is None and all(block is None for block in blocks):
        return None
    advice = "; run hemo calibrate again, or take every calibration out"
    if own is None or any(block is None for block in blocks):
        raise InputError(
            f"{where}: a calibration belongs to the tree and to every branch, and a part is missing{advice}."
        )
    place = f"{where}: calibration"
    known_keys(own, _KEYS, place)
    for i, (block, branch) in enumerate(zip(blocks, branches, strict=True)):
        there = f"{where}: branches[{i}]: calibration"
        known_keys(block, set(_ARRAYS), there)
        for key in _ARRAYS:
            shape, count = np.shape(numbers(block, key, there)), len(branch.points) - 1
            if shape != (count,):
                raise InputError(
                    f"{there}: {key} needs {count} numbers, one between any two points, and has {shape[0]}: it is of "
                    f"another tree{advice}."
                )
    arrays = {name: np.concatenate([numbers(block, key, place) for block in blocks]) for key, name in _ARRAYS.items()}
    if not isinstance(own.get("law"), str):
        raise InputError(f"{place}: law must be the name of a loss law.")
    try:
        losses = Calibration(**arrays, law=own["law"])
    except InputError as error:
        raise InputError(f"{where}: {str(error).rstrip('.')}{advice}.") from error
    fits = tuple(_fit(item, f"{place}: solutions[{i}]") for i, item in enumerate(filled_list(own, "solutions", place)))
    return TreeCalibration(
        losses,
        number(own, "density_kg_m3", place),
        number(own, "viscosity_pa_s", place),
        own.get("viscosity_thins") is True,
        int(number(own, "pieces", place)),
        fits,
    )


def _fit_to_json(fit: Fit) -> dict[str, Any]:
    def apart(one: Apart) -> dict[str, float]:
        return {"mean_absolute": one.mean, "largest": one.largest}

    found = {
        "method": fit.method,
        "state": fit.state,
        "inlet_flow_ml_min": fit.inlet_flow / ML_PER_MIN,
        "cells": fit.cells,
        "cells_per_diameter": fit.cells_per_diameter,
        "residual_rms_pa": fit.residual_rms,
        "residual_largest_pa": fit.residual_largest,
        "ffr_places": fit.places,
        "ffr_apart_before": apart(fit.before),
        "ffr_apart_after": apart(fit.after),
    }
    return found if fit.source is None else found | {"source": fit.source}


def _fit(data: Any, where: str) -> Fit:
    known_keys(data, _FIT_KEYS, where)
    state, source = data.get("state"), data.get("source")
    if (
        not isinstance(data.get("method"), str)
        or not isinstance(state, str | None)
        or not isinstance(source, str | None)
    ):
        raise InputError(f"{where}: method, state and source must be text.")

    def apart(key: str) -> Apart:
        one = data.get(key)
        known_keys(one, _APART_KEYS, f"{where}: {key}")
        return Apart(*(number(one, name, f"{where}: {key}") for name in ("mean_absolute", "largest")))

    return Fit(
        data["method"],
        state,
        number(data, "inlet_flow_ml_min", where) * ML_PER_MIN,
        int(number(data, "cells", where)),
        number(data, "cells_per_diameter", where),
        number(data, "residual_rms_pa", where),
        number(data, "residual_largest_pa", where),
        int(number(data, "ffr_places", where)),
        apart("ffr_apart_before"),
        apart("ffr_apart_after"),
        source,
    )
