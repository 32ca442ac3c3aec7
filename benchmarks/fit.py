"""The fit's round trip: how often the stated 95 % intervals hold the value that the data were made with.

    python benchmarks/fit.py [-n 50] [--json]

Noisy tables are made from a card, through CSV text, and fitted from a base card whose values are all different. Prints
for every kind of measurement and every parameter in how many trials the interval holds the true value, the mean of
(estimate - truth) in standard errors, and the time of one fit. Exit status 1 where the intervals of a kind hold in
fewer than 90 % of the trials, all its parameters together, or those of one parameter more seldom than chance explains:
a right 95 % interval holds in fewer than 42 of 50 trials with probability 0.0008 (in fewer than 45 with 0.04, which is
to be expected once or twice among some thirty parameters). A refused fit counts as one that does not hold.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import Card, load_card
from ftj_spice.device.fitting import synthetic
from ftj_spice.device.fitting.roles import Kind
from ftj_spice.studies.fit import FitOrder, fit

NEEDED = 0.9
"""Share of the intervals of a kind that must hold."""
UNLIKELY = 1e-3
"""Chance of a result of one parameter that counts as wrong."""
BASE = {
    "on_current_density": 2500.0, "on_off_ratio": 20.0, "voltage_scale": 0.3, "attempt_time": 6e-8,
    "activation_exponent": 2.5, "weibull_exponent": 1.6, "activation_mean": 3.2e8, "activation_sigma": 7e7,
    "capture_time": 5e-3, "emission_time": 3e-4, "capture_slope": 10.0, "emission_slope": 12.0,
    "rtn_amplitude_off": 0.2, "retention_time": 1e12, "retention_exponent": 0.2, "wakeup_gain": 0.05,
    "wakeup_cycles": 100.0, "fatigue_cycles": 1e6, "fatigue_exponent": 1.0, "remanent_polarization": 0.15,
}  # fmt: skip
"""Where the fits start from: none of it is the truth."""


def iv(card: Card, seed: int) -> list[str]:
    """Three states at three temperatures."""
    return [synthetic.iv_table(card, np.linspace(0.1, 1.5, 15), [-1, 0, 1], [280, 300, 340], 0.05, seed)]


def switching(card: Card, seed: int) -> list[str]:
    """Amplitudes by widths, over six decades of time."""
    return [synthetic.switching_table(card, np.linspace(1.5, 5.0, 12), np.geomspace(1e-8, 1e-2, 13), 0.02, seed)]


def rtn(noise: float, minor: float = 0.0) -> Callable[[Card, int], list[str]]:
    """Traces at three voltages."""

    def make(card: Card, seed: int) -> list[str]:
        return [synthetic.rtn_table(card, v, 1e-4, 20_000, noise, seed, minor=minor) for v in (1.4, 1.5, 1.6)]

    return make


def retention(card: Card, seed: int) -> list[str]:
    """Seven decades of time."""
    return [synthetic.retention_table(card, np.geomspace(1.0, 1e7, 40), 0.002, seed)]


def endurance(card: Card, seed: int) -> list[str]:
    """Nine decades of cycles."""
    return [synthetic.endurance_table(card, np.geomspace(1.0, 1e9, 60), 0.01, seed)]


CASES: dict[str, tuple[Kind, Callable[[Card, int], list[str]]]] = {
    "iv (5 % of the current)": ("iv", iv),
    "switching (0.02 of the fraction)": ("switching", switching),
    "rtn, noise 5 % of the step": ("rtn", rtn(0.05)),
    "rtn, noise 20 % of the step": ("rtn", rtn(0.2)),
    "rtn, noise 20 %, a second trap of 0.3": ("rtn", rtn(0.2, 0.3)),
    "retention (0.2 % of the initial one)": ("retention", retention),
    "endurance (1 % of P_r)": ("endurance", endurance),
}


@dataclass
class Tally:
    """What the trials of one case gave."""

    held: dict[str, int] = field(default_factory=dict)
    pulls: dict[str, list[float]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    seconds: float = 0.0


def run_case(kind: Kind, make: Callable[[Card, int], list[str]], trials: int, folder: Path, first: int = 0) -> Tally:
    """Runs the trials of one case."""
    truth, tally = load_card("hzo_mfis_nominal"), Tally()
    for trial in range(first, first + trials):
        files = []
        for k, text in enumerate(make(truth, trial)):
            files.append(folder / f"{kind}{k}.csv")
            files[-1].write_text(text, encoding="utf-8")
        begin = time.perf_counter()
        try:
            result = fit(FitOrder({kind: files}, changes=[f"{name}={value!r}" for name, value in BASE.items()]))
        except FtjSpiceError as error:
            tally.refused.append(str(error))
            continue
        finally:
            tally.seconds += (time.perf_counter() - begin) / trials
        for e in result.outcomes[0].estimates:
            true = getattr(truth, e.name)
            tally.held[e.name] = tally.held.get(e.name, 0) + (e.low <= true <= e.high)
            tally.pulls.setdefault(e.name, []).append((e.value - true) / max((e.high - e.low) / 3.92, 1e-300))
    return tally


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", "--trials", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    fewest = int(stats.binom.ppf(UNLIKELY, options.trials, 0.95))
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for k, (title, (kind, make)) in enumerate(CASES.items()):
            tally = run_case(kind, make, options.trials, Path(folder), first=10_000 * k)
            share = sum(tally.held.values()) / max(options.trials * len(tally.held), 1)
            good &= share >= NEEDED and min(tally.held.values(), default=0) >= fewest
            found[title] = {
                "seconds": tally.seconds, "refused": len(tally.refused), "held": tally.held, "share": share,
                "pull": {name: float(np.mean(pulls)) for name, pulls in tally.pulls.items()},
            }  # fmt: skip
            if not options.json:
                print(f"{title}: {100 * share:.1f} % hold, {tally.seconds:.2f} s a fit, {len(tally.refused)} refused")
                for name, n in tally.held.items():
                    print(f"  {name:<22} {n:3d} of {options.trials}   mean pull {np.mean(tally.pulls[name]):+.2f}")
                for sentence in sorted(set(tally.refused))[:3]:
                    print(f"  refused: {sentence}")
    if options.json:
        print(json.dumps(found, indent=2))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
