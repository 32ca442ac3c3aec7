"""Template matching: aperiodic templates (section 2.7) and an overlapping run of ones (2.8)."""

from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

from ftj_spice.common.compiling import CACHE
from ftj_spice.randomness.sp800_22.result import TestResult, applied, numbered

OVERLAPPING_CLASSES = 6
"""0, 1, ..., 4 and "5 or more" matches in a block: K = 5 of section 2.8.2."""


@lru_cache
def aperiodic_templates(length: int) -> tuple[int, ...]:
    """Returns all words of `length` bits that no shift of themselves overlaps, as numbers in rising order.

    A word overlaps itself where its first k bits are its last k ones. 148 words of nine bits are left.
    """
    words = np.arange(1 << length)
    overlaps = np.zeros(words.size, bool)
    for k in range(1, length):
        overlaps |= words >> (length - k) == words & ((1 << k) - 1)
    return tuple(int(word) for word in words[~overlaps])


def non_overlapping_template(
    bits: NDArray[np.uint8], length: int = 9, blocks: int = 8, templates: tuple[int, ...] | None = None
) -> TestResult:
    """Returns the test of section 2.7.4 for each template.

    A template that can't overlap itself matches as often by the publication's jumping window as by one that slides on
    bit by bit, so one pass that counts the windows serves all templates.

    Args:
        bits: Zeros and ones.
        length: m, bits in a template.
        blocks: N.
        templates: Aperiodic words of `length` bits; none takes all.
    """
    templates = aperiodic_templates(length) if templates is None else templates
    size = bits.size // blocks
    counts = _block_windows(bits, length, size, blocks)[:, list(templates)]
    mean = (size - length + 1) / 2.0**length
    variance = size * (0.5**length - (2 * length - 1) * 0.25**length)
    chi2 = np.sum((counts - mean) ** 2, axis=0) / variance
    labels = [f"template {word:0{length}b}" for word in templates]
    statistics = {"blocks": blocks, "block_length": size, "mean": mean, "variance": variance}
    statistics |= {f"chi2 {label}": value for label, value in zip(labels, chi2, strict=True)}
    return applied("non_overlapping_template", gammaincc(0.5 * blocks, 0.5 * chi2), labels, statistics)


def overlapping_block(length: int) -> int:
    """Returns M for which a block is expected to hold two matches, `(M - m + 1) / 2^m = 2`; 1032 for m = 9."""
    return 2 ** (length + 1) + length - 1


def overlapping_template(bits: NDArray[np.uint8], length: int = 9, size: int | None = None) -> TestResult:
    """Returns the test of section 2.8.4 for a run of `length` ones.

    Args:
        bits: Zeros and ones.
        length: m, bits in the template.
        size: M, bits in a block; none takes `overlapping_block`.
    """
    size = overlapping_block(length) if size is None else size
    blocks = bits.size // size
    matches = _run_matches(bits, length, size, blocks)
    counts = np.bincount(np.minimum(matches, OVERLAPPING_CLASSES - 1), minlength=OVERLAPPING_CLASSES)
    expected = blocks * np.array(overlapping_probabilities(length, size))
    chi2 = float(np.sum((counts - expected) ** 2 / expected))
    p_value = gammaincc(0.5 * (OVERLAPPING_CLASSES - 1), 0.5 * chi2)
    statistics = {"chi2": chi2, "blocks": blocks, "block_length": size, **numbered("nu", counts)}
    return applied("overlapping_template", [p_value], [""], statistics)


@lru_cache
def overlapping_probabilities(length: int, size: int) -> tuple[float, ...]:
    """Returns the exact law of the number of overlapping matches of a run of ones in a block of fair bits.

    By the Markov chain of (trailing ones up to m - 1, matches up to 5). It is the law that Hamano and Kaneko (IEICE
    Trans. Fundamentals E90-A, 1788 (2007)) put in the place of the former approximation, and that rev. 1a prints to
    six digits in section 2.8.4.

    Args:
        length: m.
        size: M.
    """
    state = np.zeros((length, OVERLAPPING_CLASSES))
    state[0, 0] = 1.0
    for _ in range(size):
        following = np.zeros_like(state)
        following[0] = 0.5 * state.sum(axis=0)  # a zero ends the run
        following[1:] += 0.5 * state[:-1]
        following[-1, 1:] += 0.5 * state[-1, :-1]  # a one completes a match
        following[-1, -1] += 0.5 * state[-1, -1]
        state = following
    return tuple(float(p) for p in state.sum(axis=0))


@numba.njit(cache=CACHE, nogil=True)
def _block_windows(bits, length, size, blocks):  # pragma: no cover - compiled
    """How often each word of `length` bits stands in each block, shape `(blocks, 2**length)`."""
    counts = np.zeros((blocks, 1 << length), np.int64)
    mask = (1 << length) - 1
    for block in range(blocks):
        word = 0
        for i in range(size):
            word = ((word << 1) | bits[block * size + i]) & mask
            if i >= length - 1:
                counts[block, word] += 1
    return counts


@numba.njit(cache=CACHE, nogil=True)
def _run_matches(bits, length, size, blocks):  # pragma: no cover - compiled
    """Overlapping matches of `length` ones in each block."""
    matches = np.zeros(blocks, np.int64)
    for block in range(blocks):
        run = 0
        for i in range(block * size, (block + 1) * size):
            run = run + 1 if bits[i] else 0
            if run >= length:
                matches[block] += 1
    return matches
