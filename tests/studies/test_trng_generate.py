"""Bits into files: the same for any number of workers, described beside them, nothing half-written."""

import hashlib
import json
import os

import numpy as np
import pytest

from ftj_spice.common.errors import FtjSpiceError, OutputError, SettingsError
from ftj_spice.randomness.bits import open_bits, sidecar
from ftj_spice.randomness.conditioners import hash_bits, von_neumann
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.source import BitSource
from ftj_spice.studies.trng import streams as trng_streams
from ftj_spice.studies.trng.generate import trng_generate

FAST = TrngSettings(digitiser="mid_level", interval_relaxations=2.0, seed=7)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("form", ["packed", "ascii"])
def test_the_file_holds_the_streams_of_the_source_for_any_number_of_workers(tmp_path, form):
    source = BitSource(FAST)
    for jobs in (1, 3):
        trng_generate(tmp_path / "b", bits=5005, streams=5, settings=FAST, file_format=form, jobs=jobs, force=True)
        found = open_bits(tmp_path / "b")
        assert (found.format, found.lengths, found.unused) == (form, (1001,) * 5, 0)
        for k in range(5):
            assert np.array_equal(found.stream(k), source.stream(k, 1001))


def test_a_long_stream_goes_piece_by_piece_and_is_the_same(tmp_path, monkeypatch):
    trng_generate(tmp_path / "whole", bits=60_000, streams=2, settings=FAST, jobs=2)
    monkeypatch.setattr(trng_streams, "WHOLE_STREAM", 100)
    monkeypatch.setattr(trng_streams, "_CHUNK", 999)
    trng_generate(tmp_path / "pieces", bits=60_000, streams=2, settings=FAST, jobs=2)
    assert digest(tmp_path / "whole") == digest(tmp_path / "pieces")


def test_the_description_tells_source_rate_and_what_passed(tmp_path):
    result = trng_generate(tmp_path / "b", bits=40_000, streams=2, settings=FAST)
    told = json.loads(sidecar(tmp_path / "b").read_text())
    assert told == {k: v for k, v in result.metrics.items() if k != "wall_s"}
    assert told["settings"]["seed"] == 7
    assert told["source"]["interval_relaxations"] == pytest.approx(2.0)
    assert told["rate_per_stream_bit_per_s"] == pytest.approx(1 / told["source"]["interval_s"])
    rows = np.stack([open_bits(tmp_path / "b").stream(k) for k in range(2)]).astype(float)
    assert told["measured"]["ones"] == pytest.approx(rows.mean(), rel=1e-12)
    pairs = np.mean(rows[:, 1:] == rows[:, :-1])
    p = rows.mean()
    assert told["measured"]["correlation"] == pytest.approx(1 - (1 - pairs) / (2 * p * (1 - p)), rel=1e-9)
    assert told["measured"]["correlation"] == pytest.approx(np.exp(-2), abs=5 / np.sqrt(40_000))
    assert told["expected"]["min_entropy_per_bit"] == pytest.approx(-np.log2((1 + np.exp(-2)) / 2), rel=1e-6)
    assert told["energy_per_bit_J"]["cells"] > 0
    assert result.summary[-1] == f"next: ftj-spice trng test {tmp_path / 'b'}"


def test_xor_of_cells_needs_their_energy_together(tmp_path):
    one = trng_generate(tmp_path / "a", bits=100, settings=FAST).metrics
    three = trng_generate(tmp_path / "b", bits=100, settings=FAST.model_copy(update={"combine": 3})).metrics
    assert three["energy_per_bit_J"]["cells"] == pytest.approx(3 * one["energy_per_bit_J"]["cells"])
    assert three["source"]["cells_per_stream"] == 3
    assert three["expected"]["min_entropy_per_bit"] is None  # no closed form of the XOR is claimed


@pytest.mark.parametrize("name", ["von_neumann", "hash"])
def test_conditioners_give_what_their_function_makes_of_the_raw_bits(tmp_path, monkeypatch, name):
    monkeypatch.setattr(trng_streams, "PILOT_BITS", 30_000)
    settings = FAST.model_copy(update={"conditioner": name})
    result = trng_generate(tmp_path / "b", bits=6000, streams=2, settings=settings, jobs=2)
    raw = BitSource(settings).stream(1, 60_000)
    entropy = result.metrics["conditioner"]["raw"].get("min_entropy_per_bit")
    whole = von_neumann(raw) if name == "von_neumann" else hash_bits(raw, entropy)
    assert np.array_equal(open_bits(tmp_path / "b").stream(1), whole[:3000])
    share = result.metrics["conditioner"]["bits_per_raw_bit"]
    assert share == pytest.approx(len(whole) / len(raw), rel=0.03)
    assert result.metrics["rate_per_stream_bit_per_s"] == pytest.approx(
        share * result.metrics["source"]["raw_rate_per_stream_bit_per_s"]
    )


