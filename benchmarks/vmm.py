"""Products on arrays, measured: sums as published arrays state them, error budgets, calibration, speed.

    python benchmarks/vmm.py [--vectors 1000] [--json]

- A 24 x 12 array at the card's nominal spread, without an error of programming: column currents with all chosen rows
  on against the sum of the cells' currents read one by one, over 1,000 random input patterns, relative to the
  full-scale sum. The closest published array, an AND-type one of 24 x 12 cells, states less than 1 % (Han et al.,
  Advanced Materials 2026, 10.1002/adma.202517440). Beside it, the error of the same array against the ideal weights.
- The error budgets of the MNIST decoder's two largest layers.
- What calibration and compensation of line drops leave of the error, on a 64 x 64 array of high-current cells.
- Seconds for the three layers of the MNIST decoder.
"""

import argparse
import json
import time
from typing import Any

import numpy as np

from ftj_spice.array.layer import forward
from ftj_spice.array.mapping import program
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.sums import sum_errors
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import load_card
from ftj_spice.engines.fast import FastReader
from ftj_spice.engines.readers import open_reader
from ftj_spice.generative.decoder import shipped
from ftj_spice.studies.settings import load_settings
from ftj_spice.studies.vmm import vmm

ROWS, COLUMNS = 24, 12


def sums(seed: int) -> list[dict[str, Any]]:
    """Returns the sum errors of arrays of 24 x 12 cells, one column per output at random levels."""
    found = []
    weights = generator(seed, "benchmark-weights").uniform(-1.0, 1.0, (ROWS, COLUMNS))
    for card_name, topology, line, integration, engine in (
        ("hzo_mfis_nominal", "crossbar", 2.0, 1e-5, "fast"),
        ("hzo_mfis_nominal", "crossbar", 2.0, 1e-5, "ngspice"),
        ("hzo_mfis_nominal", "crossbar", 2.0, 1e-4, "fast"),
        ("hzo_mfis_nominal", "and", 2.0, 1e-4, "fast"),
        ("high_current", "crossbar", 2.0, 1e-5, "fast"),
        ("high_current", "and", 2.0, 1e-5, "fast"),
        ("high_current", "and", 100.0, 1e-5, "fast"),
    ):
        card = load_card(card_name)
        read = ReadSettings(
            scheme="offset", topology=topology, line_resistance=line, integration_time=integration,
            verify_tolerance="none", cycle_spread=0.0, clip_percentile=100.0,
            integration_capacitance=100e-15 if card_name == "hzo_mfis_nominal" else 10e-12,
        )  # fmt: skip
        layer = program(weights, card, read, seed)
        circuit = array_circuit(layer.tiles[0].conductance, card, read)
        with open_reader(engine, jobs=0 if engine == "fast" else 1) as reader:
            quiet, noisy = (
                sum_errors(circuit, card.vmm_voltage, reader, read, seed=seed, noise=noise) for noise in (False, True)
            )
            inputs = generator(seed, "benchmark-inputs").uniform(-1.0, 1.0, (200, ROWS))
            product = forward(inputs, weights, None, card, read, seed=seed, reader=reader, full_scale=1.0,
                              probes=inputs)  # fmt: skip
        found.append(
            {
                "card": card_name,
                "topology": topology,
                "ohm_per_segment": line,
                "integration_time": integration,
                "engine": engine,
                "full_scale_current": quiet.full_scale,
                "sum_error_rms": quiet.rms,
                "sum_error_largest": quiet.largest,
                "with_noise_rms": noisy.rms,
                "with_noise_largest": noisy.largest,
                "error_against_ideal_weights_rms": product.error / product.full_scale,
            }
        )
    return found


def budgets(vectors: int, seed: int) -> dict[str, Any]:
    """Returns the error budgets of the MNIST decoder's layers 2 and 3, with verified cells and without."""
    found: dict[str, Any] = {}
    for layer in (2, 3):
        for name, changes in (("verified", ()), ("not verified", ("read.verify_tolerance=none",))):
            settings = load_settings(changes=(f"seed={seed}", "audit=0", *changes))
            result = vmm(f"mnist:{layer}", settings=settings, vectors=vectors)
            found[f"mnist:{layer}, {name}"] = result.metrics["budget"]
    return found


