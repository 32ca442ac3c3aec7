"""Latents from the co-simulated array against the closed forms.

    python benchmarks/latents.py [--samples 4096] [--jobs 2] [--json]

Draws latent vectors at the default operating point (16 columns of 16 cells) and compares mean, variance, excess
kurtosis and lag-1 autocorrelation with the closed forms of the window-averaged telegraph signal. Latents are
standardised by the closed-form mean and variance, so each figure is the mean of a product of latents, and its standard
error comes from blocks of 128 successive samples of one column, which are independent but for their ends. Exit status 1
where a figure is more than 3 standard errors off.
"""

import argparse
import json
import sys
import time

import numpy as np

from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings

BLOCK = 128


def block_mean(values: np.ndarray) -> tuple[float, float]:
    """Returns the mean of `values`, shape (samples, columns), and its standard error from blocks."""
    usable = len(values) // BLOCK * BLOCK
    blocks = values[:usable].reshape(-1, BLOCK, values.shape[1]).mean(axis=1).ravel()
    return float(blocks.mean()), float(blocks.std(ddof=1) / np.sqrt(len(blocks)))


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--digitiser", default="integrator", choices=["integrator", "comparator"])
    parser.add_argument("--time", type=float, default=None, help="sampling time in s")
    parser.add_argument("--voltage", type=float, default=None, help="V_RTN in V")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    given = {"digitiser": arguments.digitiser, "time": arguments.time, "voltage": arguments.voltage}
    settings = SampleSettings.parse({k: v for k, v in given.items() if v is not None}, "benchmark")
    begin = time.perf_counter()
    with NgspiceEngine(arguments.jobs) as engine:
        result = sample(
            load_card("hzo_mfis_nominal"),
            settings,
            count=arguments.samples,
            columns=16,
            seed=arguments.seed,
            engine=engine,
        )
    seconds = time.perf_counter() - begin
    z, closed = result.latents, result.moments
    figures = {
        "mean": (block_mean(z), 0.0),
        "variance": (block_mean(z**2), 1.0),
        "excess kurtosis": (block_mean(z**4 - 3.0), float(closed.kurtosis.mean())),
        "lag-1 autocorrelation": (block_mean(z[1:] * z[:-1]), float(closed.autocorrelation.mean())),
    }
    rows = {
        name: {
            "measured": value,
            "standard_error": error,
            "closed_form": expected,
            "deviation": (value - expected) / error,
        }
        for name, ((value, error), expected) in figures.items()
    }
    if arguments.json:
        print(json.dumps({"samples": len(z), "seconds": seconds, "figures": rows}, indent=2))
    else:
        print(
            f"{len(z)} latent vectors of {z.shape[1]} columns in {seconds:.1f} s "
            f"({result.engine}, {arguments.jobs} jobs)"
        )
        print(f"{'':24}{'measured':>10}{'s.e.':>10}{'closed form':>14}{'deviation':>14}")
        for name, r in rows.items():
            print(
                f"{name:24}{r['measured']:10.4f}{r['standard_error']:10.4f}{r['closed_form']:14.4f}"
                f"{r['deviation']:10.2f} s.e."
            )
    return int(any(abs(r["deviation"]) > 3 for r in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
