"""Energy, time, error and area of a variant: the four numbers that circuits of one kind are traded off by."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ftj_spice.netlist.catalogue.variant import Kind
from ftj_spice.periphery.figures import figure
from ftj_spice.studies.periphery.limits import SIGMA

TIMES = ("conversion_time", "decision_time", "settling_time")
"""Figures that count as the time of an operation; the longest that was measured is taken."""
ERRORS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "sense": (("offset_current", "noise_current"), ("contrast",), ("offset", "noise"), ("noise_charge",)),
    "decide": (("offset", "noise"),),
    "convert": (("inl",), ("offset", "noise")),
    "drive": (("inl",), ("level_error",), ("pulse_offset",), ("offset", "noise")),
}
"""Figures whose squares add up to the error, by kind; the first group of which something was measured."""


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


def merits(kind: Kind, figures: Mapping[str, float]) -> Merits:
    """Returns the four numbers of a variant from its figures in the nominal condition."""
    times = [figures[name] for name in TIMES if name in figures]
    error, unit = _error(kind, figures)
    return Merits(figures.get("energy"), max(times) if times else None, error, unit, figures.get("area"))


def spread_or_value(figures: Mapping[str, float], name: str) -> float | None:
    """Returns a figure's spread over mismatch, or its nominal magnitude without draws; none: not measured."""
    if f"{name}{SIGMA}" in figures:
        return figures[f"{name}{SIGMA}"]
    return abs(figures[name]) if name in figures else None


def _error(kind: Kind, figures: Mapping[str, float]) -> tuple[float | None, str]:
    for group in ERRORS[kind]:
        terms = [spread_or_value(figures, name) for name in group]
        known = [term for term in terms if term is not None]
        if known:
            return float(np.sqrt(np.sum(np.square(known)))), figure(group[0]).unit
    return None, figure(ERRORS[kind][0][0]).unit


def pareto_front(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the indices of the points that no other one beats in both coordinates (less is better), by `x`."""
    order = np.lexsort((y, x))
    front, best = [], np.inf
    for index in order:
        if y[index] < best:
            front.append(int(index))
            best = y[index]
    return np.array(front, int)
