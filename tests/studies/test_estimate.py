"""What is told before a run in ngspice starts."""

import pytest

from ftj_spice.array.settings import ReadSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.studies.estimate import Estimate, estimate
from ftj_spice.studies.settings import EngineSettings, RunSettings, engine_changes, load_settings


def of(engine: str = "ngspice", jobs: int = 1, **more) -> Estimate:
    return estimate(RunSettings(engine=EngineSettings(sample=engine, read=engine), **more), jobs)


def test_fast_engines_have_nothing_to_tell():
    assert of("fast") == Estimate(0.0, 0, 0)
    assert not of("fast").long


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
    assert "minutes" in long.sentence and "hours" in of(samples=1000, read=settings).sentence


@pytest.mark.parametrize(("name", "phases"), [
    ("fast", ("fast", "fast")), ("ngspice", ("ngspice", "ngspice")), ("vacask", ("ngspice", "vacask")),
])  # fmt: skip
def test_one_name_chooses_both_phases(name, phases):
    engine = load_settings(changes=engine_changes(name)).engine
    assert (engine.sample, engine.read) == phases


def test_unknown_engine():
    with pytest.raises(SettingsError, match="unknown engine 'spectre'; known: fast, ngspice, vacask"):
        engine_changes("spectre")
