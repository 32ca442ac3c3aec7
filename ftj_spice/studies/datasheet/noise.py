"""The dominant trap of the nominal cell: traces, dwell times, spectrum, and both times against voltage and temperature.

The trap's histories are drawn by the device model; the witness gives the current that follows them.
"""

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE, rtn_amplitude, static_current
from ftj_spice.device.dwells import simulate_constant
from ftj_spice.device.flicker import flicker_density, flicker_trace
from ftj_spice.device.moments import machlup_spectrum
from ftj_spice.device.traps import TrapHistory, Traps
from ftj_spice.engines.witness import Witness
from ftj_spice.results.plots.device_noise import Dwells, Spectrum, TimeConstants, Trace
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.observer import Observer

SPAN = 0.3
"""Traces and time constants are taken at the trap's voltage and up to this far from it, in V."""
STATE = 1.0
"""State of the cell: the low-resistance one, which a positive voltage keeps; in the other one the read itself
switches."""
DISTURBED = -1.0
"""State of one more trace, which shows that."""
FINE = 10.0
"""Samples of a trace per relaxation time, at least."""
LONGEST_TRACE = 4000
"""Samples of a trace, at most: beyond, it shows fewer dwells."""
SPECTRUM_STEP = 0.04
"""Sampling interval of a spectrum in relaxation times; its corner lies at a 79th of the Nyquist frequency."""
SPECTRUM_LENGTH = 4096
"""Samples of a segment."""
SHOWN_BAND = (4, 0.2)
"""Lines of a segment that are drawn: from this number on (below, the window leaks), up to this part of the Nyquist
frequency (above, aliases count)."""
RESOLVED = 1e-12
"""Shortest mean dwell that is told apart in a history, in parts of its length: times are sums in double precision."""
FEWEST_CYCLES = 30.0
"""Pairs of dwells that a spectrum's record holds on average, at least: with fewer it is no estimate of a mean."""
FAINTEST = 1e-290
"""Smallest density in A^2/Hz that is estimated: below, double precision ends."""
TEMPERATURES = (280.0, 300.0, 320.0, 340.0, 360.0)
"""Of the Arrhenius plot, in K."""


def _history(
    card: Card, voltage: float, dwells: float, seed: int, index: tuple[int, ...], temperature: float
) -> TrapHistory | None:
    """Draws a stationary history of the nominal cell's dominant trap with about `dwells` pairs of dwells.

    None where the two times lie so far apart that the shorter one is lost in the history's length.
    """
    traps = Traps.from_card(card, 1, temperature=temperature)
    capture, emission = float(traps.capture_time_at(voltage)[0]), float(traps.emission_time_at(voltage)[0])
    duration = dwells * (capture + emission)
    if min(capture, emission) < RESOLVED * duration:
        return None
    return simulate_constant(traps, voltage, duration, seed, [index], purpose="datasheet-trap")


def trap_voltages(card: Card, count: int) -> NDArray[np.float64]:
    """Returns voltages about the trap's own, in V, shape `(count,)`."""
    return card.trap_voltage + np.linspace(-SPAN, SPAN, count)


