"""Conditioners: what turns raw bits into fewer and better ones, bit by bit as they come.

Each is an object with `feed(bits)`, which keeps what it can't use yet for the next call: however the bits are cut into
pieces, the same ones come out. `CONDITIONERS` lists them by name, with what they do to the rate.

What they do to stationary bits of probability p for a 1, whose successive values correlate by rho:

- **von Neumann** (J. von Neumann, Various techniques used in connection with random digits, 1951): pairs 01 give 0,
  10 give 1, 00 and 11 nothing. No bias is left, with correlation or without, since in stationary bits 01 comes as
  often as 10; but correlation can be. p(1-p)(1-rho) bits come out for each that goes in.
- **XOR** of n independent streams: with p = 1/2 + e the bias becomes 2^(n-1) e^n, of alternating sign (piling-up lemma:
  M. Matsui, EUROCRYPT 1993); n bits in, one out.
- **hash**: SHA-256 over blocks that hold 64 bits more of min-entropy than the 256 bits that come out (NIST SP 800-90C
  asks for that margin for full entropy); the entropy of the output by NIST SP 800-90B, section 3.1.5.1.2.
"""

import difflib
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError

HASH_BITS = 256
"""Bits that come out of a block, and SHA-256's narrowest internal width."""
HASH_MARGIN = 64.0
"""Bits of min-entropy that a block holds beyond those that come out."""
LEAST_ENTROPY = 1e-6
"""Smallest min-entropy of an input bit that the hash is sized for: a block of 40 MB."""


