"""The main job, measured: time, memory, scaling with workers, and the error of the first layer.

    python benchmarks/loop.py [--samples 64] [--json]

- `ftj-spice generate -n 64` from a cold start as a command, with -j 1 and -j 2 in turn: wall time of the whole and of
  the two ngspice phases, largest resident memory of all its processes together (shared pages counted once, as PSS where
  the kernel tells), and whether both give the same latents and images bit for bit.
- The first layer against the exact product, with and without line resistance, and with the non-idealities off.
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

from ftj_spice.array.layer import forward
from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.generative.decoder import shipped


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


def cold_run(jobs: int, samples: int, folder: Path) -> dict[str, Any]:
    """Runs the command and watches its memory."""
    out = folder / f"jobs{jobs}"
    command = [sys.executable, "-m", "ftj_spice", "generate", "-n", str(samples), "--seed", "1", "-j", str(jobs)]
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
    return {"jobs": jobs, "seconds": seconds, "peak_MB": peak / 1e6, "phases": manifest["seconds"]}


def layer_errors(samples: int) -> list[dict[str, Any]]:
    """Returns the first layer's error for several settings, same latents and seed."""
    weights, bias = shipped().first_layer
    latents = np.random.default_rng(1).standard_normal((samples, weights.shape[0]))
    card = load_card("hzo_mfis_nominal")
    cases = {
        "default (2 ohm per segment)": {},
        "without line resistance": {"line_resistance": 0.0},
        "10 kohm per segment": {"line_resistance": 1e4},
        "100 kohm per segment": {"line_resistance": 1e5},
        "no device spread": {"spread": 0.0},
        "no spread, no noise": {"spread": 0.0, "noise": False},
        "no spread, no noise, 8-bit converter": {"spread": 0.0, "noise": False, "adc_bits": 8},
        "... 256 levels, 8-bit inputs, no clipping": {
            "spread": 0.0, "noise": False, "adc_bits": 12, "levels": 256, "input_bits": 8, "clip_percentile": 100.0,
        },
    }  # fmt: skip
    rows = []
    with NgspiceEngine(2) as engine:
        for name, changes in cases.items():
            result = forward(latents, weights, bias, card, ReadSettings(**changes), seed=1, engine=engine)
            rows.append(
                {
                    "case": name,
                    "mean_absolute_error": result.mean_absolute_error,
                    "effective_bits": result.effective_bits,
                    "status": result.status,
                }
            )
    return rows


def main() -> None:
    """Runs everything and prints it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3, help="pairs of -j 1 and -j 2 runs")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    pairs, same = [], True
    for _ in range(arguments.repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pairs.append((cold_run(1, arguments.samples, folder), cold_run(2, arguments.samples, folder)))
            same &= all(
                (folder / "jobs1" / f).read_bytes() == (folder / "jobs2" / f).read_bytes()
                for f in ("images.npy", "latents.npy")
            )
    ratios = [one["phases"]["read"] / two["phases"]["read"] for one, two in pairs]
    errors = layer_errors(arguments.samples)
    if arguments.json:
        print(json.dumps({"runs": pairs, "read_phase_ratio": ratios, "identical": same, "errors": errors}, indent=2))
        return
    print(f"generate -n {arguments.samples}, cold start, {arguments.repeats} pairs (median):")
    for k in (0, 1):
        runs = [pair[k] for pair in pairs]
        phases = {p: float(np.median([r["phases"][p] for r in runs])) for p in runs[0]["phases"]}
        shown = ", ".join(f"{p} {s:.1f} s" for p, s in phases.items())
        print(
            f"  -j {k + 1}: {np.median([r['seconds'] for r in runs]):6.1f} s wall, "
            f"{max(r['peak_MB'] for r in runs):.0f} MB at most, all processes  ({shown})"
        )
    print(f"  read phase, -j 1 over -j 2: {np.median(ratios):.2f}  (pairs: {', '.join(f'{r:.2f}' for r in ratios)})")
    print(f"  latents and images of -j 1 and -j 2: {'equal bit for bit' if same else 'DIFFERENT'}")
    print(f"\nfirst layer against the exact product, {arguments.samples} latent vectors:")
    for row in errors:
        print(
            f"  {row['case']:44} mean |error| {row['mean_absolute_error']:8.4f}   "
            f"effective bits {row['effective_bits']:5.2f}   {row['status']}"
        )


if __name__ == "__main__":
    main()
