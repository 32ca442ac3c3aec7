"""The page and the lines that a test of random bits leaves."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from ftj_spice.randomness.sp800_22 import TESTS, Assessment
from ftj_spice.results.plots.run import timing_bar
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering, grouped
from ftj_spice.studies.trng.testing_figures import expected_of
from ftj_spice.studies.trng.testing_streams import ALARM, LAGS

if TYPE_CHECKING:
    from ftj_spice.studies.trng.testing import TrngTestResult

LISTED = 60
"""Rows beyond NIST's limits shown on the page; the file holds all."""

SIMULATED = (
    "These bits come from a simulation. Its noise is drawn by a pseudo-random generator from a seed, so the bits hold "
    "no more entropy than that seed, and a generator of that kind passes all of these tests by itself. What a pass "
    "shows is that the simulated read-out (digitiser, interval, conditioner) leaves no bias and no correlation that "
    "these tests can see in so many bits. What a failure shows is the opposite, and is a finding about the read-out."
    "\n\n"
    "Nothing here speaks of a real device's entropy: its traps need not follow the model, and drift, interference, "
    "ageing and a second trap are not in these bits. For that, measure a device and test its raw bits, with an "
    "argument why its noise can't be predicted (SP 800-90B, section 3.2.2)."
)
UNKNOWN = (
    "Such tests can show that bits are not random; they can't show that they are. A pseudo-random generator with a "
    "known seed passes all of them with no entropy at all. Nothing beside the file says where its bits come from."
)
HASHED = (
    "The bits went through a hash, whose output passes such tests whatever goes in. Only tests of the raw bits "
    "(--set conditioner=none) say anything about the read-out."
)


def summary_lines(result: "TrngTestResult") -> tuple[str, ...]:
    """Returns what the command line prints."""
    lines = [f"{result.streams.path}: {result.streams.description}"]
    a, d = result.assessment, result.diagnostics
    if a is not None:
        families = a.by_test()
        failed = [row.test for row in families if not row.passes]
        beyond = sum(not row.passes for row in a.rows)
        lines.append(
            f"SP 800-22: {len(families) - len(failed)} of {len(families)} tests pass"
            + (f" (fail: {', '.join(failed)})" if failed else "")
            + f"; {beyond} of {len(a.rows)} rows beyond NIST's limits, {_expected(a):.1f} expected by chance"
        )
        lines += [f"  not applicable: {test} ({reason})" for test, reason in a.inapplicable.items()]
    if result.entropy is not None:
        present = [e for e in result.entropy.estimates if e.applicable]
        least = min(present, key=lambda e: e.entropy).estimator if present else "none applicable"
        few = "" if result.entropy.enough else ", fewer than the 1,000,000 it asks for"
        lines.append(
            f"SP 800-90B: min-entropy {result.entropy.h_original:.4f} per bit ({least}; {result.entropy_from}{few})"
            + ("" if result.entropy.entropy == result.entropy.h_original else ", more than claimed")
        )
    if result.restarts is not None:
        r = result.restarts
        lines.append(
            f"restarts: {'pass' if r.passes else 'FAIL'}; rows {r.h_row:.4f}, columns {r.h_column:.4f} per bit, "
            f"largest counts {r.largest_count[0]} and {r.largest_count[1]} (cutoffs {r.cutoff[0]} and {r.cutoff[1]})"
        )
    for h in result.health:
        lines.append(
            f"{h.name.replace('_', ' ')}: {h.alarms} alarms (at most {h.expected:.2g} expected by chance), largest "
            f"count {h.largest} (cutoff {h.cutoff})"
        )
    if result.health_entropy is not None and not result.health:
        lines.append("health tests: not applicable to a min-entropy of 0; claim one with --entropy")
    if d is not None:
        lag = int(np.argmax(np.abs(np.nan_to_num(d.correlation))))
        lines.append(
            f"diagnostics: ones {d.ones:.5f} ± {d.ones_error:.5f}; largest autocorrelation {d.correlation[lag]:+.5f} "
            f"at lag {lag + 1} (limit {d.correlation_limit:.5f}); run lengths geometric with P-value "
            + ("none" if d.run_p_value is None else f"{d.run_p_value:.3g}")
        )
    return tuple(lines)


def render_trng_report(result: "TrngTestResult", figures: dict[str, Figure], durations: dict[str, float]) -> str:
    """Returns the page as HTML."""
    s = result.streams
    report = Report(f"Tests of random bits: {'pass' if result.passes else 'FAIL'}", f"{s.path.name} · {s.description}")
    _verdict(report, result)
    if result.assessment is not None:
        _sp800_22(report, result.assessment, figures)
    if result.entropy is not None:
        _sp800_90b(report, result, figures)
    if result.health_entropy is not None:
        _health(report, result)
    if result.diagnostics is not None:
        _diagnostics(report, result, figures)
    if result.streams.origin:
        _origin(report, result)
    if durations:
        report.section("Where the time went").figure(
            timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
        )
    return report.html()


