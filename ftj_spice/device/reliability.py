"""What time, cycles and reads do to a cell: retention, wake-up and fatigue, breakdown, read disturb, and cards after.

Factors are relative to the fresh cell; all functions broadcast over times, cycles and voltages.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.preisach import PreisachSwitching
from ftj_spice.device.switching import MeanSwitching

_DISTURB_GROUPS = 64  # a disturb moves the weakest domains only: finer groups than a whole switch needs
_SMALLEST_RATIO = 1.000001  # of the two states' currents that a card may have

PRUNED_NOISE, PRUNED_SPREAD, PRUNED_LOSS = 0.5, 0.55, 0.75
"""Factors of polarization pruning (a weak opposite pulse after each write) on read noise, spread and retention loss."""
_PRUNING = "polarization pruning: factor {} (Koo et al., Adv. Sci. 2024, 10.1002/advs.202407729, on FeFET devices)"


def retained(card: Card, seconds: ArrayLike) -> NDArray[np.float64]:
    """Returns the factor on |P| after a time in s: `exp[-(t/tau)^b]` (APL 118, 082901 (2021))."""
    return np.exp(-((np.asarray(seconds, float) / card.retention_time) ** card.retention_exponent))


def cycled(card: Card, cycles: ArrayLike) -> NDArray[np.float64]:
    """Returns the factor on P_r after N cycles: wake-up `1 + g (1 - exp(-N/N_w))` times fatigue `1/[1 + (N/N_f)^m]`."""
    return _woken(card, cycles) * _tired(card, cycles)


def recovered(card: Card, cycles: ArrayLike) -> NDArray[np.float64]:
    """Returns the factor on P_r after N cycles and a recovery sweep: fatigue ends at the card's `recovery` or above."""
    return _woken(card, cycles) * np.maximum(_tired(card, cycles), card.recovery)


def _woken(card: Card, cycles: ArrayLike) -> NDArray[np.float64]:
    return 1.0 - card.wakeup_gain * np.expm1(-np.asarray(cycles, float) / card.wakeup_cycles)


def _tired(card: Card, cycles: ArrayLike) -> NDArray[np.float64]:
    return 1.0 / (1.0 + (np.asarray(cycles, float) / card.fatigue_cycles) ** card.fatigue_exponent)


def degraded(card: Card, cycles: ArrayLike) -> NDArray[np.float64]:
    """Returns the growth of leakage, traps and 1/f noise: `1 + degradation * log10(N / onset)` from the onset on."""
    beyond = np.maximum(np.asarray(cycles, float) / card.degradation_onset, 1.0)
    return 1.0 + card.degradation * np.log10(beyond)


def _lifetime(card: Card, voltage: ArrayLike) -> NDArray[np.float64]:
    """Returns the Weibull scale in cycles; it falls by ten for each `breakdown_decade` of the write amplitude."""
    excess = np.abs(np.asarray(voltage, float)) - card.breakdown_voltage
    return card.breakdown_cycles * 10.0 ** (-excess / card.breakdown_decade)


def survival(card: Card, cycles: ArrayLike, voltage: ArrayLike) -> NDArray[np.float64]:
    """Returns the part of cells without breakdown after N cycles at a write amplitude in V (Weibull)."""
    return np.exp(-((np.asarray(cycles, float) / _lifetime(card, voltage)) ** card.breakdown_shape))


def draw_breakdown(
    card: Card, cells: int, voltage: ArrayLike, seed: int, index: tuple[int, ...] = ()
) -> NDArray[np.float64]:
    """Returns each cell's cycles to breakdown, shape `(cells,)`; a larger set begins with the smaller one.

    Args:
        card: Device card.
        cells: Number of cells.
        voltage: Write amplitude in V, one for all or one per cell.
        seed: The run's seed.
        index: Tells sets of one seed apart.
    """
    uniform = generator(seed, "breakdown", *index).random(cells)
    return _lifetime(card, voltage) * (-np.log1p(-uniform)) ** (1.0 / card.breakdown_shape)


def read_disturb(card: Card, voltage: ArrayLike, seconds: ArrayLike, opposite: bool = True) -> NDArray[np.float64]:
    """Returns the part of a saturated cell that reads have switched, by the card's own switching law.

    Reads of one polarity add up: between them the field, and with it the law's clock, stands still (apart from imprint
    and depolarization, which the gaps between reads would let act on; here the reads follow without gaps).

    Args:
        card: Device card.
        voltage: Read voltage in V.
        seconds: Total time of the reads in s.
        opposite: Whether the cell stands in the state that the voltage opposes, or in the one it favours. At 0 V,
            down counts as opposed.
    """
    volts, times = np.broadcast_arrays(np.asarray(voltage, float), np.asarray(seconds, float))
    shape, volts, times = volts.shape, volts.reshape(-1), times.reshape(-1)
    begins_up = (volts < 0) == opposite
    switched = np.empty(len(times))
    for up in (False, True):
        own = np.flatnonzero(begins_up == up)
        if len(own):
            switched[own] = _switched(card, volts[own], times[own], up)
    return switched.reshape(shape)


