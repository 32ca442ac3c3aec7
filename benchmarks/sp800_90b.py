"""The estimators of SP 800-90B: the publication's worked examples, and the time of a million bits.

    python benchmarks/sp800_90b.py [--bits 1000000] [--repeat 3] [--json]

First each worked example of section 6.3, computed with its own constants (2.576 for the normal point, a dictionary of 4
blocks, a cutoff of 3, short windows and depths), beside the digits that the publication prints. Then every estimator
on four inputs, best of `--repeat` runs on one core: fair bits, a Markov chain with rho = 0.5 (beside its closed form),
zeros, and alternating bits, whose long repeats are the worst case of the tuple estimates. Exit status 1 where an
example is off by more than one in its last printed digit, or fair bits take longer than 20 s.
"""

import argparse
import json
import resource
import sys
import time

import numpy as np

from ftj_spice.common.seeds import generator
from ftj_spice.randomness.diagnostics import markov_min_entropy
from ftj_spice.randomness.sp800_90b import ESTIMATORS, restart_cutoff

TARGET = 20.0
RHO = 0.5
_BITS = [int(bit) for bit in "1000111001010101110011000111001010101110"]
_LETTERS = [2, 2, 0, 1, 0, 2, 0, 1, 2, 1, 2, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0]
EXAMPLES = {
    "most_common_value": ([0, 1, 1, 2, 0, 1, 2, 2, 0, 1, 0, 1, 1, 0, 2, 2, 1, 0, 2, 1], {}, "0.5363"),
    "collision": (_BITS, {}, "0.4483"),
    "markov": (_BITS, {}, "0.761"),
    "compression": ([*_BITS, 1, 1, 1, 0, 0, 0, 1, 1], {"dictionary": 4}, "0.1345"),
    "t_tuple": (_LETTERS, {"cutoff": 3}, "0.273"),
    "longest_repeated_substring": (_LETTERS, {"cutoff": 3}, "0.6146"),
    "multi_mcw": ([1, 2, 1, 0, 2, 1, 1, 2, 2, 0, 0, 0], {"windows": (3, 5, 7, 9)}, "0.3908"),
    "lag": ([2, 1, 3, 2, 1, 3, 1, 3, 1, 2], {"depth": 3}, "0.735"),
    "multi_mmc": ([2, 1, 3, 2, 1, 3, 1, 3, 1], {"depth": 3}, "0.0755"),
    "lz78y": ([2, 1, 3, 2, 1, 3, 1, 3, 1, 2, 1, 3, 2], {"longest": 4}, "0.0191"),
}
"""Sequence, constants and min-entropy of the examples in SP 800-90B, sections 6.3.1 to 6.3.10."""


def examples() -> dict[str, dict]:
    """Returns each worked example: computed, printed, and whether they agree to one in the last digit."""
    rows = {}
    for name, (symbols, constants, printed) in EXAMPLES.items():
        normal = {} if name == "markov" else {"z": 2.576}
        entropy = ESTIMATORS[name](symbols, **constants, **normal).entropy
        unit = 10.0 ** -len(printed.split(".")[1])
        rows[name] = {"computed": entropy, "printed": printed, "agrees": abs(entropy - float(printed)) < unit}
    return rows


def inputs(bits: int) -> dict[str, np.ndarray]:
    """Returns the sequences that are timed."""
    changes = generator(0, "benchmark", 1).random(bits) < 0.5 * (1.0 - RHO)
    return {
        "fair": generator(0, "benchmark", 0).integers(0, 2, bits).astype(np.uint8),
        "chain": (np.cumsum(changes) % 2).astype(np.uint8),
        "zeros": np.zeros(bits, np.uint8),
        "alternating": (np.arange(bits) % 2).astype(np.uint8),
    }


def main() -> int:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    worked = examples()
    sequences = inputs(arguments.bits)
    rows: dict[str, dict] = {}
    for name, estimator in ESTIMATORS.items():
        estimator(sequences["fair"][:10_000])  # compiles
        rows[name] = {}
        for kind, sequence in sequences.items():
            seconds = []
            for _ in range(arguments.repeat):
                begin = time.perf_counter()
                estimate = estimator(sequence)
                seconds.append(time.perf_counter() - begin)
            rows[name][kind] = {"entropy": estimate.entropy, "seconds": min(seconds)}
    total = {kind: sum(row[kind]["seconds"] for row in rows.values()) for kind in sequences}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    passes = all(row["agrees"] for row in worked.values()) and total["fair"] * 1e6 / arguments.bits <= TARGET
    if arguments.json:
        figures = {"bits": arguments.bits, "examples": worked, "estimators": rows, "seconds": total}
        print(json.dumps({**figures, "peak_bytes": peak, "passes": passes}, indent=2))
        return 0 if passes else 1

    print("worked examples of SP 800-90B, section 6.3 (min-entropy)")
    for k, (name, row) in enumerate(worked.items(), 1):
        mark = "" if row["agrees"] else "!"
        print(f"  6.3.{k:<3d} {name:27s} {row['computed']:.6f}   printed {row['printed']:6s} {mark}")
    print(f"\n{arguments.bits:,} bits, best of {arguments.repeat}: min-entropy per bit and time")
    print(f"  {'':27s}" + "".join(f"{kind:>20s}" for kind in sequences))
    for name, row in rows.items():
        cells = (f"{cell['entropy']:9.4f} {cell['seconds'] * 1e3:6.0f} ms" for cell in row.values())
        print(f"  {name:27s}" + "".join(f"{cell:>20s}" for cell in cells))
    print(f"  {'all':27s}" + "".join(f"{f'{seconds:.2f} s':>20s}" for seconds in total.values()))
    print(f"  closed form of the chain, -log2[(1 + {RHO})/2]: {markov_min_entropy(RHO):.4f}")
    print(f"  restart sanity cutoff at H = 1, 1000 samples: {restart_cutoff(1.0)}; peak memory {peak / 1e6:.0f} MB")
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