def _verdict(report: Report, result: "TrngTestResult") -> None:
    s, origin = result.streams, result.streams.origin
    report.section("Verdict")
    report.facts(
        {
            "Streams": grouped(len(s)),
            "Bits of each": grouped(s.stream_bits),
            **{name: "pass" if good else "FAIL" for name, good in result.verdicts.items()},
        }
    )
    failed = [name for name, good in result.verdicts.items() if not good]
    if not result.verdicts:
        report.text("No test could be applied: the streams are too short. The sections below say what each one needs.")
    elif failed:
        report.text(f"These bits fail: {', '.join(failed)}.")
    else:
        report.text("These bits pass everything that could be applied to them.")
    report.note(SIMULATED if origin.get("program") == "ftj-spice" else UNKNOWN)
    if isinstance(origin.get("conditioner"), dict) and origin["conditioner"].get("name") == "hash":
        report.note(HASHED)


def _sp800_22(report: Report, a: Assessment, figures: dict[str, Figure]) -> None:
    report.section(
        "SP 800-22: fifteen tests",
        "Each test gives one or more P-values for each stream (a row each). NIST's criteria for a row, over the "
        f"streams: the share of streams with P of at least {a.alpha:g} lies within three standard deviations of "
        f"{1 - a.alpha:g}, and, from 55 streams on, the P-values are uniform (their own P-value is at least 0.0001)."
        "\n\n"
        "With so many rows some miss these limits by chance, for ideal bits too. A test counts as failed where more of "
        "its rows miss them than chance explains: the column 'allowed' is exceeded by an ideal source once in a "
        "hundred files for tests of many rows, by a single row as often as NIST's limits say. An ideal source fails at "
        f"least one of these tests in about {100 * _any_alarm(a):.0f} of 100 files; then test fresh bits.",
    )
    families = {row.test: row for row in a.by_test()}
    rows = []
    for name, test in TESTS.items():
        if name in families:
            f = families[name]
            rows.append(
                (
                    test.title, f.streams, f.rows, f.failing, f"{f.expected:.2g}", f.allowed, f"{f.proportion:.4f}",
                    "–" if f.uniformity is None else f"{f.uniformity:.2g}", "pass" if f.passes else "FAIL",
                )
            )  # fmt: skip
        elif name in a.inapplicable:
            rows.append((test.title, 0, *["–"] * 6, "not applicable"))
    report.table(
        rows,
        ("test", "streams", "rows", "beyond NIST's limits", "by chance", "allowed", "lowest share", "lowest uniformity",
         "verdict"),
        "The tests of SP 800-22 rev. 1a. The two random excursion tests apply to streams with enough cycles only.",
    )  # fmt: skip
    for name, reason in a.inapplicable.items():
        report.text(f"{TESTS[name].title}: not applicable, {reason}.")
    if "p_values" in figures:
        report.figure(
            figures["p_values"],
            "P-values of all streams and rows by test, in ten bins; for random bits each holds one tenth (orange). "
            "Failed tests in red.",
            "Histograms of P-values by test",
        )
    if "pass_shares" in figures:
        report.figure(
            figures["pass_shares"],
            "Share of streams that pass, a dot for each row of a test; NIST's limits shaded, the lower one orange, "
            "rows beyond them red.",
            "Shares of passing streams by test",
        )
    beyond = [row for row in a.rows if not row.passes]
    if beyond:
        more = f" The first {LISTED} of {len(beyond)}; sp800_22.csv holds all." if len(beyond) > LISTED else ""
        report.table(
            [
                (
                    TESTS[r.test].title, r.label or "–", r.streams, f"{r.proportion:.4f}",
                    f"{r.limits[0]:.4f} to {min(r.limits[1], 1.0):.4f}",
                    "–" if r.uniformity is None else f"{r.uniformity:.2g}",
                )
                for r in beyond[:LISTED]
            ],
            ("test", "row", "streams", "share", "limits", "uniformity"),
            "Rows beyond NIST's limits." + more,
        )  # fmt: skip


def _sp800_90b(report: Report, result: "TrngTestResult", figures: dict[str, Figure]) -> None:
    entropy = result.entropy
    if entropy is None:
        return
    report.section(
        "SP 800-90B: min-entropy",
        f"The ten estimators for data that need not be independent, on {result.entropy_from}; the smallest counts: "
        f"{entropy.h_original:.4f} bits per bit. Each is a lower bound with 99 % confidence for its own model, so that "
        "ideal bits get less than 1 (some 0.85 to 0.95 from a million bits). It is an estimate, not a test; it fails "
        "here only where nothing is left.",
    )
    if not entropy.enough:
        report.note(
            f"SP 800-90B asks for 1,000,000 bits; these are {grouped(entropy.symbols)}, which lowers the bounds."
        )
    if "entropy" in figures:
        report.figure(
            figures["entropy"],
            "Min-entropy per bit by estimator. Lines: the two-state Markov chain fitted to all bits, where diagnostics "
            "were asked for, and the exact value of the simulated source, where the file beside the bits tells it.",
            "Bars of min-entropy estimates",
        )
    missing = [(e.estimator.replace("_", " "), e.reason) for e in entropy.estimates if not e.applicable]
    if missing:
        report.table(missing, ("estimator", "not applicable because"), "Estimators that could not be applied.")
    r = result.restarts
    if r is not None:
        report.table(
            [
                ("rows (one power-up each)", r.largest_count[0], r.cutoff[0], f"{r.h_row:.4f}"),
                ("columns (same bit after each power-up)", r.largest_count[1], r.cutoff[1], f"{r.h_column:.4f}"),
            ],
            ("read as", "largest count", "cutoff", "min-entropy per bit"),
            f"Restart tests on {r.shape[0]} power-ups of {r.shape[1]} bits: {'pass' if r.passes else 'FAIL'}. The most "
            "common value of a row or column must not come more often than the cutoff, and both estimates must be at "
            f"least half of {r.h_initial:.4f} (SP 800-90B, section 3.1.4).",
        )


