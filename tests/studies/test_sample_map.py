"""Maps of the sampling array: sweeps, points, recommendations, audit, warnings and files."""

import csv
import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ftj_spice as ftj
from ftj_spice.common.errors import OutputError, SettingsError
from ftj_spice.results.datasets import read_dataset
from ftj_spice.sampling.energy import converter_energy
from ftj_spice.sampling.figures import QUANTITIES, Figure
from ftj_spice.studies.sample_map.audit import draw_points
from ftj_spice.studies.sample_map.goal import recommend
from ftj_spice.studies.sample_map.settings import (
    LARGEST_SWEEP,
    Grid,
    Limits,
    MapSettings,
    load_map_settings,
    parse_sweep,
)
from ftj_spice.studies.sample_map.study import sample_map

SMALL = ("columns=2", "copies=32", "samples=200", "transitions=2e5", "sample.rows=4")


def mapped(*changes, **more):
    return sample_map(settings=load_map_settings(None, [*SMALL, *changes]), **more)


@pytest.fixture
def few_plots(monkeypatch):
    """Maps of two figures only: drawing takes longer than everything else here."""
    monkeypatch.setattr("ftj_spice.studies.sample_map.plots.DRAWN", ("distance", "kurtosis"))


@pytest.fixture(scope="module")
def small():
    return mapped("sweep_voltage=1.3:1.7:3", "sweep_time=0.2ms:20ms:4", "audit=3", "audit_samples=4", jobs=2)


def test_sweeps_are_read_with_units():
    np.testing.assert_allclose(parse_sweep("1.2:1.8:4", "V", "x", logarithmic=False), [1.2, 1.4, 1.6, 1.8])
    np.testing.assert_allclose(parse_sweep("1200mV:1.8V:2", "V", "x", logarithmic=False), [1.2, 1.8])
    np.testing.assert_allclose(parse_sweep("0.1ms:10 ms:3", "s", "x", logarithmic=True), [1e-4, 1e-3, 1e-2])
    np.testing.assert_allclose(parse_sweep("100us:0.01:2", "s", "x", logarithmic=True), [1e-4, 1e-2])


@given(st.floats(1e-6, 1.0), st.floats(1.01, 1e4), st.integers(2, LARGEST_SWEEP))
def test_sweeps_span_their_ends(start, factor, points):
    values = parse_sweep(f"{start!r}:{start * factor!r}:{points}", "s", "x", logarithmic=True)
    assert len(values) == points
    assert np.all(np.diff(values) > 0)
    assert values[[0, -1]] == pytest.approx([start, start * factor])