class Conditioner(Protocol):
    """What takes raw bits and gives others.

    Attributes:
        inputs: Number of streams it takes side by side.
    """

    inputs: int

    def feed(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Takes the next bits, shape `(inputs, n)` or for one stream `(n,)`; returns what is ready, shape `(m,)`."""
        ...


class PassThrough:
    """Gives the bits as they are."""

    inputs = 1

    def feed(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Takes and gives the bits of one stream."""
        return _one_stream(bits)


class VonNeumann:
    """Compares bits in pairs that do not overlap: 01 gives 0, 10 gives 1."""

    inputs = 1

    def __init__(self) -> None:
        self._left = np.empty(0, np.uint8)

    def feed(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Takes bits of one stream; an odd one waits for the next call."""
        given = np.concatenate([self._left, _one_stream(bits)])
        pairs = given[: len(given) // 2 * 2].reshape(-1, 2)
        self._left = given[2 * len(pairs) :]
        return pairs[pairs[:, 0] != pairs[:, 1], 0]


class Xor:
    """Adds streams side by side, modulo 2.

    Args:
        inputs: Number of streams.

    Raises:
        SettingsError: Below 1.
    """

    def __init__(self, inputs: int) -> None:
        if inputs < 1:
            raise SettingsError(f"xor takes at least one stream, got {inputs}")
        self.inputs = inputs

    def feed(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Takes bits of shape `(inputs, n)`, gives `n`."""
        given = np.atleast_2d(bits)
        if given.shape[0] != self.inputs:
            raise ValueError(f"{self.inputs} streams are needed, got bits of shape {np.shape(bits)}")
        return np.bitwise_xor.reduce(given, axis=0)


class Sha256:
    """Hashes blocks of bits; each gives 256.

    Args:
        entropy: Min-entropy of an input bit, as SP 800-90B estimates it; it decides how many bits make a block.

    Attributes:
        block: Input bits of a block, a multiple of 8.

    Raises:
        SettingsError: `entropy` lies outside (0, 1].
    """

    inputs = 1

    def __init__(self, entropy: float) -> None:
        self.block = hash_block(entropy)
        self._left = np.empty(0, np.uint8)

    def feed(self, bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Takes bits of one stream; those of an unfinished block wait for the next call."""
        given = np.concatenate([self._left, _one_stream(bits)])
        blocks = given[: len(given) // self.block * self.block].reshape(-1, self.block)
        self._left = given[blocks.size :].copy()
        digests = b"".join(hashlib.sha256(row.tobytes()).digest() for row in np.packbits(blocks, axis=1))
        return np.unpackbits(np.frombuffer(digests, np.uint8))


@dataclass(frozen=True)
class ConditionerKind:
    """One kind of conditioner.

    Attributes:
        meaning: What it does, in a few words.
        begin: Makes one, from the number of streams side by side and the min-entropy of an input bit.
        rate: Expected bits out for each raw bit in (those of all streams counted), from the probability of a 1, the
            correlation of successive bits, the number of streams and the min-entropy of an input bit.
    """

    meaning: str
    begin: Callable[[int, float], Conditioner]
    rate: Callable[[float, float, int, float], float]


CONDITIONERS: dict[str, ConditionerKind] = {
    "none": ConditionerKind("bits as they come", lambda n, h: PassThrough(), lambda p, rho, n, h: 1.0),
    "von_neumann": ConditionerKind(
        "pairs 01 and 10 give a bit, 00 and 11 none",
        lambda n, h: VonNeumann(),
        lambda p, rho, n, h: von_neumann_rate(p, rho),
    ),
    "xor": ConditionerKind("parity of streams side by side", lambda n, h: Xor(n), lambda p, rho, n, h: 1.0 / n),
    "hash": ConditionerKind(
        "SHA-256 over blocks with 64 bits of min-entropy to spare",
        lambda n, h: Sha256(h),
        lambda p, rho, n, h: HASH_BITS / hash_block(h),
    ),
}
"""Conditioners by name."""


def conditioner(name: str, *, streams: int = 1, entropy: float = 1.0) -> Conditioner:
    """Returns a fresh conditioner.

    Args:
        name: One of `CONDITIONERS`.
        streams: Streams side by side; `xor` alone takes more than one.
        entropy: Min-entropy of an input bit, for `hash`.

    Raises:
        SettingsError: Unknown name, or a parameter out of range.
    """
    kind = CONDITIONERS.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, CONDITIONERS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(CONDITIONERS)}"
        raise SettingsError(f"unknown conditioner {name[:40]!r}; {hint}")
    made = kind.begin(streams, entropy)
    if made.inputs != streams:
        raise SettingsError(f"the conditioner {name} takes one stream, not {streams}; combine streams by xor")
    return made


def von_neumann(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns what von Neumann's rule makes of one stream, shape `(m,)` with m at most half as long."""
    return VonNeumann().feed(bits)


def xor_streams(streams: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Returns the parity of several streams of equal length, bit by bit.

    Raises:
        SettingsError: There is no stream.
        ValueError: Their lengths differ.
    """
    return Xor(len(streams)).feed(np.stack(streams))


def hash_bits(bits: NDArray[np.uint8], entropy: float) -> NDArray[np.uint8]:
    """Returns the SHA-256 digests of blocks of one stream that hold enough min-entropy, shape `(256 blocks,)`.

    Args:
        bits: The stream; what does not fill a block is dropped.
        entropy: Min-entropy of an input bit.

    Raises:
        SettingsError: `entropy` lies outside (0, 1].
    """
    return Sha256(entropy).feed(bits)


def hash_block(entropy: float) -> int:
    """Returns how many input bits make a block: enough for 256 + 64 bits of min-entropy, in whole bytes.

    Raises:
        SettingsError: `entropy` lies outside (0, 1].
    """
    if not LEAST_ENTROPY <= entropy <= 1.0:
        raise SettingsError(
            f"the min-entropy of a bit for the hash must lie between {LEAST_ENTROPY:g} and 1, got {entropy:g}"
        )
    return 8 * math.ceil((HASH_BITS + HASH_MARGIN) / entropy / 8)


def hash_output_entropy(entropy: float) -> float:
    """Returns the min-entropy of an output bit of the hash, by `output_entropy` for the block that it takes."""
    block = hash_block(entropy)
    return output_entropy(block, HASH_BITS, HASH_BITS, block * entropy) / HASH_BITS


def output_entropy(bits_in: int, bits_out: int, width: int, entropy_in: float) -> float:
    """Returns the min-entropy that comes out of a vetted conditioning component, in bits.

    NIST SP 800-90B, section 3.1.5.1.2, in logarithms, so that no power of two overflows; its appendix E bounds the
    width by the input.

    Args:
        bits_in: Length of the input.
        bits_out: Length of the output.
        width: Narrowest internal width.
        entropy_in: Min-entropy of the input, at most `bits_in`.

    Raises:
        ValueError: A length below 1, or `entropy_in` outside (0, bits_in].
    """
    if min(bits_in, bits_out, width) < 1 or not 0.0 < entropy_in <= bits_in:
        raise ValueError(f"no conditioning with {bits_in} bits in, {bits_out} out, entropy {entropy_in} in")
    n = min(bits_out, width, bits_in)
    high = -entropy_in
    low = math.log2(-math.expm1(high * math.log(2.0))) - bits_in - math.log1p(-(2.0**-bits_in)) / math.log(2.0)
    more = bits_in - n
    psi = np.logaddexp2(more + low, high)
    omega = np.logaddexp2(more, 0.5 * (more + math.log2(2.0 * n * math.log(2.0)))) + low
    return max(-float(max(psi, omega)), 0.0)


def von_neumann_rate(probability: float, correlation: float = 0.0) -> float:
    """Returns the bits that von Neumann's rule gives for each that goes in: p(1-p)(1-rho).

    Half a pair's chance to differ: P(01) = p - P(11) = p - p^2 - p(1-p) rho = P(10).
    """
    return probability * (1.0 - probability) * (1.0 - correlation)


def xor_probability(probability: float, streams: int) -> float:
    """Returns the probability of a 1 in the parity of independent streams, 1/2 - (1 - 2p)^n / 2: bias 2^(n-1) e^n."""
    return 0.5 - 0.5 * (1.0 - 2.0 * probability) ** streams


def xor_correlation(probability: float, correlation: float, streams: int) -> float:
    """Returns the correlation of successive bits in the parity of independent, equal streams.

    With signs s = 1 - 2b of mean m, E[s s'] = m^2 + (1 - m^2) rho for one stream, and products of such for the parity.
    """
    mean = 1.0 - 2.0 * probability
    pair = mean**2 + (1.0 - mean**2) * correlation
    spread = 1.0 - mean ** (2 * streams)
    return (pair**streams - mean ** (2 * streams)) / spread if spread > 0.0 else 0.0


def _one_stream(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    given = np.asarray(bits, np.uint8)
    if given.ndim == 2 and given.shape[0] == 1:
        return given[0]
    if given.ndim != 1:
        raise ValueError(f"one stream of bits is needed, got shape {given.shape}")
    return given