def traces(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> tuple[Trace, ...]:
    """Takes the current while the trap switches, at three voltages, and once in the state that the voltage opposes.

    Preisach's hysteresis has no transient model: such a card's current is the numpy model's, the polarization held.
    """
    found = []
    traps = Traps.from_card(card, 1)
    cases = [(float(v), STATE) for v in trap_voltages(card, 3)] + [(card.trap_voltage, DISTURBED)]
    for number, (volts, state) in enumerate(cases):
        capture, emission = float(traps.capture_time_at(volts)[0]), float(traps.emission_time_at(volts)[0])
        step = float(traps.relaxation_time(volts)[0]) / FINE
        duration = min(settings.trace_dwells * (capture + emission), LONGEST_TRACE * step)
        history = simulate_constant(traps, volts, duration, seed, [(0, number)], purpose="datasheet-trap")
        times = step * np.arange(min(int(np.ceil(duration / step)), LONGEST_TRACE))
        if card.switching == "nls":
            current = witness.noise(card, volts, state, history, times)
        else:
            current = static_current(card, volts, state, trap=history.state_at(0, times))
        found.append(
            Trace(
                voltage=volts,
                state=state,
                times=times,
                current=current,
                levels=static_current(card, volts, state, trap=np.array([0.0, 1.0])),
                capture_time=capture,
                emission_time=emission,
                occupancy=float(history.state_at(0, times).mean()),
            )
        )
        observer("telegraph noise", number + 1, len(cases))
    return tuple(found)


def dwells(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> tuple[Dwells, ...]:
    """Draws long histories and collects their dwell times, at the voltages of the traces. `witness` is not asked.

    Voltages at which the two times lie too far apart for one history are left out.
    """
    found = []
    traps = Traps.from_card(card, 1)
    for number, voltage in enumerate(trap_voltages(card, 3)):
        volts = float(voltage)
        observer("dwell times", number + 1, 3)
        history = _history(card, volts, settings.dwells, seed, (1, number), REFERENCE_TEMPERATURE)
        if history is None:
            continue
        means = (float(traps.capture_time_at(volts)[0]), float(traps.emission_time_at(volts)[0]))
        spans = history.dwells(0)
        tests = [stats.kstest(span, "expon", args=(0.0, mean)) for span, mean in zip(spans, means, strict=True)]
        found.append(
            Dwells(volts, spans[0], spans[1], means[0], means[1], (float(tests[0].pvalue), float(tests[1].pvalue)))
        )
    return tuple(found)


def time_constants(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> TimeConstants:
    """Takes mean dwell times of histories against voltage and against temperature. `witness` is not asked."""
    volts, kelvins = trap_voltages(card, 7), np.array(TEMPERATURES)
    by_voltage = [
        _mean_dwells(_history(card, float(v), settings.dwells, seed, (2, k), REFERENCE_TEMPERATURE))
        for k, v in enumerate(volts)
    ]
    observer("time constants", 1, 2)
    by_temperature = [
        _mean_dwells(_history(card, card.trap_voltage, settings.dwells, seed, (3, k), float(t)))
        for k, t in enumerate(kelvins)
    ]
    observer("time constants", 2, 2)
    means, errors = (np.array([[x[k] for x in row] for row in by_voltage]).T for k in (0, 1))
    means_t, errors_t = (np.array([[x[k] for x in row] for row in by_temperature]).T for k in (0, 1))
    line = np.linspace(volts[0], volts[-1], 50)
    line_t = np.linspace(kelvins[0], kelvins[-1], 50)
    nominal = Traps.from_card(card, 1)
    heated = [Traps.from_card(card, 1, temperature=float(t)) for t in line_t]
    inverse = elementary_charge / (Boltzmann * kelvins)
    slopes = [_fit(volts, means[k], errors[k]) for k in (0, 1)]
    barriers = [_fit(inverse, means_t[k], errors_t[k]) for k in (0, 1)]
    return TimeConstants(
        voltages=volts,
        voltage_times=means,
        voltage_errors=errors,
        line_voltages=line,
        voltage_lines=np.array([nominal.capture_time_at(line), nominal.emission_time_at(line)]),
        temperatures=kelvins,
        temperature_times=means_t,
        temperature_errors=errors_t,
        line_temperatures=line_t,
        temperature_lines=np.array(
            [[float(at(card.trap_voltage)[0]) for at in (t.capture_time_at, t.emission_time_at)] for t in heated]
        ).T,
        slopes=((-slopes[0][0], slopes[0][1]), (-slopes[1][0], slopes[1][1])),
        barriers=(barriers[0], barriers[1]),
        voltage=card.trap_voltage,
    )


def _mean_dwells(history: TrapHistory | None) -> list[tuple[float, float]]:
    """Returns mean and standard error of the empty and the filled dwells in s; NaN without a history."""
    if history is None:
        return [(np.nan, np.nan)] * 2
    return [(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x)))) for x in history.dwells(0)]


