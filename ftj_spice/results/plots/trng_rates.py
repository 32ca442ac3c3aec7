"""Plot of the rate and the energy of random bits over the read voltage."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, styled
from ftj_spice.results.units import engineering

_CELLS = "#009E73"


@styled
def rates(
    voltages: ArrayLike,
    bits: ArrayLike,
    entropy: list[float | None],
    cells: ArrayLike,
    periphery: ArrayLike,
    claimed_rate: float,
    claimed_energy: float,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Draws rate and energy per bit of one digitiser over the read voltage, with what has been claimed.

    Args:
        voltages: In V.
        bits: Raw bits per second, same shape.
        entropy: Bits of min-entropy per second, none where there is no closed form.
        cells: Energy of the cells per bit in J.
        periphery: Energy of the digitiser per bit in J.
        claimed_rate: In 1/s.
        claimed_energy: Per bit in J.
        limits: Voltages between which the card's noise is meant to hold.

    Raises:
        ValueError: Shapes differ, or values are not finite.
    """
    volts = finite(voltages, "voltages", (None,))
    raw, own, other = (
        finite(v, name, (len(volts),)) for v, name in ((bits, "bits"), (cells, "cells"), (periphery, "periphery"))
    )
    figure = Figure(figsize=(WIDTH, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(volts, raw, color=SIMULATED, label="bits")
    known = np.array([np.nan if value is None else value for value in entropy])
    if np.isfinite(known).any():
        left.plot(volts, known, "--", color=SIMULATED, label="bits of min-entropy")
    left.axhline(claimed_rate, color=CLOSED_FORM, label="claim, without primary source")
    left.set_ylabel("rate of one digitiser (1/s)")
    left.text(0.02, claimed_rate * 0.75, engineering(claimed_rate, "b/s"), color=CLOSED_FORM, fontsize=8.5, va="top",
              transform=left.get_yaxis_transform())  # fmt: skip
    right.plot(volts, 1e15 * (own + other), color=SIMULATED, label="per bit")
    if np.isfinite(known).any():
        right.plot(volts, 1e15 * (own + other) * raw / known, "--", color=SIMULATED, label="per bit of min-entropy")
    right.plot(volts, 1e15 * own, "-.", color=_CELLS, label="per bit, cells alone")
    right.plot(volts, 1e15 * other, ":", color=NOTE, label="per bit, digitiser alone")
    right.axhline(1e15 * claimed_energy, color=CLOSED_FORM, label="claim, without primary source")
    right.set_ylabel("energy of one digitiser (fJ)")
    for axes in (left, right):
        axes.set_yscale("log")
        axes.set_xlabel("read voltage (V)")
        for limit in limits or ():
            axes.axvline(limit, color=NOTE, linestyle=":", linewidth=0.9)
        axes.legend(loc="lower left", bbox_to_anchor=(-0.05, 1.0), fontsize=8)
    return figure
