"""The stored calibration of an array: a versioned `.npz` of arrays and three strings, read without pickle and checked.

| key | content |
|---|---|
| `format` | string of shape (): `ftj-spice calibration 1` |
| `card` | string: the device card as TOML |
| `settings` | string: the run's settings as JSON; with the card they say which array it is |
| `digest` | string: SHA-256 over card, settings and all arrays |
| `chosen` | int64 (columns, cells): rows of the raised cells |
| `row_trim`, `column_trim` | float64 (rows,), (columns,): in V |
| `reference`, `capacitance` | float64 (columns,): in A and F |
| `mean`, `variance`, `count` | float64 (columns,) in codes, int64 (): running statistics, with `standardise` |
| `latents` | int64 (latents,): the columns that deliver them |
| `usable` | bool (columns,) |
| `periphery` | string, only where circuits read the columns: JSON of `ftj_spice.sampling.circuits.identity` |
"""

import hashlib
import io
import json
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError, FtjSpiceError, SettingsError
from ftj_spice.common.files import read_regular, reason, replace_file
from ftj_spice.device.card import Card, card_toml, parse_card
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.calibration.chip import Chip, Controls, Design, draw_cells
from ftj_spice.sampling.calibration.procedure import Calibrated, Judgement
from ftj_spice.sampling.calibration.settings import CalibrateSettings
from ftj_spice.sampling.calibration.statistics import Running
from ftj_spice.sampling.circuits import ColumnCircuits, check_identity, identity

FORMAT = "ftj-spice calibration 1"
LARGEST_CONTENT = 2**28
"""Most bytes that a file may unpack to."""
_DAMAGE = (
    *(ValueError, EOFError, OSError, RuntimeError, SyntaxError, MemoryError, OverflowError, NotImplementedError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Calibration:
    """What is known of one calibrated array.

    Attributes:
        card: Device card of its cells.
        settings: Of the calibration run; with the card they say which array it is.
        controls: Trims, references, capacitors and raised cells.
        running: Statistics of the codes; none where the design's closed forms standardise.
        latents: Columns that deliver the latents, shape `(latents,)`.
        usable: Whether each column kept all limits when it was judged, shape `(columns,)`.
        periphery: Circuits that read the columns; none: ideal integrators.
    """

    card: Card
    settings: CalibrateSettings
    controls: Controls
    running: Running | None
    latents: NDArray[np.int64]
    usable: NDArray[np.bool_]
    periphery: Macromodel | None = None

    @property
    def pool(self) -> int:
        """Rows of the array."""
        return self.settings.sample.rows * (self.settings.pool if "select" in self.settings.tools else 1)

    @property
    def design(self) -> Design:
        """What the designer knows of a column."""
        return Design.of(self.card, self.settings, self.settings.sample.rows, self.periphery)

    def chip(self, purpose: str, jobs: int = 1) -> Chip:
        """Returns the array itself, drawn again.

        Args:
            purpose: Name of the seed streams of what its traps do.
            jobs: Threads.
        """
        cells = draw_cells(self.card, self.settings, self.pool, 1)
        return Chip(cells, self.design, self.settings, purpose, jobs, self.circuits)

    @property
    def circuits(self) -> ColumnCircuits | None:
        """The circuits of its columns, drawn again."""
        return draw_circuits(self.periphery, self.settings, 1)


def draw_circuits(model: Macromodel | None, settings: CalibrateSettings, arrays: int) -> ColumnCircuits | None:
    """Returns the circuits of all columns of some arrays, the first array's first; none where nothing reads them."""
    return None if model is None else ColumnCircuits.draw(model, arrays * settings.columns, settings.seed)


def first_array(
    calibrated: Calibrated,
    judgement: Judgement,
    card: Card,
    settings: CalibrateSettings,
    periphery: Macromodel | None = None,
) -> Calibration:
    """Returns what is stored of a run over several arrays: the first of them.

    Usable columns deliver the latents, in their order; where there are too few, those nearest to the normal fill up.
    """
    columns = np.arange(settings.columns)
    usable = judgement.usable[columns]
    order = np.lexsort((np.where(usable, 0.0, judgement.distance[columns]), ~usable))
    running = calibrated.running
    return Calibration(
        card,
        settings,
        calibrated.controls.take(columns),
        None if running is None else Running(running.mean[columns], running.variance[columns], running.count),
        np.sort(order[: settings.latents]),
        usable,
        periphery,
    )


def save_calibration(path: str | Path, calibration: Calibration) -> None:
    """Writes a calibration, whole or not at all.

    Raises:
        OutputError: The file can't be written.
    """
    replace_file(Path(path), encode_calibration(calibration))


def encode_calibration(calibration: Calibration) -> bytes:
    """Returns the content of a calibration file; the same calibration gives the same bytes."""
    c = calibration.controls
    arrays: dict[str, NDArray] = {
        "chosen": c.chosen.astype(np.int64),
        "row_trim": c.row[0],
        "column_trim": c.column,
        "reference": c.reference,
        "capacitance": c.capacitance,
        "latents": calibration.latents.astype(np.int64),
        "usable": calibration.usable,
    }
    if calibration.running is not None:
        r = calibration.running
        arrays |= {"mean": r.mean, "variance": r.variance, "count": np.array(r.count, np.int64)}
    texts = {"card": card_toml(calibration.card), "settings": json.dumps(calibration.settings.model_dump())}
    if calibration.periphery is not None:
        texts["periphery"] = json.dumps(identity(calibration.periphery))
    texts["digest"] = _digest(texts, arrays)
    buffer = io.BytesIO()
    np.savez(buffer, format=np.array(FORMAT), **{k: np.array(v) for k, v in texts.items()}, **arrays)
    return buffer.getvalue()


def _digest(texts: dict[str, str], arrays: dict[str, NDArray]) -> str:
    found = hashlib.sha256()
    for name in ("card", "settings"):
        found.update(texts[name].encode() + b"\0")
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}\0".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def load_calibration(
    path: str | Path, *, card: Card | None = None, seed: int | None = None, periphery: Macromodel | None = None
) -> Calibration:
    """Reads a calibration.

    Args:
        path: The file.
        card: The array's card, where it is known: a calibration of another card is refused.
        seed: The array's seed, likewise.
        periphery: Circuits that read the columns: those that it was made through; none: ideal integrators.

    Raises:
        DataError: The file is missing, damaged, of another format, or belongs to another array.
        SettingsError: It was made through other circuits.
    """
    found = _parse(_entries(path), str(path), periphery)
    check_belongs(found, str(path), card, seed)
    return found


