"""The main job, measured: time, memory, scaling with workers, the layers' errors, and fast against ngspice.

    python benchmarks/loop.py [--samples 64] [--many 10000] [--witness 4] [--json]

- `ftj-spice generate -n 64` from a cold start as a command: `--engine fast`, and the default (samples by ngspice) with
  -j 1 and -j 2 in turn. Wall time of the whole and of the phases, largest resident memory of all its processes together
  (shared pages counted once, as PSS where the kernel tells), and whether all give the same latents and images.
- `ftj-spice generate -n 10000 --engine fast`: the same figures.
- Every layer against the exact product, with and without line resistance, and with the non-idealities off.
- With `--witness 4`: the same four images by `--engine ngspice` (minutes) and `--engine fast --audit 20`; how many
  codes of the sample phase differ, how far the images are apart, and what the audit said.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.card import load_card
from ftj_spice.engines.fast import FastReader
from ftj_spice.generative.decoder import shipped
from ftj_spice.results.datasets import read_dataset
from ftj_spice.studies.decoding import decode


def memory_of(pid: int) -> int:
    """Returns the memory of a process and all its descendants in bytes."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            try:
                full = process.memory_full_info()
                total += getattr(full, "pss", full.rss)
            except psutil.Error:
                continue
    except psutil.Error:
        pass
    return total


def cold_run(samples: int, folder: Path, *words: str) -> dict[str, Any]:
    """Runs the command and watches its memory."""
    out = folder / "_".join(["run", str(samples), *(word.strip("-") for word in words)])
    command = [sys.executable, "-m", "ftj_spice", "generate", "-n", str(samples), "--seed", "1", *words]
    begin = time.perf_counter()
    process = subprocess.Popen([*command, "-o", str(out), "--quiet"])
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(1.0)  # rarely: reading it costs the runs their cores

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    seconds = time.perf_counter() - begin
    watcher.join()
    if status:
        raise SystemExit(f"generate ended with status {status}")
    manifest = json.loads((out / "manifest.json").read_text())
    metrics = json.loads((out / "metrics.json").read_text())
    return {
        "words": " ".join(words),
        "samples": samples,
        "seconds": seconds,
        "peak_MB": peak / 1e6,
        "disk_MB": sum(path.stat().st_size for path in out.rglob("*") if path.is_file()) / 1e6,
        "phases": manifest["seconds"],
        "reads": metrics["reads"],
        "audits": metrics["audits"],
        "out": str(out),
    }


def same_files(runs: list[dict[str, Any]]) -> bool:
    """Whether all runs wrote the same images and latents, bit for bit."""
    return all(
        len({(Path(run["out"]) / name).read_bytes() for run in runs}) == 1 for name in ("images.npy", "latents.npy")
    )


def layer_errors(samples: int) -> list[dict[str, Any]]:
    """Returns the layers' errors for several settings, same latents and seed."""
    decoder = shipped()
    latents = np.random.default_rng(1).standard_normal((samples, decoder.latent_dim))
    ideal = decoder(latents)
    card = load_card("hzo_mfis_nominal")
    exact: dict[str, Any] = {"verify_tolerance": 0, "noise": False, "adc_bits": 0}
    cases: dict[str, dict[str, Any]] = {
        "default": {},
        "tiles of 64 x 64": {"tile_rows": 64, "tile_columns": 64},
        "without line resistance": {"line_resistance": 0.0, "driver_resistance": 0.0},
        "10 kohm per segment": {"line_resistance": 1e4},
        "programmed without verifying": {"verify_tolerance": "none"},
        "programmed exactly": {"verify_tolerance": 0},
        "... no noise, exact converter": exact,
        "... any conductance, 12-bit inputs, no clipping": {
            **exact, "levels": 0, "input_bits": 12, "clip_percentile": 100.0,
        },
    }  # fmt: skip
    rows = []
    with FastReader() as reader:
        for name, changes in cases.items():
            images, layers = decode(latents, decoder, card, ReadSettings(**changes), seed=1, reader=reader)
            rows.append(
                {
                    "case": name,
                    "effective_bits": [layer.effective_bits for layer in layers],
                    "image_mse": float(np.mean((images - ideal) ** 2)),
                    "methods": [dict(layer.methods) for layer in layers],
                }
            )
    return rows


