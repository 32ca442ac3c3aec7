"""Random bits into a file: many streams side by side, in bounded memory, the same for any number of workers."""

import math
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.common.files import reason, replace_file
from ftj_spice.device.card import card_toml
from ftj_spice.randomness.bits import FORMATS, KIND, sidecar, write_bits
from ftj_spice.randomness.conditioners import hash_block, hash_output_entropy, xor_correlation, xor_probability
from ftj_spice.results.jsontext import to_json
from ftj_spice.results.manifest import sha256_text, without_places
from ftj_spice.results.units import engineering
from ftj_spice.sampling.trng.chain import bit_chain
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.source import BitSource
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.settings import check_jobs
from ftj_spice.studies.trng.rates import point_of
from ftj_spice.studies.trng.streams import Raw, Seen, in_order, look_at
from ftj_spice.studies.trng.testing_streams import LAGS

LARGEST_BITS = 10**13
"""More bits than this are refused."""
SEEN = 4.0
"""Standard errors of one stream from which on a correlation of neighbours shows in tests, about."""


@dataclass(frozen=True)
class TrngGenerateResult:
    """What `trng generate` leaves.

    Attributes:
        path: The bit file; beside it lies its description, FILE.json.
        metrics: The description.
        summary: Lines for the command line.
        passes: Always true: nothing is tested here.
    """

    path: Path
    metrics: dict[str, Any]
    summary: tuple[str, ...]
    passes: bool = True