def through_circuits(path: str | Path) -> bool:
    """Returns whether a calibration was made through read-out circuits, not ideal integrators.

    Raises:
        DataError: The file is missing, damaged or of another format.
    """
    return "periphery" in _entries(path)


def _entries(path: str | Path) -> dict[str, NDArray]:
    """Returns a file's arrays and strings, of which only the format is checked.

    Raises:
        DataError: The file is missing, damaged or of another format.
    """
    try:
        blob = read_regular(Path(path), LARGEST_CONTENT)
    except OSError as error:
        raise DataError(f"can't read the calibration {path}: {reason(error)}") from None
    try:
        archive = np.load(io.BytesIO(blob), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is a single array, not a calibration (.npz)")
        with archive:
            size = sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(blob)).infolist())
            if size > LARGEST_CONTENT:
                raise DataError(f"{path} would unpack to {size} bytes; a calibration has {LARGEST_CONTENT} at most")
            entries = {key: archive[key] for key in archive.files}
    except _DAMAGE:
        raise DataError(f"{path} is damaged or no calibration (.npz) of ftj-spice") from None
    if not all(isinstance(value, np.ndarray) for value in entries.values()) or _text(entries, "format") != FORMAT:
        raise DataError(f"{path} is no calibration of ftj-spice in the format '{FORMAT}'")
    return entries


def check_belongs(calibration: Calibration, where: str, card: Card | None, seed: int | None) -> None:
    """Refuses a calibration of another array.

    Args:
        calibration: What is to be used.
        where: What to call it in an error.
        card: The array's card; none is not checked.
        seed: The array's seed; none is not checked.

    Raises:
        DataError: It belongs to another card or seed.
    """
    own = calibration.card
    if card is not None and card_toml(card) != card_toml(own):
        what = (
            f"card '{own.name}', not to '{card.name}'" if card.name != own.name else f"another version of '{own.name}'"
        )
        raise DataError(f"{where} belongs to {what}: calibrate the array of this card")
    if seed is not None and seed != calibration.settings.seed:
        raise DataError(
            f"{where} belongs to the array of seed {calibration.settings.seed}, not of seed {seed}: calibrate this one"
        )


