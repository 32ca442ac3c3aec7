"""I-V, switching, retention and endurance: values come back, intervals hold them, poor data are refused."""

import numpy as np
import pytest

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.fitting import synthetic
from ftj_spice.device.fitting.endurance import fit_endurance
from ftj_spice.device.fitting.iv import fit_iv
from ftj_spice.device.fitting.outcome import FitError, NotIdentifiedError
from ftj_spice.device.fitting.reading import read_table
from ftj_spice.device.fitting.retention import fit_retention
from ftj_spice.device.fitting.switching import fit_switching

TRUE = load_card("hzo_mfis_nominal")
BASE = TRUE.with_values(
    on_current_density=2500.0, on_off_ratio=20.0, voltage_scale=0.3, off_activation_energy=0.05, attempt_time=6e-8,
    activation_exponent=2.5, weibull_exponent=1.6, activation_mean=3.2e8, activation_sigma=7e7, retention_time=1e12,
    retention_exponent=0.2, wakeup_gain=0.05, wakeup_cycles=100.0, fatigue_cycles=1e6, fatigue_exponent=1.0,
    remanent_polarization=0.15,
)  # fmt: skip
FITS = {"iv": fit_iv, "switching": fit_switching, "retention": fit_retention, "endurance": fit_endurance}


def text(kind, noise, seed, card=TRUE):
    if kind == "iv":
        return synthetic.iv_table(card, np.linspace(-1.5, 1.5, 16), [-1, 0, 1], [280, 300, 340], noise, seed)
    if kind == "switching":
        return synthetic.switching_table(card, np.linspace(1.5, 5.0, 9), np.geomspace(1e-8, 1e-2, 10), noise, seed)
    if kind == "retention":
        return synthetic.retention_table(card, np.geomspace(1.0, 1e7, 30), noise, seed)
    return synthetic.endurance_table(card, np.geomspace(1.0, 1e9, 40), noise, seed)


def fit(folder, kind, content, card=BASE, **more):
    path = folder / f"{kind}.csv"
    path.write_text(content, encoding="utf-8")
    return FITS[kind]([read_table(path, kind)], card, **more)


@pytest.mark.parametrize(("kind", "count"), [("iv", 5), ("switching", 5), ("retention", 2), ("endurance", 5)])
def test_exact_data_give_the_card_back(tmp_path, kind, count):
    outcome = fit(tmp_path, kind, text(kind, 0.0, 0))
    assert len(outcome.estimates) == count
    for e in outcome.estimates:
        assert e.value == pytest.approx(getattr(TRUE, e.name), rel=2e-3, abs=1e-6), e.name
    assert outcome.points > 0
    assert all(series.measured.shape == series.fitted.shape for panel in outcome.panels for series in panel.series)


@pytest.mark.parametrize(
    ("kind", "noise"), [("iv", 0.05), ("switching", 0.02), ("retention", 0.002), ("endurance", 0.01)]
)
def test_intervals_hold_the_true_values(tmp_path, kind, noise):
    """A right 95 % interval misses 4 of 8 times or more with probability 4e-4: 0.7 % false alarm over 17 parameters.

    benchmarks/fit.py measures the coverage itself, in 50 trials.
    """
    misses = {}
    for seed in range(8):
        for e in fit(tmp_path, kind, text(kind, noise, seed)).estimates:
            misses[e.name] = misses.get(e.name, 0) + (not e.low <= getattr(TRUE, e.name) <= e.high)
    assert max(misses.values()) <= 3, misses


def test_generalised_beta_fields_on_demand(tmp_path):
    true = load_card("switching_set_b") if load_card("switching_set_b").activation_distribution == "gb2" else None
    for name in ("switching_set_a", "switching_set_b", "switching_set_c", "switching_set_d", "switching_set_e"):
        if load_card(name).activation_distribution == "gb2":
            true = load_card(name)
            break
    assert true is not None
    middle = true.electrostatics.thickness / true.electrostatics.divider * true.activation_scale
    content = synthetic.switching_table(
        true, np.linspace(0.2, 1.2, 12) * middle, true.attempt_time * np.geomspace(0.5, 1e6, 12), 0.0, 0
    )
    start = true.with_values(activation_scale=1.1 * true.activation_scale)
    found = {e.name: e.value for e in fit(tmp_path, "switching", content, start).estimates}
    assert "gb2_a" not in found
    assert found["activation_scale"] == pytest.approx(true.activation_scale, rel=0.02)
    more = fit(tmp_path, "switching", content, true, varied=["gb2_a"], held=["activation_exponent"])
    assert {e.name for e in more.estimates} >= {"gb2_a", "activation_scale"}