def trng_generate(
    out: str | Path,
    *,
    bits: int = 1_000_000,
    streams: int = 1,
    restarts: tuple[int, int] | None = None,
    settings: TrngSettings | None = None,
    file_format: str = "packed",
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
) -> TrngGenerateResult:
    """Writes bits of a digitiser that reads trap noise, and their description beside them.

    Args:
        out: The bit file.
        bits: Of all streams together.
        streams: Streams, each from cells of its own, equally long, one after the other in the file.
        restarts: Instead of `bits` and `streams`: how many power-ups of stream 0's cells, and raw bits after each; one
            stream of the file for each power-up, for the restart test of SP 800-90B.
        settings: Digitiser, operating point, conditioner.
        file_format: `packed` or `ascii` (one line a stream).
        jobs: Streams made side by side. The bits do not depend on it.
        force: Replaces an existing file.
        observer: Told about progress, in bits.

    Raises:
        FtjSpiceError: Settings, numbers or output; the subclass and its sentence say what.
    """
    path, settings = Path(out), settings or TrngSettings()
    check_jobs(jobs)
    if restarts is not None:
        streams, bits = restarts[0], restarts[0] * restarts[1]
    length = _length(bits, streams, restarts)
    if file_format not in FORMATS[1:3]:
        raise SettingsError(f"bits are written as packed or ascii, not as {file_format[:40]!r}")
    _check_target(path, bits if file_format == "ascii" else -(-bits // 8), force)
    source = BitSource(settings)
    begin = time.perf_counter()
    raw = Raw()
    if restarts is None and settings.conditioner != "none":
        observer("pilot", 0, 1)
        raw = look_at(source, settings.conditioner == "hash")
        observer("pilot", 1, 1)
    pieces = iter(source.restart(0, *restarts)) if restarts else in_order(source, streams, length, raw, jobs)
    seen = Seen(length, bits, observer)

    def to_the_end() -> Iterator[NDArray[np.uint8]]:
        yield from seen.watch(pieces)
        sidecar(path).unlink(missing_ok=True)  # never a description beside bits that it does not describe

    write_bits(path, to_the_end(), file_format, length)
    seconds = time.perf_counter() - begin
    found = {
        "kind": KIND,
        "program": "ftj-spice",
        "version": metadata.version("ftj-spice"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "format": file_format,
        "streams": streams,
        "stream_bits": length,
        "restarts": restarts is not None,
        **_origin(source, settings, "none" if restarts else settings.conditioner, raw),
        "measured": {"ones": seen.share, "correlation": seen.correlation},
    }
    try:
        replace_file(sidecar(path), to_json(found).encode())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return TrngGenerateResult(path, found | {"wall_s": seconds}, _summary(path, found, seconds))


def _length(bits: int, streams: int, restarts: tuple[int, int] | None) -> int:
    """Returns the length of a stream.

    Raises:
        SettingsError: The numbers make no sense.
    """
    if restarts is not None and min(restarts) < 1:
        raise SettingsError(f"restarts need at least one power-up and one bit after it, got {restarts}")
    if streams < 1 or bits < 1:
        raise SettingsError(f"at least one bit and one stream are needed, got {bits} and {streams}")
    if bits > LARGEST_BITS:
        raise SettingsError(f"at most {LARGEST_BITS:.0e} bits at a time, got {bits:.3g}")
    if bits % streams:
        near = max(bits // streams, 1) * streams
        raise SettingsError(f"{bits:,} bits do not divide into {streams:,} equal streams; {near:,} would")
    return bits // streams


def _check_target(path: Path, size: int, force: bool) -> None:
    """Refuses a place that can't take the file, before anything is simulated."""
    for place in (path, sidecar(path)):
        if place.is_dir():
            raise OutputError(f"{place} is a folder; give the name of a file with -o")
        if force and place.exists() and not place.is_file():  # --force must not put a file in the place of a device
            raise OutputError(f"{place} is no regular file, so --force does not replace it; choose another -o")
    if not force and (os.path.lexists(path) or os.path.lexists(sidecar(path))):
        taken = path if os.path.lexists(path) else sidecar(path)
        raise OutputError(f"{taken} exists; choose another -o or pass --force")
    try:
        free = shutil.disk_usage(path.absolute().parent).free
    except OSError as error:
        raise OutputError(f"can't write {path}: {reason(error)}") from error
    if size > free:
        raise OutputError(f"{path} would take {engineering(size, 'B')}, and {engineering(free, 'B')} are free there")


def _origin(source: BitSource, settings: TrngSettings, name: str, raw: Raw) -> dict[str, Any]:
    """Returns what FILE.json says of where the bits come from."""
    card, point = source.design.card, point_of(source.design)
    share = raw.rate(name)
    each = settings.combine / share if share > 0.0 else math.inf
    told: dict[str, Any] = {"name": name, "bits_per_raw_bit": share}
    if name != "none":
        told["raw"] = {"bits": raw.bits, "ones": raw.ones, "correlation": raw.correlation}
    if raw.entropy is not None:
        told["raw"]["min_entropy_per_bit"] = raw.entropy
        told |= {"block_bits": hash_block(raw.entropy), "min_entropy_per_bit": hash_output_entropy(raw.entropy)}
    return {
        "settings": settings.model_dump()
        | {"card": without_places(settings.card), "digitiser": without_places(settings.digitiser)},
        "card": {"name": card.name, "sha256": sha256_text(card_toml(card))},
        "source": {
            "digitiser": source.design.variant.name,
            "cells_per_stream": source.cells_per_stream,
            "voltage_V": source.design.voltage,
            "interval_s": source.interval,
            "relaxation_time_s": source.relaxation_time,
            "interval_relaxations": source.interval / source.relaxation_time,
            "trap_occupancy": source.design.occupancy,
            "raw_rate_per_stream_bit_per_s": source.rate,
        },
        "conditioner": told,
        "rate_per_stream_bit_per_s": source.rate * share,
        "energy_per_bit_J": {"cells": each * point.cell_energy, "periphery": each * point.periphery_energy},
        "expected": _expected(source, point.entropy) if name == "none" else None,
    }


def _expected(source: BitSource, entropy: float | None) -> dict[str, Any] | None:
    """Returns the closed forms of raw bits from ideal digitisers on nominal cells; none where cells have spread.

    Args:
        source: The bits.
        entropy: Exact min-entropy of one digitiser's bit, where it is known.
    """
    design = source.design
    settings = design.settings
    if settings.time_constant_spread or settings.amplitude_spread or settings.current_spread:
        return None
    cells, combine = design.numbers(design.cells(0), 0), settings.combine
    chain = bit_chain(design.variant.rule, cells, design.rule_numbers, design.interval)
    one = chain.probability
    found = [xor_correlation(one, float(rho), combine) for rho in chain.autocorrelation(LAGS)]
    known = entropy if combine == 1 and not settings.comparator_offset else None
    return {"ones": xor_probability(one, combine), "correlation": found, "min_entropy_per_bit": known}


def _summary(path: Path, found: dict[str, Any], seconds: float) -> tuple[str, ...]:
    source, total, energy = found["source"], found["streams"] * found["stream_bits"], found["energy_per_bit_J"]
    what = "power-up" if found["restarts"] else "stream"
    correlation = found["measured"]["correlation"]
    name = shlex.quote(str(path))
    again = f"trng test FILE --restarts {name}" if found["restarts"] else f"trng test {name}"
    seen = correlation is not None and abs(correlation) * math.sqrt(found["stream_bits"]) > SEEN
    hint = ("tests of so many bits will see this correlation: lengthen --interval, or XOR digitisers with --combine",)
    return (
        f"{total:,} bits in {path} ({found['format']}, {found['streams']:,} {what}{'s' * (found['streams'] > 1)} of "
        f"{found['stream_bits']:,}), described in {sidecar(path).name}",
        f"{source['digitiser']} every {engineering(source['interval_s'], 's')} "
        f"({source['interval_relaxations']:.3g} relaxation times): a device would give "
        f"{engineering(found['rate_per_stream_bit_per_s'], 'bit/s')} from the {source['cells_per_stream']} cell"
        f"{'s' * (source['cells_per_stream'] > 1)} of a stream, at {engineering(energy['cells'], 'J')} per bit for the "
        f"cells and {engineering(energy['periphery'], 'J')} for the digitiser",
        f"simulated in {seconds:.1f} s, {total / seconds:.3g} bit/s",
        f"ones {found['measured']['ones']:.5f}, correlation of successive bits "
        + ("none: they never change" if correlation is None else f"{correlation:+.5f}"),
        *(hint if seen else ()),
        f"next: ftj-spice {again}",
    )
