"""The bits of many streams in order, behind their conditioner, and what can be counted while they pass."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.randomness.conditioners import CONDITIONERS, conditioner
from ftj_spice.randomness.sp800_90b import estimate_entropy
from ftj_spice.sampling.trng.source import BitSource
from ftj_spice.studies.observer import Observer, silent

PILOT_BITS = 1_000_000
"""Raw bits of stream 0 that a conditioner's rate, and the blocks of the hash, are told from."""
LEAST_YIELD = 1e-3
"""A stream whose conditioner gives fewer bits than this for each raw bit is given up."""
WHOLE_STREAM = 2**24
"""Streams up to this length are made whole, several side by side; longer ones piece by piece."""
_CHUNK = 2**20


@dataclass(frozen=True)
class Raw:
    """Raw bits in numbers, where a conditioner needs them.

    Attributes:
        bits: How many.
        ones: Share of ones.
        correlation: Of successive bits.
        entropy: Min-entropy per bit by SP 800-90B; none where it was not asked for.
    """

    bits: int = 0
    ones: float = 0.5
    correlation: float = 0.0
    entropy: float | None = None

    @property
    def known_entropy(self) -> float:
        """The entropy, or 1 where nobody asked for it."""
        return 1.0 if self.entropy is None else self.entropy

    def rate(self, name: str) -> float:
        """Returns the bits that a conditioner gives for each raw bit."""
        return CONDITIONERS[name].rate(self.ones, self.correlation, 1, self.known_entropy)


def look_at(source: BitSource, entropy: bool) -> Raw:
    """Returns the numbers of the first raw bits of stream 0."""
    bits = source.stream(0, PILOT_BITS)
    seen = Seen(len(bits), len(bits), silent)
    list(seen.watch(iter([bits])))
    found = float(estimate_entropy(bits).entropy) if entropy else None
    return Raw(len(bits), seen.share, seen.correlation or 0.0, found)


def conditioned(source: BitSource, stream: int, bits: int, raw: Raw) -> Iterator[NDArray[np.uint8]]:
    """Yields the first bits of a stream behind the conditioner of its settings.

    Args:
        source: Raw bits.
        stream: Number of the stream.
        bits: How many bits to yield in all.
        raw: The hash takes its blocks from the entropy.

    Raises:
        SettingsError: The conditioner gives next to nothing: the raw bits hardly change.
    """
    name = source.design.settings.conditioner
    if name == "none":
        yield from source.chunks(stream, bits, _CHUNK)
        return
    rule = conditioner(name, entropy=raw.known_entropy)
    most, left = int(bits / LEAST_YIELD) + _CHUNK, bits
    needed = 1.02 * bits / max(raw.rate(name), LEAST_YIELD)
    for piece in source.chunks(stream, most, int(min(max(needed, 4096), _CHUNK))):
        ready = rule.feed(piece)[:left]
        left -= len(ready)
        yield ready
        if left == 0:
            return
    raise SettingsError(
        f"the conditioner {name} gave {bits - left:,} bits of stream {stream} for {most:,} raw ones: its cells hardly "
        "switch in an interval; choose a longer interval or less spread"
    )


def in_order(source: BitSource, streams: int, length: int, raw: Raw, jobs: int) -> Iterator[NDArray[np.uint8]]:
    """Yields all streams one after the other; short ones are made side by side, no more than wait for their turn."""
    if streams == 1 or jobs == 1 or length > WHOLE_STREAM:
        for stream in range(streams):
            yield from conditioned(source, stream, length, raw)
        return
    with ThreadPoolExecutor(jobs, thread_name_prefix="trng") as pool:
        waiting: list[Future[NDArray[np.uint8]]] = []
        try:
            for stream in range(streams + jobs):
                if stream < streams:
                    waiting.append(pool.submit(_whole, source, stream, length, raw))
                if stream >= jobs:
                    yield waiting.pop(0).result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _whole(source: BitSource, stream: int, length: int, raw: Raw) -> NDArray[np.uint8]:
    return np.concatenate(list(conditioned(source, stream, length, raw)))


class Seen:
    """Counts ones and changes of the bits that pass, and tells how many have."""

    def __init__(self, length: int, total: int, observer: Observer) -> None:
        self._length, self._total, self._observer = length, total, observer
        self.bits = self.ones = self.changes = self.pairs = 0
        self._last = np.empty(0, np.uint8)

    def watch(self, pieces: Iterator[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        """Yields the pieces on; none reaches over the end of a stream."""
        self._observer("bits", 0, self._total)
        for piece in pieces:
            joined = np.concatenate([self._last, piece]) if self.bits % self._length else piece
            self.changes += int(np.count_nonzero(joined[1:] != joined[:-1]))
            self.pairs += max(len(joined) - 1, 0)
            self.ones += int(np.count_nonzero(piece))
            self.bits += len(piece)
            self._last = joined[-1:].copy()
            yield piece
            self._observer("bits", self.bits, self._total)

    @property
    def share(self) -> float:
        """Share of ones."""
        return self.ones / self.bits

    @property
    def correlation(self) -> float | None:
        """Correlation of successive bits; none where they never change."""
        spread = self.share * (1.0 - self.share)
        return 1.0 - self.changes / self.pairs / (2.0 * spread) if spread > 0.0 and self.pairs else None
