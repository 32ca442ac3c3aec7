"""What is told before a run in ngspice starts."""

import re

import pytest

from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.studies.estimate import Estimate, estimate
from ftj_spice.studies.generate import generate
from ftj_spice.studies.readtime import ReadTimes, audit_time, tile_shapes
from ftj_spice.studies.settings import EngineSettings, RunSettings, engine_changes, load_settings


def of(engine: str = "ngspice", jobs: int = 1, **more) -> Estimate:
    return estimate(RunSettings(engine=EngineSettings(sample=engine, read=engine), **more), jobs)


def test_small_runs_of_the_fast_engine_have_nothing_to_tell():
    expected = of("fast", audit=0)
    assert (expected.seconds, expected.reads, expected.tiles, expected.audit) == (0.0, 0, 0, 0.0)
    assert 0 < expected.fast < 5.0 and not expected.long
    assert not of("fast").long  # with the default audit


def test_many_images_are_announced_for_the_fast_engine_too():
    """10,000 images were measured to take 66 s."""
    many = of("fast", samples=10_000, audit=0)
    assert many.fast == pytest.approx(66, rel=0.2) and many.long
    assert many.fast == pytest.approx(10 * of("fast", samples=1000, audit=0).fast)
    assert re.fullmatch(r"the fast engine will take about \d+ seconds for 10000 images", many.sentence)


def test_more_images_than_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}[name])
    with pytest.raises(SettingsError, match=r"^1000000 images of this decoder would take about .* GB of memory; this"):
        of("fast", samples=1_000_000)
    with pytest.raises(SettingsError, match=r"GB of memory; this machine has 4.29 GB"):
        generate(RunSettings(samples=1_000_000, engine=EngineSettings(sample="fast", read="fast")))
    assert of("fast", samples=10_000).fast > 0


def test_audits_of_large_tiles_are_announced(monkeypatch):
    """By ngspice without KLU, as version 39 comes."""
    monkeypatch.setattr("ftj_spice.studies.estimate.solves_by_klu", lambda: False)
    settings = {"samples": 4, "read": ReadSettings(tile_rows=128, tile_columns=128)}
    expected = of("fast", **settings)
    assert expected.audit > 120 and expected.long
    assert "the audit will take ngspice about" in expected.sentence and "--audit" in expected.sentence
    assert of("fast", **settings, audit=2).audit < expected.audit
    assert of("fast", **settings, audit=0).audit == 0.0
    monkeypatch.setattr("ftj_spice.studies.estimate.solves_by_klu", lambda: True)
    assert of("fast", **settings).audit < 0.2 * expected.audit


def test_audits_out_of_reach_are_refused_before_the_run():
    """Whatever ngspice is installed: no solver reads a tile in a nanosecond."""
    engine = EngineSettings(sample="fast", read="fast", time_limit=1e-9)
    seen = []
    with pytest.raises(SettingsError) as caught:
        generate(RunSettings(samples=1, engine=engine), observer=lambda *step: seen.append(step))
    assert seen == []
    with pytest.raises(SettingsError, match="the audit would take ngspice"):
        estimate(RunSettings(samples=1, engine=engine))
    assert not estimate(RunSettings(samples=1, engine=engine, audit=0)).audit
    for words in ("the audit would take ngspice", "32 x 32 cells", "--audit 0", "read.tile_rows"):
        assert words in str(caught.value)


def test_audit_time_of_a_tile_that_ngspice_39_can_not_read():
    card, settings = load_card("hzo_mfis_nominal"), ReadSettings(tile_rows=512, tile_columns=1024)
    shapes = [tile_shapes((513, 512), settings)]
    assert shapes == [[(512, 1024), (1, 1024)]]
    time = audit_time(shapes, [[(0, 3), (0, 4), (1, 2)]], 2, ReadTimes(card, settings))
    assert time.shape == (512, 1024) and time.reads == 2 and time.first > 3600
    with pytest.raises(SettingsError, match=r"for one read of tiles of up to 512 x 1024 cells, more than the 10 min"):
        time.check(600.0)
    with pytest.raises(SettingsError, match=r"for 2 reads of .*more than the 6 hours allowed.*audit less"):
        time.check(1e9)
    small = ReadTimes(card, ReadSettings())
    few = audit_time([[(32, 32)]], [[(0, 1), (0, 2), (0, 3)]], 2, small)
    first, each = small.of((32, 32))
    assert few.seconds == pytest.approx(first + each)  # one netlist for both
    few.check(600.0)
    assert audit_time([[(32, 32)]], [[]], 2, small).seconds == 0.0


def test_more_images_bigger_tiles_and_fewer_workers_take_longer():
    tiles = [of(samples=4, read=ReadSettings(tile_rows=n, tile_columns=n)).seconds for n in (16, 32, 64, 128)]
    assert tiles[1] < tiles[2] < tiles[3]
    assert of(samples=8).seconds > of(samples=4).seconds
    assert of(samples=4, jobs=2).seconds == pytest.approx(of(samples=4).seconds / 2)
    assert of(samples=4, sample=SampleSettings(whole_array=True)).seconds > of(samples=4).seconds


def test_sentence_gives_reads_tiles_and_time():
    settings = ReadSettings(tile_rows=64, tile_columns=64)
    long = of(samples=4, read=settings)
    assert long.long and long.tiles == 8 + 80 + 225
    assert long.reads == 4 * (8 * 8 + 5 * (80 + 225))
    assert f"for {long.reads} reads of 313 tiles" in long.sentence
    assert "minutes" in long.sentence and "days" in of(samples=1000, read=settings).sentence


@pytest.mark.parametrize(("name", "phases"), [
    ("fast", ("fast", "fast")), ("ngspice", ("ngspice", "ngspice")), ("vacask", ("ngspice", "vacask")),
])  # fmt: skip
def test_one_name_chooses_both_phases(name, phases):
    engine = load_settings(changes=engine_changes(name)).engine
    assert (engine.sample, engine.read) == phases


def test_unknown_engine():
    with pytest.raises(SettingsError, match="unknown engine 'spectre'; known: fast, ngspice, vacask"):
        engine_changes("spectre")
