"""Offset of the StrongARM latch: Monte Carlo of transients against an estimate by hand, and its law of area.

    python benchmarks/periphery_offset.py [--process sky130] [--draws 100] [--jobs 2] [--plot offset.png] [--json]

- The estimate knows nothing of transients, clocks or Monte Carlo. Operating points of single transistors give the gate
  voltage that each mismatch parameter of the process costs. For the input pair the point is that of pair and tail at
  the beginning of an evaluation; two devices differ by sqrt(2) of one. The n-channel half of the latch adds its own
  spread over the gain at the moment it turns on: `gm / I dV`, with the pair's gm and current and the drop dV of its
  drains up to then (B. Razavi, IEEE Solid-State Circuits Magazine 7(2), 12-17 (2015)). The p-channel half and the
  switches are left out.
- The law: input pair alone scaled (W and L), with mismatch of the pair only and of all devices; then all devices
  scaled. A power law is fitted to sigma over the gate area; 1/sqrt(area) is an exponent of -0.5.
- Seconds for the draws of the default sizes.

Sigma of n draws has a standard error of 1/sqrt(2 (n - 1)), as for normal numbers; every size has draws of its own.
"""

import argparse
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.protocol import OperatingPoint
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.models import Size, model_text
from ftj_spice.netlist.process.process import Process, load_process
from ftj_spice.periphery.benches.clocked_comparator import BENCH
from ftj_spice.periphery.clocked import ClockedComparatorSettings
from ftj_spice.periphery.mismatch import Bias, gate_spread
from ftj_spice.periphery.rig import Condition, Netlist, Rig
from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, save_figure, styled

VARIANT = load_variant("strongarm")
SCALES = (0.7071, 1.0, 1.4142, 2.0)
SCALES_ALL = (1.0, 1.4142, 2.0, 2.8284)
WIDTHS = ("w_in", "w_latch", "w_tail", "w_reset")


def only_pair(netlist: Netlist) -> Netlist:
    """Returns the netlist with the mismatch of all transistors but the input pair's taken out."""
    text = re.sub(r"(?m)^(xm_(?!inp |inn ).*?)((?: z\w+=\S+)+)$", lambda match: match[1], netlist.text)
    return Netlist(text, netlist.deck)


def offsets(
    process: Process, changes: dict[str, float], draws: int, seed: int, jobs: int, pair: bool = False
) -> np.ndarray:
    """Returns the offsets of so many draws in V."""
    card = load_card("hzo_mfis_nominal")
    engines: SimpleQueue[NgspiceEngine] = SimpleQueue()

    def draw(number: int) -> float:
        engine = engines.get()
        try:
            condition = Condition(process, process.typical, mismatch=(seed, number))
            rig = Rig(VARIANT, condition, card, engine, changes)
            netlist = only_pair(BENCH.netlist(rig)) if pair else BENCH.netlist(rig)
            with rig.open(netlist) as session:
                return BENCH.circuit(rig, session).threshold()
        finally:
            engines.put(engine)

    started = [NgspiceEngine(1) for _ in range(jobs)]
    for engine in started:
        engines.put(engine)
    try:
        with ThreadPoolExecutor(jobs) as pool:
            return np.array(list(pool.map(draw, range(draws))))
    finally:
        for engine in started:
            engine.close()


