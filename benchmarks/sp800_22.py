"""The fifteen tests of SP 800-22 against the publication's printed numbers, and their speed.

    python benchmarks/sp800_22.py [--streams 100] [--bits 1e6] [--jobs 2] [--only examples|appendix|speed ...] [--json]

Parts: `examples` (every number of the worked examples beside the computed one, with the cause where they differ),
`appendix` (the first 1,000,000 binary digits of pi, e, sqrt(2) and sqrt(3) under all tests beside Appendix B), `speed`
(all tests over streams of PCG64, and the criteria of section 4.2 on them). Exit status 1 where a printed number is
neither reproduced nor traced to its cause, where speed or memory miss their targets, or where a good generator fails.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ftj_spice.common.seeds import generator
from ftj_spice.randomness.sp800_22 import TESTS, TestResult, assess, run_tests
from ftj_spice.randomness.sp800_22.known_answers import KnownAnswer, appendix_b, worked_examples

PARTS = ["examples", "appendix", "speed"]
SECONDS, GIGABYTES = 600.0, 2.0
"""Targets for 100 streams of 1 Mbit on 2 cores."""


def table(answers: Sequence[KnownAnswer]) -> None:
    """Prints computed beside printed numbers."""
    print(f"{'section':9}{'test':27}{'value':27}{'printed':>13}{'computed':>15}  {'as printed':>11}  cause")
    for a in answers:
        redone = "" if a.redone is None else f"{a.redone:.6f}"
        label = a.label or "P-value"
        print(f"{a.section:9}{a.test:27}{label:27}{a.printed:>13}{a.computed:>15.9f}  {redone:>11}  {a.cause}")


def summary(answers: Sequence[KnownAnswer]) -> dict:
    """Returns how many numbers agree, and the largest deviations."""
    agreeing = [a for a in answers if a.agrees]
    explained = [a for a in answers if not a.agrees and a.explained]
    rest = [a for a in answers if not a.agrees and not a.explained]
    return {
        "numbers": len(answers),
        "agree": len(agreeing),
        "differ, printed digits reproduced by the cause": len(explained),
        "differ otherwise": [f"{a.section} {a.label}: {a.printed}, computed {a.computed:.9f}; {a.cause}" for a in rest],
        "largest deviation where they agree": max(abs(a.computed - float(a.printed)) for a in agreeing),
        "largest deviation of a redone value": max((abs(a.redone - float(a.printed)) for a in explained), default=0.0),
        "without a cause": sum(not a.cause for a in rest),
    }


def one_stream(index: int, bits: int) -> list[TestResult]:
    """All tests on one stream."""
    return run_tests(generator(0, "benchmark", index).integers(0, 2, bits, dtype=np.uint8))


def speed(streams: int, bits: int, jobs: int) -> tuple[dict, bool]:
    """Runs all tests over the streams in threads; returns the figures and whether they are good."""
    one_stream(streams, bits)  # compiled code is loaded, or made
    begin = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(lambda k: one_stream(k, bits), range(streams)))
    seconds = time.perf_counter() - begin
    stream = generator(0, "benchmark", 0).integers(0, 2, bits, dtype=np.uint8)
    each = {}
    for name in TESTS:
        start = time.perf_counter()
        run_tests(stream, [name])
        each[name] = time.perf_counter() - start
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** (30 if sys.platform == "darwin" else 20)
    assessment = assess(results)
    families = assessment.by_test()
    return {
        "streams": streams,
        "bits": bits,
        "jobs": jobs,
        "seconds": seconds,
        "seconds per stream and job": seconds * jobs / streams,
        "gigabytes": gigabytes,
        "milliseconds of each test": {name: 1e3 * value for name, value in each.items()},
        "passes": assessment.passes,
        "all rows pass": assessment.all_rows_pass,
        "tests": {
            f.test: {
                "streams": f.streams,
                "rows": f.rows,
                "failing": f.failing,
                "expected": f.expected,
                "allowed": f.allowed,
                "lowest proportion": f.proportion,
                "lowest uniformity": f.uniformity,
            }
            for f in families
        },
    }, assessment.passes and seconds <= SECONDS and gigabytes <= GIGABYTES


def main() -> int:
    """Runs the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--bits", type=float, default=1e6)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report, good = {}, True
    for part, answers in (("examples", worked_examples), ("appendix", appendix_b)):
        if part not in arguments.only:
            continue
        found = list(answers())
        report[part] = summary(found)
        good &= report[part]["without a cause"] == 0
        if not arguments.json:
            table(found)
            print()
    if "speed" in arguments.only:
        report["speed"], fast = speed(arguments.streams, int(arguments.bits), arguments.jobs)
        good &= fast
    print(json.dumps(report, indent=2))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
