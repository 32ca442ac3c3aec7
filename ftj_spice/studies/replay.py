"""Checks a run by its own files: every netlist again, through the plain `ngspice -b`, against the stored currents."""

import json
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.engines.errors import EngineError
from ftj_spice.engines.ngspice.library import find_command
from ftj_spice.results.datasets import read_dataset
from ftj_spice.results.manifest import sha256_text
from ftj_spice.results.rawfile import read_raw
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.digitisers import Digitiser, make_digitiser
from ftj_spice.studies.generate import decoder_card
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.settings import RunSettings

SECONDS = 3600.0
"""Time limit of one netlist."""


@dataclass(frozen=True)
class Replay:
    """One netlist's comparison.

    Attributes:
        netlist: File name.
        quantity: What was compared.
        points: How many values.
        deviation: Largest deviation, relative to the scale below.
        scale: What 1 stands for.
        limit: Largest deviation allowed.
    """

    netlist: str
    quantity: str
    points: int
    deviation: float
    scale: str
    limit: float

    @property
    def agrees(self) -> bool:
        """Whether the deviation is within its limit."""
        return self.deviation <= self.limit


READ_LIMIT = 1e-6
"""Relative to the largest column current: the benches' own `reltol`."""
SAMPLE_LIMIT = 2e-4
"""In standard deviations: the replayed edges last 1e-4 of a relaxation time, the co-simulated ones none."""
BIT_LIMIT = 0.01
"""Share of samples whose sum of bits may differ: transitions within a comparator's lag of the sampling instant."""


def replay(directory: Path, *, jobs: int = 1, observer: Observer = silent) -> list[Replay]:
    """Runs every netlist of a run directory again and compares.

    Args:
        directory: A directory that `generate` wrote.
        jobs: ngspice processes side by side.
        observer: Told about progress.

    Raises:
        DataError: Not a run directory, or a netlist that was changed since.
        EngineError: ngspice is missing or refuses a netlist.
    """
    manifest = _manifest(directory)
    settings = RunSettings.parse(manifest["settings"], str(directory / "manifest.json"))
    stored = read_dataset(directory / "columns.h5")
    decoder, card = decoder_card(settings)
    array = SamplingArray.draw(card, settings.sample, decoder.latent_dim, settings.seed)
    digitiser = make_digitiser(settings.sample, array, settings.seed)
    command = find_command()
    names = sorted(manifest["netlists"])

    def check(name: str) -> Replay:
        path = directory / "netlists" / name
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(f"can't read {path}: {error.strerror}") from None
        if sha256_text(text) != manifest["netlists"][name]:
            raise DataError(f"{path} was changed since the run: its checksum differs from the manifest's")
        vectors = _simulate(command, path)
        if name.startswith("sample_"):
            return _compare_sample(name, vectors, stored, digitiser, array.shape[1])
        return _compare_read(name, vectors, stored, settings.read.reads_per_netlist)

    results: list[Replay] = []
    with ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(check, names):
            results.append(outcome)
            observer("replay", len(results), len(names))
    return results


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        return {"settings": manifest["settings"], "netlists": manifest["netlists"]}
    except OSError as error:
        raise DataError(f"{directory} is not a run directory: can't read {path.name}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} is not a run's manifest") from None


def _simulate(command: str, netlist: Path) -> dict[str, NDArray[np.float64]]:
    with tempfile.TemporaryDirectory(prefix="ftj-spice-replay-") as folder:
        raw = Path(folder) / "out.raw"
        done = subprocess.run(
            [command, "-b", "-r", str(raw), str(netlist.resolve())],
            capture_output=True, text=True, errors="replace", timeout=SECONDS, cwd=folder, check=False,
        )  # fmt: skip
        if done.returncode or not raw.is_file():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise EngineError(f"ngspice -b refuses {netlist} (status {done.returncode}): {last}")
        return dict(read_raw(raw).vectors)


def _compare_sample(
    name: str, vectors: dict[str, NDArray[np.float64]], stored: Any, digitiser: Digitiser, columns: int
) -> Replay:
    own = list(range(columns)) if "array" in name else [int(name.removeprefix("sample_column").removesuffix(".cir"))]
    expected = stored["sample_value"].to_numpy()[:, own]
    outputs = np.stack([vectors[f"v(out{k})"] for k in range(len(own))], axis=1)
    values = digitiser.values(vectors["time"], outputs, own, len(expected))
    if stored["sample_value"].attrs["units"] == "A":
        sigma = np.sqrt(digitiser.moments.variance[own])
        deviation = float(np.max(np.abs(values - expected) / sigma))
        return Replay(name, "window-averaged column current", values.size, deviation, "standard deviation", SAMPLE_LIMIT)
    differing = float(np.mean(values != expected))
    return Replay(name, "sum of comparator bits", values.size, differing, "share of samples that differ", BIT_LIMIT)


def _compare_read(name: str, vectors: dict[str, NDArray[np.float64]], stored: Any, per_netlist: int) -> Replay:
    tile, chunk = (int(part) for part in name.removeprefix("read_tile").removesuffix(".cir").split("_"))
    expected = stored[f"tile{tile:02d}_current"].to_numpy()[chunk * per_netlist : (chunk + 1) * per_netlist]
    values = np.stack([vectors[f"i(vsense{j})"] for j in range(expected.shape[1])], axis=1)[: len(expected)]
    deviation = float(np.max(np.abs(values - expected)) / np.max(np.abs(expected)))
    return Replay(name, "column current of every read", values.size, deviation, "largest column current", READ_LIMIT)