@given(st.text(alphabet="0123456789.:eEmsuV-+nai ", max_size=16))
def test_any_text_is_a_sweep_or_one_sentence(text):
    try:
        values = parse_sweep(text, "s", "--sweep-time", logarithmic=True)
    except SettingsError as error:
        assert str(error).startswith("--sweep-time") and "\n" not in str(error)
    else:
        assert np.all(np.diff(values) > 0) and values[0] > 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5ms:1ms:3", "must go upwards"),
        ("1ms:1ms:3", "must go upwards"),
        ("0:1ms:3", "above 0 s"),
        ("-1ms:1ms:3", "above 0 s"),
        ("1ms:5ms:1", "2 points at least"),
        ("1ms:5ms:102", "at most 101 points"),
        ("1ms:5ms:-3", "2 points at least"),
        ("1ms:5ms:2.5", "whole number"),
        ("1ms:5ms:many", "whole number"),
        ("1ms:5ms", "start:stop:points"),
        ("1furlong:5ms:3", "does not fit"),
        ("1ms:5V:3", "does not fit"),
        ("1 m s:5ms:3", "1 m s"),
        ("nan:5ms:3", "not a number"),
    ],
)
def test_bad_sweeps_say_what_would_be_right(text, reason):
    with pytest.raises(SettingsError, match=reason):
        parse_sweep(text, "s", "--sweep-time", logarithmic=True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["columns=1"], "at least 32 for honest standard errors"),
        (["columns=4096", "copies=4096"], "must be at most 65536"),
        (["sample.whole_array=true"], "columns are read apart"),
        (["sample.digitiser=comparator"], "must be 'integrator'"),
        (["sweep_voltage=1.2:2.6:3"], "less than or equal to 2.5"),
        (["sweep_time=1ms:11s:3"], "less than or equal to 10"),
        (["sweep_voltage=0.1:1.5:3"], "at 0.1 V and 5 ms the traps hardly change"),
        (["sweep_time=1s:10s:90", "sweep_voltage=2:2.5:90"], "trap transitions, more than 1e[+]12"),
        (["direction=opposed", "sample.voltage=2.5"], "leaves no state to read"),
        (["goal=fast"], "'gaussian', 'fastest' or 'lowest-energy'"),
        (["limits.distanc=1"], "did you mean 'limits.distance'"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(changes, reason):
    with pytest.raises(SettingsError, match=reason):
        sample_map(settings=load_map_settings(None, changes))


def test_simulation_agrees_with_closed_forms_and_with_ngspice(small):
    d = small.deviations
    assert d.values.shape == (3, 4, len(d.names))
    assert d.passes and d.largest < d.allowed
    assert d.quantile(0.5) < d.quantile(0.99) < d.allowed
    assert len(small.audits) == 3 and small.passes
    for audit in small.audits:
        assert audit.audit.reads == 4
        assert audit.audit.largest < 1e-4
        assert audit.energy > 0 and audit.energy_deviation < 1e-6
    assert len(small.netlists) == 3
    places = [(a.voltage, a.time) for a in small.audits]
    assert len(set(places)) == 3


def test_an_audit_beyond_its_limit_fails_the_map(small):
    bad = replace(small.audits[0], spice_energy=small.audits[0].energy * 1.01)
    assert not replace(small, audits=(bad,)).passes
    point = small.points[0][0]
    wrong = replace(point, figures=point.figures | {"mean": Figure(1.0, 0.1, 2.0)})
    assert not replace(small, points=((wrong,),)).passes


def test_result_does_not_depend_on_the_number_of_threads(small):
    alone = mapped("sweep_voltage=1.3:1.7:3", "sweep_time=0.2ms:20ms:4", "audit=0")
    for name in QUANTITIES:
        for mine, theirs in zip(alone.of(name), small.of(name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    other = mapped("sweep_voltage=1.3:1.7:3", "sweep_time=0.2ms:20ms:4", "audit=0", "seed=1")
    assert not np.array_equal(other.of("mean")[0], alone.of("mean")[0])
    assert alone.summary[2] == "no audit: it was switched off"


def test_figures_go_the_way_physics_says(small):
    rho = small.of("autocorrelation_1")[2]
    assert np.all(np.diff(rho, axis=0) < 0) and np.all(np.diff(rho, axis=1) < 0)
    energy = small.of("supply_energy")[2]
    assert np.all(np.diff(energy, axis=0) > 0) and np.all(np.diff(energy, axis=1) > 0)
    for row in small.points:
        for p in row:
            assert p.rate * p.period == pytest.approx(1.0)
            assert p.period == pytest.approx(1.01 * p.time)
            assert p.cell_energy + p.wire_energy == pytest.approx(p.figures["supply_energy"].closed)
            f = {name: figure.closed for name, figure in p.figures.items()}
            assert 0 <= f["effective_bits"] <= f["shannon_entropy"] <= 8
            assert f["min_entropy"] <= f["shannon_entropy"]
            assert f["bit_rate"] == pytest.approx(f["effective_bits"] * p.rate)
            assert 0 <= f["distance"] < 0.5


def test_converter_is_neurosims_estimate():
    """SarADC.cpp, 65 nm low power, evaluated by hand: 5 bits 44.597 uW for 6 ns, 8 bits 55.8488 uW for 9 ns."""
    assert converter_energy(5) == pytest.approx(44.597e-6 * 6e-9)
    assert converter_energy(8) == pytest.approx(55.8488e-6 * 9e-9)


def test_more_transitions_give_more_samples_until_the_cap():
    assert mapped("audit=0", "transitions=1e5").points[0][0].samples < 200
    assert mapped("audit=0", "transitions=1e7").points[0][0].samples == 200


def found(goal, points, **limits):
    return recommend(points, goal, Limits(**limits), [None] * len(points))


def test_each_goal_takes_the_best_point_within_the_limits(small):
    loose = {"distance": 1.0, "autocorrelation": 1.0, "noise_steps": 0.0}
    flat = {(i, k): p for i, row in enumerate(small.points) for k, p in enumerate(row)}
    fastest = found("fastest", small.points, **loose)
    assert fastest.place[1] == 0 and fastest.kept == 12 and fastest.binding == ()
    assert "No limit binds" in fastest.reason
    cheapest = found("lowest-energy", small.points, **loose)
    assert cheapest.place == min(flat, key=lambda place: flat[place].energy)
    gaussian = found("gaussian", small.points, **loose)
    assert gaussian.place == min(flat, key=lambda place: flat[place].figures["distance"].closed)
    limit = {**loose, "autocorrelation": 0.1}
    bound = found("fastest", small.points, **limit)
    inside = [place for place, p in flat.items() if p.figures["autocorrelation_1"].closed <= 0.1]
    assert bound.place in inside
    assert flat[bound.place].period == min(flat[place].period for place in inside)
    assert bound.binding == ("autocorrelation",)
    assert "|autocorrelation|" in bound.reason and "> 0.1" in bound.reason
    one = recommend([small.points[2][-1:]], "fastest", Limits(), [None])
    assert "V, 20.0 ms keeps all limits: time per sample" in one.reason and "points" not in one.reason
    assert {n.place for n in bound.neighbours} <= set(flat)
    for n in bound.neighbours:
        assert bool(n.missed) == (n.place not in inside)


def test_no_point_within_the_limits_names_the_nearest(small):
    nothing = found("gaussian", small.points, noise_steps=1e5)
    assert nothing.place is None and nothing.kept == 0
    assert nothing.nearest == (1, 3)  # the largest charge: longest time, half filling
    assert nothing.reason.startswith("no point keeps all limits; the nearest is")
    lines = mapped("audit=0", "limits.noise_steps=1e5").summary
    assert any(line.startswith("gaussian: no point keeps all limits") for line in lines)


def test_opposed_reads_are_limited_and_warned_about():
    result = mapped("audit=0", "direction=opposed", "sample.voltage=1.5")
    assert len(result.warnings) == 1
    assert "oppose the stored polarization: at 1.5 V they flip 0." in result.warnings[0]
    assert result.recommendation.place is None
    assert "share of flipped domains" in result.recommendation.reason
    stored = mapped("audit=0", "sample.voltage=1.5")
    assert stored.warnings == () and "direction of the stored polarization" in stored.disturb_sentence
    assert stored.disturb == pytest.approx(result.disturb)
    # Facts of the nominal card: 4.8 % in 1 ms and 17 % in 1 s at 1.5 V; the map reads for some seconds.
    assert 0.17 < stored.disturb[0] < 0.3
    assert stored.read_time[0] == pytest.approx(stored.points[0][0].samples * 32 * 5.05e-3)


def test_voltages_without_data_are_warned_about():
    result = mapped("audit=0", "sweep_voltage=1.1:1.9:3")
    assert "given for 1.2 to 1.8 V; at 1.1, 1.9 V it is extrapolated" in result.warnings[0]
    assert mapped("audit=0", "sweep_voltage=1.2:1.8:3").warnings == ()
    card = ftj.load_card("hzo_mfis_nominal")
    assert (card.rtn_voltage_low, card.rtn_voltage_high) == (1.2, 1.8)


def test_wires_that_move_the_mean_are_warned_about():
    result = mapped("audit=1", "audit_samples=4", "sample.driver_resistance=1e5", "card=high_current")
    assert "wires and drivers move the mean current by -" in result.warnings[0]
    assert result.points[0][0].wire_energy > 0.01 * result.points[0][0].cell_energy
    assert mapped("audit=0").warnings == ()


def test_codes_that_all_clip_agree_with_their_closed_forms():
    """Wires move the mean beyond the converter: the latents' variance is 0 in both, and so is its standard error."""
    result = mapped("audit=0", "sample.bit_line_resistance=1e6", "sample.rows=64", "transitions=1e4")
    figures = result.points[0][0].figures
    assert abs(result.points[0][0].reference_shift) > 100
    assert figures["latent_variance"].simulated == pytest.approx(0.0, abs=1e-9)
    assert figures["effective_bits"].simulated == 0.0
    assert result.passes and np.isfinite(result.deviations.largest)


def test_cells_that_differ_keep_honest_errors():
    result = mapped(
        "audit=0", "sample.time_constant_spread=0.5", "sample.amplitude_spread=1", "sample.current_spread=1",
        "columns=8", "samples=400", "transitions=1e6",
    )  # fmt: skip
    assert result.deviations.passes and result.deviations.largest < 4.5


def test_audited_points_lie_anywhere_on_the_map():
    grid = Grid(np.linspace(1.2, 1.8, 5), np.geomspace(1e-4, 1e-2, 4))
    everything = [draw_points(MapSettings(seed=seed, audit=20), grid) for seed in range(3)]
    for chosen in everything:
        assert {(i, k) for i, k, _ in chosen} == {(i, k) for i in range(5) for k in range(4)}
    few = {tuple(draw_points(MapSettings(seed=seed, audit=2), grid)) for seed in range(20)}
    assert len(few) > 15


def test_a_map_leaves_everything_it_found(small, few_plots, tmp_path):
    settings = load_map_settings(
        None, [*SMALL, "sweep_voltage=1.3:1.7:3", "sweep_time=0.2ms:20ms:4", "audit=1", "audit_samples=4"]
    )
    result = sample_map(tmp_path / "map", settings=settings, goal="fastest", jobs=2)
    assert result.path == tmp_path / "map" and result.recommendation.goal == "fastest"
    rows = list(csv.DictReader((tmp_path / "map/map.csv").open()))
    assert len(rows) == 12
    assert float(rows[0]["voltage_V"]) == 1.3 and float(rows[-1]["time_s"]) == pytest.approx(20e-3)
    for row, point in zip(rows, (p for line in result.points for p in line), strict=True):
        for name in ("distance", "kurtosis", "autocorrelation_4"):
            assert float(row[name]) == pytest.approx(point.figures[name].simulated, rel=1e-6)
            assert float(row[f"{name}_closed"]) == pytest.approx(point.figures[name].closed, rel=1e-6)
        assert float(row["energy_J"]) == pytest.approx(point.energy, rel=1e-6)
    data = read_dataset(tmp_path / "map/map.nc")
    assert data["distance"].dims == ("voltage", "time")
    np.testing.assert_array_equal(data["supply_energy_closed"].values, result.of("supply_energy")[2])
    np.testing.assert_array_equal(data["distance"].values, small.of("distance")[0])
    metrics = json.loads((tmp_path / "map/metrics.json").read_text())
    assert metrics["recommendations"]["fastest"]["binding"] == list(result.recommendation.binding)
    assert metrics["deviation"]["largest_se"] == pytest.approx(result.deviations.largest)
    assert metrics["audit"][0]["energy_deviation"] < 1e-6
    assert MapSettings.parse(tomllib.loads((tmp_path / "map/settings.toml").read_text()), "x").goal == "fastest"
    page = (tmp_path / "map/report.html").read_text()
    for text in ("Recommended operating point", "Simulation over closed form", "Disturb by the reads", "NeuroSim"):
        assert text in page
    assert {p.name for p in (tmp_path / "map/plots").iterdir()} >= {"distance.png", "limits.png", "energy_rate.png"}
    assert len(list((tmp_path / "map/netlists").iterdir())) == 1
    with pytest.raises(OutputError, match="exists"):
        sample_map(tmp_path / "map", settings=settings)


def test_one_point_and_one_line_have_reports_of_their_own(few_plots, tmp_path):
    one = load_map_settings(None, [*SMALL, "audit=0"])
    result = sample_map(tmp_path / "one", settings=one)
    assert result.grid.shape == (1, 1)
    metrics = json.loads((tmp_path / "one/metrics.json").read_text())
    assert metrics["point"]["voltage_V"] == 1.5 and metrics["point"]["time_s"] == 5e-3
    assert metrics["point"]["figures"]["mean"]["unit"] == "A"
    assert "Figures of the point" in (tmp_path / "one/report.html").read_text()
    line = load_map_settings(None, [*SMALL, "audit=0", "sweep_time=1ms:10ms:3"])
    sample_map(tmp_path / "line", settings=line)
    assert (tmp_path / "line/plots/kurtosis.png").exists()
