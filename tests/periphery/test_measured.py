"""Macromodels from figures: planted spreads come out again, what is unknown is said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.netlist.catalogue.variant import available_variants, load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.bench import Curve
from ftj_spice.periphery.benches import benches
from ftj_spice.periphery.column import Column
from ftj_spice.periphery.measured import Measured, figures_for, has_macromodel, macromodel_of, offset_figure, part_of
from ftj_spice.periphery.own_benches import averaging_time, transition_errors
from ftj_spice.periphery.parts import SenseModel
from ftj_spice.periphery.rig import Condition, Rig
from ftj_spice.periphery.spreads import Spread, against_normal, other_half, sigma_error

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)
CARD = load_card("hzo_mfis_nominal")
DECISION = {"offset": 1e-5, "decision_time": 3e-10, "energy": 4e-13, "energy_vdd": 3e-13, "energy_clk": 1e-13,
            "noise": 3e-4, "hysteresis": 2e-5, "input_low": 0.7, "input_high": 1.8, "area": 4e-11}  # fmt: skip
FRONT = {"gain": -1e8, "offset_current": 0.0, "ground_error": 0.0, "range_low": -3e-9, "range_high": 8e-9,
         "settling_time": 3e-5, "bandwidth": 1e5, "noise_current": 2e-11, "energy_vdd": 4e-10, "static_power": 3e-5,
         "area": 4e-9}  # fmt: skip


def _measured(name, figures, draws=None, **more):
    return Measured(load_variant(name), "generic", "tt", 300.0, CARD, figures, draws or {}, **more)


def test_a_comparator_keeps_its_figures():
    offsets = np.random.default_rng(0).normal(1e-5, 2e-3, 24)
    model = macromodel_of(_measured("strongarm", DECISION, {"offset": offsets}, notes={"noise": "the pair alone"}))
    decide = model.decide
    assert model.kind == "decide" and decide.input == "voltage" and decide.sees == "level"
    assert decide.offset_sigma == pytest.approx(np.std(offsets, ddof=1))
    assert decide.noise_source == "the pair alone" and decide.energy == {"vdd": 3e-13, "clk": 1e-13}
    assert decide.lag == 3e-10 and model.draws == 24
    assert any("15%" in note for note in model.notes)  # 1 / sqrt(46)
    assert macromodel_of(_measured("rc_edge", DECISION)).decide.sees == "edge"


def test_unknown_spreads_are_said():
    model = macromodel_of(_measured("strongarm", DECISION))
    assert model.draws == 0 and model.decide.offset_sigma == 0.0
    assert any("without Monte Carlo draws the spreads of offset are unknown" in note for note in model.notes)
    silent = macromodel_of(_measured("strongarm", {k: v for k, v in DECISION.items() if k != "noise"}))
    assert silent.decide.noise_source == "not measured"


def test_a_latch_decides_about_a_current():
    figures = {"offset_current": -2e-12, "contrast": 0.02, "decision_time": 1e-9, "conversion_time": 1e-4,
               "range_low": 5e-12, "range_high": 5e-5, "noise_current": 1e-12, "energy_vdd": 2e-13}  # fmt: skip
    decide = macromodel_of(_measured("bitline_latch", figures, {"offset_current": np.array([1e-12, 3e-12])})).decide
    assert decide.input == "current" and decide.reference == pytest.approx(1e-10)
    assert (decide.low, decide.high, decide.time) == (5e-12, 5e-5, 1e-4)
    assert decide.offset_sigma == pytest.approx(np.sqrt(2) * 1e-12)


def test_a_converter_in_steps_of_its_own():
    inl = np.linspace(-0.2, 0.2, 63)
    figures = {"offset": 1e-3, "gain_error": 0.01, "inl": 0.2, "noise": 3e-4, "conversion_time": 1.6e-7, "area": 1e-9}
    draws = {"offset": np.array([0.0, 2e-3]), "gain_error": np.array([0.0, 0.02])}
    curves = {"INL": Curve(np.arange(1.0, 64.0), inl, "code", "INL (LSB)")}
    model = macromodel_of(_measured("sar6", figures, draws, curves=curves))
    step = 1.0 / 64
    assert model.convert.bits == 6 and model.convert.step == pytest.approx(step)
    assert model.convert.inl == tuple(inl) and model.convert.area == model.area == 1e-9
    assert model.convert.noise == pytest.approx(3e-4 / step)
    assert model.convert.offset_sigma == pytest.approx(np.sqrt(2) * 1e-3 / step)
    lost = {"INL": Curve(np.arange(1.0, 64.0), np.where(inl > 0.1, np.nan, inl), "code", "INL (LSB)")}
    assert macromodel_of(_measured("sar6", figures, draws, curves=lost)).convert.inl == ()
    assert macromodel_of(_measured("flash4", figures, draws)).convert.bits == 4


def test_the_virtual_ground_is_taken_out_of_gain_and_offset():
    """Circuits of exact gain behind virtual grounds that differ: all of the spread is the ground's."""
    variant = load_variant("tia_two_stage")
    column = Column.of(CARD, 64, None)
    ground = np.random.default_rng(1).normal(0.0, 3e-3, 40)

    def current(volts):
        return np.array([column.cells.current(np.full((64, 1), v)).sum() for v in volts])

    rest = current(-ground)
    share = (current(CARD.vmm_voltage - ground) - rest) / column.full_scale
    own = np.random.default_rng(2).normal(1.0, 4e-3, 40)
    off = np.random.default_rng(3).normal(0.0, 2e-11, 40)
    draws = {"gain": -1e8 * own * share, "offset_current": (rest + off) / share, "ground_error": ground}
    sense = macromodel_of(Measured(variant, "generic", "tt", 300.0, CARD, FRONT, draws)).sense
    assert sense.gain_sigma == pytest.approx(np.std(own, ddof=1), rel=1e-6)
    assert sense.offset_sigma == pytest.approx(np.std(off, ddof=1), rel=1e-6)
    assert sense.ground_sigma == pytest.approx(np.std(ground, ddof=1))
    assert np.std(share, ddof=1) > 2 * sense.gain_sigma  # the figure alone would have said more than twice as much


