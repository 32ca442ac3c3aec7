"""The stored calibration: round trip, refusals, latents drawn by it, and its audit in ngspice."""

import io
import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.sampling.calibration.audit import audit_calibration
from ftj_spice.sampling.calibration.chip import Chip, Design, draw_cells
from ftj_spice.sampling.calibration.draw import sample_calibrated
from ftj_spice.sampling.calibration.procedure import Judgement, calibrate_chip, deliver
from ftj_spice.sampling.calibration.settings import CalibrateSettings
from ftj_spice.sampling.calibration.state import (
    FORMAT,
    encode_calibration,
    first_array,
    load_calibration,
    save_calibration,
)

CARD = ftj.load_card("hzo_mfis_nominal")
SPREAD = {"time_constant_spread": 1.0, "amplitude_spread": 1.0, "current_spread": 1.0}


def calibrated(tools, **changes):
    values = {"latents": 4, "spare": 2, "scan_windows": 128, "audit": 3, "audit_windows": 5, "seed": 3} | changes
    settings = CalibrateSettings(tools=tools, sample={"rows": 3, **SPREAD}, **values)
    rows = 3 * (settings.pool if "select" in tools else 1)
    design = Design.of(CARD, settings, 3)
    chip = Chip(draw_cells(CARD, settings, rows, 1), design, settings, "test")
    result = calibrate_chip(chip, tools, settings, 1)
    codes = chip.read(result.controls, 1024)
    latents, _ = deliver(chip, result, codes, settings.memory, adapt=True)
    judgement = Judgement.of(chip, result.controls, codes, latents, settings.limits)
    return first_array(result, judgement, CARD, settings)


@pytest.fixture(scope="module")
def whole():
    return calibrated(("range", "standardise", "rows", "columns", "select"))


def same(a, b):
    for name in ("chosen", "row", "column", "reference", "capacitance"):
        np.testing.assert_array_equal(getattr(a.controls, name), getattr(b.controls, name))
    assert a.controls.timing == b.controls.timing and a.settings == b.settings and a.card == b.card
    np.testing.assert_array_equal(a.latents, b.latents)
    np.testing.assert_array_equal(a.usable, b.usable)


def test_round_trip(whole, tmp_path):
    path = tmp_path / "calibration.npz"
    save_calibration(path, whole)
    again = load_calibration(path, card=CARD, seed=3)
    same(whole, again)
    np.testing.assert_array_equal(whole.running.mean, again.running.mean)
    np.testing.assert_array_equal(whole.running.variance, again.running.variance)
    assert whole.running.count == again.running.count == whole.settings.start_windows
    assert encode_calibration(again) == path.read_bytes()
    np.testing.assert_array_equal(sample_calibrated(whole, 50).latents, sample_calibrated(again, 50).latents)


def test_round_trip_without_statistics(tmp_path):
    plain = calibrated(("range",))
    save_calibration(tmp_path / "c.npz", plain)
    again = load_calibration(tmp_path / "c.npz")
    same(plain, again)
    assert again.running is None
    found = sample_calibrated(again, 20)
    lsb = again.controls.lsb(8)[again.latents]
    currents = again.controls.reference[again.latents] + (found.codes + 0.5) * lsb
    d = again.design
    np.testing.assert_allclose(found.latents, (currents - d.mean) / np.sqrt(d.sigma**2 + lsb**2 / 12))


def test_latents_come_from_usable_columns_first(whole):
    assert len(whole.latents) == 4 and (np.diff(whole.latents) > 0).all()
    assert whole.usable[whole.latents].sum() == min(4, whole.usable.sum())


def test_sampling_goes_on_with_the_calibration(whole):
    found = sample_calibrated(whole, 4096)
    assert found.latents.shape == found.codes.shape == (4096, 4) and found.energy > 0
    assert found.seconds == pytest.approx(4096 * whole.controls.timing.period)
    usable = whole.usable[whole.latents]
    assert usable.sum() >= 3
    assert np.abs(found.latents.mean(axis=0)[usable]).max() < 0.15
    assert np.abs(found.latents.std(axis=0)[usable] - 1).max() < 0.15
    assert found.calibration.running.count == whole.running.count + 4096
    other = sample_calibrated(whole, 4096, stream=1)
    assert (other.latents != found.latents).any()
    np.testing.assert_array_equal(sample_calibrated(whole, 4096, jobs=2).latents, found.latents)
    fixed = replace(whole, settings=whole.settings.model_copy(update={"adapt": False}))
    assert sample_calibrated(fixed, 10).calibration.running.count == whole.running.count