def _fit(x: NDArray[np.float64], mean: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the slope of ln(mean) against x and its standard error; NaN where fewer than two means are known."""
    known = np.isfinite(mean) & (mean > 0.0) & (error > 0.0)
    if np.count_nonzero(known) < 2:
        return float("nan"), float("nan")
    x, mean, error = x[known], mean[known], error[known]
    fit, covariance = np.polyfit(x, np.log(mean), 1, w=mean / error, cov="unscaled")
    return float(fit[0]), float(np.sqrt(covariance[0, 0]))


def spectrum(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> Spectrum | None:
    """Estimates the current's spectral density at the trap's voltage: telegraph noise on the background of 1/f noise.

    Both fluctuations are drawn by the device model; the levels of the current are the witness's. The density is the
    mean of Hann-windowed periodograms of segments (Welch without overlap), then averaged over bands of frequency;
    standard errors come from the segments. None where there is nothing to estimate: no current or no noise, or a trap
    whose longer time outlasts a record that resolves the shorter one.
    """
    volts = card.trap_voltage
    traps = Traps.from_card(card, 1)
    relaxation = float(traps.relaxation_time(volts)[0])
    step = SPECTRUM_STEP * relaxation
    times = step * np.arange(settings.spectrum_segments * SPECTRUM_LENGTH)
    capture, emission = float(traps.capture_time_at(volts)[0]), float(traps.emission_time_at(volts)[0])
    empty = float(witness.static(card, np.array([volts]), STATE)[0])
    amplitude = float(rtn_amplitude(card, STATE))
    if amplitude > 0.0 and times[-1] < FEWEST_CYCLES * (capture + emission):
        return None
    drop = empty * amplitude
    mean_current = empty - drop * emission / (capture + emission)
    smallest = machlup_spectrum(0.5 / step, capture, emission, drop)
    smallest += mean_current**2 * flicker_density(card, 0.5 / step, STATE)
    if not smallest > FAINTEST:
        return None
    history = simulate_constant(traps, volts, float(times[-1]), seed, [(4, 0)], purpose="datasheet-trap")
    background = flicker_trace(card, len(times), step, STATE, seed, (4,))
    observer("spectrum", 1, 2)
    # The current less its level without noise, in parts of it: a faint noise is not lost in rounding.
    change = background - amplitude * history.state_at(0, times) * (1.0 + background)
    frequency, density = signal.periodogram(
        change.reshape(settings.spectrum_segments, -1), 1.0 / step, window="hann", detrend="constant"
    )
    density *= empty**2
    low, high = SHOWN_BAND
    top = int(high * len(frequency))
    edges = np.unique(np.rint(np.geomspace(low, top, 32)).astype(int))
    bands = [slice(a, b) for a, b in itertools.pairwise(edges)]
    telegraph = machlup_spectrum(frequency[1:], capture, emission, drop)
    flicker = mean_current**2 * flicker_density(card, frequency[1:], STATE)
    closed = np.concatenate([[np.nan], telegraph + flicker])
    per_segment = np.array([density[:, band].mean(axis=1) for band in bands])
    observer("spectrum", 2, 2)
    return Spectrum(
        voltage=volts,
        frequency=np.array([np.exp(np.log(frequency[band]).mean()) for band in bands]),
        density=per_segment.mean(axis=1),
        error=per_segment.std(axis=1, ddof=1) / np.sqrt(settings.spectrum_segments),
        expected=np.array([closed[band].mean() for band in bands]),
        line_frequency=(line := np.geomspace(frequency[low] / 2.0, frequency[top], 120)),
        telegraph=machlup_spectrum(line, capture, emission, drop),
        flicker=mean_current**2 * flicker_density(card, line, STATE),
        corner=1.0 / (2.0 * np.pi * relaxation),
    )


def noise_summary(
    card: Card, trace: tuple[Trace, ...], spans: tuple[Dwells, ...], times: TimeConstants, density: Spectrum | None
) -> dict[str, object]:
    """Returns the numbers of the noise."""
    names = ("capture", "emission")
    cards = {"capture": card.capture_slope, "emission": card.emission_slope}
    return {
        "traces": [
            {
                "voltage_v": t.voltage,
                "state": t.state,
                "current_empty_a": float(t.levels[0]),
                "current_filled_a": float(t.levels[1]),
                "relative_amplitude": float(1.0 - t.levels[1] / t.levels[0]) if t.levels[0] else None,
                "share_of_time_filled": t.occupancy,
                "closed_form_share": t.emission_time / (t.capture_time + t.emission_time),
            }
            for t in trace
        ],
        "dwell_times": [
            {
                "voltage_v": d.voltage,
                "dwells": [len(d.empty), len(d.filled)],
                "mean_empty_s": float(d.empty.mean()),
                "mean_filled_s": float(d.filled.mean()),
                "closed_form_empty_s": d.capture_time,
                "closed_form_filled_s": d.emission_time,
                "kolmogorov_smirnov_p": list(d.p_values),
            }
            for d in spans
        ],
        "voltage_slopes_per_v": {name: _fitted(times.slopes[k], cards[name]) for k, name in enumerate(names)},
        "barriers_ev": {name: _fitted(times.barriers[k], card.trap_barrier) for k, name in enumerate(names)},
        "spectrum": None if density is None else _spectrum_summary(density),
    }


def _fitted(found: tuple[float, float], card: float) -> dict[str, float | None]:
    """Returns a fitted slope beside the card's; none where there was nothing to fit."""
    value, error = (x if np.isfinite(x) else None for x in found)
    return {"fitted": value, "standard_error": error, "card": card}


def _spectrum_summary(density: Spectrum) -> dict[str, object]:
    """Returns the numbers of the spectrum."""
    z = (density.density - density.expected) / density.error
    return {
        "voltage_v": density.voltage,
        "state": STATE,
        "corner_hz": density.corner if density.telegraph.any() else None,
        "bands": len(z),
        "rms_deviation_in_standard_errors": float(np.sqrt(np.mean(z**2))),
        "largest_deviation_in_standard_errors": float(np.max(np.abs(z))),
    }