def corrections(seed: int) -> list[dict[str, Any]]:
    """Returns what calibration and compensation leave of the error that wires make."""
    rng = generator(seed, "benchmark-weights", 1)
    weights, inputs = rng.normal(size=(64, 32)) / 8, rng.normal(size=(200, 64))
    card = load_card("high_current")
    ideal = {"levels": 0, "verify_tolerance": 0.0, "clip_percentile": 100.0, "adc_bits": 0, "noise": False}
    found = []
    with FastReader() as reader:
        for line, driver in ((10.0, 1e3), (100.0, 1e3), (500.0, 1e3)):
            entry: dict[str, Any] = {"ohm_per_segment": line, "driver_resistance": driver}
            perfect = {"line_resistance": 0.0, "driver_resistance": 0.0}
            base = forward(inputs, weights, None, card, ReadSettings(**ideal | perfect), seed=seed, reader=reader)
            for name, change in {
                "as it is": {}, "calibrated": {"calibration": "linear"}, "compensated": {"ir_drop": "compensate"},
                "both": {"calibration": "linear", "ir_drop": "compensate"},
            }.items():  # fmt: skip
                read = ReadSettings(**ideal | {"line_resistance": line, "driver_resistance": driver} | change)
                result = forward(inputs, weights, None, card, read, seed=seed, reader=reader)
                error = float(np.sqrt(np.mean((result.outputs - base.outputs) ** 2)))
                entry[name] = error / result.full_scale
                entry.setdefault("reach", result.reach)
            found.append(entry)
    return found


def speed(vectors: int, seed: int) -> list[dict[str, Any]]:
    """Returns the seconds that each layer of the MNIST decoder takes."""
    card, decoder, read = load_card("hzo_mfis_nominal"), shipped("mnist"), ReadSettings()
    values = generator(seed, "benchmark-latents").standard_normal((vectors, decoder.latent_dim))
    found = []
    with FastReader() as reader:
        for number, layer in enumerate(decoder.layers):
            inputs = layer.gather(values)
            begin = time.perf_counter()
            result = forward(
                inputs, layer.matrix, layer.matrix_bias, card, read, seed=seed, reader=reader, number=number,
                signed=number == 0, probes=None if number == 0 else inputs[:256],
            )  # fmt: skip
            seconds = time.perf_counter() - begin
            found.append(
                {
                    "layer": number + 1,
                    "tiles": len(result.layer.tiles),
                    "reads": result.reads,
                    "seconds": seconds,
                    "microseconds_per_read": 1e6 * seconds / result.reads,
                    "methods": dict(result.methods),
                    "effective_bits": result.effective_bits,
                }
            )
            values = decoder.hidden(layer(values))
    return found


def main() -> None:
    """Runs all and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vectors", type=int, default=1000, help="Input vectors of the speed measurement.")
    parser.add_argument("--budget-vectors", type=int, default=64, help="Input vectors of the budgets.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = {
        "sums_24_by_12": sums(options.seed),
        "corrections": corrections(options.seed),
        "budgets": budgets(options.budget_vectors, options.seed),
        "speed": speed(options.vectors, options.seed),
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for name in ("sums_24_by_12", "corrections", "speed"):
        print(f"\n{name}")
        for entry in result[name]:
            print("  " + ", ".join(f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
                                   for key, value in entry.items()))  # fmt: skip
    print("\nbudgets (rms error in % of full scale)")
    for name, budget in result["budgets"].items():
        print(f"  {name}")
        for entry in (*budget["contributions"], budget["together"]):
            print(f"    {entry['label']:<45s}{100 * entry['relative_to_full_scale']:10.2g}")
        print(f"    {'root of the sum of squares':<45s}{100 * budget['root_sum_square'] / budget['full_scale']:10.2g}")


if __name__ == "__main__":
    main()