def _text(entries: dict[str, NDArray], key: str) -> str:
    value = entries.get(key)
    return str(value) if value is not None and value.dtype.kind == "U" and value.shape == () else ""


def _parse(entries: dict[str, NDArray], where: str, periphery: Macromodel | None) -> Calibration:
    texts = {
        key: _text(entries, key) for key in ("card", "settings", *(["periphery"] if "periphery" in entries else []))
    }
    arrays = {key: value for key, value in entries.items() if key not in {"format", "digest", *texts}}
    if any(value.dtype.kind not in "fib" for value in arrays.values()):
        raise DataError(f"{where} holds arrays that are no numbers")
    if _digest(texts, arrays) != _text(entries, "digest"):
        raise DataError(f"{where} was changed after it was written: its contents don't fit their digest")
    try:
        card = parse_card(texts["card"], where)
        settings = CalibrateSettings.parse(json.loads(texts["settings"]), where)
    except (SettingsError, ValueError, RecursionError) as error:
        raise DataError(str(error) if isinstance(error, FtjSpiceError) else f"{where}: settings are no JSON") from None
    _check_circuits(texts.get("periphery"), periphery, where)
    _check_arrays(arrays, settings, where)
    running = None
    if "standardise" in settings.tools:
        if arrays["variance"].min() < 0 or arrays["count"] < 1:
            raise DataError(f"{where}: 'variance' must not be negative, and 'count' at least 1")
        running = Running(arrays["mean"], arrays["variance"], int(arrays["count"]))
    design = Design.of(card, settings, settings.sample.rows, periphery)
    controls = Controls(
        arrays["chosen"], arrays["row_trim"][np.newaxis], arrays["column_trim"], arrays["reference"],
        arrays["capacitance"], design.timing,
    )  # fmt: skip
    return Calibration(card, settings, controls, running, arrays["latents"], arrays["usable"].astype(bool), periphery)


def _check_circuits(recorded: str | None, periphery: Macromodel | None, where: str) -> None:
    found = None
    if recorded is not None:
        try:
            found = json.loads(recorded)
        except (ValueError, RecursionError):
            found = {}
        if not isinstance(found, dict) or set(found) != {"name", "process", "sha256"}:
            raise DataError(f"{where}: 'periphery' does not say which circuits it was made through")
        found = {key: str(value) for key, value in found.items()}
    check_identity(found, periphery, where)


def _check_arrays(arrays: dict[str, NDArray], settings: CalibrateSettings, where: str) -> None:
    rows = settings.sample.rows * (settings.pool if "select" in settings.tools else 1)
    columns = settings.columns
    shapes = {
        "chosen": (columns, settings.sample.rows),
        "row_trim": (rows,),
        **dict.fromkeys(("column_trim", "reference", "capacitance", "usable"), (columns,)),
        "latents": (settings.latents,),
    }
    if "standardise" in settings.tools:
        shapes |= {"mean": (columns,), "variance": (columns,), "count": ()}
    for key, shape in shapes.items():
        if key not in arrays or arrays[key].shape != shape:
            raise DataError(f"{where}: '{key}' must have shape {shape}, as its settings say")
    for key, value in arrays.items():
        if not np.all(np.isfinite(value)):
            raise DataError(f"{where}: '{key}' must be finite")
    for key, most in (("chosen", rows), ("latents", columns)):
        if arrays[key].dtype.kind != "i" or arrays[key].min() < 0 or arrays[key].max() >= most:
            raise DataError(f"{where}: '{key}' must be whole numbers from 0 to {most - 1}")
        if any(len(set(row)) < len(row) for row in np.atleast_2d(arrays[key]).tolist()):
            raise DataError(f"{where}: '{key}' names one twice")
    for key in ("row_trim", "column_trim"):
        if np.max(np.abs(arrays[key])) > settings.trim_range + settings.trim_step:
            raise DataError(f"{where}: '{key}' must lie within {settings.trim_range:g} V, as its settings say")
    if "count" in shapes and arrays["count"].dtype.kind != "i":
        raise DataError(f"{where}: 'count' must be a whole number")
    if arrays["capacitance"].min() <= 0:
        raise DataError(f"{where}: 'capacitance' must be above 0")