def estimate(process: Process, changes: dict[str, float]) -> dict[str, float]:
    """Returns sigma of the offset by hand: of the pair, of the latch referred to the input, of both."""
    p = VARIANT.numbers(process.name, changes)
    common, vdd = ClockedComparatorSettings().common_mode, process.supplies["core"]
    corner = process.typical
    with NgspiceEngine(1) as engine:
        # The drains fall from the supply by about a threshold while the pair alone works.
        drain = vdd - 0.25
        tail = _tail_voltage(engine, process, p, common, drain)
        pair = gate_spread(process, corner, "nmos", p["w_in"], p["l_in"], Bias(common, drain, tail), engine)

        def excess(source: float) -> float:
            bias = Bias(vdd, vdd, source)
            return gate_spread(process, corner, "nmos", p["w_latch"], p["l"], bias, engine).current - 0.5 * pair.current

        source = brentq(excess, 0.2 * vdd, vdd - 0.25, xtol=1e-3)
        latch = gate_spread(process, corner, "nmos", p["w_latch"], p["l"], Bias(vdd, vdd, source), engine)
    gain = pair.transconductance / pair.current * (vdd - source)
    of_pair, of_latch = 2**0.5 * pair.sigma, 2**0.5 * latch.sigma / gain
    return {"pair": of_pair, "latch": of_latch, "both": float(np.hypot(of_pair, of_latch)), "gain": gain}


def _tail_voltage(engine: NgspiceEngine, process: Process, p: dict[str, float], common: float, drain: float) -> float:
    sizes = [Size("nmos", p["w_in"], p["l_in"]), Size("nmos", p["w_tail"], p["l"])]
    model = process.devices["nmos"].model
    pair, tail = (f"{model} w={1e6 * size.width:.9g} l={1e6 * size.length:.9g}" for size in sizes)
    netlist = (
        f"* pair and tail at the beginning of an evaluation\n{model_text(process, process.typical, sizes)}"
        f"vd d 0 {drain}\nvin in 0 {common}\nvclk clk 0 {process.supplies['core']}\n"
        f"x1 d in tail 0 {pair}\nx2 d in tail 0 {pair}\nx3 tail clk 0 0 {tail}\n.end\n"
    )
    with engine.open(netlist) as session:
        return float(session.run(OperatingPoint(), ["v(tail)"])["v(tail)"][0])


def power_law(areas: np.ndarray, sigmas: np.ndarray, draws: int) -> tuple[float, float]:
    """Returns exponent and standard error of sigma over area, from a straight line through the logarithms."""
    x = np.log(areas) - np.log(areas).mean()
    error = 1.0 / np.sqrt(2.0 * (draws - 1))
    return float(x @ np.log(sigmas) / (x @ x)), float(error / np.sqrt(x @ x))


def scaled(process: Process, factor: float, everything: bool) -> dict[str, float]:
    """Returns sizes with both dimensions times a factor; whole nanometres."""
    p = VARIANT.numbers(process.name)
    names = (*WIDTHS, "l_in", "l") if everything else ("w_in", "l_in")
    return {name: round(p[name] * factor, 9) for name in names}


def measure(process_name: str, draws: int, jobs: int) -> dict[str, Any]:
    """Returns all results of one process."""
    process = load_process(process_name)
    started = time.perf_counter()
    default = offsets(process, {}, draws, 1, jobs)
    seconds = time.perf_counter() - started
    error = 1.0 / np.sqrt(2.0 * (draws - 1))
    sigma, by_hand = float(default.std(ddof=1)), estimate(process, {})
    alone = float(offsets(process, {}, draws, 1, jobs, pair=True).std(ddof=1))
    found: dict[str, Any] = {
        "process": process_name, "draws": draws, "seconds": seconds, "jobs": jobs, "relative_error_of_sigma": error,
        "sigma": sigma, "mean": float(default.mean()), "sigma_pair_only": alone, "estimate": by_hand,
        "deviation": by_hand["both"] / sigma - 1.0, "deviation_pair": by_hand["pair"] / alone - 1.0, "laws": {},
    }  # fmt: skip
    for title, factors, everything, pair in (
        ("input pair scaled, its mismatch alone", SCALES, False, True),
        ("input pair scaled, all mismatch", SCALES, False, False),
        ("all devices scaled", SCALES_ALL, True, False),
    ):
        sizes = [scaled(process, factor, everything) for factor in factors]
        areas = np.array([size["w_in"] * size["l_in"] for size in sizes])
        sigmas = np.array(
            [
                offsets(process, size, draws, 10 + 10 * everything + number, jobs, pair).std(ddof=1)
                for number, size in enumerate(sizes)
            ]
        )
        by_hand_too = np.array([estimate(process, size)["pair" if pair else "both"] for size in sizes])
        exponent, exponent_error = power_law(areas, sigmas, draws)
        found["laws"][title] = {
            "areas": areas.tolist(), "sigmas": sigmas.tolist(), "estimates": by_hand_too.tolist(),
            "exponent": exponent, "exponent_error": exponent_error,
            "exponent_of_estimate": power_law(areas, by_hand_too, draws)[0],
        }  # fmt: skip
    return found