def test_cells_that_hardly_switch_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(trng_streams, "LEAST_YIELD", 0.2)
    monkeypatch.setattr(trng_streams, "PILOT_BITS", 10_000)
    settings = FAST.model_copy(update={"conditioner": "von_neumann", "interval_relaxations": 1e-4})
    with pytest.raises(SettingsError, match="choose a longer interval"):
        trng_generate(tmp_path / "b", bits=1_000_000, settings=settings)
    assert list(tmp_path.iterdir()) == []


def test_restarts_are_the_source_s_power_ups(tmp_path):
    settings = FAST.model_copy(update={"conditioner": "hash"})  # restart data is raw
    result = trng_generate(tmp_path / "r", restarts=(40, 25), settings=settings)
    found = open_bits(tmp_path / "r")
    assert found.lengths == (25,) * 40
    matrix = BitSource(settings).restart(0, 40, 25)
    assert np.array_equal(np.stack([found.stream(k) for k in range(40)]), matrix)
    assert result.metrics["restarts"]
    assert result.metrics["conditioner"]["name"] == "none"
    assert "--restarts" in result.summary[-1]


def test_nothing_is_replaced_without_being_asked(tmp_path):
    (tmp_path / "b.json").write_text("mine")
    with pytest.raises(OutputError, match=r"b\.json exists"):
        trng_generate(tmp_path / "b", bits=8, settings=FAST)
    (tmp_path / "b.json").unlink()
    trng_generate(tmp_path / "b", bits=8, settings=FAST)
    with pytest.raises(OutputError, match="exists; choose another -o or pass --force"):
        trng_generate(tmp_path / "b", bits=16, settings=FAST)
    trng_generate(tmp_path / "b", bits=16, settings=FAST, force=True)
    assert open_bits(tmp_path / "b").lengths == (16,)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "b.json"]


def test_an_interrupted_run_leaves_nothing(tmp_path):
    def interrupt(phase, done, total):
        if done > 2000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trng_generate(tmp_path / "b", bits=10_000, streams=10, settings=FAST, jobs=2, observer=interrupt)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "b").write_text("0101")
    (tmp_path / "b.json").write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        trng_generate(tmp_path / "b", bits=10_000, streams=10, settings=FAST, force=True, observer=interrupt)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"b": "0101", "b.json": "mine"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"bits": 0}, "at least one bit"),
        ({"bits": 100, "streams": 0}, "at least one bit"),
        ({"bits": 100, "streams": 3}, "do not divide into 3 equal streams; 99 would"),
        ({"bits": 10**14}, "at most 1e+13 bits"),
        ({"bits": 10**13}, "are free there"),
        ({"restarts": (0, 5)}, "restarts need"),
        ({"file_format": "npy"}, "packed or ascii"),
        ({"jobs": 0}, "jobs must lie"),
        ({"settings": FAST.model_copy(update={"digitiser": "edge_togle"})}, "did you mean 'edge_toggle'"),
    ],
)
def test_bad_requests_are_sentences(tmp_path, more, words):
    with pytest.raises(FtjSpiceError) as told:
        trng_generate(tmp_path / "b", **({"bits": 8, "settings": FAST} | more))
    assert words in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_bad_places_are_sentences(tmp_path):
    for path, words in ((tmp_path, "is a folder"), (tmp_path / "no" / "b", "can't write")):
        with pytest.raises(OutputError, match=words):
            trng_generate(path, bits=8, settings=FAST)
    (tmp_path / "b.json").mkdir()
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "c.json")
    before = sorted(tmp_path.iterdir())
    for name, words in (("b", "is a folder"), ("pipe", "no regular file"), ("c", "no regular file")):
        with pytest.raises(OutputError, match=words):
            trng_generate(tmp_path / name, bits=8, settings=FAST, force=True)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("digitiser", "combine", "offset"), [("edge_toggle", 1, 0.0), ("mid_level", 2, 0.0), ("integrator", 1, 0.1)]
)
def test_the_closed_forms_are_those_of_the_bits(tmp_path, digitiser, combine, offset):
    changes = {"digitiser": digitiser, "combine": combine, "comparator_offset": offset}
    told = trng_generate(tmp_path / "b", bits=400_000, settings=FAST.model_copy(update=changes)).metrics
    rho = told["expected"]["correlation"][0]
    slack = np.sqrt((1 + abs(rho)) / (1 - abs(rho)) / 400_000)
    assert abs(told["measured"]["ones"] - told["expected"]["ones"]) < 5 * 0.5 * slack
    assert abs(told["measured"]["correlation"] - rho) < 6 * slack


def test_no_closed_form_is_claimed_for_spread_cells(tmp_path):
    settings = FAST.model_copy(update={"time_constant_spread": 0.5})
    assert trng_generate(tmp_path / "b", bits=100, settings=settings).metrics["expected"] is None


@pytest.mark.parametrize(("relaxations", "hinted"), [(5.0, True), (30.0, False)])
def test_a_correlation_that_tests_will_see_is_told(tmp_path, relaxations, hinted):
    settings = TrngSettings(interval_relaxations=relaxations)
    result = trng_generate(tmp_path / "b", bits=100_000, settings=settings)
    assert any("will see this correlation" in line for line in result.summary) == hinted
