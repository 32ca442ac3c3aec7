"""Energy, time, error and area of a variant: the four numbers that circuits of one kind are traded off by."""

from dataclasses import dataclass

import numpy as np

from ftj_spice.netlist.catalogue.variant import Kind
from ftj_spice.periphery.figures import figure
from ftj_spice.studies.periphery.limits import SIGMA
from ftj_spice.studies.periphery.results import VariantResults

TIMES = ("conversion_time", "decision_time", "settling_time")
"""Figures that count as the time of an operation; the longest that was measured is taken."""
ERRORS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "sense": (("contrast",), ("offset_current", "noise_current"), ("offset", "noise"), ("noise_charge",)),
    "decide": (("offset", "noise"),),
    "convert": (("inl",), ("offset", "noise")),
    "drive": (("inl",), ("level_error",), ("pulse_offset",), ("offset", "noise")),
}
"""Figures whose squares add up to the error, by kind; the first group of which something was measured."""
WHOLE = frozenset({"inl", "contrast", "level_error"})
"""Figures that are errors of each circuit as they are: their rms over the draws counts, not the spread about a mean
that nothing takes out."""


@dataclass(frozen=True)
class Merits:
    """The four numbers, in SI units; none where they were not measured.

    Attributes:
        energy: Per operation in J.
        time: Of an operation in s.
        error: At the input, rms, in `error_unit`.
        error_unit: A, V, C, s, LSB, or `1` for a pure number.
        area: In m^2.
    """

    energy: float | None
    time: float | None
    error: float | None
    error_unit: str
    area: float | None


def merits(one: VariantResults) -> Merits:
    """Returns the four numbers of a variant of a known kind, from its nominal figures and its draws."""
    figures = one.figures
    times = [figures[name] for name in TIMES if name in figures]
    error, unit = _error(one)
    return Merits(figures.get("energy"), max(times) if times else None, error, unit, figures.get("area"))


def error_of(one: VariantResults, name: str) -> float | None:
    """Returns what a figure adds to the error; none: not measured.

    With draws this is the spread over mismatch, or for errors that count whole (`WHOLE`) the rms over the draws;
    without them the nominal magnitude.
    """
    figures, drawn = one.figures, one.draws.get(name)
    if name in WHOLE and drawn is not None:  # where no draw works the error has no bound
        return float(np.sqrt(np.nanmean(drawn**2))) if np.isfinite(drawn).any() else np.inf
    if name not in WHOLE and f"{name}{SIGMA}" in figures:
        return figures[f"{name}{SIGMA}"]
    return abs(figures[name]) if name in figures else None


def _error(one: VariantResults) -> tuple[float | None, str]:
    groups = ERRORS[one.kind]  # type: ignore[index]
    for group in groups:
        known = [term for term in (error_of(one, name) for name in group) if term is not None]
        if known:
            return float(np.sqrt(np.sum(np.square(known)))), figure(group[0]).unit
    return None, figure(groups[0][0]).unit


def pareto_front(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the indices of the points that no other one beats in both coordinates (less is better), by `x`."""
    order = np.lexsort((y, x))
    front, best = [], np.inf
    for index in order:
        if y[index] < best:
            front.append(int(index))
            best = y[index]
    return np.array(front, int)
