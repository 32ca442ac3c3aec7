"""What a macromodel adds to a fast run, and how well macromodels are fitted.

    python benchmarks/periphery_macromodel.py [--samples 500] [--rounds 3]

Runs `generate` with and without a periphery in turn and compares the least processor times (which other programs on the
machine disturb less than wall times): at most 20 % more. Then lists the packaged macromodels' fit errors.
"""

import argparse
import time

from ftj_spice.periphery.macromodel import available_macromodels, load_macromodel
from ftj_spice.studies.generate import generate
from ftj_spice.studies.settings import RunSettings

ALLOWED = 0.20


def seconds(name: str | None, samples: int) -> tuple[float, float]:
    """Returns the processor and the wall time of a run."""
    changes = {"samples": samples, "audit": 0, "periphery": name, "engine": {"sample": "fast", "read": "fast"}}
    settings = RunSettings.parse(changes, "benchmark")
    cpu, wall = time.process_time(), time.perf_counter()
    generate(settings)
    return time.process_time() - cpu, time.perf_counter() - wall


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    names = [None, "integrator_sar"]
    for name in names:  # compiles
        seconds(name, 2)
    times = {name: [] for name in names}
    for _ in range(arguments.rounds):
        for name in names:
            times[name].append(seconds(name, arguments.samples))
    least = {name: [min(values) for values in zip(*found, strict=True)] for name, found in times.items()}
    for kind, place in (("processor", 0), ("wall", 1)):
        plain = least[None][place]
        for name in names[1:]:
            more = least[name][place] / plain - 1.0
            verdict = "within" if more <= ALLOWED else "BEYOND"
            print(f"{kind:9} {arguments.samples} images: {plain:.2f} s, {name}: {least[name][place]:.2f} s, "
                  f"{more:+.1%} ({verdict} {ALLOWED:.0%})")  # fmt: skip
    for name in available_macromodels():
        fit = load_macromodel(name).fit
        if fit is not None:
            print(
                f"{name:28} fit error {fit.rms:.2g} rms, {fit.largest:.2g} largest ({fit.unit}, {fit.compared} reads)"
            )


if __name__ == "__main__":
    main()
