"""SKY130 reduced against SKY130 whole: the same currents, and what loading either costs.

    python benchmarks/pdk.py [--quick] [--json]

Seconds of ngspice are wall-clock; what stands beside them is processor time, which a busy machine does not stretch.

Parts: `currents` (20 sizes x 7 biases x 5 corners of all seven transistors: reduced models against the library's files
of these transistors, and in tt both against the whole `sky130.lib.spice`), `load` (seconds and memory of each), and
`variants` (every variant of the catalogue in SKY130: processor time of assembling the models and the whole deck with a
warm cache; load and two time points in an ngspice of its own, the best of three). `--quick` leaves the whole library
out, which takes most of a minute and 2 GB.

ngspice runs with one thread (`set num_threads=1` and OMP_THREAD_LIMIT=1). Run it on an idle machine.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.common.rawfile import read_raw
from ftj_spice.engines.ngspice.locate import find_command
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import available_variants, load_variant
from ftj_spice.netlist.process import cache, models, places
from ftj_spice.netlist.process.models import Size, model_text, place
from ftj_spice.netlist.process.places import model_files, parameter_files
from ftj_spice.netlist.process.process import Process, load_process

# Role, total width and length in um, fingers, multiplier: corners of boxes, insides of boxes, several fingers.
SIZES = [
    ("nmos", 0.42, 0.15, 1, 1), ("nmos", 1.0, 0.15, 1, 1), ("nmos", 4.0, 0.5, 2, 2), ("nmos", 10.0, 8.0, 4, 1),
    ("pmos", 0.42, 0.15, 1, 1), ("pmos", 2.0, 0.15, 2, 1), ("pmos", 7.0, 1.0, 1, 3), ("pmos", 20.0, 20.0, 4, 1),
    ("nmos_lvt", 1.0, 0.15, 1, 1), ("nmos_lvt", 6.3, 0.7, 3, 1), ("nmos_lvt", 0.9, 3.0, 1, 1),
    ("pmos_lvt", 1.0, 0.35, 1, 1), ("pmos_lvt", 8.0, 1.5, 2, 4), ("pmos_hvt", 1.0, 0.15, 1, 1),
    ("pmos_hvt", 5.0, 0.6, 5, 1), ("nmos_hv", 0.75, 0.5, 1, 1), ("nmos_hv", 6.0, 1.0, 2, 2),
    ("nmos_hv", 3.3, 2.7, 1, 1), ("pmos_hv", 1.0, 0.5, 1, 1), ("pmos_hv", 10.0, 4.0, 2, 1),
]  # fmt: skip
# Gate, drain and bulk as parts of the supply: off, weak, moderate and strong inversion, triode, back bias, leakage.
BIASES = [
    (0.0, 1.0, 0.0), (0.2, 0.5, 0.0), (0.35, 0.5, 0.0), (0.6, 0.6, 0.0), (1.0, 0.03, 0.0), (0.7, 0.4, -0.2),
    (1.0, 1.0, 0.0),
]  # fmt: skip
SECONDS, MEGABYTES, MODELS = 0.3, 100.0, 0.03


@dataclass(frozen=True)
class Cost:
    """What one ngspice process took.

    Attributes:
        seconds: Wall-clock time from its start to its end.
        cpu: Its own processor time in s.
        megabytes: Its largest memory.
    """

    seconds: float
    cpu: float
    megabytes: float


def simulate(text: str, folder: Path) -> tuple[dict[str, NDArray[np.float64]], Cost]:
    """Runs a netlist with `ngspice -b` and returns its vectors and what it cost."""
    path, raw, told = folder / "deck.cir", folder / "deck.raw", folder / "told.txt"
    path.write_text(text)
    raw.unlink(missing_ok=True)
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    start = time.perf_counter()
    with told.open("wb") as stream:
        process = subprocess.Popen(
            [find_command(), "-b", path.name], cwd=folder, env=environment, stdout=stream, stderr=stream
        )
        megabytes, ended = 0.0, 0
        while not ended:  # the system's own maximum would count what this process was before it became ngspice
            megabytes = max(megabytes, resident(process.pid))
            time.sleep(0.002)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if not raw.is_file():
        raise SystemExit(f"ngspice has written no results:\n{told.read_text(errors='replace')[-2000:]}")
    return dict(read_raw(raw).vectors), Cost(seconds, usage.ru_utime + usage.ru_stime, megabytes)


def resident(pid: int) -> float:
    """Returns the most memory in MB that a process has had; 0 where the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def control(command: str) -> str:
    """Returns the end of a deck: one thread, an analysis, its vectors in deck.raw."""
    return f".control\nset num_threads=1\n{command}\nwrite deck.raw\n.endc\n.end\n"


