"""Random telegraph noise of one junction, from ngspice co-simulation, against its closed forms.

    python benchmarks/noise.py [--cycles 3000] [--seed 1] [--json]

One nominal cell at constant bias, polarization stored along the bias (so that the read does not disturb it): the full
subcircuit with its noise port driven by the co-simulation. For each voltage: mean, variance, variance of window
averages and spectrum of ngspice's current against the closed forms (deviation in standard errors of the measurement,
from blocks), and a Kolmogorov-Smirnov test of the dwell times between the current's own edges.
"""

import argparse
import json

import numpy as np
from scipy import signal, stats

from ftj_spice.device.card import Card, load_card
from ftj_spice.device.current import rtn_amplitude, static_current
from ftj_spice.device.moments import machlup_spectrum, window_moments
from ftj_spice.device.traps import Traps, draw_candidates
from ftj_spice.engines.ngspice import NgspiceEngine, NgspiceSession, Resolution, TrapPlan
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.dynamic import noise_bench

VOLTAGES = (1.2, 1.35, 1.5, 1.65, 1.8)
BLOCKS = 50
SEGMENTS = 100


def run(
    engine: NgspiceEngine, card: Card, voltage: float, cycles: int, seed: int, stream: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns ngspice's time points and current over so many cycles of the trap."""
    traps = Traps.from_card(card, 1)
    capture, emission = float(traps.capture_time_at(voltage)[0]), float(traps.emission_time_at(voltage)[0])
    duration, edge = cycles * (capture + emission), 1e-4 * min(capture, emission)
    candidates = draw_candidates(traps, duration, (0.0, voltage), seed, [(stream,)], initial_voltage=voltage)
    step = 0.2 * (capture + emission)
    session: NgspiceSession
    with engine.open(noise_bench(card, voltage, duration, step, up=1.0)) as session:
        result = session.simulate(
            Transient(step, duration, step),
            ["time", "i(vsense)"],
            TrapPlan(candidates, ("plus",), ("0",), Resolution.EVENTS, edge),
        )
    return result["time"], result["i(vsense)"]


def integral(time: np.ndarray, current: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Returns the charge that flowed up to the times `at` (trapezoids between ngspice's points)."""
    charge = np.concatenate([[0.0], np.cumsum(0.5 * (current[1:] + current[:-1]) * np.diff(time))])
    return np.interp(at, time, charge)


def compare(card: Card, voltage: float, time: np.ndarray, current: np.ndarray) -> dict[str, float]:
    """Returns the deviations from the closed forms in standard errors, the KS p values and the mean dwell times."""
    traps = Traps.from_card(card, 1)
    capture, emission = float(traps.capture_time_at(voltage)[0]), float(traps.emission_time_at(voltage)[0])
    p, tau = float(traps.occupancy(voltage)[0]), float(traps.relaxation_time(voltage)[0])
    quiet = float(static_current(card, voltage, 1.0))
    amplitude = quiet * float(rtn_amplitude(card, 1.0))
    duration = time[-1]

    edges = np.linspace(0.0, duration, BLOCKS + 1)
    means = np.diff(integral(time, current, edges)) / np.diff(edges)
    closed_mean, closed_variance = quiet - amplitude * p, amplitude**2 * p * (1.0 - p)
    squares = np.diff(integral(time, (current - closed_mean) ** 2, edges)) / np.diff(edges)
    window = 4.0 * tau
    steps = np.arange(0.0, duration, window)
    averages = np.diff(integral(time, current, steps)) / window - closed_mean
    closed_window = amplitude**2 * float(window_moments(p, tau, window).variance)
    parts = np.array([np.mean(part**2) for part in np.array_split(averages, BLOCKS)])

    # Spectrum: sampled 40 times per relaxation time; bins between a tenth of the corner and three times it.
    rate = 40.0 / tau
    samples = np.interp(np.arange(0.0, duration, 1.0 / rate), time, current)
    length = len(samples) // SEGMENTS
    frequency, _, powers = signal.spectrogram(samples - closed_mean, rate, "hann", length, 0, detrend=False)
    corner = 1.0 / (2.0 * np.pi * tau)
    ratio = powers / machlup_spectrum(frequency, capture, emission, amplitude)[:, None]
    deviations = []
    for low in corner * np.geomspace(0.1, 3.0, 7)[:-1]:
        inside = (frequency >= low) & (frequency < low * 30.0 ** (1 / 6))
        each = np.mean(ratio[inside], axis=0)
        error = np.std(each, ddof=1) / np.sqrt(len(each))
        deviations.append((np.mean(each) - 1.0) / error)

    filled = current < quiet - 0.5 * amplitude
    changes = np.flatnonzero(np.diff(filled.astype(int)))
    crossing = 0.5 * (time[changes] + time[changes + 1])
    dwells = np.diff(crossing)
    was_filled = filled[changes + 1][:-1]
    empty, full = dwells[~was_filled], dwells[was_filled]

    def off(values: np.ndarray, closed: float) -> float:
        return float((np.mean(values) - closed) / (np.std(values, ddof=1) / np.sqrt(len(values))))

    return {
        "voltage": voltage,
        "transitions": len(changes),
        "mean": off(means, closed_mean),
        "variance": off(squares, closed_variance),
        "window_variance": off(parts, closed_window),
        "spectrum_worst": float(max(deviations, key=abs)),
        "spectrum_bins": len(deviations),
        "ks_capture": float(stats.kstest(empty, "expon", args=(0, capture)).pvalue),
        "ks_emission": float(stats.kstest(full, "expon", args=(0, emission)).pvalue),
        "mean_capture": float(np.mean(empty)),
        "mean_emission": float(np.mean(full)),
        "mean_cycle": float(np.mean(empty) + np.mean(full)),
    }


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    card = load_card("hzo_mfis_nominal")
    rows = []
    with NgspiceEngine() as engine:
        for k, voltage in enumerate(VOLTAGES):
            rows.append(compare(card, voltage, *run(engine, card, voltage, arguments.cycles, arguments.seed, k)))
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    names = [name for name in rows[0] if name not in ("voltage", "transitions")]
    print("deviations in standard errors; KS: p values; times in s")
    print(f"{'V':>5} {'edges':>7} " + " ".join(f"{name:>16}" for name in names))
    for row in rows:
        print(f"{row['voltage']:5.2f} {row['transitions']:7d} " + " ".join(f"{row[name]:16.4g}" for name in names))
    cycle = [row["mean_cycle"] for row in rows]
    print(f"mean cycle time over {VOLTAGES[0]} to {VOLTAGES[-1]} V: {np.log10(cycle[0] / cycle[-1]):.3f} decades")


if __name__ == "__main__":
    main()