def test_front_ends_know_what_they_average_over():
    tia = macromodel_of(_measured("tia_two_stage", FRONT)).sense
    assert not tia.integrates and tia.low == 0.0 and tia.high == 8e-9
    # One pole of 100 kHz: tau = 1.59 us, its noise bandwidth is that of an average over two of them.
    assert tia.window == pytest.approx(2.0 / (2.0 * np.pi * 1e5)) == pytest.approx(averaging_time(1e5))
    charge = macromodel_of(_measured("integrator_cds", FRONT)).sense
    assert charge.integrates and charge.window == pytest.approx(1e-5) and charge.time == pytest.approx(1.3e-5)


def test_the_static_curve_comes_from_the_transfer():
    x = np.linspace(-3, 10, 27)
    y = 0.9 - 0.1 * x * (1.0 + 2e-3 * x)
    curves = {"Transfer": Curve(x, y, "Input current (nA)", "Output (V)")}
    sense = macromodel_of(_measured("tia_two_stage", FRONT, curves=curves)).sense
    grid = np.linspace(0.0, 8.0, len(sense.deviation))
    line = sense.gain * 1e-9 * grid
    bent = line + sense.gain * 8e-9 * np.array(sense.deviation)
    truth = -0.1 * grid * (1.0 + 2e-3 * grid)
    assert np.ptp(bent - truth) < 1e-9 and np.ptp(line - truth) > 3e-3


def test_every_variant_makes_one_or_says_why_not():
    for name in available_variants():
        variant = load_variant(name)
        if variant.bench is None:
            continue
        if has_macromodel(variant):
            assert set(figures_for(variant)) <= set(benches()[variant.bench].figures)
            assert offset_figure(variant) in benches()[variant.bench].drawn
        else:
            with pytest.raises(SettingsError, match="neither reads a column nor converts nor decides"):
                part_of(variant)
    with pytest.raises(SettingsError, match="without its figure 'decision_time'"):
        macromodel_of(_measured("strongarm", {"offset": 0.0}))


def test_broken_circuits_are_no_spread():
    values = np.concatenate([np.random.default_rng(0).normal(0, 1, 30), [1e6, np.nan]])
    spread = Spread.of(values)
    assert spread.count == 30 and spread.broken == 2 and 0.7 < spread.sigma < 1.3
    assert Spread.of(np.array([np.nan, 1.0])) == Spread(broken=1)
    assert Spread.of(np.full(5, 2.0)) == Spread(0.0, 5, 0)
    # Of few draws none is taken for a failure: the robust sigma of these four is small by chance.
    assert Spread.of(np.array([0.0, 0.01, -0.01, 1.0])).count == 4


@PROPERTY
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(0.1, 10.0))
def test_the_distance_of_laws_is_kolmogorovs(values, sigma):
    from scipy.stats import kstest

    fit = against_normal(np.array(values), 0.5, sigma, "draws")
    live = Spread.of(np.array(values)).count
    assert fit.compared == live and 0.0 <= fit.rms <= fit.largest <= 1.0
    if live == len(values):
        assert fit.largest == pytest.approx(kstest(values, norm(0.5, sigma).cdf).statistic, abs=1e-9)


def test_a_wrong_law_is_told():
    rng = np.random.default_rng(5)
    values = rng.normal(0.0, 1.0, 400)
    # Kolmogorov: 400 draws stay below 0.13 but for once in 1e5.
    assert against_normal(values, 0.0, 1.0, "draws").largest < 0.13
    assert against_normal(values, 0.0, 3.0, "draws").largest > 0.2
    assert against_normal(values, 0.0, 0.0, "draws") is None
    assert other_half(values, 0.0).compared == 200
    assert other_half(values[:9], 0.0) is None


def test_the_error_of_a_sigma():
    draws = np.random.default_rng(6).normal(size=(4000, 12)).std(axis=1, ddof=1)
    # Known to 1 %; the formula leaves out terms of order 1 / n^2.
    assert draws.std() == pytest.approx(sigma_error(12), rel=0.05)


@PROPERTY
@given(st.floats(1e-7, 1e-4), st.floats(0.1, 1.0), st.floats(1e-3, 4.0))
def test_a_longer_window_leaves_the_reset_as_it_is(time, part, scale):
    sense = SenseModel(integrates=True, time=time, averaging=part * time, high=1.0)
    assert sense.time_at(scale) - sense.window_at(scale) == pytest.approx(time - part * time, abs=1e-12 * time)
    assert sense.window_at(scale) == pytest.approx(part * time / scale)
    plain = SenseModel(integrates=True, time=time, high=1.0)
    assert plain.time_at(scale) == pytest.approx(time / scale)
    steady = SenseModel(integrates=False, time=time, averaging=part * time, high=1.0)
    assert (steady.time_at(scale), steady.window_at(scale)) == (time, part * time)


def test_inl_from_few_transitions_is_that_of_the_bench(ngspice):
    """A flash converter with mismatch, so that there is an INL to find; the bench searches to an eighth of a step."""
    variant = load_variant("flash4")
    rig = Rig(variant, Condition(load_process("generic"), "tt", mismatch=(1, 0)), CARD, ngspice)
    found = benches()["converter"].measure(rig, ["inl"])
    errors = transition_errors(rig)
    assert errors == pytest.approx(found.curves["INL"].y, abs=0.125)
    assert np.abs(errors).max() > 0.05
