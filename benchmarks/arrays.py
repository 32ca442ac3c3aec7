"""Speed and agreement of the fast engine, side by side with ngspice, badcrossbar and its own direct solver in one run.

    python benchmarks/arrays.py [--quick] [--json] [--plot FILE] [--badcrossbar DIR] [--only PART ...]

Parts: `read` (a nonlinear 64 x 64 array against ngspice), `scaling` (64 to 1024: time per read, exponent, memory; each
size in a process of its own), `linear` (against badcrossbar: all node voltages and branch currents), `agreement`
(line resistances, conductances, topologies, laws and sizes against ngspice, VACASK and the direct solver),
`fallback` (reads with floating lines, which relaxation may have to leave to the direct solver).

badcrossbar (Joksas and Mehonic, SoftwareX 12, 100617 (2020)) is no dependency of ftj-spice: its own dependency pycairo
is compiled on installation. Without its plots it needs numpy and scipy only:
`pip install --no-deps --target DIR badcrossbar pathvalidate sigfig sortedcontainers`, then `--badcrossbar DIR`.
Without it that part is skipped. Run it on an idle machine; seconds are the best of several runs.
"""

import argparse
import contextlib
import itertools
import json
import logging
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ftj_spice.device.card import load_card
from ftj_spice.engines.errors import EngineError, EngineNotFoundError
from ftj_spice.engines.fast import FastReader
from ftj_spice.engines.ngspice.arrays import NgspiceReader
from ftj_spice.engines.readers import open_reader
from ftj_spice.engines.vacask.locate import find_simulator
from ftj_spice.netlist.circuit import TOPOLOGIES, ArrayCircuit, Cells, Drive, Line

CARD = load_card("hzo_mfis_nominal")
VOLTAGE = 0.5
LOW, HIGH = 1e-7, 2e-6  # S, conductances at V_VMM of the speed tables
SEGMENT = 2.0  # ohm
PARTS = ["read", "scaling", "linear", "agreement", "fallback"]
TARGETS = {
    "us_per_read": ("us per read, 64 x 64", 50.0, "at most"),
    "ngspice_ratio": ("ngspice / fast, 64 x 64", 1e4, "at least"),
    "ngspice_deviation": ("deviation from ngspice, 64 x 64", 1e-6, "at most"),
    "exponent": ("exponent of time over size", 2.2, "at most"),
    "seconds_1024": ("s per read, 1024 x 1024", 0.1, "at most"),
    "gigabytes_1024": ("GB, 1024 x 1024", 2.0, "at most"),
    "badcrossbar_ratio": ("badcrossbar / fast, one 128 x 128", 50.0, "at least"),
    "badcrossbar_deviation": ("deviation from badcrossbar", 1e-9, "at most"),
    "agreement_ngspice": ("worst deviation from ngspice", 1e-6, "at most"),
    "agreement_vacask": ("worst deviation from VACASK", 1e-6, "at most"),
    "agreement_direct": ("worst deviation from direct", 1e-8, "at most"),
}


def array(n: int, low: float, high: float, ohm: float, law: str = "sinh", topology: str = "crossbar") -> ArrayCircuit:
    """Returns a square array with wires, its conductances spread over a range."""
    g = np.exp(np.random.default_rng(n).uniform(np.log(low), np.log(high), (n, n)))
    return ArrayCircuit(Cells.of(CARD.with_values(law=law), g), topology, Line(ohm), Line(ohm))


def bits(circuit: ArrayCircuit, reads: int) -> Drive:
    """Returns random bits on the rows."""
    values = np.random.default_rng(reads).integers(0, 2, (reads, circuit.shape[0]))
    return circuit.drive_rows(VOLTAGE * values.astype(float))


