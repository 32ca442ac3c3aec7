"""How long the catalogue of periphery circuits takes to measure, and Monte Carlo draws of a comparator's offset.

    python benchmarks/periphery.py [--jobs 2] [--processes generic,sky130] [--draws 100] [--json]

Catalogue: every packaged variant in its nominal condition (typical corner, 300 K), wall time in each process, without
the report. Offset: draws of the StrongARM's offset alone, wall time, spread. Exit
status 1 beyond 5 minutes for a catalogue or 3 minutes for the draws, or where a variant could not be measured.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.study import periphery_run

CATALOGUE_LIMIT = 300.0
DRAWS_LIMIT = 180.0


def catalogue(process: str, jobs: int) -> dict[str, Any]:
    """Returns the wall time of the whole catalogue in a process, and what could not be measured."""
    begin = time.perf_counter()
    result = periphery_run(settings=PeripherySettings(processes=(process,)), jobs=jobs)
    seconds = time.perf_counter() - begin
    return {
        "process": process, "variants": len(result.subjects), "seconds": seconds, "limit": CATALOGUE_LIMIT,
        "problems": result.problems,
    }  # fmt: skip


def offset(process: str, jobs: int, draws: int) -> dict[str, Any]:
    """Returns the wall time of draws of the StrongARM's offset, and their spread in V."""
    source = load_variant("strongarm")
    with tempfile.TemporaryDirectory() as folder:
        text = (source.folder / "strongarm.toml").read_text().replace("\nbench =", '\nmeasure = ["offset"]\nbench =')
        (Path(folder) / "strongarm.toml").write_text(text)
        (Path(folder) / "strongarm.cir.j2").write_text(source.text())
        settings = PeripherySettings(variants=(f"{folder}/strongarm.toml",), processes=(process,), mc=draws)
        begin = time.perf_counter()
        result = periphery_run(settings=settings, jobs=jobs)
        seconds = time.perf_counter() - begin
    one = result.variants[process]["strongarm"]
    return {
        "process": process, "draws": draws, "seconds": seconds, "limit": DRAWS_LIMIT * draws / 100,
        "sigma": one.figures["offset_sigma"], "standard_error": one.sigma_errors["offset_sigma"],
        "problems": result.problems,
    }  # fmt: skip


def main() -> int:
    """Runs it; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--processes", default="generic,sky130")
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    processes = args.processes.split(",")
    found: dict[str, list[dict[str, Any]]] = {"catalogue": [], "offset": []}
    for process in processes:
        found["catalogue"].append(catalogue(process, args.jobs))
        found["offset"].append(offset(process, args.jobs, args.draws))
    if args.json:
        print(json.dumps(found, indent=2))
    else:
        for one in found["catalogue"]:
            print(
                f"{one['process']}: {one['variants']} variants in {one['seconds']:.1f} s (at most {one['limit']:g} s)"
            )
            print("".join(f"  {problem}\n" for problem in one["problems"]), end="")
        for one in found["offset"]:
            print(
                f"{one['process']}: {one['draws']} draws of the StrongARM's offset in {one['seconds']:.1f} s "
                f"(at most {one['limit']:g} s), sigma {1e3 * one['sigma']:.3g} +- {1e3 * one['standard_error']:.2g} mV"
            )
    kept = all(one["seconds"] <= one["limit"] and not one["problems"] for group in found.values() for one in group)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
