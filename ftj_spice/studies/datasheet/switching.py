"""Switched fraction against pulse width and amplitude, and the time for half of it against the field."""

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.activation import domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.switching import switched_fraction, switching_rate
from ftj_spice.engines.witness import Witness
from ftj_spice.results.plots.device_switching import SwitchedFraction
from ftj_spice.studies.datasheet.pulses import EDGE, Train, amplitude_for, pulse_field
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.observer import Observer

SHORTEST = 3.0
"""Shortest pulse, in attempt times."""
RESET = 2.0
"""Length of the reset before each pulse, in write times, at minus the write voltage."""
FINE = 400
"""Nodes of the closed form's quadrature over the distribution of activation fields; a mean model has fewer groups."""
WHOLE = 0.9999
"""Once a pulse switches this part, longer ones of the same amplitude are left out."""
SLOW_HALF = 0.2
"""The lowest amplitude switches half of the cell within this part of the longest pulse; the highest one, within half
of the shortest, or is the write voltage. Those between are spaced so that their half-switching times are."""


def pulse_switching(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> SwitchedFraction:
    """Measures the switched fraction: one run per amplitude, a reset before every pulse. `seed` is not used.

    The fraction is the change of the state over the share that could switch; so a reset that is not quite whole does
    no harm.
    """
    count = settings.width_decades * settings.widths_per_decade + 1
    widths = SHORTEST * card.attempt_time * np.geomspace(1.0, 10.0**settings.width_decades, count)
    fastest = max(0.5 * widths[0], float(_half_times(card, np.array([pulse_field(card, card.write_voltage)]))[0]))
    halves = np.geomspace(SLOW_HALF * widths[-1], fastest, settings.amplitudes)
    amplitudes = np.array([amplitude_for(card, 0.5, float(half)) for half in halves])
    fields = np.array([pulse_field(card, float(a)) for a in amplitudes])
    exact = card.electrostatics.depolarization == 0.0 and card.offset_field_spread == 0.0
    nothing = np.full((len(amplitudes), len(widths)), np.nan)
    closed = switched_fraction(card, fields[:, None], widths, FINE) if exact else nothing
    fraction = nothing.copy()
    for row, amplitude in enumerate(amplitudes):
        train, moments = Train(), []
        applied = 1 + int(np.searchsorted(closed[row], WHOLE)) if exact else len(widths)
        for width in widths[:applied]:
            gap = max(width, card.write_time)
            train.pulse(-card.write_voltage, RESET * card.write_time, gap)
            before = train.now
            train.pulse(float(amplitude), float(width), gap)
            moments.append((before, train.now))
        times = np.unique(np.array(moments))
        answer = witness.transient(card, train.waveform(), times, 0.0)
        up = 0.5 * (1.0 + answer.polarization[np.searchsorted(times, np.array(moments))])
        left = 1.0 - up[:, 0]
        np.divide(up[:, 1] - up[:, 0], left, out=fraction[row, : len(up)], where=left > 0.0)
        observer("switching", row + 1, len(amplitudes))
    line = np.geomspace(widths[0], widths[-1], 160)
    lines = switched_fraction(card, fields[:, None], line, FINE) if exact else np.full((len(fields), len(line)), np.nan)
    field_line = np.linspace(0.97 * fields[0], 1.03 * fields[-1], 60)
    return SwitchedFraction(
        amplitudes=amplitudes,
        fields=fields,
        widths=widths,
        fraction=fraction,
        closed=closed,
        grouped=_grouped_fraction(card, fields[:, None], widths, witness.groups) if exact else nothing,
        line_widths=line,
        lines=lines,
        half_times=np.array([_half(widths, row) for row in fraction]),
        field_line=field_line,
        half_line=_half_times(card, field_line) if exact else np.full(len(field_line), np.nan),
        edge=EDGE,
    )


def _grouped_fraction(
    card: Card, fields: NDArray[np.float64], widths: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Returns the closed form averaged over the `count` groups of the witness's mean model; broadcasts."""
    groups = domain_groups(card, count)
    clock = widths[..., None] * switching_rate(card, fields[..., None], groups.activation_field)
    return -np.expm1(-(clock**card.weibull_exponent)) @ groups.weight


def _half(widths: NDArray[np.float64], fraction: NDArray[np.float64]) -> float:
    """Returns the width that switches half, interpolated in the Weibull plot; NaN where half lies outside."""
    inside = np.isfinite(fraction) & (fraction > 1e-6) & (fraction < 1.0 - 1e-9)
    x, y = np.log(widths[inside]), np.log(-np.log1p(-fraction[inside]))
    middle = np.log(np.log(2.0))
    if len(y) < 2 or y[0] > middle or y[-1] < middle:
        return float("nan")
    return float(np.exp(np.interp(middle, y, x)))


def _half_times(card: Card, fields: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the closed form's time for half of the cell at each field, by bisection of its logarithm."""
    low = np.full(len(fields), np.log(1e-2 * card.attempt_time))
    high = low + np.log(1e20)
    for _ in range(45):
        middle = 0.5 * (low + high)
        enough = switched_fraction(card, fields, np.exp(middle), FINE) > 0.5
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.exp(0.5 * (low + high))


def switching_summary(data: SwitchedFraction) -> dict[str, object]:
    """Returns the numbers of the switched fraction."""
    return {
        "amplitude_v": data.amplitudes,
        "field_v_per_m": data.fields,
        "width_s": data.widths,
        "switched_fraction": data.fraction,
        "half_switching_time_s": data.half_times,
        "deviation_from_closed_form": {
            "whole_distribution": _deviation(data.fraction - data.closed),
            "groups_of_the_mean_model": _deviation(data.fraction - data.grouped),
        },
    }


def _deviation(difference: NDArray[np.float64]) -> dict[str, float] | None:
    """Returns largest and rms of a difference; none where it is not known."""
    if not np.isfinite(difference).any():
        return None
    return {"largest": float(np.nanmax(np.abs(difference))), "rms": float(np.sqrt(np.nanmean(difference**2)))}
