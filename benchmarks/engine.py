"""Speed of the ngspice engine, as ratios measured side by side in one run.

    python benchmarks/engine.py [--json] [--quick]

Noise: one column of cells with a trap each. The co-simulated run against the same netlist with frozen traps (DC
sources), with ngspice's own `trnoise` telegraph noise and with PWL sources; the last two are run over a tenth of the
span and counted ten times (a favour to PWL, whose cost grows with the square of the span).
Reads: alter-and-run cycles of an array through `run_many` against the same cycles in ngspice's own control loop.
Prints a table, or JSON.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from ftj_spice.device.card import load_card
from ftj_spice.device.traps import Traps, draw_candidates
from ftj_spice.engines.ngspice import NgspiceEngine, NgspiceSession, TrapPlan
from ftj_spice.engines.ngspice.locate import find_command
from ftj_spice.engines.protocol import OperatingPoint, Transient

READ = 1.5  # V
CELL = "bc{i} w{i} b{i} i=4.2e-13*sinh(4.5454545*v(w{i},b{i}))*(1-0.1*v(t{i}))"
OPTIONS = ".options abstol=1e-18 reltol=1e-5 vntol=1e-9 gmin=1e-20 method=gear maxord=1"

TARGETS = {
    "noise_per_point": ("cost per point, traps co-simulated / frozen", 1.3, "at most"),
    "trnoise": ("time, trnoise / co-simulated", 5.0, "at least"),
    "pwl": ("time, PWL / co-simulated", 20.0, "at least"),
    "reads": ("time per read, run_many / control loop", 1.5, "at most"),
    "memory": ("memory growth over all reads, MB", 5.0, "less than"),
}


def column(cells: int, source: list[str]) -> str:
    """Returns the netlist of one column; `source` gives the value of each trap source."""
    lines = ["column", f"vw w 0 dc {READ}", "vs s 0 dc 0"]
    for i in range(cells):
        lines += [f"rw{i} w w{i} 2", f"rb{i} b{i} s 2", f"vtrap{i} t{i} 0 {source[i]}", CELL.format(i=i)]
    lines += [OPTIONS, ".save i(vs) " + " ".join(f"v(w{i}) v(b{i})" for i in range(cells)), ".end"]
    return "\n".join(lines)


def timed(session: NgspiceSession, analysis: Transient, plan: TrapPlan | None = None) -> tuple[float, int]:
    """Returns the seconds and the time points of one run."""
    begin = time.perf_counter()
    if plan is None:
        result = session.run(analysis, ["time", "i(vs)"])
    else:
        result = session.simulate(analysis, ["time", "i(vs)"], plan)
    return time.perf_counter() - begin, len(result["time"])


def noise(cells: int, points: int, repeats: int) -> dict[str, float]:
    """Measures the co-simulated column against its three rivals."""
    card = load_card("hzo_mfis_nominal")
    step = 1e-4
    stop = points * step
    traps = Traps.from_card(card, cells)
    candidates = draw_candidates(traps, stop, (0.0, READ + 0.05), 1, [(i,) for i in range(cells)], READ)
    plan = TrapPlan(candidates, tuple(f"w{i}" for i in range(cells)), tuple(f"b{i}" for i in range(cells)))
    analysis = Transient(step, stop, step)
    measured: dict[str, list[float]] = {"co": [], "frozen": []}
    with NgspiceEngine() as engine:
        for _ in range(repeats):
            seconds, count = timed(engine.open(column(cells, ["external"] * cells)), analysis, plan)
            measured["co"].append(seconds / count)
            seconds_frozen, count_frozen = timed(engine.open(column(cells, ["dc 1"] * cells)), analysis)
            measured["frozen"].append(seconds_frozen / count_frozen)
        whole = min(measured["co"]) * count
        tenth = Transient(step, stop / 10, step)
        history = engine.open(column(cells, ["external"] * cells)).simulate(tenth, ["i(vs)"], plan).history
        assert history is not None
        telegraph = f"dc 0 trnoise(0 0 0 0 1 {card.capture_time} {card.emission_time})"
        trnoise = 10 * timed(engine.open(column(cells, [telegraph] * cells)), tenth)[0]
        pwl = []
        for i in range(cells):
            times, states = history.of(i)
            knots = [f"0 {history.initial[i]}"]
            for at, state in zip(times, states, strict=True):
                knots += [f"{at:.12g} {1 - state} {at + 1e-9:.12g} {state}"]
            pwl.append("\n".join(["pwl(", *(f"+ {knot}" for knot in knots), "+ )"]))
        pwl_seconds = 10 * timed(engine.open(column(cells, pwl)), tenth)[0]
    return {
        "co_us_per_point": 1e6 * min(measured["co"]),
        "frozen_us_per_point": 1e6 * min(measured["frozen"]),
        "transitions_in_a_tenth": float(len(history.times)),
        "co_seconds": whole,
        "trnoise_seconds": trnoise,
        "pwl_seconds": pwl_seconds,
        "noise_per_point": min(measured["co"]) / min(measured["frozen"]),
        "trnoise": trnoise / whole,
        "pwl": pwl_seconds / whole,
    }


def array(rows: int, columns: int, tail: list[str]) -> str:
    """Returns the netlist of a resistive-wire array."""
    lines = ["array"]
    lines += [f"vrow{i} w{i}_0 0 dc 0.5" for i in range(rows)]
    lines += [f"vsense{j} b{rows}_{j} 0 dc 0" for j in range(columns)]
    for i in range(rows):
        for j in range(columns):
            if j < columns - 1:
                lines.append(f"rw{i}_{j} w{i}_{j} w{i}_{j + 1} 2")
            lines.append(f"rb{i}_{j} b{i}_{j} b{i + 1}_{j} 2")
            lines.append(f"bc{i}_{j} w{i}_{j} b{i}_{j} i=4.2e-13*sinh(4.5454545*v(w{i}_{j},b{i}_{j}))")
    lines += [".options abstol=1e-18 gmin=1e-20", ".save " + " ".join(f"i(vsense{j})" for j in range(columns))]
    return "\n".join([*lines, *tail, ".end"])


def reads(cycles: int, repeats: int) -> dict[str, float]:
    """Measures 8 alters and an operating point per cycle, and the worker's memory."""
    rows = columns = 8
    rng = np.random.default_rng(0)
    values = 0.5 * rng.integers(0, 2, (cycles, rows)).astype(float)
    names = [f"vrow{i}" for i in range(rows)]
    wanted = [f"i(vsense{j})" for j in range(columns)]
    loop = [".control", "set num_threads=1", "set nomoremode", f"repeat {cycles}"]
    loop += [f"alter vrow{i} = {0.5 * (i % 2)}" for i in range(rows)]
    loop += ["op", "destroy all", "end", "quit", ".endc"]
    ours, theirs = [], []
    with NgspiceEngine() as engine, tempfile.TemporaryDirectory() as folder:
        deck = Path(folder) / "loop.cir"
        deck.write_text(array(rows, columns, loop), encoding="utf-8")
        session = engine.open(array(rows, columns, []))
        session.run_many(OperatingPoint(), wanted, names, values[:500])
        worker = psutil.Process(session.worker_pid)
        before = worker.memory_info().rss
        for repeat in range(repeats):
            begin = time.perf_counter()
            session.run_many(OperatingPoint(), wanted, names, values)
            ours.append(time.perf_counter() - begin)
            if repeat == 0:
                grown = worker.memory_info().rss - before
            begin = time.perf_counter()
            subprocess.run([find_command(), "-b", str(deck)], capture_output=True, check=True)
            theirs.append(time.perf_counter() - begin)
    return {
        "run_many_us_per_read": 1e6 * min(ours) / cycles,
        "control_loop_us_per_read": 1e6 * min(theirs) / cycles,
        "reads": min(ours) / min(theirs),
        "memory": grown / 1e6,
    }


def met(value: float, target: float, kind: str) -> bool:
    """Whether a ratio meets its target."""
    return value >= target if kind == "at least" else value <= target


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, for a first look")
    chosen = parser.parse_args()
    part = 10 if chosen.quick else 1
    numbers = noise(64, 10_000 // part, 3) | reads(10_000 // part, 2)
    rows = [
        {"name": name, "what": what, "value": numbers[name], "target": target, "kind": kind,
         "met": met(numbers[name], target, kind)}
        for name, (what, target, kind) in TARGETS.items()
    ]  # fmt: skip
    if chosen.json:
        print(json.dumps({"numbers": numbers, "targets": rows}, indent=2))
        return
    for row in rows:
        mark = "ok" if row["met"] else "MISSED"
        print(f"{row['what']:<48} {row['value']:8.2f}   {row['kind']} {row['target']:g}   {mark}")
    for name, value in numbers.items():
        if name not in TARGETS:
            print(f"  {name:<46} {value:8.3g}")


if __name__ == "__main__":
    main()
