"""Tables as a card's own device would give them, with noise: to plan a measurement, and to test the fits against.

Each function returns a CSV text that `ftj_spice.device.fitting.reading` reads.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE, rtn_amplitude, static_current
from ftj_spice.device.dwells import simulate_constant
from ftj_spice.device.reliability import cycled, retained
from ftj_spice.device.switching import switched_fraction
from ftj_spice.device.traps import Traps

_NODES = 2000  # of the quadrature over activation fields


def csv_text(header: str, columns: Sequence[ArrayLike], remarks: Iterable[str] = ()) -> str:
    """Returns a table as text; numbers keep all their digits.

    Args:
        header: First row, comma separated.
        columns: Values, shape `(rows,)` each.
        remarks: Comments above the header, without `#`.
    """
    rows = zip(*(np.asarray(column, float).tolist() for column in columns), strict=True)
    return "".join(
        f"{line}\n" for line in [*(f"# {r}" for r in remarks), header, *(",".join(map(repr, r)) for r in rows)]
    )


def iv_table(
    card: Card, voltages: ArrayLike, states: ArrayLike, temperatures: ArrayLike, noise: float, seed: int
) -> str:
    """Returns an I-V family over all combinations.

    Args:
        card: The device.
        voltages: In V.
        states: Normalised polarizations.
        temperatures: In K.
        noise: Sigma of ln(current).
        seed: Of the noise.
    """
    v, s, t = (a.ravel() for a in np.meshgrid(voltages, states, temperatures, indexing="ij"))
    factor = np.exp(noise * generator(seed, "fit-iv").standard_normal(len(v)))
    current = 1e9 * static_current(card, v, s, t) * factor
    return csv_text("voltage [V],current [nA],polarization,temperature [K]", [v, current, s, t])


def switching_table(card: Card, amplitudes: ArrayLike, widths: ArrayLike, noise: float, seed: int) -> str:
    """Returns switched fractions over all combinations of amplitude (V, positive) and width (s).

    Args:
        card: The device.
        amplitudes: In V.
        widths: In s.
        noise: Sigma of the fraction.
        seed: Of the noise.
    """
    v, width = (a.ravel() for a in np.meshgrid(amplitudes, widths, indexing="ij"))
    exact = switched_fraction(card, card.electrostatics.field(v), width, _NODES)
    measured = exact + noise * generator(seed, "fit-switching").standard_normal(len(v))
    return csv_text("width (us),amplitude (V),fraction (%)", [1e6 * width, v, 100.0 * measured])


def rtn_table(
    card: Card, voltage: float, interval: float, samples: int, noise: float, seed: int, *, state: float = -1.0,
    minor: float = 0.0,
) -> str:  # fmt: skip
    """Returns a sampled current with random telegraph noise.

    Args:
        card: The device.
        voltage: In V.
        interval: Between samples in s.
        samples: Number of samples.
        noise: Sigma of the added white noise, in parts of the dominant trap's step.
        seed: Of traps and noise.
        state: Normalised polarization.
        minor: Amplitude of a second trap, four times slower, relative to the dominant one; 0 for none.
    """
    time = interval * np.arange(samples)
    traps = Traps.from_card(card, 2, np.log([1.0, 4.0]))
    stream = round(1e6 * voltage) & 0xFFFFFFFF
    history = simulate_constant(traps, voltage, interval * samples, seed, [(stream, 0), (stream, 1)], purpose="fit-rtn")
    filled = history.state_at(0, time) + minor * history.state_at(1, time)
    step = float(rtn_amplitude(card, state))
    white = generator(seed, "fit-rtn-noise", stream).standard_normal(samples)
    relative: NDArray[np.float64] = 1.0 - step * filled + step * noise * white
    current = 1e9 * float(static_current(card, voltage, state, REFERENCE_TEMPERATURE)) * relative
    return csv_text("time [s],current [nA]", [time, current], [f"voltage = {voltage!r} V", f"polarization = {state!r}"])


def retention_table(card: Card, times: ArrayLike, noise: float, seed: int) -> str:
    """Returns the fraction of the initial polarization at times in s; `noise` is its sigma."""
    t = np.asarray(times, float)
    return csv_text(
        "time [s],polarization", [t, retained(card, t) + noise * generator(seed, "fit-ret").standard_normal(len(t))]
    )


def endurance_table(card: Card, cycles: ArrayLike, noise: float, seed: int) -> str:
    """Returns the remanent polarization, absolute, after cycles; `noise` is the sigma of its logarithm."""
    n = np.asarray(cycles, float)
    factor = np.exp(noise * generator(seed, "fit-end").standard_normal(len(n)))
    return csv_text("cycles,polarization [uC/cm^2]", [n, 100.0 * card.remanent_polarization * cycled(card, n) * factor])
