"""The estimators of SP 800-90B, section 6.3, in plain Python, step by step as the publication writes them.

Slow, with lists and dictionaries only: what the compiled ones are compared with. Predictors return their record
`correct`; indices count from 1, as in the publication.
"""

from collections import Counter
from math import comb, floor, log2


def substrings(symbols, length):
    return Counter(tuple(symbols[i : i + length]) for i in range(len(symbols) - length + 1))


def collision_times(bits):
    times, index = [], 1
    while True:
        seen, j = set(), index
        while j <= len(bits) and bits[j - 1] not in seen:
            seen.add(bits[j - 1])
            j += 1
        if j > len(bits):
            return times
        times.append(j - index + 1)
        index = j + 1


def compression_distances(bits, d, b=6):
    blocks = [tuple(bits[i * b : (i + 1) * b]) for i in range(len(bits) // b)]
    dictionary = {}
    for i in range(1, d + 1):
        dictionary[blocks[i - 1]] = i
    distances = []
    for i in range(d + 1, len(blocks) + 1):
        distances.append(i - dictionary.get(blocks[i - 1], 0))
        dictionary[blocks[i - 1]] = i
    return distances


def compression_expectation(p, n, d, b=6):
    def g(z):
        total = 0.0
        for t in range(d + 1, n + 1):
            for u in range(1, t + 1):
                total += log2(u) * (z**2 * (1 - z) ** (u - 1) if u < t else z * (1 - z) ** (t - 1))
        return total / (n - d)

    return g(p) + (2**b - 1) * g((1 - p) / (2**b - 1))


def t_tuple_p_max(symbols, cutoff):
    best, t = None, 1
    while t <= len(symbols):
        most = substrings(symbols, t).most_common(1)[0][1]
        if most < cutoff:
            break
        p = (most / (len(symbols) - t + 1)) ** (1 / t)
        best = p if best is None else max(best, p)
        t += 1
    return t - 1, best


def lrs_p_max(symbols, cutoff):
    n = len(symbols)
    u = 1
    while substrings(symbols, u).most_common(1)[0][1] >= cutoff:
        u += 1
    v = 0
    while v + 1 < n and substrings(symbols, v + 1).most_common(1)[0][1] >= 2:
        v += 1
    if v < u:
        return u, v, None
    rates = []
    for w in range(u, v + 1):
        collisions = sum(comb(c, 2) for c in substrings(symbols, w).values())
        rates.append((collisions / comb(n - w + 1, 2)) ** (1 / w))
    return u, v, max(rates)


class _Scoreboard:
    def __init__(self, size):
        self.scores = [0] * (size + 1)
        self.winner = 1

    def update(self, predictions, symbol):
        for j, prediction in enumerate(predictions, 1):
            if prediction is not None and prediction == symbol:
                self.scores[j] += 1
                if self.scores[j] >= self.scores[self.winner]:
                    self.winner = j


def multi_mcw(symbols, windows):
    correct, board = [], _Scoreboard(len(windows))
    for i in range(windows[0] + 1, len(symbols) + 1):
        frequent = []
        for w in windows:
            if i > w:
                window = symbols[i - w - 1 : i - 1]
                counts = Counter(window)
                most = max(counts.values())
                frequent.append(next(s for s in reversed(window) if counts[s] == most))
            else:
                frequent.append(None)
        correct.append(frequent[board.winner - 1] == symbols[i - 1])
        board.update(frequent, symbols[i - 1])
    return correct


def lag(symbols, depth):
    correct, board = [], _Scoreboard(depth)
    for i in range(2, len(symbols) + 1):
        lags = [symbols[i - d - 1] if d < i else None for d in range(1, depth + 1)]
        correct.append(lags[board.winner - 1] == symbols[i - 1])
        board.update(lags, symbols[i - 1])
    return correct


def _likeliest(counts):
    most = max(counts.values())
    return max(y for y, count in counts.items() if count == most), most


def multi_mmc(symbols, depth, limit):
    models = [{} for _ in range(depth + 1)]
    entries = [0] * (depth + 1)
    correct, board = [], _Scoreboard(depth)
    for i in range(3, len(symbols) + 1):
        predictions = []
        for d in range(1, depth + 1):
            if d < i - 1:
                context, successor = tuple(symbols[i - d - 2 : i - 2]), symbols[i - 2]
                if successor in models[d].get(context, {}):
                    models[d][context][successor] += 1
                elif entries[d] < limit:
                    models[d].setdefault(context, {})[successor] = 1
                    entries[d] += 1
        for d in range(1, depth + 1):
            context = tuple(symbols[i - d - 1 : i - 1]) if d < i else None
            predictions.append(_likeliest(models[d][context])[0] if context in models[d] else None)
        correct.append(predictions[board.winner - 1] == symbols[i - 1])
        board.update(predictions, symbols[i - 1])
    return correct


def lz78y(symbols, longest, limit):
    dictionary, correct = {}, []
    for i in range(longest + 2, len(symbols) + 1):
        for j in range(longest, 0, -1):
            context = tuple(symbols[i - j - 2 : i - 2])
            if context not in dictionary and len(dictionary) < limit:
                dictionary[context] = Counter()
            if context in dictionary:
                dictionary[context][symbols[i - 2]] += 1
        prediction, most = None, 0
        for j in range(longest, 0, -1):
            context = tuple(symbols[i - j - 1 : i - 1])
            if context in dictionary:
                symbol, count = _likeliest(dictionary[context])
                if count > most:
                    prediction, most = symbol, count
        correct.append(prediction == symbols[i - 1])
    return correct


def restart_largest_count_law(p, symbols, samples):
    """Chance of each largest count among `samples` symbols: all outcomes of equal symbols and one with the rest."""
    equal = floor(1 / p + 1e-9)
    chances = [p] * equal + ([1 - equal * p] if 1 - equal * p > 1e-12 else [])
    chances += [0.0] * (symbols - len(chances))
    law = {(0,) * symbols: 1.0}
    for _ in range(samples):
        following = Counter()
        for counts, chance in law.items():
            for k, q in enumerate(chances):
                if q:
                    following[(*counts[:k], counts[k] + 1, *counts[k + 1 :])] += chance * q
        law = following
    largest = Counter()
    for counts, chance in law.items():
        largest[max(counts)] += chance
    return largest
