"""What a matrix asks for: target conductances from levels, parts of the window, or siemens."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import Card

UNITS = ("auto", "siemens", "fraction", "level")
"""How a matrix of targets may be meant."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Targets:
    """Target conductances of an array.

    Attributes:
        conductance: In S at V_VMM, shape `(rows, columns)`.
        unit: How the matrix was read: `siemens`, `fraction` or `level`.
        step: Distance of two levels in S, the unit of tolerance and errors.
        clipped: Targets that were outside the card's window and stand at its edge now, same shape.
        level: Nearest level of each target, same shape.
    """

    conductance: NDArray[np.float64]
    unit: str
    step: float
    clipped: NDArray[np.bool_]
    level: NDArray[np.int64]


def level_conductances(card: Card, settings: ProgramSettings) -> NDArray[np.float64]:
    """Returns the conductances of the levels in S at V_VMM, evenly spaced, ascending, shape `(levels,)`."""
    low, high = card.off_conductance, card.on_conductance
    parts = np.linspace(settings.low, settings.high, settings.levels)
    return low + (high - low) * parts


def read_targets(
    matrix: NDArray[np.generic], card: Card, settings: ProgramSettings, unit: str = "auto", where: str = "the target"
) -> Targets:
    """Returns the target conductances that a matrix stands for.

    `level` counts levels from 0; `fraction` goes from 0, the lowest level, to 1, the highest, and is rounded to the
    nearest level; `siemens` are taken as they are. `auto` takes integers for levels and floats for siemens.

    Args:
        matrix: Numbers, shape `(rows, columns)`.
        card: Device card.
        settings: Levels and window.
        unit: One of `UNITS`.
        where: What the matrix is called in an error's sentence.

    Raises:
        SettingsError: There is no such unit.
        DataError: The matrix is no matrix of finite numbers, is empty, or a target lies outside what its unit allows
            (siemens: the card's window, unless `clip` is set).
    """
    if unit not in UNITS:
        raise SettingsError(f"unit must be one of {', '.join(UNITS)}, got {unit!r}")
    values = np.asarray(matrix)
    if values.ndim != 2 or values.size == 0:
        raise DataError(f"{where} must be a matrix of shape (rows, columns), not {values.shape}")
    if values.dtype.kind not in "iuf":
        raise DataError(f"{where} must hold real numbers, not {values.dtype}")
    kind = unit if unit != "auto" else ("siemens" if values.dtype.kind == "f" else "level")
    numbers = values.astype(float)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        row, column = bad[0]
        raise DataError(f"{where} must be finite, but holds {numbers[row, column]} at row {row}, column {column}")
    levels = level_conductances(card, settings)
    step = float(levels[1] - levels[0])
    if kind == "siemens":
        conductance, clipped = _in_window(numbers, card, settings, where)
    else:
        top = settings.levels - 1 if kind == "level" else 1
        if kind == "level" and np.any(numbers != np.rint(numbers)):
            raise DataError(f"{where} must hold whole numbers from 0 to {top} (unit level); or pass --unit fraction")
        worst = np.argwhere((numbers < 0) | (numbers > top))
        if len(worst):
            row, column = worst[0]
            raise DataError(
                f"{where}: unit {kind} goes from 0 to {top}, got {numbers[row, column]:g} at row {row}, column {column}"
            )
        number = np.rint(numbers if kind == "level" else numbers * (settings.levels - 1)).astype(np.int64)
        conductance, clipped = levels[number], np.zeros(values.shape, bool)
    nearest = np.clip(np.rint((conductance - levels[0]) / step), 0, settings.levels - 1).astype(np.int64)
    return Targets(conductance, kind, step, clipped, nearest)


def _in_window(
    numbers: NDArray[np.float64], card: Card, settings: ProgramSettings, where: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    low, high = card.off_conductance, card.on_conductance
    outside = (numbers < low * (1.0 - _ROUNDING)) | (numbers > high * (1.0 + _ROUNDING))
    if outside.any() and not settings.clip:
        row, column = np.argwhere(outside)[0]
        raise DataError(
            f"{where}: {int(outside.sum())} of {numbers.size} targets lie outside the window of card '{card.name}', "
            f"{low:.4g} to {high:.4g} S at {card.vmm_voltage:g} V; the first is {numbers[row, column]:.4g} S at row "
            f"{row}, column {column}; rescale them, say how they are meant (--unit), or pass --set clip=true"
        )
    return np.clip(numbers, low, high), outside
