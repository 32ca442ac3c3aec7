"""Telegraph noise through amplifier and comparator at transistor level: how often the bit differs from the trap.

    python benchmarks/periphery_rtn.py [--process sky130] [--dwells 120] [--jobs 2] [--plot rtn.png] [--json]

One cell of a 64-cell column in its low-resistance state stands at V_RTN over the virtual ground; its trap follows a
recorded history of exponential dwell times, 1 us to 1 ms on the mean. Cases: the nominal card (0.29 nA of 9.7 nA,
100 Mohm), the same cell with a trap of a tenth of its current, and the card `high_current` (0.29 uA of 9.7 uA,
100 kohm). At the amplifier's output stand both continuous comparators, with trip points near 8 mV for steps of 29 mV.
The line is what a mere delay does, `(1 - exp(-2 delay / dwell)) / 2`, with the delay of a single edge from a transient
of its own.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.rig import Condition
from ftj_spice.periphery.rtn import Block, Channel, delays, late_disagreement, record
from ftj_spice.results.plots.style import CLOSED_FORM, SIMULATED, save_figure, styled

DWELLS = (1e-6, 3e-6, 10e-6, 30e-6, 100e-6, 300e-6, 1e-3)
FINER = {"diodes": 4, "crossed": 5}


def channels(process_name: str) -> dict[str, tuple[Channel, float]]:
    """Returns the cases by title, and how long each takes to settle."""
    process = load_process(process_name)
    condition = Condition(process, process.typical)
    comparator = Block.named("static_hysteresis", **FINER)
    # The differentiator must be slower than the amplifier: 100 us after 4 us, 2 us after 0.1 us.
    slow = (comparator, Block.named("rc_edge", **FINER, r=1e8))
    fast = (comparator, Block.named("rc_edge", **FINER))
    nominal = Channel(load_card("hzo_mfis_nominal"), condition, Block.named("tia_two_stage"), slow)
    return {
        "nominal card, 100 MΩ": (nominal, 600e-6),
        "nominal card, trap of 10 %": (replace(nominal, amplitude=0.1), 600e-6),
        "high_current card, 100 kΩ": (
            Channel(load_card("high_current"), condition, Block.named("tia_fast"), fast),
            20e-6,
        ),
    }


def measure(process_name: str, dwells: int, jobs: int, seed: int) -> list[dict[str, Any]]:
    """Returns one entry per case, comparator and dwell time."""
    cases = channels(process_name)

    def case_delays(title: str) -> dict[str, float]:
        channel, rest = cases[title]
        with NgspiceEngine(1) as engine:
            return delays(channel, rest, engine)

    def recording(task: tuple[str, float]) -> Any:
        with NgspiceEngine(1) as engine:
            return record(cases[task[0]][0], task[1], dwells, seed, engine)

    tasks = [(title, dwell) for title in cases for dwell in DWELLS]
    with ThreadPoolExecutor(jobs) as pool:
        late = dict(zip(cases, pool.map(case_delays, cases), strict=True))
        recordings = list(pool.map(recording, tasks))
    return [
        {
            "case": title, "comparator": name, "dwell": dwell, "disagreement": share, "error": one.error[name],
            "missed": one.missed[name], "false": one.false[name], "delay": late[title][name],
            "law": float(late_disagreement(late[title][name], dwell)),
        }
        for (title, dwell), one in zip(tasks, recordings, strict=True)
        for name, share in one.disagreement.items()
    ]  # fmt: skip


@styled
def plot(rows: list[dict[str, Any]], process_name: str) -> Figure:
    """Returns the disagreement over the dwell time, one panel per case."""
    titles = list(dict.fromkeys(row["case"] for row in rows))
    names = list(dict.fromkeys(row["comparator"] for row in rows))
    figure = Figure(figsize=(7.0, 3.3), layout="constrained")
    panels = figure.subplots(1, len(titles), sharex=True, sharey=True)
    for axes, title in zip(panels, titles, strict=True):
        for name, colour, marker in zip(names, (SIMULATED, CLOSED_FORM), "os", strict=False):
            here = [row for row in rows if row["case"] == title and row["comparator"] == name]
            dwell = 1e6 * np.array([row["dwell"] for row in here])
            share, error = (100.0 * np.array([row[key] for row in here]) for key in ("disagreement", "error"))
            fine = np.geomspace(dwell[0], dwell[-1], 100)
            delay = here[0]["delay"]
            axes.plot(fine, 100.0 * late_disagreement(1e6 * delay, fine), color=colour, lw=0.9)
            axes.errorbar(dwell, share, error, fmt=marker, ms=4, capsize=2, color=colour, label=name)
            axes.text(
                0.04, 0.05 + 0.09 * (name == names[0]), f"delay {1e6 * delay:.2g} µs", color=colour, fontsize=8,
                transform=axes.transAxes,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_yticks([0.1, 1, 10, 50], ["0.1", "1", "10", "50"])
        axes.set_title(title)
    panels[0].set_ylabel("samples that differ from the trap (%)")
    panels[1].set_xlabel(f"mean dwell time (µs); {process_name}; lines: a mere delay")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--process", default="sky130")
    parser.add_argument("--dwells", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measure(arguments.process, arguments.dwells, arguments.jobs, arguments.seed)
    if arguments.plot:
        save_figure(arguments.plot, plot(rows, arguments.process))
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['case']:28} {row['comparator']:18} dwell {1e6 * row['dwell']:6.0f} us: "
            f"{row['disagreement']:7.2%} +- {row['error']:.2%}, mere delay of {1e6 * row['delay']:.2f} us "
            f"{row['law']:7.2%}; missed {row['missed']:.0%}, false {row['false']:.0%}"
        )


if __name__ == "__main__":
    main()
