"""The device model against published tables, its three witnesses against each other, and its speed.

    python benchmarks/device.py [--plot FILE.png] [--json]

Tables: switched fractions of set A and of the nominal card, from 2e5 random domains and by quadrature, against the
published table. Witnesses: largest deviation of static currents and write transients between numpy, ngspice and VACASK
over the grid of the tests, and with --plot the write transients drawn over each other. Speed: domain updates of the
stochastic model, trap transitions, and the ngspice write transient of one cell with 16 domain groups against the same
circuit with a linear capacitor and resistor (whole commands in alternation, and the analysis alone).
"""

import argparse
import json
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ftj_spice.device.card import load_card
from ftj_spice.device.domains import DomainSwitching
from ftj_spice.device.dwells import simulate_constant
from ftj_spice.device.switching import switched_fraction
from ftj_spice.device.traps import Traps
from ftj_spice.device.waveform import Waveform
from ftj_spice.engines.ngspice.locate import find_command
from ftj_spice.engines.witness import open_witness
from ftj_spice.netlist.dynamic import transient_bench

DOMAINS = 200_000
SET_A = {  # MV/cm: fractions after 1, 10 and 100 us
    1.0: (0.010, 0.071, 0.180),
    1.5: (0.225, 0.735, 0.890),
    2.0: (0.704, 0.967, 0.987),
    2.5: (0.919, 0.994, 0.998),
}
NOMINAL = {  # V: fractions by pulse length
    3.5: {1e-7: 0.33, 1e-6: 0.86, 1e-5: 0.98},
    4.0: {1e-7: 0.59, 1e-6: 0.98, 1e-5: 1.00},
    3.0: {1e-7: 0.13, 1e-6: 0.56, 1e-5: 0.86},
    2.5: {1e-6: 0.21},
}


def tables() -> dict[str, float]:
    """Returns the largest deviation from each table."""
    a, nominal = load_card("switching_set_a"), load_card("hzo_mfis_nominal")
    worst: dict[str, float] = {}

    def hold(name: str, found: float, expected: float) -> None:
        worst[name] = max(worst.get(name, 0.0), abs(found - expected))

    print(f"set A, {DOMAINS} domains (MV/cm; 1, 10, 100 us): simulated / quadrature / table")
    for field, row in SET_A.items():
        line = []
        for width, expected in zip((1e-6, 1e-5, 1e-4), row, strict=True):
            cell = DomainSwitching(a, domains=DOMAINS, seed=1)
            cell.step(width, field * 1e8 * a.ferroelectric_thickness)
            found = 0.5 * float(1.0 + cell.normalised[0])
            computed = float(switched_fraction(a, field * 1e8, width, DOMAINS))
            hold("set A, simulated", found, expected)
            hold("set A, quadrature", computed, expected)
            line.append(f"{found:.3f}/{computed:.3f}/{expected:.3f}")
        print(f"  {field:.1f}  " + "  ".join(line))
    print("nominal card, (V; width: simulated / table)")
    for volts, row in NOMINAL.items():
        line = []
        for width, expected in row.items():
            cell = DomainSwitching(nominal, domains=DOMAINS, seed=1)
            cell.step(width, volts)
            found = 0.5 * float(1.0 + cell.normalised[0])
            hold("nominal card", found, expected)
            line.append(f"{width:g} s: {found:.3f}/{expected:.2f}")
        print(f"  {volts:.1f}  " + "  ".join(line))
    return worst


def witnesses(plot: Path | None) -> dict[str, float]:
    """Returns the largest deviations between the witnesses, by quantity and pair; draws the transients."""
    card = load_card("hzo_mfis_nominal")
    volts = np.array([-4.0, -2.5, -1.0, -0.5, -0.05, 0.05, 0.5, 1.0, 1.5, 3.0, 4.0])
    pulses = Waveform.pulses([3.5, -3.8, 4.0, -4.0], 1e-7, 1e-9, 1e-7)
    loop = Waveform.triangle(4.0, 1e5, 2)
    worst: dict[str, float] = {}
    with open_witness("numpy") as a, open_witness("ngspice") as b, open_witness("vacask") as c:
        pairs = {"numpy - ngspice": (a, b), "numpy - vacask": (a, c), "ngspice - vacask": (b, c)}
        everyone = (a, b, c)
        for law in ("sinh", "linear", "physical"):
            for mixing in ("logarithmic", "parallel"):
                for area in (1e-14, 1e-12):
                    kind = card.with_values(law=law, mixing=mixing, area=area)
                    for s in (-1.0, -0.3, 0.5, 1.0):
                        for temperature in (250.0, 300.0, 400.0):
                            current = {w.name: w.static(kind, volts, s, temperature) for w in everyone}
                            for pair, (x, y) in pairs.items():
                                key = f"static current, relative, {law}: {pair}"
                                off = np.max(np.abs(current[y.name] / current[x.name] - 1.0))
                                worst[key] = max(worst.get(key, 0.0), float(off))
        responses = {}
        for name, waveform in (("pulses", pulses), ("loop", loop)):
            times = np.linspace(0.0, waveform.duration, 1500)
            responses[name] = {w.name: w.transient(card, waveform, times) for w in everyone}
            for pair, (x, y) in pairs.items():
                difference = responses[name][y.name].polarization - responses[name][x.name].polarization
                worst[f"write transient ({name}), P/P_r: {pair}"] = float(np.max(np.abs(difference)))
    if plot is not None:
        draw(responses, plot)
    return worst