def bench(process: Process, models: str) -> str:
    """Returns a deck with every size, whose biases follow a swept source."""
    lines = ["* all sizes", models, ".temp 27", ".options gmin=1e-15 abstol=1e-15 reltol=1e-6", "vindex index 0 0"]
    for number, (role, width, length, fingers, multiplier) in enumerate(SIZES):
        device = process.devices[role]
        volts = process.supplies[device.supply] * (-1 if role.startswith("p") else 1)
        for node, which in (("g", 0), ("d", 1), ("b", 2)):
            points = ", ".join(f"{k}, {volts * bias[which]:.12g}" for k, bias in enumerate(BIASES))
            lines.append(f"b{node}{number} {node}{number} 0 v=pwl(v(index), {points})")
        area, edge = f"{0.29 * width:.6g}", f"{2 * width + 0.58:.6g}"
        lines.append(f"vd{number} d{number} t{number} 0")
        lines.append(
            f"x{number} t{number} g{number} 0 b{number} {device.model} w={width} l={length} nf={fingers} "
            f"m={multiplier} mult={multiplier} ad={area} as={area} pd={edge} ps={edge}"
        )
    saved = " ".join(f"i(vd{number})" for number in range(len(SIZES)))
    return "\n".join([*lines, f".save {saved}", control(f"dc vindex 0 {len(BIASES) - 1} 1")])


