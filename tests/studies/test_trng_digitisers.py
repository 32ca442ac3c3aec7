"""The comparison of digitisers, small."""

import csv
import json

import numpy as np
import pytest

from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.studies.trng.digitiser_rows import CONDITIONS
from ftj_spice.studies.trng.digitisers import trng_digitisers
from ftj_spice.studies.trng.settings import load_trng_settings

NAMES = ["edge_toggle", "differential", "mid_level"]
SMALL = {"circuit_bits": 200, "bits": 64_000}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("digitisers") / "run"
    seen = []
    result = trng_digitisers(
        out, settings=TrngSettings(seed=3), digitisers=NAMES, **SMALL, jobs=2, command=["ftj-spice", "trng"],
        observer=lambda *told: seen.append(told),
    )  # fmt: skip
    return result, out, seen


def test_it_leaves_a_run_directory(made):
    result, out, seen = made
    assert result.path == out and result.passes
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names == {
        "report.html", "metrics.json", "manifest.json", "settings.toml", "digitisers.csv",
        "plots/statistics.png", "plots/conditions.png",
        *(f"plots/waveforms_{name}.png" for name in NAMES), *(f"netlists/{name}.cir" for name in NAMES),
    }  # fmt: skip
    assert load_trng_settings(out / "settings.toml") == result.settings
    page = (out / "report.html").read_text()
    assert all(name in page for name in NAMES) and "von_neumann" in page and "Satapathy" in page
    assert [row["digitiser"] for row in csv.DictReader((out / "digitisers.csv").open())] == NAMES
    assert set(json.loads((out / "manifest.json").read_text())["netlists"]) == {f"{name}.cir" for name in NAMES}
    assert seen[-1] == ("digitisers", 3, 3)


def test_its_figures_agree_with_one_another(made):
    result, out, _ = made
    metrics = json.loads((out / "metrics.json").read_text())["digitisers"]
    for row, shown in zip(result.rows, metrics, strict=True):
        assert shown["agreement"]["unexplained"] == row.unexplained == 0
        assert abs(row.rule.ones - row.chain.probability) < 6 * row.rule.ones_error
        assert abs(row.circuit.ones - row.chain.probability) < 6 * row.circuit.ones_error
        assert shown["energy_per_bit"]["total"] == pytest.approx(row.cell_energy + row.periphery_energy)
        # 1.5 V, about 185 pA, 2.5 ms for each cell; one comparator decision of 67 fJ at least.
        assert row.cell_energy == pytest.approx(row.design.variant.cells * 1.5 * 1.85e-10 * 2.5e-3, rel=0.05)
        assert 60e-15 < row.periphery_energy < 150e-15
        assert shown["rate"] == pytest.approx(400, rel=1e-6)
        assert set(shown["conditions"]) == {condition.label for condition in CONDITIONS}
        conditioned = shown["conditioned"]
        assert conditioned["xor"]["bits_per_raw_bit"] == 0.25 and conditioned["hash"]["bits_per_raw_bit"] < 0.8
        expected = row.chain.probability * (1 - row.chain.probability) * (1 - row.chain.autocorrelation(1)[0])
        assert conditioned["von_neumann"]["bits_per_raw_bit"] == pytest.approx(expected, rel=0.05)


def test_it_shows_which_digitisers_stay_unbiased(made):
    result, _, _ = made
    rows = {row.design.variant.name: row.conditions for row in result.rows}
    for label in ("voltage too low", "voltage too high"):
        assert abs(rows["mid_level"][label].ones - 0.5) > 0.1
        for name in ("edge_toggle", "differential"):
            figures = rows[name][label]
            assert abs(figures.ones - 0.5) < 5 * figures.ones_error
    stuck = np.abs(rows["differential"]["currents spread"].stream_ones - 0.5)
    assert np.median(stuck) > 0.3  # pairs of unequal cells
    assert np.abs(rows["edge_toggle"]["currents spread"].stream_ones - 0.5).max() < 0.1


def test_its_summary_has_a_line_for_each(made):
    lines = made[0].summary
    assert len(lines) == len(NAMES) + 3
    assert all(line.startswith(name) for line, name in zip(lines[1:], NAMES, strict=False))
    assert "400 bit/s" in lines[1]
    assert lines[-2].endswith(": edge_toggle") and "every difference" in lines[-1]


def test_nothing_depends_on_the_workers(made):
    again = trng_digitisers(settings=TrngSettings(seed=3), digitisers=["edge_toggle"], **SMALL, jobs=1)
    assert again.path is None
    assert again.metrics["digitisers"] == made[0].metrics["digitisers"][:1]
    for one, other in zip(again.rows[0].streams, made[0].rows[0].streams, strict=True):
        assert (one.bits == other.bits).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"circuit_bits": 10}, "at least 200 bits in ngspice"),
        ({"bits": 100}, "and 32,000 by the event rule"),
        ({"digitisers": ["mid_leve"]}, "did you mean 'mid_level'"),
        ({"digitisers": ["mid_level", "mid_level"]}, "same name"),
        ({"jobs": 0}, "jobs must lie between"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(arguments, words, tmp_path):
    with pytest.raises(SettingsError, match=words):
        trng_digitisers(tmp_path / "run", **(SMALL | arguments))
    assert not (tmp_path / "run").exists()


def test_an_existing_folder_is_not_replaced(made):
    with pytest.raises(OutputError, match="exists"):
        trng_digitisers(made[1], digitisers=NAMES, **SMALL)


def test_settings_come_from_a_file_and_changes(tmp_path):
    path = tmp_path / "trng.toml"
    path.write_text('digitiser = "differential"\nseed = 4\n')
    settings = load_trng_settings(path, ["voltage=1.4", "parameters.lag=0.01"])
    assert settings == TrngSettings(digitiser="differential", seed=4, voltage=1.4, parameters={"lag": 0.01})
    with pytest.raises(SettingsError, match="did you mean 'voltage'"):
        load_trng_settings(None, ["voltag=1"])
