"""A source of random bits by events: any number of streams, each of any length, in bounded memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.card import Card
from ftj_spice.device.streams import stream_words
from ftj_spice.sampling.trng.design import Design, StreamCells
from ftj_spice.sampling.trng.rules import Digitiser
from ftj_spice.sampling.trng.settings import TrngSettings

CHUNK = 2**20
"""Bits that are held at a time."""


class BitSource:
    """Bits of a digitiser that reads trap noise, before any conditioner; those of `combine` digitisers are XORed.

    Stream k reads cells of its own, which have spreads and random numbers of their own. It begins with a power-up: the
    traps stand as they do after a long time at 0 V (nearly all empty), the read voltage comes up at once, outputs are
    reset, averages begin at the first current, and the first bit's interval begins after the settling time. The same
    settings give the same bits, whatever the chunks; a longer request only adds bits at the end.

    Args:
        settings: Digitiser and operating point.
        card: Device card; without it the one that the settings name.

    Attributes:
        design: The digitiser at its operating point.

    Raises:
        SettingsError: Card, digitiser and settings don't fit.
    """

    def __init__(self, settings: TrngSettings, card: Card | None = None) -> None:
        self.design = Design.of(settings, card)

    @property
    def interval(self) -> float:
        """Time from bit to bit in s."""
        return self.design.interval

    @property
    def rate(self) -> float:
        """Bits per second of one stream."""
        return 1.0 / self.design.interval

    @property
    def relaxation_time(self) -> float:
        """tau_eff of a nominal cell, in s."""
        return self.design.relaxation_time

    @property
    def cells_per_stream(self) -> int:
        """Cells that one stream reads."""
        return self.design.settings.combine * self.design.variant.cells

    def chunks(self, stream: int, bits: int, chunk: int = CHUNK) -> Iterator[NDArray[np.uint8]]:
        """Yields the first bits of a stream (0 or 1), at most `chunk` at a time."""
        digitisers = self._power_up("trng", (stream,), self.design.cells(stream))
        for begin in range(0, bits, chunk):
            yield _bits(digitisers, min(chunk, bits - begin))

    def stream(self, stream: int, bits: int) -> NDArray[np.uint8]:
        """Returns the first bits of a stream (0 or 1), shape `(bits,)`."""
        return np.concatenate([np.empty(0, np.uint8), *self.chunks(stream, bits)])

    def restart(self, stream: int, restarts: int, bits: int) -> NDArray[np.uint8]:
        """Powers a stream's cells up again and again: the matrix of the restart test of SP 800-90B, section 3.1.4.

        Each power-up goes as that of the stream, with random numbers of its own.

        Returns:
            The first bits after each power-up, shape `(restarts, bits)`.
        """
        cells = self.design.cells(stream)
        rows = [_bits(self._power_up("trng-restart", (stream, k), cells), bits) for k in range(restarts)]
        return np.stack(rows) if rows else np.empty((0, bits), np.uint8)

    def _power_up(self, purpose: str, index: tuple[int, ...], cells: StreamCells) -> list[Digitiser]:
        design = self.design
        size = design.variant.cells
        words = stream_words(design.settings.seed, purpose, [(*index, k) for k in range(self.cells_per_stream)])
        return [
            Digitiser(
                design.variant.rule,
                design.numbers(cells, k),
                design.rule_numbers,
                design.interval,
                design.settling,
                words=words[k * size : (k + 1) * size],
            )
            for k in range(design.settings.combine)
        ]


def _bits(digitisers: list[Digitiser], count: int) -> NDArray[np.uint8]:
    out = np.zeros(count, np.uint8)
    for digitiser in digitisers:
        digitiser.read(out)
    return out