def best(job: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Returns the shortest time of several runs in s, and the result."""
    seconds, result = np.inf, None
    for _ in range(repeats):
        begin = time.perf_counter()
        result = job()
        seconds = min(seconds, time.perf_counter() - begin)
    return seconds, result


def deviation(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Returns the largest deviation of a read, relative to its largest current."""
    scale = np.abs(theirs).max(axis=1, keepdims=True)
    return float((np.abs(ours - theirs) / np.where(scale > 0, scale, 1.0)).max())


def read(quick: bool) -> dict[str, Any]:
    """Times a nonlinear 64 x 64 array, a batch of 1,000, against further reads of a loaded ngspice netlist."""
    circuit = array(64, LOW, HIGH, SEGMENT)
    drive = bits(circuit, 1000)
    fast = FastReader(method="relaxation")
    begin = time.perf_counter()
    fast.read(circuit, drive.take(slice(0, 8)))
    first = time.perf_counter() - begin
    seconds, result = best(lambda: fast.read(circuit, drive), 5)
    few, many = (2, 4) if quick else (2, 10)
    with NgspiceReader(time_limit=600.0) as ngspice:
        ngspice.read(array(8, LOW, HIGH, SEGMENT), bits(array(8, LOW, HIGH, SEGMENT), 2))
        some, _ = best(lambda: ngspice.read(circuit, drive.take(slice(0, few))), 1)
        more, theirs = best(lambda: ngspice.read(circuit, drive.take(slice(0, many))), 1)
    each = (more - some) / (many - few)
    print(f"64 x 64, sinh, {SEGMENT:g} ohm per segment, {LOW:g} to {HIGH:g} S, batch of 1,000")
    print(f"  fast      {1e6 * seconds / 1000:10.1f} us per read ({result.methods}, first call {first:.1f} s)")
    print(f"  ngspice   {1e6 * each:10.0f} us per further read (the first {few} took {some:.1f} s)")
    return {
        "us_per_read": 1e6 * seconds / 1000,
        "ngspice_ratio": each / (seconds / 1000),
        "ngspice_deviation": deviation(result.currents[:many], theirs.currents),
        "first_call_s": first,
    }


def measure(n: int, reads: int) -> None:
    """Prints the seconds per read and the memory of this process, as JSON."""
    import resource

    circuit = array(n, LOW, HIGH, SEGMENT)
    drive = bits(circuit, reads)
    fast = FastReader(method="relaxation")
    fast.read(circuit, drive.take(slice(0, min(reads, 8))))
    seconds, result = best(lambda: fast.read(circuit, drive), 3)
    factor = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * factor
    print(json.dumps({"n": n, "seconds": seconds / reads, "bytes": peak, "methods": dict(result.methods)}))


def scaling(quick: bool) -> dict[str, Any]:
    """Times reads of growing arrays, each size in a process of its own."""
    sizes = {64: 1000, 128: 256, 256: 64, 512: 16, 1024: 8}
    rows = []
    print(f"\nScaling, sinh, {SEGMENT:g} ohm per segment, {LOW:g} to {HIGH:g} S")
    print("     n      ms per read   memory MB")
    for n, reads in sizes.items():
        command = [sys.executable, __file__, "--measure", str(n), str(max(1, reads // (4 if quick else 1)))]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(f"  {n:4d}  {1e3 * rows[-1]['seconds']:14.3f}  {rows[-1]['bytes'] / 1e6:10.0f}")
    exponent = np.polyfit(np.log([r["n"] for r in rows]), np.log([r["seconds"] for r in rows]), 1)[0]
    print(f"  time grows as n^{exponent:.2f}")
    return {
        "scaling": rows,
        "exponent": float(exponent),
        "seconds_1024": rows[-1]["seconds"],
        "gigabytes_1024": rows[-1]["bytes"] / 1e9,
    }


def linear(quick: bool, folder: Path | None) -> dict[str, Any]:
    """Compares with badcrossbar: every node voltage and branch current of linear arrays, one read."""
    if folder is not None:
        sys.path.insert(0, str(folder))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import badcrossbar
        compute = badcrossbar.compute
    except (ImportError, AttributeError):
        print("\nbadcrossbar is not there (see --help), this part is skipped")
        return {}
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    fast = FastReader(tolerance=1e-13)
    found: dict[str, Any] = {"linear": []}
    print(f"\nLinear arrays, one read, all node voltages and branch currents, {SEGMENT:g} ohm, 1e-6 to 1e-4 S")
    print("     n   fast ms   badcrossbar ms   ratio   voltages     currents")
    worst = 0.0
    for n in (32, 64) if quick else (32, 64, 128):
        circuit = array(n, 1e-6, 1e-4, SEGMENT, "linear")
        drive = bits(circuit, 1)
        fast.solve(circuit, drive)
        ours_s, ours = best(lambda c=circuit, d=drive: fast.solve(c, d), 5)
        theirs_s, theirs = best(
            lambda c=circuit, d=drive: compute(d.lines.T.copy(), 1.0 / c.cells.strength, r_i=SEGMENT), 2
        )
        volts = max(
            np.abs(ours.driven[0] - theirs.voltages.word_line).max(),
            np.abs(ours.sensed[0] - theirs.voltages.bit_line).max(),
        )
        pairs = [
            (ours.cells[0], theirs.currents.device),
            (ours.driven_wires[0][:, :-1], theirs.currents.word_line),
            (ours.sensed_wires[0][:, 1:].T, theirs.currents.bit_line),
            (ours.currents, theirs.currents.output),
        ]
        amps = max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)
        worst = max(worst, volts / VOLTAGE, amps)
        found["linear"].append({"n": n, "fast": ours_s, "badcrossbar": theirs_s, "volts": volts, "amps": amps})
        print(
            f"  {n:4d} {1e3 * ours_s:9.2f} {1e3 * theirs_s:16.0f} {theirs_s / ours_s:7.0f}   "
            f"{volts:8.1e} V   {amps:8.1e}"
        )
    print("  agreement at n = 32 over line resistances and conductances (a decade each, top in S):")
    for ohm, top in itertools.product((0.1, 1.0, 10.0, 100.0), (1e-8, 1e-6, 1e-4)):
        circuit = array(32, top / 10, top, ohm, "linear")
        drive = bits(circuit, 1)
        theirs = compute(drive.lines.T.copy(), 1.0 / circuit.cells.strength, r_i=ohm).currents.output
        worst = max(worst, deviation(fast.solve(circuit, drive).currents, np.asarray(theirs)))
    print(f"    largest deviation of a column current {worst:.1e}")
    found["badcrossbar_ratio"] = found["linear"][-1]["badcrossbar"] / found["linear"][-1]["fast"]
    found["badcrossbar_deviation"] = worst
    return found


OHMS, TOPS = (0.1, 1.0, 10.0, 100.0), (1e-8, 1e-6, 1e-5, 1e-4)
EVERY = tuple(itertools.product(OHMS, TOPS))
CORNERS = ((0.1, 1e-8), (10.0, 1e-5), (100.0, 1e-4))


def points(n: int, witness: str, topology: str) -> tuple[tuple[float, float], ...]:
    """Returns the line resistances (ohm) and largest conductances (S) at which a witness is asked at a size."""
    if n == 8:
        return EVERY if witness != "vacask" else CORNERS
    if n <= 32 or witness == "direct":
        return CORNERS
    if witness == "ngspice":  # seconds to minutes each without KLU
        return CORNERS[:2] if topology == "crossbar" else ()
    return CORNERS if n == 64 or topology == "crossbar" else ()


def agreement(quick: bool) -> dict[str, Any]:
    """Compares reads over line resistances, conductances, topologies, laws and sizes."""
    sizes = (8, 16) if quick else (8, 16, 32, 64, 128)
    names = ("direct", "ngspice", "vacask") if vacask_is_there() else ("direct", "ngspice")
    rows = []
    print("\nAgreement: largest deviation of a current, relative to its read's largest one, two reads each")
    print("0.1 to 100 ohm per segment, conductances over a decade up to 10 nS ... 100 uS; in brackets: arrays compared")
    print("  topology  law        n   reads  to direct" + "".join(f"{'from ' + name:>20}" for name in names))
    with contextlib.ExitStack() as stack:
        fast = stack.enter_context(FastReader())
        witnesses = {"direct": FastReader(method="direct")}
        witnesses |= {name: stack.enter_context(open_reader(name)) for name in names[1:]}
        for topology, law, n in itertools.product(TOPOLOGIES, ("linear", "sinh"), sizes):
            row: dict[str, Any] = {"topology": topology, "law": law, "n": n, "reads": 0, "fell": 0}
            asked = {name: points(n, name, topology) if n <= 64 or name != "ngspice" else () for name in names}
            if n == 128:
                asked["direct"] = ()
            found: dict[str, list[float]] = {name: [] for name in names}
            for ohm, top in EVERY:
                wanted = [name for name in names if (ohm, top) in asked[name]]
                if not wanted:
                    continue
                circuit = array(n, top / 10, top, ohm, law, topology)
                drive = bits(circuit, 2)
                ours = fast.read(circuit, drive)
                row["reads"] += len(drive)
                row["fell"] += ours.methods.get("direct", 0)
                for name in wanted:
                    try:
                        found[name].append(deviation(ours.currents, witnesses[name].read(circuit, drive).currents))
                    except EngineError as error:
                        print(f"    {name} gave up at {ohm:g} ohm, {top:g} S: {str(error)[:90]}")
            if not row["reads"]:
                continue
            row |= {name: max(values, default=None) for name, values in found.items()}
            rows.append(row)
            shown = [f"{row[name]:.1e} ({len(found[name])})" if found[name] else "-" for name in names]
            print(
                f"  {topology:<9} {law:<7} {n:4d} {row['reads']:7d} {row['fell']:10d}"
                + "".join(f"{text:>20}" for text in shown)
            )
    numbers = {f"agreement_{name}": max(r[name] for r in rows if r[name] is not None) for name in names}
    return {"agreement": rows, "fell_back": sum(r["fell"] for r in rows), **numbers}


def fallback(quick: bool) -> dict[str, Any]:
    """Reads one cell with every other line floating: sneak paths, where sweeps contract slowly or not at all."""
    names = ("direct", "ngspice", "vacask") if vacask_is_there() else ("direct", "ngspice")
    print("\nOne row driven, one column sensed, all other lines floating (sneak paths), and how it was solved")
    print("coupling: factor on the cells that join the read lines to the floating ones")
    print("     n   ohm      S up to   coupling   solved by " + "".join(f"{'from ' + name:>15}" for name in names))
    rows = []
    with contextlib.ExitStack() as stack:
        fast = stack.enter_context(FastReader())
        witnesses: dict[str, Any] = {"direct": FastReader(method="direct")}
        witnesses |= {name: stack.enter_context(open_reader(name)) for name in names[1:]}
        n = 8  # ngspice needs minutes to give up on more
        for (ohm, top), coupling in itertools.product(EVERY[::5] if quick else EVERY, (1.0, 1e-5)):
            circuit = array(n, top / 10, top, ohm)
            strength = circuit.cells.strength.copy()
            strength[0, 1:] *= coupling
            strength[1:, 0] *= coupling
            circuit = replace(circuit, cells=replace(circuit.cells, strength=strength))
            others = np.arange(n) > 0
            drive = Drive(np.full((1, n), VOLTAGE), None, None, others, others)
            ours = fast.read(circuit, drive)
            row: dict[str, Any] = {"n": n, "ohm": ohm, "top": top, "coupling": coupling, "methods": dict(ours.methods)}
            for name in names:
                try:
                    row[name] = deviation(ours.currents, witnesses[name].read(circuit, drive).currents)
                except EngineError:
                    row[name] = None
            rows.append(row)
            shown = ["gave up" if row[name] is None else f"{row[name]:.1e}" for name in names]
            print(
                f"  {n:4d} {ohm:5g} {top:12g} {coupling:10g}   {', '.join(ours.methods):<11}"
                + "".join(f"{text:>15}" for text in shown)
            )
    fell = sum("direct" in r["methods"] for r in rows)
    print(f"  {fell} of {len(rows)} went to the direct solver")
    return {"fallback": rows}


def vacask_is_there() -> bool:
    """Whether VACASK is installed."""
    try:
        find_simulator()
    except EngineNotFoundError:
        print("\nVACASK is not installed (pip install 'ftj-spice[verilog-a]'): its part of the agreement is skipped")
        return False
    return True


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws time per read over size."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    n = np.array([r["n"] for r in rows])
    seconds = np.array([r["seconds"] for r in rows])
    figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
    axes.loglog(n, 1e3 * seconds, "o-", label="fast engine")
    axes.loglog(n, 1e3 * seconds[0] * (n / n[0]) ** 2.2, "--", color="0.6", label="n^2.2 from the first")
    axes.set(xlabel="rows = columns", ylabel="time per read (ms)", xticks=n, xticklabels=n)
    axes.minorticks_off()
    axes.legend()
    figure.savefig(path)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to a file")
    parser.add_argument("--quick", action="store_true", help="less of everything, for a first look")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw time over size")
    parser.add_argument("--badcrossbar", type=Path, metavar="DIR", help="where badcrossbar is installed")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts to run")
    parser.add_argument("--measure", nargs=2, type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(*chosen.measure)
        return
    parts = chosen.only or PARTS
    numbers: dict[str, Any] = {}
    if "read" in parts:
        numbers |= read(chosen.quick)
    if "scaling" in parts:
        numbers |= scaling(chosen.quick)
        if chosen.plot:
            draw(numbers["scaling"], chosen.plot)
    if "linear" in parts:
        numbers |= linear(chosen.quick, chosen.badcrossbar)
    if "agreement" in parts:
        numbers |= agreement(chosen.quick)
    if "fallback" in parts:
        numbers |= fallback(chosen.quick)
    print()
    for name, (what, target, kind) in TARGETS.items():
        if name in numbers:
            met = numbers[name] <= target if kind == "at most" else numbers[name] >= target
            print(f"{what:<36} {numbers[name]:10.3g}   {kind} {target:g}   {'ok' if met else 'MISSED'}")
    if chosen.json:
        chosen.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