def test_other_arrays_are_refused(whole, tmp_path):
    path = tmp_path / "calibration.npz"
    save_calibration(path, whole)
    with pytest.raises(DataError, match=r"belongs to card 'hzo_mfis_nominal', not to 'linear'"):
        load_calibration(path, card=ftj.load_card("linear"))
    with pytest.raises(DataError, match="another version of 'hzo_mfis_nominal'"):
        load_calibration(path, card=CARD.model_copy(update={"capture_time": 2e-3}))
    with pytest.raises(DataError, match="array of seed 3, not of seed 4"):
        load_calibration(path, seed=4)
    with pytest.raises(DataError, match="belongs to card"):
        sample_calibrated(whole, 1, card=ftj.load_card("linear"))
    with pytest.raises(SettingsError, match="count must be at least 1"):
        sample_calibrated(whole, 0)


def test_damaged_files_are_refused_in_one_sentence(whole, tmp_path):
    path = tmp_path / "c.npz"
    blob = encode_calibration(whole)
    for content in (b"", b"PK\x03\x04", blob[: len(blob) // 2], b"\x80\x04K\x01.", blob.replace(b"chosen", b"chusen")):
        path.write_bytes(content)
        with pytest.raises(DataError) as error:
            load_calibration(path)
        assert "c.npz" in str(error.value) and "\n" not in str(error.value)
    with zipfile.ZipFile(path, "w") as archive:  # a member that is no array
        archive.writestr("format.npy", FORMAT)
    with pytest.raises(DataError, match="is no calibration"):
        load_calibration(path)
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(DataError, match="no regular file"):
        load_calibration(tmp_path / "pipe.npz")
    os.truncate(path, 2**40)
    with pytest.raises(DataError, match="more than 268,435,456 bytes"):
        load_calibration(path)
    np.save(tmp_path / "a.npy", np.ones(3))
    with pytest.raises(DataError, match="single array"):
        load_calibration(tmp_path / "a.npy")
    with pytest.raises(DataError, match="can't read"):
        load_calibration(tmp_path / "none.npz")
    with pytest.raises(OutputError):
        save_calibration(tmp_path / "none" / "c.npz", whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"column_trim": np.zeros(6)}, "changed after it was written"),
        ({"format": np.array("ftj-spice calibration 9")}, "in the format 'ftj-spice calibration 1'"),
        ({"card": np.array("")}, "changed after it was written"),
        ({"latents": np.array(["x"])}, "no numbers"),
    ],
)
def test_changed_files_are_refused(whole, tmp_path, change, words):
    with np.load(io.BytesIO(encode_calibration(whole))) as archive:
        entries = dict(archive) | change
    np.savez(tmp_path / "c.npz", **entries)
    with pytest.raises(DataError, match=r"c\.npz") as error:
        load_calibration(tmp_path / "c.npz")
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("controls", "words"),
    [
        ({"column": np.zeros(5)}, "'column_trim' must have shape"),
        ({"reference": np.full(6, np.nan)}, "'reference' must be finite"),
        ({"capacitance": np.zeros(6)}, "'capacitance' must be above 0"),
        ({"chosen": np.zeros((6, 3), int)}, "'chosen' names one twice"),
        ({"column": np.full(6, 1e6)}, "'column_trim' must lie within 0.3 V"),
        ({"row": np.full((1, 12), -2.0)}, "'row_trim' must lie within 0.3 V"),
        ({"chosen": np.full((6, 3), 99)}, "'chosen' must be whole numbers from 0 to 11"),
    ],
)
def test_impossible_contents_are_refused(whole, tmp_path, controls, words):
    """Written with a digest that fits: the reader must look at the values."""
    save_calibration(tmp_path / "c.npz", replace(whole, controls=replace(whole.controls, **controls)))
    with pytest.raises(DataError, match=r"c\.npz") as error:
        load_calibration(tmp_path / "c.npz")
    assert words in str(error.value)


def test_audit_of_trimmed_columns_passes_in_ngspice(whole, engine):
    """Row voltages and virtual grounds differ from cell to cell; wires and drivers are in ngspice alone."""
    assert len(np.unique(whole.controls.column)) > 1 and len(np.unique(whole.controls.row)) > 1
    audit = audit_calibration(whole, engine)
    assert audit.passes and 0 < audit.largest < 1e-4 and audit.reads >= 8
    assert audit.transitions > 30 and audit.differing == 0
    assert len(audit.netlists) == 3 and all("vsense0 sense0 0 dc" in text for text in audit.netlists.values())


def test_audit_finds_a_wrong_trim(whole, engine, monkeypatch):
    """A virtual ground that is off by one step in the circuit alone."""
    import ftj_spice.sampling.calibration.audit as module

    real = module.integrator_bench

    def off(*args, ground, **others):
        return real(*args, ground=ground - 0.01, **others)

    monkeypatch.setattr(module, "integrator_bench", off)
    assert not audit_calibration(whole, engine).passes
