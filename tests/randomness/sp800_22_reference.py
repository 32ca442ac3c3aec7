"""The tests of SP 800-22 written down from their definitions, slowly, on text and Python numbers."""

import math
from collections import Counter
from itertools import zip_longest

import numpy as np


def text(bits):
    return "".join(str(int(bit)) for bit in bits)


def cut(bits, length):
    stream = text(bits)
    return [stream[i * length : (i + 1) * length] for i in range(len(stream) // length)]


def linear_complexity(block):
    """Berlekamp-Massey as in Menezes et al., Handbook of Applied Cryptography, algorithm 6.30."""
    s = [int(bit) for bit in block]
    c, b, length, m = [1], [1], 0, -1
    for n in range(len(s)):
        d = (s[n] + sum(c[i] * s[n - i] for i in range(1, min(length, len(c) - 1) + 1))) % 2
        if d:
            former = list(c)
            shifted = [0] * (n - m) + b
            c = [x ^ y for x, y in zip_longest(c, shifted, fillvalue=0)]
            if 2 * length <= n:
                length, m, b = n + 1 - length, n, former
    return length


def rank(matrix):
    """Size of a linear basis of the rows, taken as whole numbers."""
    basis = []
    for row in matrix:
        value = int(text(row), 2)
        for member in basis:
            value = min(value, value ^ member)
        if value:
            basis.append(value)
    return len(basis)


def longest_run(block):
    return max(len(run) for run in block.split("0"))


def jumping_matches(block, template):
    """Matches of section 2.7.4: the window jumps behind a match and slides on otherwise."""
    place = matches = 0
    while place <= len(block) - len(template):
        if block.startswith(template, place):
            matches += 1
            place += len(template)
        else:
            place += 1
    return matches


def sliding_matches(block, template):
    return sum(block.startswith(template, place) for place in range(len(block)))


def cyclic_words(bits, length):
    stream = text(bits)
    ring = stream + (stream * length)[: length - 1]
    return Counter(ring[i : i + length] for i in range(len(stream)))


def serial_statistics(bits, length):
    def psi2(m):
        if m == 0:
            return 0.0
        return 2**m / len(bits) * sum(count**2 for count in cyclic_words(bits, m).values()) - len(bits)

    psi = [psi2(length - k) for k in range(3)]
    return psi[0] - psi[1], psi[0] - 2 * psi[1] + psi[2]


def entropy_chi2(bits, length):
    def phi(m):
        return sum(count / len(bits) * math.log(count / len(bits)) for count in cyclic_words(bits, m).values())

    return 2 * len(bits) * (math.log(2) - (phi(length) - phi(length + 1)))


def walk(bits):
    return [0, *np.cumsum([2 * int(bit) - 1 for bit in bits]).tolist()]


def cycles(bits):
    """Excursions of the walk, the last one closed by a zero that is added."""
    places = walk(bits)[1:]
    if places[-1] != 0:
        places.append(0)
    found, current = [], []
    for place in places:
        if place == 0:
            found.append(current)
            current = []
        else:
            current.append(place)
    return found


def peaks_below(bits):
    x = 2.0 * np.array(bits, float) - 1.0
    n = len(x)
    frequencies = np.exp(-2j * np.pi * np.outer(np.arange(n // 2), np.arange(n)) / n) @ x
    return np.abs(frequencies)


def universal_sum(bits, length, initial):
    last, total = {}, 0.0
    for i, word in enumerate(cut(bits, length), 1):
        if i > initial:
            total += math.log2(i - last.get(word, 0))
        last[word] = i
    return total


def reach_probability(n, z):
    """The formula of section 2.13.4 with every term of its sums."""

    def normal(x):
        return 0.5 * math.erfc(-x / math.sqrt(2.0))

    def sum_over(first, last, a, b):
        return sum(
            normal((4 * k + a) * z / math.sqrt(n)) - normal((4 * k + b) * z / math.sqrt(n))
            for k in range(math.trunc(first), math.trunc(last) + 1)
        )

    ratio = n // z
    inner = sum_over((-ratio + 1) / 4, (ratio - 1) / 4, 1, -1)
    return 1.0 - inner + sum_over((-ratio - 3) / 4, (ratio - 1) / 4, 3, 1)
