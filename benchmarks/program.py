"""Programming an array: speed, levels, failed cells, half-select disturb, and agreement with ngspice.

    python benchmarks/program.py [--rows 256] [--json] [--no-ngspice]

Speed: the whole array to 16 levels, cold (first run of this process, compiled code from the cache) and warm. Levels:
residual error by level at the default tolerance. Stuck: the list of failed cells of the same array with 1 % stuck
devices. Disturb: share of domains that one pulse of 3.5 V and 1 us on neighbours flips, against our reference figures,
and the same array written with each scheme. Agreement: pulse counts and final levels of small arrays, vectorised and
in ngspice transients, over several draws of devices.
"""

import argparse
import json
import time
from typing import Any

import numpy as np

from ftj_spice.array.writing.devices import draw_devices
from ftj_spice.array.writing.disturb import half_select
from ftj_spice.array.writing.sequence import program
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.array.writing.spice import NgspiceChip
from ftj_spice.array.writing.targets import read_targets
from ftj_spice.array.writing.vector import VectorChip
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import load_card
from ftj_spice.studies.program import program as study

REFERENCE = {("v2", "same column"): 0.012, ("v3", "same column"): 0.0003}
COARSE = {
    "groups": 6, "levels": 6, "passes": 1, "set": {"start": 2.2, "step": 0.2, "limit": 4.0},
    "reset": {"start": 1.4, "step": 0.1, "limit": 4.0},
}  # fmt: skip


def levels_of(shape: tuple[int, int], levels: int, seed: int = 0) -> np.ndarray:
    """Returns random levels."""
    return generator(seed, "benchmark-levels").integers(0, levels, shape)


def speed(rows: int) -> dict[str, Any]:
    """Returns times of the whole study without files, and what came out."""
    target = levels_of((rows, rows), 16)
    out: dict[str, Any] = {}
    for name in ("cold", "warm"):
        begin, cpu = time.perf_counter(), time.process_time()
        done = study(target)
        out[f"{name}, wall, s"] = time.perf_counter() - begin
        out[f"{name}, CPU of all threads, s"] = time.process_time() - cpu
    out["metrics"] = done.metrics
    return out


def stuck(rows: int) -> dict[str, Any]:
    """Returns what became of 1 % stuck devices."""
    done = study(levels_of((rows, rows), 16), settings=ProgramSettings(stuck=0.01))
    m = done.metrics
    return {"failed_by_reason": m["failed_by_reason"], **m["stuck"], "status": m["status"]}


def disturb() -> list[dict[str, Any]]:
    """Returns the half-select table."""
    return [
        {
            "scheme": h.scheme, "place": h.place, "voltage": h.voltage, "flips": float(h.flips[0]),
            "by 16 groups": float(h.grouped[0]), "reference": REFERENCE.get((h.scheme, h.place)),
        }
        for h in half_select(load_card("hzo_mfis_nominal"), 3.5, 1e-6)
    ]  # fmt: skip


def schemes(rows: int) -> list[dict[str, Any]]:
    """Returns disturb and effort of the same array under each scheme, one pass."""
    found = []
    for scheme, topology in (("v2", "crossbar"), ("v3", "crossbar"), ("inhibit", "1t1f")):
        m = study(
            levels_of((rows, rows), 16), settings=ProgramSettings(scheme=scheme, topology=topology, passes=1, groups=64)
        ).metrics
        found.append(
            {
                "scheme": scheme, "topology": topology, "rows": rows, "disturb rms": m["disturb_steps"]["rms"],
                "disturb largest": m["disturb_steps"]["largest"], "failed": m["failed_by_reason"],
                "pulses": m["pulses"]["mean"],
            }
        )  # fmt: skip
    return found


def agreement(draws: int) -> list[dict[str, Any]]:
    """Returns pulse counts and final levels, vectorised against ngspice."""
    card = load_card("hzo_mfis_nominal")
    cases = [
        ("one cell, 16 groups", (1, 1), {}, draws),
        ("3 x 4, 6 groups, coarse", (3, 4), COARSE, max(draws // 2, 1)),
    ]
    found = []
    for name, shape, changes, count in cases:
        same = cells = 0
        worst, worst_same, times = 0.0, 0.0, {"vectorised": 0.0, "ngspice": 0.0}
        retries = transients = 0
        for seed in range(count):
            settings = ProgramSettings.parse(changes, "case")
            targets = read_targets(levels_of(shape, settings.levels, seed), card, settings)
            devices = draw_devices(card, shape, settings, seed)
            results = []
            for kind in (VectorChip, NgspiceChip):
                with kind(card, devices, settings) as chip:
                    begin = time.perf_counter()
                    results.append(program(chip, targets, settings, seed))
                    times["ngspice" if kind is NgspiceChip else "vectorised"] += time.perf_counter() - begin
                    if isinstance(chip, NgspiceChip):
                        retries, transients = retries + chip.retries, transients + chip.transients
            a, b = results
            equal = a.pulses == b.pulses
            same, cells = same + int(equal.sum()), cells + equal.size
            off = np.abs(a.conductance - b.conductance) / a.step
            worst = max(worst, float(off.max()))
            worst_same = max(worst_same, float(off[equal].max(initial=0.0)))
        found.append(
            {
                "case": name, "draws": count, "cells": cells, "equal pulse counts": same,
                "largest difference, level steps": worst, "among equal counts": worst_same, "seconds": times,
                "transients": transients, "repeated with finer steps": retries,
            }
        )  # fmt: skip
    return found


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-ngspice", action="store_true")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"disturb": disturb(), "speed": speed(arguments.rows), "stuck": stuck(arguments.rows)}
    result["schemes"] = schemes(min(arguments.rows, 64))
    if not arguments.no_ngspice:
        result["agreement"] = agreement(arguments.draws)
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for part, values in result.items():
        print(part)
        if isinstance(values, list):
            for row in values:
                print(
                    "  " + ", ".join(f"{k}: {v:.4g}" if isinstance(v, float) else f"{k}: {v}" for k, v in row.items())
                )
            continue
        for name, value in values.items():
            if name != "metrics":
                print(f"  {name:<40} {value:.4g}" if isinstance(value, float) else f"  {name:<40} {value}")
                continue
            for key in ("status", "within_tolerance", "pulses", "energy_J", "error_steps", "disturb_steps"):
                print(f"  {key:<40} {value[key]}")
            print(f"  verify_against_whole_array {value.get('verify_against_whole_array')}")
            for level in value["error_by_level"]:
                q = level["quantiles_5_50_95"]
                print(
                    f"    level {level['level']:>2}: {level['cells']} cells, mean {level['mean']:+.3f}, "
                    f"sigma {level['sigma']:.3f}, 5/50/95 % {q[0]:+.3f}/{q[1]:+.3f}/{q[2]:+.3f}, "
                    f"largest {level['largest']:.3f}"
                )


if __name__ == "__main__":
    main()
