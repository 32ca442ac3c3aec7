"""Tests of bit files: good bits pass, each kind of bad ones is seen by the right test, and the files say it all."""

import csv
import json
import re

import numpy as np
import pytest

from ftj_spice.common.errors import DataError, FtjSpiceError, SettingsError
from ftj_spice.randomness.bits import KIND, sidecar, write_bits
from ftj_spice.randomness.diagnostics import bit_autocorrelation
from ftj_spice.randomness.sp800_22 import TESTS, Parameters, run_tests
from ftj_spice.randomness.sp800_90b import estimate_entropy
from ftj_spice.studies.trng import testing_streams as trng_test_streams
from ftj_spice.studies.trng.testing import load_parameters, trng_test
from ftj_spice.studies.trng.testing_streams import LAGS

QUICK = {"suites": ("sp800-22", "health", "diagnostics"), "tests": ("frequency", "runs", "serial")}


def fair(streams, bits, seed=1):
    return np.random.default_rng(seed).integers(0, 2, (streams, bits), dtype=np.uint8)


def markov(streams, bits, rho, seed=2):
    rng = np.random.default_rng(seed)
    changes = (rng.random((streams, bits)) < (1 - rho) / 2).astype(np.uint8)
    return np.bitwise_xor.accumulate(changes, axis=1)


def written(tmp_path, rows, form="packed"):
    file = tmp_path / "b.bin"
    write_bits(file, list(rows), form, rows.shape[1])
    told = {"kind": KIND, "format": form, "streams": rows.shape[0], "stream_bits": rows.shape[1]}
    sidecar(file).write_text(json.dumps(told))
    return file


def test_good_bits_pass_and_numbers_are_those_of_the_library(tmp_path):
    rows = fair(60, 6400)
    result = trng_test(written(tmp_path, rows), jobs=2, **QUICK)
    assert result.passes, result.verdicts
    assert result.metrics["file"]["streams"] == 60
    first = run_tests(rows[0], QUICK["tests"])
    assert [r.p_values.tolist() for r in result.answers[0].tests[:2]] == [r.p_values.tolist() for r in first[:2]]
    assert result.assessment.inapplicable == {"serial": "needs at least 524,288 bits, got 6,400"}
    d = result.diagnostics
    assert d.ones == pytest.approx(rows.mean())
    mean = np.mean([bit_autocorrelation(row, LAGS).values for row in rows], axis=0)
    assert d.correlation == pytest.approx(mean + 1 / 6400)
    assert d.run_counts.sum() == sum(np.count_nonzero(np.diff(row.astype(int))) - 1 for row in rows)
    assert d.run_law.sum() == pytest.approx(d.run_counts.sum(), rel=1e-3)
    assert result.summary[0].endswith("60 streams of 6,400 bits (by b.bin.json)")


def test_jobs_make_no_difference(tmp_path):
    file = written(tmp_path, fair(7, 2000))
    one, three = (trng_test(file, jobs=jobs, **QUICK) for jobs in (1, 3))
    assert one.metrics["sp800_22"] == three.metrics["sp800_22"]
    assert np.array_equal(one.diagnostics.correlation, three.diagnostics.correlation)


def test_few_bits_a_stream_leave_no_trace_in_the_mean_correlation(tmp_path):
    result = trng_test(written(tmp_path, fair(4000, 200)), jobs=2, suites=("diagnostics",))
    assert result.diagnostics.verdicts["autocorrelation"]  # each stream's own mean takes 1/200 off, 4.5 standard errors


@pytest.mark.parametrize(
    ("rows", "failed", "passed"),
    [
        ((np.random.default_rng(4).random((60, 6400)) < 0.51).astype(np.uint8), "bias", "run lengths"),
        (markov(60, 6400, 0.03), "autocorrelation", "run lengths"),
        (markov(60, 6400, 0.03), "SP 800-22", "bias"),
        (np.repeat(fair(60, 3200), 2, axis=1), "run lengths", "bias"),
        (np.concatenate([fair(60, 6000), np.ones((60, 400), np.uint8)], axis=1), "health tests", None),
    ],
    ids=["bias", "correlation", "sp800-22", "doubled", "stuck"],
)
def test_bad_bits_are_seen_by_the_right_question(tmp_path, rows, failed, passed):
    result = trng_test(written(tmp_path, rows), **QUICK)
    assert not result.passes
    assert result.verdicts[failed] is False
    assert passed is None or result.verdicts[passed] is True
    assert failed in result.verdict


def test_alternating_bits_have_no_run_lengths_to_test(tmp_path):
    (tmp_path / "b").write_bytes(b"\x55" * 2500)
    found = trng_test(tmp_path / "b", suites=("diagnostics",), file_format="packed")
    assert found.verdicts == {"bias": True, "autocorrelation": False}


def test_one_bit_is_told_by_the_file_s_name(tmp_path):
    (tmp_path / "b").write_text("1")
    with pytest.raises(DataError, match=r"b holds one bit"):
        trng_test(tmp_path / "b")