def _health(report: Report, result: "TrngTestResult") -> None:
    if result.health_entropy is None:
        return
    value, source = result.health_entropy
    report.section(
        "Health tests",
        f"What would watch the source in operation (SP 800-90B, section 4.4), set up for a min-entropy of {value:.4f} "
        f"per bit ({source}) and a false alarm in 2^20 samples or windows at most. Some alarms are expected in long "
        f"files; the verdict is a failure where so many come by chance in less than one file of {1 / ALARM:.0f}.",
    )
    if not result.health:
        report.text("No health test can be set up for a min-entropy of 0; claim one with --entropy.")
        return
    report.table(
        [
            (
                h.name.replace("_", " "), h.window, h.cutoff, h.largest, h.trials, h.alarms, f"{h.expected:.2g}",
                "–" if h.first is None else f"stream {h.first[0]}, bit {h.first[1]}", "pass" if h.passes else "FAIL",
            )
            for h in result.health
        ],
        ("test", "window", "cutoff", "largest count", "trials", "alarms", "at most by chance", "first", "verdict"),
        "Continuous health tests over all streams.",
    )  # fmt: skip


def _diagnostics(report: Report, result: "TrngTestResult", figures: dict[str, Figure]) -> None:
    d = result.diagnostics
    if d is None:
        return
    report.section(
        "Bias, correlation, dwell times",
        "What SP 800-22 does not look at directly. Each verdict is wrong for ideal bits once in "
        f"{1 / ALARM:.0f} files. Run lengths are compared with the geometric law of a two-state Markov chain, fitted: "
        "correlated bits can follow it, so that a pass there does not mean independence.",
    )
    expected = expected_of(result)
    closed: dict[str, str] = {}
    if "ones" in expected:
        closed["Share of ones, closed form"] = f"{expected['ones']:.6f}"
    if "correlation" in expected:
        closed["Lag-1 correlation, closed form"] = f"{expected['correlation'][0]:+.5f}"
    report.facts(
        {
            "Share of ones": f"{d.ones:.6f}",
            "Standard error": f"{d.ones_error:.1e}",
            "P-value of no bias": f"{d.ones_p_value:.3g}",
            "Lag-1 correlation": f"{d.correlation[0]:+.5f}",
            "Standard error, lag 1": f"{d.correlation_error[0]:.1e}",
            "Limit for all lags": f"{d.correlation_limit:.1e}",
            "Leaving 0, 1": f"{d.leave[0]:.4f}, {d.leave[1]:.4f}",
            "Run lengths, P-value": d.run_p_value,
            **closed,
            **{f"Verdict, {name}": "pass" if good else "FAIL" for name, good in d.verdicts.items()},
        }
    )
    if d.constant:
        report.note(f"In {d.constant} of the streams the bits never change.")
    if "autocorrelation" in figures:
        report.figure(
            figures["autocorrelation"],
            f"Autocorrelation at lags 1 to {LAGS}, mean over the streams, with the band that independent bits leave at "
            f"some lag once in {1 / ALARM:.0f} files.",
            "Autocorrelation against lag",
        )
    if "run_lengths" in figures:
        report.figure(
            figures["run_lengths"],
            "Lengths of the runs of equal bits over all streams, and the geometric law with the fitted chance to "
            "leave.",
            "Histograms of run lengths of zeros and ones",
        )


def _origin(report: Report, result: "TrngTestResult") -> None:
    origin = result.streams.origin
    rows = []
    for group in ("settings", "card", "source", "conditioner"):
        entries = origin.get(group)
        if isinstance(entries, dict):
            rows += [(f"{group}.{key}", "automatic" if value is None else str(value)) for key, value in entries.items()]
    rate = origin.get("rate_per_stream_bit_per_s")
    if isinstance(rate, int | float):
        rows.append(("rate of a stream", engineering(rate, "bit/s")))
    report.section("Where the bits come from").table(rows, ("entry", "value"), "From the description beside the file.")


def _expected(a: Assessment) -> float:
    return sum(row.expected for row in a.by_test())


def _any_alarm(a: Assessment) -> float:
    """Returns the chance that ideal bits fail some test, taking rows and tests for independent."""
    survive = 1.0
    for f in a.by_test():
        survive *= 1.0 - float(stats.binom.sf(f.allowed, f.rows, f.expected / f.rows))
    return 1.0 - survive
