"""Files that other people or other programs left where the study of circuits reads and writes."""

import json
import os

import pytest

from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.studies.periphery.journal import Journal
from ftj_spice.studies.periphery.new import periphery_new
from ftj_spice.studies.periphery.results import RESULTS, load_run
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.study import periphery_run
from ftj_spice.studies.settings import read_settings


@pytest.mark.parametrize("how", [{"resume": True}, {"replace": True}])
def test_a_file_of_something_else_is_not_emptied(tmp_path, how):
    path = tmp_path / "run.unfinished"
    path.write_text("my notes\n")
    with pytest.raises(OutputError, match="is no file of an unfinished run"), Journal(path, {"mc": 1}, **how):
        pass
    assert path.read_text() == "my notes\n"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_a_plain_file_is_resumed(tmp_path, kind):
    path, other = tmp_path / "run.unfinished", tmp_path / "other"
    other.write_text("kept")
    {"link": lambda: path.symlink_to(other), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises(OutputError, match="is no file of an unfinished run"), Journal(path, {}, resume=True):
        pass
    assert other.read_text() == "kept"


def test_a_name_that_is_too_long_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="name too long"):
        periphery_run(tmp_path / ("x" * 250), settings=PeripherySettings(variants=("strongarm",)))
    assert not list(tmp_path.iterdir())


def test_a_circuit_that_can_not_be_counted_stops_no_other(tmp_path):
    made = periphery_new("endless", "strongarm", tmp_path)
    made.template.write_text(made.template.read_text() + "\nm_more inp 0 0 0 nmos w=1e-6 l=1e-6 nf=inf\n")
    result = periphery_run(settings=PeripherySettings(variants=(str(made.toml), "strongarm")))
    assert result.variants["generic"]["strongarm"].figures["offset"] is not None
    assert "'inf' is no number" in str(result.variants["generic"]["endless"].error)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one["figures"].update(nobody_knows=1.0),
        lambda one: one["figures"].update(offset="x"),
        lambda one: one.update(figures=[1]),
        lambda one: one["draws"].update(offset=[[1.0]]),
        lambda one: one.pop("kind"),
    ],
)
def test_damaged_results_are_told(tmp_path, change):
    run = tmp_path / "run"
    periphery_run(run, settings=PeripherySettings(variants=("reference",)))
    data = json.loads((run / RESULTS).read_text())
    change(data["processes"]["generic"]["variants"]["reference"])
    (run / RESULTS).write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"results\.json is damaged"):
        load_run(run)


def test_a_settings_file_is_a_regular_file(tmp_path):
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero"):
        with pytest.raises(SettingsError, match="no regular file"):
            read_settings(PeripherySettings, path)


def test_a_copy_is_two_files_or_none(tmp_path):
    source = tmp_path / "mine.toml"
    made = periphery_new("mine", "resistor_film", tmp_path)
    assert made.toml == source
    source.write_text(source.read_text().replace('name = "mine"', '"name" = "mine"'))  # the copy can't be renamed
    folder = tmp_path / "out"
    with pytest.raises(SettingsError):
        periphery_new("other", str(source), folder)
    assert not list(folder.iterdir())