def test_all_zeros_fail_everything_without_an_error(tmp_path):
    (tmp_path / "zero.bin").write_bytes(bytes(2500))
    result = trng_test(tmp_path / "zero.bin", tmp_path / "run")
    assert result.verdicts == {
        "SP 800-22": False, "SP 800-90B estimate": False, "bias": False, "autocorrelation": False, "run lengths": False
    }  # fmt: skip
    assert any("not applicable to a min-entropy of 0" in line for line in result.summary)
    assert trng_test(tmp_path / "zero.bin", suites=("health",)).verdicts == {"health tests": False}
    assert "never change" in (tmp_path / "run/report.html").read_text()


def test_too_short_is_not_applicable_with_the_minimum(tmp_path):
    (tmp_path / "b").write_text("0110")
    result = trng_test(tmp_path / "b", tmp_path / "run", suites=("sp800-22", "diagnostics"))
    assert not result.passes
    assert set(result.assessment.inapplicable) == set(TESTS)
    assert "  not applicable: frequency (needs at least 100 bits, got 4)" in result.summary
    assert "no test could be applied" in result.verdict
    assert "too short" in (tmp_path / "run/report.html").read_text()


def test_the_files_hold_everything(tmp_path):
    rows = fair(3, 2000)
    result = trng_test(written(tmp_path, rows), tmp_path / "run", restarts=written_restarts(tmp_path), jobs=2)
    names = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file()}
    plots = ("p_values", "pass_shares", "entropy", "autocorrelation", "run_lengths")
    assert names == {"report.html", "metrics.json", "manifest.json", "p_values.csv", "sp800_22.csv"} | {
        f"plots/{name}.png" for name in plots
    }
    table = list(csv.DictReader((tmp_path / "run/p_values.csv").open()))
    frequency = [float(row["p_value"]) for row in table if row["test"] == "frequency"]
    assert frequency == pytest.approx([run_tests(row, ["frequency"])[0].p_values[0] for row in rows], rel=1e-5)
    assert {row["test"] for row in table} == set(TESTS)
    assert any(row["not_applicable"].startswith("needs at least") for row in table)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["passes"] == result.passes
    assert metrics["sp800_90b"]["min_entropy_per_bit"] == estimate_entropy(rows.ravel()).entropy
    assert metrics["sp800_90b"]["from"] == "the first 6,000 bits of streams 0 to 2, one after the other"
    assert metrics["restarts"]["restarts"] == 100
    assert len(list(csv.DictReader((tmp_path / "run/sp800_22.csv").open()))) == len(result.assessment.rows)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["settings"]["streams"] == 3
    assert str(tmp_path) not in json.dumps(manifest)
    page = (tmp_path / "run/report.html").read_text()
    assert page.count("<figure>") == 6
    assert len(re.findall(r"<td>(?:pass|FAIL|not applicable)</td>", page)) >= 15


def written_restarts(tmp_path, rows=None):
    file = tmp_path / "restarts.npy"
    np.save(file, fair(100, 100, seed=9) if rows is None else rows)
    return file


def test_the_page_says_what_a_simulated_source_shows(tmp_path):
    file = written(tmp_path, fair(2, 1000))
    trng_test(file, tmp_path / "a", **QUICK)
    assert "where its bits come from" in (tmp_path / "a/report.html").read_text()
    told = json.loads(sidecar(file).read_text()) | {"program": "ftj-spice", "conditioner": {"name": "hash"}}
    sidecar(file).write_text(json.dumps(told))
    trng_test(file, tmp_path / "b", **QUICK)
    page = (tmp_path / "b/report.html").read_text()
    assert "pseudo-random generator" in page
    assert "Nothing here speaks of a real device" in page
    assert "whatever goes in" in page


def test_a_strange_description_never_breaks_the_page(tmp_path):
    file = written(tmp_path, fair(2, 1000))
    told = json.loads(sidecar(file).read_text())
    odd = {"settings": {"card": "<script>alert(1)</script>"}, "source": 3, "conditioner": "hash"}
    odd |= {"expected": {"ones": "x", "correlation": [[1], 2], "min_entropy_per_bit": {}}}
    sidecar(file).write_text(json.dumps(told | odd))
    trng_test(file, tmp_path / "a", **QUICK)
    assert "<script" not in (tmp_path / "a/report.html").read_text()


@pytest.mark.parametrize(("stuck", "good"), [(False, True), (True, False)])
def test_restart_tests_see_what_repeats_after_every_power_up(tmp_path, stuck, good):
    rows = fair(200, 200, seed=3)
    if stuck:
        rows[:, 0] = 1
    result = trng_test(
        written(tmp_path, fair(2, 20_000)), suites=("sp800-90b",), restarts=written_restarts(tmp_path, rows)
    )
    assert result.verdicts["restart tests"] is good
    assert ("restarts: pass" if good else "restarts: FAIL") in "\n".join(result.summary)


