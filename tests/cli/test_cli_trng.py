"""`ftj-spice trng` on the command line: bits made, tested, and every bad file one sentence."""

import json
import tomllib

import numpy as np
import pytest

from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.studies.trng.settings import load_trng_settings

FEW = ("--bits", "4000", "--streams", "2", "--digitiser", "mid_level", "--interval", "8")
QUICK = ("--suites", "sp800-22,diagnostics", "--tests", "frequency,runs,serial")


def test_generate_then_test_then_read_on(call, tmp_path):
    made = call("trng", "generate", *FEW, "-o", "my bits.bin")
    assert made.code == 0, made.err
    assert "4,000 bits in my bits.bin (packed, 2 streams of 2,000)" in made.out
    assert "mid_level every 4.00 ms (8 relaxation times)" in made.out
    assert "per bit for the cells" in made.out
    assert made.out.splitlines()[-1] == "next: ftj-spice trng test 'my bits.bin'"
    tested = call("trng", "test", "my bits.bin", "-o", "run", *QUICK)
    assert tested.code == 0, tested.err
    assert "packed binary, 2 streams of 2,000 bits (by my bits.bin.json)" in tested.out
    assert "SP 800-22: 2 of 2 tests pass" in tested.out
    assert "not applicable: serial (needs at least 524,288 bits, got 2,000)" in tested.out
    assert tested.out.splitlines()[-1] == "open run/report.html"
    assert "pseudo-random generator" in (tmp_path / "run/report.html").read_text()
    again = call("trng", "test", "my bits.bin", "-o", "run", *QUICK)
    assert "exists" in again.sentence()
    told = call("trng", "test", "my bits.bin", "-o", "run", *QUICK, "--force", "--quiet", "--json")
    assert json.loads(told.out) == json.loads((tmp_path / "run/metrics.json").read_text())


def test_bad_bits_exit_1_with_a_verdict(call, tmp_path):
    assert call("trng", "generate", *FEW[:-1], "0.5", "-o", "b.bin", "--quiet").out == ""
    told = call("trng", "test", "b.bin", *QUICK, "--quiet")
    assert told.code == 1
    assert told.sentence() == ("b.bin fails: SP 800-22, autocorrelation; see ftj-trng-test/report.html")
    assert (tmp_path / "ftj-trng-test/report.html").exists()


def test_numbers_of_bits_may_be_written_with_exponents(call, tmp_path):
    assert call("trng", "generate", "--bits", "1e3", "--streams", "2e0", "--quiet").code == 0
    assert json.loads((tmp_path / "bits.bin.json").read_text())["stream_bits"] == 500
    assert call("trng", "test", "bits.bin", "--stream-bits", "2.5e2", *QUICK, "--json").code in (0, 1)
    for words, part in (
        (("generate", "--bits", "1e-3"), "--bits must be a whole number"),
        (("generate", "--bits", "many"), "--bits must be a whole number"),
        (("generate", "--bits", "inf"), "--bits must be a whole number"),
        (("generate", "--restarts", "1000"), "power-ups x bits"),
        (("generate", "--restarts", "10x"), "--restarts must be a whole number"),
        (("test", "bits.bin", "--streams", "1.5"), "--streams must be a whole number"),
    ):
        told = call("trng", *words)
        assert told.code == 2
        assert part in told.sentence()


def test_restarts(call):
    made = call("trng", "generate", "--restarts", "60x60", "-o", "r.bin", "--interval", "14")
    assert "60 power-ups of 60" in made.out
    assert "next: ftj-spice trng test FILE --restarts r.bin" in made.out
    call("trng", "generate", "--bits", "1e4", "--interval", "14", "--quiet")
    told = call("trng", "test", "bits.bin", "--suites", "sp800-90b", "--restarts", "r.bin", "-o", "run")
    assert told.code == 0, told.err
    assert "restarts: pass" in told.out


BAD_FILES = [
    (b"01012\n", "'2' in line 1, column 5, is no bit"),
    (b"0101\nhello", "'h' in line 2, column 1"),
    (b"", "bits.any is empty"),
    (b"\n \n", "bits.any is empty"),
    (None, "bits.any is not there"),
]


@pytest.mark.parametrize(("content", "words"), BAD_FILES)
def test_bad_bit_files_are_one_sentence(call, tmp_path, content, words):
    if content is not None:
        (tmp_path / "bits.any").write_bytes(content)
    told = call("trng", "test", "bits.any", "-o", "run")
    assert told.code == 1
    assert words in told.sentence()
    assert not (tmp_path / "run").exists()


def test_all_zeros_fail(call, tmp_path):
    (tmp_path / "zero.txt").write_text("0" * 3000 + "\n")
    told = call("trng", "test", "zero.txt")
    assert told.code == 1
    assert "SP 800-90B: min-entropy 0.0000" in told.out
    assert "zero.txt fails: SP 800-22, SP 800-90B estimate" in told.err