@styled
def plot(found: dict[str, Any]) -> Figure:
    """Returns sigma over the input pair's area: Monte Carlo with error bars, estimates, fitted exponents."""
    figure = Figure(figsize=(7.0, 3.4), layout="constrained")
    all_axes = figure.subplots(1, 3, sharey=True)
    for axes, (title, law) in zip(all_axes, found["laws"].items(), strict=True):
        areas, sigmas = 1e12 * np.array(law["areas"]), 1e3 * np.array(law["sigmas"])
        axes.errorbar(
            areas, sigmas, sigmas * found["relative_error_of_sigma"], fmt="o", ms=4, capsize=2.5, color=SIMULATED,
            label=f"Monte Carlo, {found['draws']} draws",
        )  # fmt: skip
        axes.plot(areas, 1e3 * np.array(law["estimates"]), color=CLOSED_FORM, label="estimate by hand")
        middle = np.exp(np.log(sigmas).mean())
        law_line = middle * (areas / np.exp(np.log(areas).mean())) ** -0.5
        axes.plot(areas, law_line, ls="--", color=NOTE, lw=0.9, label=r"1/$\sqrt{\mathrm{area}}$")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(areas, [f"{area:.3g}" for area in areas])
        axes.set_yticks([1, 1.5, 2, 3, 4, 5], ["1", "1.5", "2", "3", "4", "5"])
        axes.minorticks_off()
        axes.set_title(title.replace(", ", ",\n"))
        axes.text(
            0.04, 0.04, f"exponent {law['exponent']:.2f} ± {law['exponent_error']:.2f}", transform=axes.transAxes,
            fontsize=8.5,
        )  # fmt: skip
    all_axes[0].set_ylabel("sigma of the offset (mV)")
    all_axes[1].set_xlabel(f"gate area of one input transistor (µm²); StrongARM latch in {found['process']}")
    figure.legend(*all_axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--process", default="sky130")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.process, arguments.draws, arguments.jobs)
    if arguments.plot:
        save_figure(arguments.plot, plot(found))
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    hand = found["estimate"]
    print(f"{found['process']}: {found['draws']} draws in {found['seconds']:.1f} s with {found['jobs']} workers")
    print(
        f"sigma {1e3 * found['sigma']:.2f} mV (standard error {found['relative_error_of_sigma']:.0%}), by hand "
        f"{1e3 * hand['both']:.2f} mV ({found['deviation']:+.0%}): pair {1e3 * hand['pair']:.2f}, latch "
        f"{1e3 * hand['latch']:.2f} mV behind a gain of {hand['gain']:.1f}"
    )
    print(
        f"mismatch of the pair only: sigma {1e3 * found['sigma_pair_only']:.2f} mV, by hand "
        f"{1e3 * hand['pair']:.2f} mV ({found['deviation_pair']:+.0%})"
    )
    for title, law in found["laws"].items():
        pairs = ", ".join(
            f"{1e12 * area:.3g} um2 {1e3 * sigma:.2f} ({1e3 * hand_too:.2f})"
            for area, sigma, hand_too in zip(law["areas"], law["sigmas"], law["estimates"], strict=True)
        )
        print(f"{title}: exponent {law['exponent']:.3f} +- {law['exponent_error']:.3f}; sigma (by hand) in mV: {pairs}")


if __name__ == "__main__":
    main()