def rows(header, *columns):
    return "\n".join([header, *(",".join(str(float(v)) for v in row) for row in zip(*columns, strict=True))]) + "\n"


V = np.linspace(0.2, 1.5, 9)
I_ON = TRUE.area * 1e3 * np.sinh(V / 0.22)
T = np.geomspace(1, 1e6, 12)
W = np.geomspace(1e-8, 1e-3, 10)
WIGGLE = 1.0 + 0.01 * (-1.0) ** np.arange(12)


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("iv", rows("V [V],I [A],s", V, I_ON, np.ones(9)),
         "on_off_ratio is not identified: all rows have the same pol"),
        ("iv", rows("V [V],I [A],s", np.full(8, 1.0), 1e-9 * np.arange(1, 9), [1, -1] * 4),
         "voltage_scale is not identified: all rows have the same voltage (1 V)"),
        ("iv", rows("V [V],I [A],s", V[:9] * 1e-4, V * WIGGLE[:9], [1, -1, 1, -1, 1, -1, 1, -1, 1]), "voltage_scale"),
        ("switching", rows("width [s],amplitude [V],fraction", W, np.full(10, 3.0), np.linspace(0, 1, 10)),
         "activation_exponent is not identified: all pulses have the same amplitude"),
        ("switching", rows("width [s],amplitude [V],fraction", np.full(10, 1e-6), np.linspace(1, 4, 10), W * 9e2),
         "attempt_time is not identified: all pulses have the same width"),
        ("switching", rows("width [s],amplitude [V],fraction", W, np.linspace(1, 4, 10), np.zeros(10)),
         "no pulse switches between 5 % and 95 %"),
        ("switching", rows("width [s],amplitude [V],fraction", W[:8], np.linspace(2, 3, 8), np.linspace(0.3, 0.7, 8)),
         "is not identified"),
        ("retention", rows("time [s],polarization", T, np.full(12, 0.99)),
         "retention_time is not identified: the polarization is the same in all rows"),
        ("retention", rows("time [s],polarization", T, WIGGLE), "is not identified"),
        ("endurance", rows("cycles,polarization", T, WIGGLE / (1 + (T / 1e4) ** 0.7)),
         "wakeup_cycles is not identified"),
        ("endurance", rows("cycles,polarization", [0, 1, 2, 3, 4, 5], np.ones(6)), "is not identified"),
    ],
)  # fmt: skip
def test_what_the_data_do_not_tell_is_named(tmp_path, kind, content, words):
    with pytest.raises(NotIdentifiedError) as caught:
        fit(tmp_path, kind, content)
    assert words in str(caught.value)
    assert caught.value.name in str(caught.value)
    assert "--fix" in str(caught.value)


def test_an_interval_as_wide_as_the_range_tells_nothing(tmp_path):
    content = synthetic.switching_table(TRUE, [2.0, 2.5], np.geomspace(1e-6, 1e-3, 6), 0.05, 0)
    with pytest.raises(NotIdentifiedError, match="weibull_exponent is not identified: its 95 % interval is its whole"):
        fit(tmp_path, "switching", content, TRUE, held=["activation_exponent", "attempt_time"])


def test_held_parameters_make_poor_data_enough(tmp_path):
    content = rows("V [V],I [A],s", V, I_ON / np.sinh(1 / 0.22), np.ones(9))
    outcome = fit(tmp_path, "iv", content, held=["on_off_ratio"])
    assert [e.name for e in outcome.estimates] == ["on_current_density", "voltage_scale"]
    assert outcome.estimates[0].value == pytest.approx(1e3, rel=1e-3)
    assert outcome.held["on_off_ratio"] == 20.0