def test_too_short_names_the_minimum(call, tmp_path):
    (tmp_path / "short.txt").write_text("0110100110010110")
    told = call("trng", "test", "short.txt", "--suites", "sp800-22")
    assert told.code == 1
    assert "not applicable: frequency (needs at least 100 bits, got 16)" in told.out
    assert "not applicable: random_excursions (needs at least 1,000,000 bits, got 16)" in told.out
    assert "no test could be applied" in told.err


def test_a_cut_file_is_told_by_its_description(call, tmp_path):
    call("trng", "generate", *FEW, "--quiet")
    (tmp_path / "bits.bin").write_bytes((tmp_path / "bits.bin").read_bytes()[:-9])
    told = call("trng", "test", "bits.bin")
    assert (
        "holds 3,928 bits, fewer than 2 streams of 2,000 bits (by bits.bin.json); was it cut short?" in told.sentence()
    )


def test_a_huge_file_is_not_held(call, tmp_path):
    with (tmp_path / "huge.bin").open("wb") as file:
        file.truncate(2**37)  # 137 GB, of which nothing is on the disk
    told = call("trng", "test", "huge.bin", "--streams", "3", "--stream-bits", "1000", *QUICK, "--json")
    assert json.loads(told.out)["file"]["unused_bits"] == 2**40 - 3000
    assert "pieces of at most 16,777,216" in call("trng", "test", "huge.bin", "--streams", "3").sentence()


def test_bad_options_are_one_sentence(call, tmp_path):
    np.save(tmp_path / "real.npy", np.zeros(100))
    (tmp_path / "b.txt").write_text("01" * 200)
    for words, part in (
        (("generate", "--digitiser", "edge_togle"), "did you mean 'edge_toggle'"),
        (("generate", "--interval", "-1"), "interval_relaxations"),
        (("generate", "--interval", "5", "--set", "interval=1e-3"), "two values for one"),
        (("generate", "--conditioner", "sha"), "conditioner"),
        (("generate", "--combine", "1000"), "combine"),
        (("generate", "--set", "voltag=1"), "did you mean 'voltage'"),
        (("generate", "--format", "hex"), "packed or ascii"),
        (("generate", "--bits", "10", "--streams", "3"), "equal streams; 9 would"),
        (("generate", "-o", "no/bits.bin"), "can't write no/bits.bin"),
        (("test", "real.npy"), "integers of shape"),
        (("test", "b.txt", "--suites", "all"), "unknown suite 'all'"),
        (("test", "b.txt", "--tests", "poker"), "no test 'poker'"),
        (("test", "b.txt", "--set", "block=1"), "no parameter 'block'"),
        (("test", "b.txt", "--format", "hex"), "unknown format"),
        (("test", "b.txt", "--entropy", "2"), "claimed min-entropy"),
        (("entropy", "--intervals", "1,x"), "--intervals must be numbers"),
        (("entropy", "--bits", "10"), "bits per point"),
        (("rates", "--claimed-rate", "0"), "claims must be positive"),
        (("rates", "--claimed-rate", "inf"), "claims must be positive"),
        (("rates", "--interval", "1e-300"), "interval_relaxations"),
        (("digitisers", "--bits", "1e15"), "at most 100,000,000 bits"),
        (("digitisers", "--circuit-bits", "1"), "the comparison needs at least"),
    ):  # fmt: skip
        told = call("trng", *words)
        assert part in told.sentence(), (words, told.err)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.txt", "real.npy"]


def test_rates(call, tmp_path):
    told = call("trng", "rates", "--digitiser", "mid_level", "--claimed-rate", "1e6")
    assert told.code == 0, told.err
    assert "mid_level on hzo_mfis_nominal" in told.out
    assert "1.00 Mb/s" in told.out
    assert list(tmp_path.iterdir()) == []


def test_digitisers(call, tmp_path):
    told = call(
        "trng", "digitisers", "--digitisers", "mid_level", "--circuit-bits", "400", "--bits", "1e5", "-o", "run"
    )
    assert told.code == 0, told.err
    assert "mid_level" in told.out
    assert told.out.splitlines()[-1] == "open run/report.html"
    assert (tmp_path / "run/report.html").exists()


def test_entropy(call, tmp_path):
    told = call(
        "trng", "entropy", "--intervals", "1,8", "--digitisers", "mid_level", "--bits", "1e4", "-o", "run", "--json"
    )
    assert told.code in (0, 1), told.err
    assert json.loads(told.out) == json.loads((tmp_path / "run/metrics.json").read_text())


def test_settings_can_be_shown_and_read_again(call, tmp_path):
    shown = call("trng", "generate", "--show-settings")
    assert shown.code == 0
    assert tomllib.loads(shown.out)["digitiser"] == "edge_toggle"
    (tmp_path / "t.toml").write_text(shown.out)
    assert load_trng_settings(tmp_path / "t.toml") == TrngSettings()
    assert call("trng", "generate", "--config", "t.toml", *FEW, "--quiet").code == 0


@pytest.mark.parametrize("verb", [[], ["generate"], ["test"], ["digitisers"], ["rates"], ["entropy"]])
def test_help_has_examples(call, verb):
    told = call("trng", *verb, "--help")
    assert told.code == 0
    assert "Examples:" in told.out
    assert "ftj-spice trng" in told.out