def test_a_claim_below_the_estimate_counts_and_one_above_does_not(tmp_path):
    file = written(tmp_path, fair(2, 20_000))
    low, high = (trng_test(file, suites=("sp800-90b", "health"), entropy=h) for h in (0.3, 1.0))
    estimate = low.metrics["sp800_90b"]["min_entropy_per_bit_estimated"]
    assert low.entropy.entropy == 0.3 < estimate < 1.0
    assert high.entropy.entropy == estimate
    assert f"min-entropy {estimate:.4f} per bit" in low.summary[1]
    assert low.summary[1].endswith("more than claimed")
    assert not high.summary[1].endswith("more than claimed")
    assert (low.health_entropy, high.health_entropy) == ((0.3, "claimed"), (1.0, "claimed"))
    assert low.health[0].cutoff == 1 + int(np.ceil(20 / 0.3))


def test_a_square_of_restarts_needs_no_description(tmp_path):
    write_bits(tmp_path / "r.bin", [fair(1, 40_000)[0]])
    result = trng_test(written(tmp_path, fair(2, 20_000)), suites=("sp800-90b",), restarts=tmp_path / "r.bin")
    assert result.restarts.shape == (200, 200)


def test_one_long_stream_is_cut_into_sequences(tmp_path):
    write_bits(tmp_path / "b", [np.zeros(1_000_000, np.uint8)] * 2 + [np.ones(999, np.uint8)])
    ask = {"suites": ("sp800-22",), "tests": ("frequency",)}
    cut = trng_test(tmp_path / "b", **ask)
    assert cut.metrics["file"] | {"told_by": ""} == {
        "name": "b", "format": "packed", "streams": 2, "stream_bits": 1_000_000, "unused_bits": 1000, "told_by": ""
    }  # fmt: skip
    assert trng_test(tmp_path / "b", streams=1, **ask).metrics["file"]["streams"] == 1


def test_memory_limits_the_streams_at_a_time(tmp_path, monkeypatch):
    seen = []
    pool = trng_test_streams.ThreadPoolExecutor
    monkeypatch.setattr(trng_test_streams, "ThreadPoolExecutor", lambda n, **more: seen.append(n) or pool(n, **more))
    monkeypatch.setattr(trng_test_streams, "MEMORY", 3 * 1000 * trng_test_streams.BYTES_PER_BIT)
    trng_test(written(tmp_path, fair(8, 1000)), jobs=6, **QUICK)
    assert seen == [3]


def test_progress_ends_at_the_end(tmp_path):
    told = {}

    def observe(phase, done, total):
        told[phase] = done, total

    ask = QUICK | {"suites": ("sp800-22", "sp800-90b")}
    trng_test(written(tmp_path, fair(3, 1000)), jobs=2, observer=observe, **ask)
    assert told == {"entropy": (10, 10), "streams": (12, 12)}


def test_parameters_by_name():
    assert load_parameters(["block_length=20000", "exact_longest_run=true"]) == Parameters(
        block_length=20000, exact_longest_run=True
    )
    for change, words in (
        ("block=3", "no parameter 'block'; it has: block_length"),
        ("block_length=1.5", "must be a whole number"),
        ("exact_longest_run=1", "must be true or false"),
        ("serial_length=99", "serial_length must be a whole number from 2"),
    ):
        with pytest.raises(SettingsError, match=words):
            load_parameters([change])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"suites": ("sp800-23",)}, "unknown suite 'sp800-23'; known: sp800-22"),
        ({"suites": ()}, "unknown suite"),
        ({"tests": ("monobit",)}, "no test 'monobit'; it has: frequency"),
        ({"entropy": 0.0}, "claimed min-entropy"),
        ({"entropy": 2.0}, "claimed min-entropy"),
        ({"suites": ("health",), "restarts": "b.bin"}, "restart tests need the suite"),
        ({"restarts": "missing"}, "is not there"),
        ({"jobs": 0}, "jobs must lie"),
        ({"streams": 10**6}, "fewer than"),
        ({"stream_bits": 2**25}, "fewer than"),
    ],
)
def test_bad_requests_are_sentences_and_leave_nothing(tmp_path, more, words):
    file = written(tmp_path, fair(2, 1000))
    with pytest.raises(FtjSpiceError) as told:
        trng_test(file, tmp_path / "run", **more)
    assert words in str(told.value)
    assert not (tmp_path / "run").exists()


def test_huge_streams_and_restart_files_are_refused_before_they_are_read(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(SettingsError, match="give --stream-bits 1000000"):
        trng_test(tmp_path / "huge", streams=2)
    with pytest.raises(
        SettingsError, match="at most 10,000 streams are tested at a time, not 8,796,093; give --streams"
    ):
        trng_test(tmp_path / "huge")
    with pytest.raises(FtjSpiceError, match="at most 67,108,864 bits"):
        trng_test(written(tmp_path, fair(2, 1000)), suites=("sp800-90b",), restarts=tmp_path / "huge")
    with pytest.raises(FtjSpiceError, match="two power-ups or more"):
        write_bits(tmp_path / "r", [fair(1, 24)[0]])
        trng_test(written(tmp_path, fair(2, 1000)), suites=("sp800-90b",), restarts=tmp_path / "r")
