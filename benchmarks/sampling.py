"""How fast latents are sampled by events, and how far they are from ngspice.

    python benchmarks/sampling.py [--seconds 20] [--jobs 2] [--points 12] [--json]

One run, side by side at the nominal operating point (1.5 V, 5 ms, 16 cells per latent): sums by events (what maps are
made of), samples by events with their histories kept (what `generate --engine fast` draws), and ngspice. Then random
points of the map 1.2 to 1.8 V, 0.1 to 50 ms: the same latents from ngspice with the same trap histories, and the same
energy. Exit status 1 below 1e7 latents a minute by events, beyond 1e-3 of full scale, or beyond 1e-3 of the energy.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ftj_spice.common.seeds import seed_sequence
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.sampling.figures import QUANTITIES, evaluate
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.tallies import Tally, join, tally
from ftj_spice.studies.observer import silent
from ftj_spice.studies.sample_map.audit import ENERGY_LIMIT, audit_points
from ftj_spice.studies.sample_map.points import closed_point
from ftj_spice.studies.sample_map.settings import grid_of, load_map_settings

CARD = "hzo_mfis_nominal"
TARGET = 1e7
"""Latents per minute by events."""
LIMIT = 1e-3
"""Of the converter's full scale."""


def sums_rate(jobs: int, seconds: float, seed: int) -> tuple[float, float]:
    """Returns latents per second of the sums by events, and the largest deviation of their figures in s.e."""
    settings = load_map_settings()
    point = closed_point(load_card(CARD), settings, 1.5, 5e-3)
    rows, units, samples = settings.sample.rows, 256, 512
    words = seed_sequence(seed, "benchmark-sampling").generate_state(units * rows, np.uint64).reshape(units, rows)
    bounds = np.linspace(0, units, jobs + 1).astype(int)

    def block(low: int, high: int) -> Tally:
        return tally(words[low:high], int(low), point.table, samples)

    tally(words[:1].copy(), 0, point.table, 32)  # compiled
    done, parts = 0, []
    begin = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        while time.perf_counter() - begin < seconds:
            # The streams go on where the last round left them, so that every round draws new units.
            parts.append(join(list(pool.map(block, bounds[:-1], bounds[1:]))))
            done += units * samples
    rate = done / (time.perf_counter() - begin)
    figures = evaluate(point, join(parts))
    return rate, max(abs(figures[name].deviation) for name, quantity in QUANTITIES.items() if quantity.tested)


def kept_rate(count: int, seed: int) -> float:
    """Returns latents per second of the samples by events whose histories are kept (one thread)."""
    card = load_card(CARD)
    sample(card, SampleSettings(), count=64, columns=1, seed=seed, engine="fast")  # compiled
    begin = time.perf_counter()
    sample(card, SampleSettings(), count=count, columns=16, seed=seed, engine="fast")
    return 16 * count / (time.perf_counter() - begin)


def spice_rate(engine: NgspiceEngine, count: int, seed: int) -> tuple[float, float]:
    """Returns latents per second of ngspice, and by how much of full scale the same latents by events differ."""
    card, settings = load_card(CARD), SampleSettings()
    begin = time.perf_counter()
    slow = sample(card, settings, count=count, columns=16, seed=seed, engine=engine)
    rate = slow.values.size / (time.perf_counter() - begin)
    fast = sample(card, settings, count=count, columns=16, seed=seed, engine="fast")
    scale = 2.0 * settings.adc_sigmas * np.sqrt(slow.moments.variance)
    return rate, float(np.max(np.abs(fast.values - slow.values) / scale))


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="time of the rate by events")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--points", type=int, default=12, help="audited points of the map")
    parser.add_argument("--samples", type=int, default=128, help="ngspice's latents per column at the nominal point")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    settings = load_map_settings(
        None,
        ["sweep_voltage=1.2:1.8:13", "sweep_time=0.1ms:50ms:13", f"audit={arguments.points}", f"seed={arguments.seed}"],
    )
    card = load_card(CARD)
    sums, deviation = sums_rate(arguments.jobs, arguments.seconds, arguments.seed)
    kept = kept_rate(20000, arguments.seed)
    with NgspiceEngine(arguments.jobs) as engine:
        spice, apart = spice_rate(engine, arguments.samples, arguments.seed)
        audits, _ = audit_points(card, settings, grid_of(settings, card), engine, silent)
    rows = {
        "latents_per_minute": {
            "events, sums": 60 * sums, "events, histories kept (one thread)": 60 * kept,
            f"ngspice ({arguments.jobs} workers)": 60 * spice,
        },
        "sums_over_ngspice": sums / spice,
        "kept_over_ngspice": kept / spice,
        "largest_deviation_of_sums_se": deviation,
        "nominal_largest_of_full_scale": apart,
        "audited": [
            {
                "voltage_V": a.voltage, "time_s": a.time, "largest_of_full_scale": a.audit.largest,
                "transitions": a.audit.transitions, "differing": a.audit.differing, "energy_J": a.energy,
                "energy_deviation": a.energy_deviation,
            }
            for a in audits
        ],
        "jobs": arguments.jobs,
    }  # fmt: skip
    passes = 60 * sums >= TARGET and apart <= LIMIT and all(a.passes for a in audits)
    rows["passes"] = passes
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return int(not passes)
    print("latents of 16 cells per minute at 1.5 V, 5 ms:")
    for name, rate in rows["latents_per_minute"].items():
        print(f"  {name:40}{rate:12.3g}   x {rate / (60 * spice):.3g}")
    print(f"wanted of the sums: {TARGET:.0e}; their figures: within {deviation:.1f} s.e. of the closed forms")
    compared = 16 * arguments.samples
    print(f"the same {compared} latents by events and in ngspice: {apart:.1e} of full scale apart at most")
    heads = ("voltage", "time", "transitions", "differing", "largest", "energy", "energy off")
    print("".join(f"{head:>12}" for head in heads))
    for a in audits:
        print(
            f"{a.voltage:10.3f} V{1e3 * a.time:9.3f} ms{a.audit.transitions:12}{a.audit.differing:12}"
            f"{a.audit.largest:12.1e}{a.energy:10.3g} J{a.energy_deviation:12.1e}"
        )
    print(f"allowed: {LIMIT:g} of full scale, {ENERGY_LIMIT:g} of the energy; {'passes' if passes else 'FAILS'}")
    return int(not passes)


if __name__ == "__main__":
    sys.exit(main())