def currents(vectors: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns currents (sizes, biases) in A."""
    return np.array([vectors[f"i(vd{number})"] for number in range(len(SIZES))])


def by_device(process: Process, corner: str) -> str:
    """Returns what loads the library's own files of the transistors, with the library's own options."""
    files = {path: None for device in process.devices.values() for path in parameter_files(process, device, corner)}
    files |= {path: None for device in process.devices.values() for path in model_files(process, device, corner)}
    names = [path for path in files if path.name != "invariant.spice"]
    includes = "\n".join(f'.include "{path}"' for path in names)
    return f".param mc_mm_switch=0 mc_pr_switch=0\n.options scale=1.0u wnflag=1\n{includes}"


def compare(process: Process, folder: Path, quick: bool) -> list[dict[str, Any]]:
    """Compares currents corner by corner."""
    rows: list[dict[str, Any]] = []
    sizes = [Size(role, 1e-6 * width / fingers, 1e-6 * length) for role, width, length, fingers, _ in SIZES]
    for corner in process.corners:
        small, light = simulate(bench(process, model_text(process, corner, sizes)), folder)
        large, heavy = simulate(bench(process, by_device(process, corner)), folder)
        reduced, full = currents(small), currents(large)
        row: dict[str, Any] = {
            "corner": corner,
            "currents": reduced.size,
            "smallest": float(np.abs(full).min()),
            "largest": float(np.abs(full).max()),
            "difference": float(np.max(np.abs(reduced / full - 1.0))),
            "equal_digits": bool(all(f"{a:.6e}" == f"{b:.6e}" for a, b in zip(reduced.flat, full.flat, strict=True))),
            "reduced": asdict(light),
            "by_device": asdict(heavy),
        }
        if corner == process.typical and not quick:
            whole = f'.lib "{place(process)}/models/sky130.lib.spice" tt\n.options wnflag=1'
            vectors, cost = simulate(bench(process, whole), folder)
            row["library"] = asdict(cost)
            row["library_difference"] = float(np.max(np.abs(full / currents(vectors) - 1.0)))
        rows.append(row)
    return rows


def forget() -> None:
    """Empties the caches in memory: what follows starts as a fresh process does, with the cache on the disk."""
    cache._binned.cache_clear()
    models._joined.cache_clear()
    models._assignments.cache_clear()
    places._digest.cache_clear()


def variants(process: Process, folder: Path) -> list[dict[str, Any]]:
    """Loads every variant of the catalogue, nominal, with its supplies on and 1 Gohm at its other ports."""
    rows: list[dict[str, Any]] = []
    for name in available_variants():
        try:
            variant = load_variant(name)
            warm = Deck(process, process.typical)
            warm.block("dut", variant)
            warm.text()  # the cache on the disk has it now
            spent = []
            for _ in range(3):
                forget()
                deck = Deck(process, process.typical)
                start = time.process_time()
                block = deck.block("dut", variant)
                middle = time.process_time()
                text = deck.text()
                spent.append((time.process_time() - middle, time.process_time() - start))
            models, assembly = (min(column) for column in zip(*spent, strict=True))
        except FtjSpiceError as error:
            rows.append({"variant": name, "error": str(error)})
            continue
        ports = [
            f"v{port} {port} 0 {process.supplies[variant.supplies[port]]}"
            if port in variant.supplies
            else f"r{port} {port} 0 1g"
            for port in variant.ports
        ]
        nodes = " ".join(variant.ports)
        netlist = "\n".join(
            ["* " + name, text, *ports, f"xdut {nodes} {block}", ".save time", control("tran 1p 2p uic")]
        )
        cost = min((simulate(netlist, folder)[1] for _ in range(3)), key=lambda one: one.seconds)
        transistors = sum(part.width > 0 for part in deck.parts)
        rows.append(
            {"variant": name, "transistors": transistors, "models": models, "assembly": assembly, **asdict(cost)}
        )
    return rows


def missed(row: dict[str, Any]) -> bool:
    """Returns whether a variant takes longer or more than it may."""
    return row["models"] > MODELS or row["seconds"] > SECONDS or row["megabytes"] > MEGABYTES


def main() -> None:
    """Prints the tables; the exit status is 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave the whole library out")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    asked = parser.parse_args()
    process = load_process("sky130")
    with tempfile.TemporaryDirectory() as work:
        corners = compare(process, Path(work), asked.quick)
        loaded = variants(process, Path(work))
    good = all(row["equal_digits"] and not row.get("library_difference") for row in corners) and all(
        "error" not in row and not missed(row) for row in loaded
    )
    if asked.json:
        print(json.dumps({"corners": corners, "variants": loaded, "good": good}, indent=2))
    else:
        show(corners, loaded)
    sys.exit(0 if good else 1)


def show(corners: list[dict[str, Any]], loaded: list[dict[str, Any]]) -> None:
    """Prints the tables."""
    print(f"{'corner':<8}{'currents':>9}{'from':>10}{'to':>10}{'largest rel. difference':>25}{'7 digits':>10}")
    for row in corners:
        digits = "equal" if row["equal_digits"] else "differ"
        print(
            f"{row['corner']:<8}{row['currents']:>9}{row['smallest']:>10.2g}{row['largest']:>10.2g}"
            f"{row['difference']:>25.2g}{digits:>10}"
        )
    for row in corners:
        if "library_difference" in row:
            print(
                f"files of the transistors against the whole library, {row['corner']}: {row['library_difference']:.2g}"
            )
    print(f"\n{'load and 7 points':<28}{'s':>8}{'CPU s':>8}{'MB':>8}")
    for row in corners:
        for kind in ("reduced", "by_device", "library"):
            if kind in row:
                cost = row[kind]
                print(f"{row['corner']} {kind:<25}{cost['seconds']:>8.2f}{cost['cpu']:>8.2f}{cost['megabytes']:>8.0f}")
    print(f"\n{'variant, load':<28}{'MOS':>6}{'models':>9}{'+ deck, ms':>13}{'s':>8}{'CPU s':>8}{'MB':>8}")
    for row in loaded:
        if "error" in row:
            print(f"{row['variant']:<28} {row['error']}")
            continue
        late = " over the target" if missed(row) else ""
        print(
            f"{row['variant']:<28}{row['transistors']:>6}{1e3 * row['models']:>9.1f}{1e3 * row['assembly']:>13.1f}"
            f"{row['seconds']:>8.3f}{row['cpu']:>8.3f}{row['megabytes']:>8.0f}{late}"
        )


if __name__ == "__main__":
    main()