@pytest.mark.parametrize(
    ("kind", "content", "place", "words"),
    [
        ("iv", rows("V [V],I [A],s", V[:4], I_ON[:4], [1, 1, -1, -1]), "5:1", "4 rows are too few"),
        ("iv", rows("V [V],I [A],s", V, I_ON, [1, 1, 1, 2, 1, 1, 1, 1, 1]), "5:", "must lie in [-1, 1], got 2"),
        ("iv", rows("V [V],I [A],s", V, I_ON * ([1] * 8 + [0]), np.ones(9)), "10:", "a current of 0 has no logarithm"),
        ("iv", rows("V [V],I [A],s", V, I_ON * ([1] * 8 + [-1]), np.ones(9)), "10:", "runs against its voltage"),
        ("iv", rows("V [V],I [A],s,temperature [K]", V, I_ON, np.ones(9), [300] * 8 + [0]), "10:", "in kelvin"),
        ("switching", rows("width [s],amplitude [V],fraction", W[:3], V[:3], V[:3]), "4:1", "3 rows are too few"),
        ("switching", rows("width [s],amplitude [V],fraction", W, V[0] + W, 10.0 * np.arange(10)), "3:", "percent"),
        ("switching", rows("width [s],amplitude [V],fraction", 0.0 * W, 1 + W, W), "2:1", "must be positive"),
        ("switching", rows("width [s],amplitude [V],fraction", W, 0.0 * W, W), "2:", "amplitude must not be 0"),
        ("retention", rows("time [s],polarization", T[:3], T[:3]), "4:1", "3 rows are too few"),
        ("retention", rows("time [s],polarization", T - 2, np.ones(12)), "2:1", "must not be negative"),
        ("retention", rows("time [s],polarization", T, -np.ones(12)), "2:", "must be positive"),
        ("retention", rows("time [s],polarization", T, np.full(12, 95.0)), "2:5", "write polarization [%] for percent"),
        ("retention", rows("time [s],polarization", T, np.full(12, 1e308)), "2:5", "can't exceed 10, got 1e+308"),
        ("retention", rows("time [s],P [C/m^2]", T, np.full(12, 20.0)), "2:5", "can't exceed 10 C/m^2, got 20 C/m^2"),
        ("endurance", rows("cycles,polarization", T, [1] * 11 + [1e9]), "13:", "relative to the fresh one and can't"),
        ("endurance", rows("cycles,polarization", T[:4], T[:4]), "5:1", "4 rows are too few"),
        ("endurance", rows("cycles,polarization", T, 0 * T), "2:", "must be positive"),
    ],
)  # fmt: skip
def test_rows_without_sense_are_located(tmp_path, kind, content, place, words):
    with pytest.raises(DataError) as caught:
        fit(tmp_path, kind, content)
    assert f"{kind}.csv:{place}" in str(caught.value)
    assert words in str(caught.value)


def test_a_law_that_does_not_fit_is_told(tmp_path):
    falling = rows(
        "V [V],I [A],s,temperature [K]", np.tile(V, 4), np.repeat([1.0, 1.0, 0.1, 0.1], 9) * np.tile(I_ON, 4) *
        np.tile(np.repeat([1.0, 0.2], 9), 2) * np.exp(0.01 * np.sin(np.arange(36))),
        np.repeat([1, 1, -1, -1], 9), np.tile(np.repeat([300, 350], 9), 2),
    )  # fmt: skip
    with pytest.raises(FitError, match=r"on_activation_energy comes out as -0.*outside its range"):
        fit(tmp_path, "iv", falling)