def draw(responses: dict[str, Any], path: Path) -> None:
    """Draws the transients of all witnesses over each other."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    styles = {"numpy": ("k", "-", 3.5, 0.35), "ngspice": ("C0", "-", 1.2, 1.0), "vacask": ("C3", (0, (3, 3)), 1.2, 1.0)}
    figure, axes = plt.subplots(3, 1, figsize=(7.5, 8.0), layout="constrained")
    for name, run in responses["pulses"].items():
        colour, dashes, width, alpha = styles[name]
        more = {"color": colour, "ls": dashes, "lw": width, "alpha": alpha, "label": name}
        axes[0].plot(run.times * 1e9, run.polarization, **more)
        axes[1].plot(run.times * 1e9, run.current * 1e6, **more)
    for name, run in responses["loop"].items():
        colour, dashes, width, alpha = styles[name]
        second = run.times > 0.5 * run.times[-1]
        axes[2].plot(
            run.voltage[second], run.polarization[second], color=colour, ls=dashes, lw=width, alpha=alpha, label=name
        )
    axes[0].set(ylabel="P / P$_r$", title="nominal card: +3.5, -3.8, +4, -4 V, 100 ns, 1 ns edges")
    axes[1].set(xlabel="time (ns)", ylabel="terminal current (µA)")
    axes[2].set(xlabel="voltage (V)", ylabel="P / P$_r$", title="second period of a 100 kHz triangle, 4 V")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def speed() -> dict[str, float]:
    """Returns the figures of merit."""
    card = load_card("hzo_mfis_nominal")
    cells = DomainSwitching(card, 10, domains=100_000, seed=1)
    cells.step(1e-9, 2.0)  # compiled
    updates = []
    for repeat in range(5):
        for volts in (2.5, -3.0, 3.5, -3.5):
            begin = time.perf_counter()
            cells.step(1e-8 * (1 + repeat), volts)
            updates.append(time.perf_counter() - begin)
    traps = Traps.from_card(card, 64)
    streams = [(k,) for k in range(64)]
    simulate_constant(traps, 1.5, 1e-3, 1, streams)
    begin = time.perf_counter()
    history = simulate_constant(traps, 1.5, 160.0, 1, streams)
    taken = time.perf_counter() - begin

    waveform = Waveform.pulses([4.0, -4.0], 1e-7, 1e-9, 1e-7)
    junction = transient_bench(card, waveform, step=5e-9, reltol=1e-3)
    linear = re.sub(r"(?s)\.subckt.*?\.ends\n", "", junction)
    linear = linear.replace(
        "xcell plus minus trap polarization ftj", "rcell plus minus 1g\nccell plus minus 16.2f\nrp polarization 0 1"
    )
    whole: dict[str, list[float]] = {"junction": [], "linear": []}
    inside: dict[str, list[float]] = {"junction": [], "linear": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("junction", junction), ("linear", linear)):
            (Path(folder) / f"{name}.cir").write_text(text)
            looped = text.replace(
                ".end\n", ".control\nlet k = 0\nrepeat 40\nrun\ndestroy all\nend\nrusage elapsed\nquit\n.endc\n.end\n"
            )
            (Path(folder) / f"{name}-many.cir").write_text(looped)
        command = find_command()
        for _ in range(25):
            for name, taken_by in whole.items():
                begin = time.perf_counter()
                subprocess.run(
                    [command, "-b", "-r", "out.raw", f"{name}.cir"], cwd=folder, capture_output=True, check=True
                )
                taken_by.append(time.perf_counter() - begin)
        for _ in range(3):
            for name, taken_by in inside.items():
                begin = time.perf_counter()
                subprocess.run([command, "-b", f"{name}-many.cir"], cwd=folder, capture_output=True, check=False)
                taken_by.append((time.perf_counter() - begin - statistics.median(whole[name])) / 39.0)
    ratio = [a / b for a, b in zip(whole["junction"], whole["linear"], strict=True)]
    return {
        "1e6 domain updates, median, ms": 1e3 * statistics.median(updates),
        "1e6 domain updates, slowest of 20, ms": 1e3 * max(updates),
        "trap transitions per second": len(history.times) / taken,
        "write transient, whole command, junction, ms": 1e3 * statistics.median(whole["junction"]),
        "write transient, whole command, linear, ms": 1e3 * statistics.median(whole["linear"]),
        "write transient, whole command, ratio (median of pairs)": statistics.median(ratio),
        "write transient, analysis alone, ratio": statistics.median(inside["junction"])
        / statistics.median(inside["linear"]),
    }


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = {"tables": tables(), "witnesses": witnesses(arguments.plot), "speed": speed()}
    if arguments.json:
        print(json.dumps(result, indent=2))
        return
    for part, values in result.items():
        print(part)
        for name, value in values.items():
            print(f"  {name:<62} {value:.3g}")


if __name__ == "__main__":
    main()