def witness(samples: int, folder: Path) -> dict[str, Any]:
    """Compares `--engine fast` with `--engine ngspice` for the same seed."""
    fast = cold_run(samples, folder, "--engine", "fast", "--audit", "20")
    slow = cold_run(samples, folder, "--engine", "ngspice", "-j", "2")
    images = [np.load(Path(run["out"]) / "images.npy") for run in (fast, slow)]
    stored = [read_dataset(Path(run["out"]) / "columns.h5") for run in (fast, slow)]
    codes = [data["sample_code"].to_numpy() for data in stored]
    difference = images[0] - images[1]
    return {
        "fast": fast,
        "ngspice": slow,
        "sample_codes": int(codes[0].size),
        "sample_codes_differing": int(np.sum(codes[0] != codes[1])),
        "pixels": int(difference.size),
        "pixels_differing": int(np.sum(np.abs(difference) > 1e-12)),
        "largest_pixel_difference": float(np.abs(difference).max()),
        "rms_pixel_difference": float(np.sqrt(np.mean(difference**2))),
    }


def show_run(run: dict[str, Any]) -> None:
    """Prints one run's figures."""
    phases = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in run["phases"].items())
    print(
        f"  -n {run['samples']} {run['words']:32} {run['seconds']:6.1f} s wall, {run['peak_MB']:5.0f} MB at most, "
        f"{run['disk_MB']:5.1f} MB on disk, {run['reads']} reads  ({phases})"
    )


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3, help="rounds of the short runs")
    parser.add_argument("--many", type=int, default=10000, help="images of the long run; 0 for none")
    parser.add_argument("--witness", type=int, default=0, help="images to draw in ngspice as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    kinds = (("--engine", "fast"), ("-j", "1"), ("-j", "2"))
    rounds: list[list[dict[str, Any]]] = []
    same = True
    with tempfile.TemporaryDirectory() as name:
        for k in range(arguments.repeats):
            folder = Path(name) / str(k)
            rounds.append([cold_run(arguments.samples, folder, *words) for words in kinds])
            same &= same_files(rounds[-1][1:])
        many = cold_run(arguments.many, Path(name), "--engine", "fast") if arguments.many else None
        seen = witness(arguments.witness, Path(name)) if arguments.witness else None
    errors = layer_errors(arguments.samples)
    if arguments.json:
        print(
            json.dumps({"runs": rounds, "identical": same, "many": many, "witness": seen, "errors": errors}, indent=2)
        )
        return
    print(f"generate, cold start, {arguments.repeats} rounds (the median one of each kind):")
    for k in range(len(kinds)):
        show_run(sorted((row[k] for row in rounds), key=lambda run: run["seconds"])[len(rounds) // 2])
    print(f"  latents and images of -j 1 and -j 2: {'equal bit for bit' if same else 'DIFFERENT'}")
    if many is not None:
        show_run(many)
    for run in [rounds[0][0], *([many] if many else [])]:
        for what, audit in run["audits"].items():
            print(
                f"  audit of {what} (-n {run['samples']}): largest deviation {audit['largest_deviation']:.1e}, rms "
                f"{audit['rms_deviation']:.1e} of 1 {audit['relative_to']} over {audit['compared']}"
            )
    if seen is not None:
        show_run(seen["ngspice"])
        print(
            f"  fast against ngspice: {seen['sample_codes_differing']} of {seen['sample_codes']} sample codes and "
            f"{seen['pixels_differing']} of {seen['pixels']} pixels differ, by {seen['rms_pixel_difference']:.1e} "
            f"rms, {seen['largest_pixel_difference']:.1e} at most"
        )
    print(f"\nlayers against the exact product, {arguments.samples} latent vectors:")
    for row in errors:
        bits = "  ".join(f"{bits:5.2f}" for bits in row["effective_bits"])
        print(f"  {row['case']:48} effective bits {bits}   pixel mse {row['image_mse']:.2e}")


if __name__ == "__main__":
    main()