def _switched(card: Card, volts: NDArray[np.float64], times: NDArray[np.float64], up: bool) -> NDArray[np.float64]:
    """Returns the part of cells, saturated up or down, that each voltage has switched at its time."""
    if card.switching == "preisach":
        cells: PreisachSwitching | MeanSwitching = PreisachSwitching(card, len(volts), up=float(up))
    else:
        cells = MeanSwitching(card, len(volts), up=float(up), groups=_DISTURB_GROUPS)
    out, now = np.empty(len(times)), 0.0
    for time in np.unique(times):
        cells.step(time - now, volts, volts)
        now = time
        reached = times == time
        out[reached] = np.abs(cells.fraction_up[reached] - float(up))
    return out


def at_cycles(card: Card, cycles: float) -> Card:
    """Returns the card of a cell after N write cycles that has not broken down.

    Both polarizations follow `cycled`. The two extreme states' currents are what the fresh card's mixing gives at the
    polarization that is left (at most the fresh one: wake-up opens no larger window). Leakage multiplies the
    high-resistance current by `degraded`, and the low-resistance one never falls below it. The number of minor traps
    and the 1/f noise grow by the same factor; the dominant trap is one, and its amplitude stays.

    Args:
        card: Card of the fresh cell.
        cycles: Number of cycles.

    Raises:
        SettingsError: The number is negative, or so large that a value leaves the range of a card.
    """
    if not cycles >= 0:
        raise SettingsError(f"the number of cycles must be 0 or more, got {cycles:g}")
    factor, growth = float(cycled(card, cycles)), float(degraded(card, cycles))
    left = min(factor, 1.0)
    on, ratio = card.on_current_density, card.on_off_ratio
    if card.mixing == "parallel":
        extremes = [0.5 * (1.0 + s) * on + 0.5 * (1.0 - s) * on / ratio for s in (left, -left)]
    else:
        extremes = [on * ratio ** (-0.5 * (1.0 - s)) for s in (left, -left)]
    low = extremes[1] * growth
    high = max(extremes[0], _SMALLEST_RATIO * low)
    polarization = f"after {cycles:g} cycles: wake-up and fatigue, factor {factor:.4g}"
    window = f"after {cycles:g} cycles: mixing at {left:.4g} of the fresh polarization"
    worn = f"after {cycles:g} cycles: degradation, factor {growth:.4g}"
    return _derived(
        card,
        {
            "remanent_polarization": (card.remanent_polarization * factor, polarization),
            "saturation_polarization": (card.saturation_polarization * factor, polarization),
            "on_current_density": (high, window),
            "on_off_ratio": (max(high / low, _SMALLEST_RATIO), f"{window}; {worn}"),
            "minor_traps": (card.minor_traps * growth, worn),
            "flicker_off": (card.flicker_off * growth, worn),
            "flicker_on": (card.flicker_on * growth, worn),
        },
    )


def pruned(card: Card) -> Card:
    """Returns the card of cells that are written with polarization pruning, a weak opposite pulse after each write.

    Read noise x 0.5 (amplitudes; densities therefore x 0.25), every spread x 0.55, and 0.75 of the retention loss: the
    exponent `(t/tau)^b` shrinks by that, which is the loss while it is small. Reported for FeFET devices (Koo et al.,
    Adv. Sci. 2024, 10.1002/advs.202407729); that it holds for a junction is assumed.
    """
    noise, density = _PRUNING.format(PRUNED_NOISE), _PRUNING.format(f"{PRUNED_NOISE} on the amplitude")
    spread, loss = _PRUNING.format(PRUNED_SPREAD), _PRUNING.format(f"{PRUNED_LOSS} on the retention loss")
    changes = {name: (getattr(card, name) * PRUNED_NOISE, noise) for name in ("rtn_amplitude_off", "rtn_amplitude_on")}
    changes |= {name: (getattr(card, name) * PRUNED_NOISE**2, density) for name in ("flicker_off", "flicker_on")}
    spreads = ("on_spread", "off_spread", "coercive_spread", "remanent_spread", "cycle_spread")
    changes |= {name: (getattr(card, name) * PRUNED_SPREAD, spread) for name in spreads}
    changes["retention_time"] = (card.retention_time * PRUNED_LOSS ** (-1.0 / card.retention_exponent), loss)
    return _derived(card, changes)


def _derived(card: Card, changes: dict[str, tuple[float, str]]) -> Card:
    """Returns the card with other values, each with what it was derived by before its old source."""
    data: dict[str, Any] = card.model_dump()
    for name, (value, reason) in changes.items():
        if value == data[name]:
            continue
        data[name] = value
        if name in card.provenance:
            source = f"{reason}; before: {card.provenance[name].source}"
            data["provenance"][name] |= {"kind": "derived", "source": source, "interval": None}
    return Card.parse(data, f"card '{card.name}'")
