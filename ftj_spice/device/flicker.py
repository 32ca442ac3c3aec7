"""1/f background noise of a cell's current: its density, and Gaussian traces that follow it.

One-sided, relative to the current squared: `S_I/I^2 = K(s) (1 um^2 / A)^n / f`. ln K is linear in s between
`flicker_off` and `flicker_on` (the two states' mechanisms differ; interpolation ours), n = `flicker_area_exponent`
(low-frequency noise of TiN/HZO/SiO2/n+ Si junctions: 1/(W L^b) with b above 1).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card

_REFERENCE_AREA = 1e-12  # area that the card's levels hold for, in m^2
_STRETCH = 8  # how much longer than asked a trace is synthesised: its ends then don't know of one another


def flicker_level(card: Card, polarization: ArrayLike, area: float | None = None) -> NDArray[np.float64]:
    """Returns `S_I/I^2` at 1 Hz in 1/Hz.

    Args:
        card: Device card.
        polarization: s = P/P_r in [-1, 1].
        area: In m^2; none takes the card's.
    """
    s = np.asarray(polarization, float)
    off, on = card.flicker_off, card.flicker_on
    level = 0.5 * (1.0 - s) * off + 0.5 * (1.0 + s) * on if 0.0 in (off, on) else off * (on / off) ** (0.5 * (1.0 + s))
    return level * (_REFERENCE_AREA / (area or card.area)) ** card.flicker_area_exponent


def flicker_density(
    card: Card, frequency: ArrayLike, polarization: ArrayLike, area: float | None = None
) -> NDArray[np.float64]:
    """Returns the one-sided density `S_I/I^2` in 1/Hz; frequency (Hz, positive) and polarization broadcast."""
    return flicker_level(card, polarization, area) / np.asarray(frequency, float)


def flicker_trace(
    card: Card,
    samples: int,
    interval: float,
    polarization: ArrayLike,
    seed: int,
    index: tuple[int, ...] = (),
    area: float | None = None,
) -> NDArray[np.float64]:
    """Returns the relative fluctuation of the current at even times, Gaussian with the density of `flicker_density`.

    Synthesised in the frequency domain (independent complex normal amplitudes) over a span `_STRETCH` times as long, of
    which the first part is kept. The density holds from `1 / (samples * interval)` up to the Nyquist frequency
    `1 / (2 interval)`, above which there is nothing; below, it ends at a `_STRETCH`-th of the lower bound.

    Args:
        card: Device card.
        samples: Number of samples.
        interval: Between two, in s.
        polarization: s in [-1, 1]: one number, or one per cell, shape `(cells,)`.
        seed: The run's seed.
        index: Tells traces of one seed apart; cell c draws from the stream `(*index, c)`.
        area: In m^2; none takes the card's.

    Returns:
        Shape `(samples,)`, or `(cells, samples)` for one polarization per cell.
    """
    level = np.sqrt(flicker_level(card, polarization, area))
    total = fft.next_fast_len(_STRETCH * samples, real=True)
    total += total % 2
    frequency = np.arange(1, total // 2 + 1) / (total * interval)
    # E|X_k|^2 = S(f_k) N / (2 dt) makes the one-sided density S.
    scale = np.sqrt(total / (2.0 * interval * frequency))
    out = np.empty((level.size, samples))
    for cell, height in enumerate(level.reshape(-1)):
        rng = generator(seed, "flicker", *index, cell)
        amplitude = rng.standard_normal((2, len(frequency))) * np.sqrt(0.5)
        spectrum = np.empty(len(frequency) + 1, complex)
        spectrum[0] = 0.0
        spectrum[1:] = scale * (amplitude[0] + 1j * amplitude[1])
        spectrum[-1] = np.sqrt(2.0) * spectrum[-1].real  # the Nyquist line is real
        out[cell] = height * fft.irfft(spectrum, total)[:samples]
    return out.reshape((*level.shape, samples))