FLAT = rows("V [V],I [A],s", np.tile([1, 2, 3, 40, 50, 60, 70], 2), np.repeat([1e-9, 1e-11], 7), [1] * 7 + [-1] * 7)
SWAPPED = rows("V [V],I [A],s", np.tile(V, 2), np.repeat([0.1, 1.0], 9) * np.tile(I_ON, 2), [1] * 9 + [-1] * 9)
BELL = rows("time [s],polarization", T, np.exp(-((T / 1e6) ** 1.7)))


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("iv", FLAT, "voltage_scale comes out at the upper end of its range, 10 V: the law does not describe"),
        ("iv", SWAPPED, "on_off_ratio comes out at the lower end of its range, 1.000001: the law does not describe"),
        ("retention", BELL, "retention_exponent comes out at the upper end of its range, 1: the law does not"),
    ],
)
def test_a_scale_at_the_end_of_its_range_is_refused(tmp_path, kind, content, words):
    with pytest.raises(FitError) as caught:
        fit(tmp_path, kind, content)
    assert words in str(caught.value)
    assert "--fix" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "value"), [("switching", "weibull_exponent", 1.0), ("retention", "retention_exponent", 1.01)]
)
def test_a_value_at_the_end_of_its_law_is_a_result(tmp_path, kind, name, value):
    """An exponent of 1, or past it by no more than the scatter allows, is no sign of another law."""
    true = TRUE.with_values(retention_time=1e7).model_copy(update={name: value})
    edges = 0
    for seed in range(4):
        outcome = fit(tmp_path, kind, text(kind, 0.003, seed, true), TRUE)
        entry = next(e for e in outcome.estimates if e.name == name)
        edges += f"{name} lies at the edge of its range: 1" in outcome.notes
        assert (entry.high if kind == "retention" else entry.low) == pytest.approx(1.0, abs=1e-3)
        assert entry.low <= entry.value <= entry.high
    assert edges > 0


def test_an_initial_polarization_far_above_the_data_is_refused(tmp_path):
    time = np.geomspace(1e6, 1e9, 30)
    content = rows("time [s],P [C/m^2]", time, 0.2 * np.exp(-((time / 10.0) ** 0.1)))
    with pytest.raises(FitError, match=r"retention.csv:2:11: the initial polarization comes out 10 times above the la"):
        fit(tmp_path, "retention", content)


@pytest.mark.parametrize(
    ("law", "start", "varied"),
    [
        ("linear", {"on_off_ratio": 20.0}, []),
        ("physical", {"on_off_ratio": 20.0, "off_activation_energy": 0.05}, []),
        ("physical", {"optical_permittivity": 6.0}, ["optical_permittivity"]),
    ],
)
def test_other_laws_of_conduction(tmp_path, law, start, varied):
    true = TRUE.with_values(law=law)
    found = fit(tmp_path, "iv", text("iv", 0.0, 0, true), true.with_values(**start), varied=varied)
    assert {*start} <= {e.name for e in found.estimates}
    for e in found.estimates:
        assert e.value == pytest.approx(getattr(true, e.name), rel=2e-3, abs=1e-6), e.name


def test_more_parameters_than_rows_are_refused(tmp_path):
    true = TRUE.with_values(law="physical")
    content = synthetic.iv_table(true, [0.5, 1.0, 1.5], [-1, 1], [300], 0.01, 0)
    with pytest.raises(NotIdentifiedError, match="6 rows can't give 8 parameters with their intervals"):
        fit(tmp_path, "iv", content, true, varied=[
            "tunnel_mass", "barrier_metal", "barrier_semiconductor", "optical_permittivity", "trap_depth",
            "low_field_voltage",
        ])  # fmt: skip


def test_a_moving_depolarization_field_is_refused(tmp_path):
    card = BASE.with_values(interface_compensation=0.5)
    with pytest.raises(SettingsError, match=r"depolarization field.*give the field.*'field'"):
        fit(tmp_path, "switching", text("switching", 0.0, 0), card)


def test_absolute_retention_fits_the_initial_polarization_along(tmp_path):
    content = text("retention", 0.0, 0).replace("polarization", "polarization [uC/cm^2]")
    lines = content.splitlines()
    scaled = [lines[0]] + [f"{line.split(',')[0]},{18.0 * float(line.split(',')[1])!r}" for line in lines[1:]]
    found = {e.name: e.value for e in fit(tmp_path, "retention", "\n".join(scaled) + "\n").estimates}
    assert found == pytest.approx(
        {"retention_time": TRUE.retention_time, "retention_exponent": TRUE.retention_exponent}, rel=1e-3
    )
