import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue.variant import Limit, load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.bench import Curve
from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.macromodel import available_macromodels, load_macromodel
from ftj_spice.results.report import Cell, Report
from ftj_spice.studies.periphery.decision import JOBS, chains, choose_chain
from ftj_spice.studies.periphery.limits import Bound, bounds_of, broken_limits
from ftj_spice.studies.periphery.macromodels import macromodel_section
from ftj_spice.studies.periphery.merits import merits, pareto_front
from ftj_spice.studies.periphery.results import VariantResults
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.statistics import difference, sigma_of, yield_of
from ftj_spice.studies.periphery.subjects import Subject
from ftj_spice.studies.periphery.tables import figure_table

STRONGARM = load_variant("strongarm")
BENCH = bench("clocked_comparator", "test")
COLUMN, CELL = JOBS


def limited(**limits):
    parsed = {
        name: Limit.parse({"why": "test"} | limit, f"limit '{name}' of variant") for name, limit in limits.items()
    }
    return STRONGARM.model_copy(update={"limits": parsed})


@given(st.floats(1e-6, 1.0), st.sampled_from([("V", 1.0), ("mV", 1e-3), ("uV", 1e-6)]))
def test_limits_are_read_in_any_unit_that_fits(value, unit):
    name, factor = unit
    bounds = bounds_of(limited(offset={"max": f"{value:.9g} {name}"}), BENCH)
    assert bounds["offset"].high == pytest.approx(value * factor, rel=1e-8)


@given(st.text(max_size=20))
def test_any_text_as_a_limit_is_a_limit_or_one_sentence(text):
    try:
        bounds = bounds_of(limited(offset={"max": text}), BENCH)
    except SettingsError as error:
        assert str(error).startswith("limit 'offset' of variant")
        assert "\n" not in str(error)
    else:
        assert math.isfinite(bounds["offset"].high)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"offset_sigma": {"max": "2 nA"}}, "is given in nA but measured in V"),
        ({"offset": {"max": 3}}, "is given without a unit but measured in V"),
        ({"offset": {}}, "neither 'min' nor 'max'"),
        ({"ofset": {"max": "1 V"}}, "no such figure; did you mean 'offset'"),
        ({"gain": {"max": "1 V/A"}}, "does not measure that"),
        ({"kickback_sigma": {"max": "1 V"}}, "does not measure that"),
    ],
)
def test_limits_that_make_no_sense(limits, message):
    with pytest.raises(SettingsError, match=message):
        bounds_of(limited(**limits), BENCH)


def test_signed_figures_are_judged_by_magnitude():
    bounds = {"offset": Bound(None, 1e-3, "test"), "input_low": Bound(None, 0.1, "test")}
    assert set(broken_limits({"offset": -2e-3, "input_low": -0.2}, bounds)) == {"offset"}
    assert "2.00 mV is above 1.00 mV" in broken_limits({"offset": -2e-3}, bounds)["offset"]
    assert broken_limits({}, bounds) == {}


def test_sigma_and_its_error():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(4000, 50))
    found = np.array([sigma_of(row) for row in draws])
    # The stated error is that of the estimate: 4000 estimates give theirs to about 1.1 %; 5 % is four standard errors.
    assert np.std(found[:, 0]) == pytest.approx(np.mean(found[:, 1]), rel=0.05)
    assert sigma_of(np.array([1.0, np.nan])) is None
    assert sigma_of(np.full(7, 0.1)) == (0.0, 0.0)


def test_yield_counts_failed_draws_as_bad():
    draws = {"offset": np.array([0.0, 2e-3, -2e-3, np.nan]), "energy": np.array([1.0, 1.0, 1.0, 1.0])}
    found = yield_of(draws, {"offset": Bound(None, 1e-3, ""), "area": Bound(None, 0.0, "")})
    assert (found.good, found.count, found.limits) == (1, 4, ("offset",))
    low, high = found.interval
    # Clopper and Pearson: P(at least 1 of 4 | low) = 0.025, P(at most 1 of 4 | high) = 0.025.
    assert 1 - (1 - low) ** 4 == pytest.approx(0.025)
    assert (1 - high) ** 4 + 4 * high * (1 - high) ** 3 == pytest.approx(0.025)
    assert yield_of({}, {}) is None


def test_difference_tells_spreads_and_means_apart():
    rng = np.random.default_rng(2)
    same, wide, moved = rng.normal(size=100), rng.normal(scale=2, size=100), rng.normal(1.0, size=100)
    base = rng.normal(size=100)
    assert difference(base, wide).sigma < 1e-4 < 0.01 < difference(base, same).sigma
    assert difference(base, moved).mean < 1e-4 < 0.01 < difference(base, same).mean
    assert difference(base, np.zeros(100)).sigma is None


@given(st.lists(st.tuples(st.floats(1, 10), st.floats(1, 10)), min_size=1, max_size=12))
def test_front_holds_what_nothing_beats(points):
    x, y = np.array(points).T
    front = pareto_front(x, y)
    assert np.all(np.diff(x[front]) >= 0)
    for k in range(len(points)):
        beaten = np.any((x <= x[k]) & (y <= y[k]) & ((x < x[k]) | (y < y[k])))
        if k in front:
            assert not beaten
        else:
            assert beaten or any(x[k] == x[j] and y[k] == y[j] for j in front)


def test_merits_take_spread_where_there_are_draws():
    figures = {"offset": 1e-5, "offset_sigma": 3e-3, "noise": 4e-3, "energy": 1e-13, "decision_time": 1e-9}
    one = merits(VariantResults("latch", "p", "decide", figures=figures))
    assert one.error == pytest.approx(5e-3)
    assert (one.error_unit, one.time, one.area) == ("V", 1e-9, None)
    assert merits(VariantResults("driver", "p", "drive")).error is None


def test_an_inl_counts_whole_and_not_by_its_spread():
    figures = {"inl": 0.1, "inl_sigma": 0.01, "energy": 1e-12}
    nominal = merits(VariantResults("adc", "p", "convert", figures=figures))
    assert (nominal.error, nominal.error_unit) == (0.1, "LSB")
    drawn = {"inl": np.array([0.3, np.nan, 0.4])}
    rms = np.sqrt(np.mean(np.square([0.3, 0.4])))
    assert merits(VariantResults("adc", "p", "convert", figures=figures, draws=drawn)).error == pytest.approx(rms)
    broken = VariantResults("adc", "p", "convert", figures=figures, draws={"inl": np.array([np.nan, np.nan])})
    assert merits(broken).error == np.inf


def test_a_latch_has_its_contrast_over_all_draws():
    figures = {"contrast": 0.002, "contrast_sigma": 0.05, "offset_current": 1e-12, "offset_current_sigma": 1e-10}
    latch = VariantResults("latch", "p", "sense", figures=figures, draws={"contrast": np.array([0.1, 0.2])})
    assert merits(latch).error == pytest.approx(np.sqrt(0.025))
    assert merits(latch).error_unit == "1"


def sense(name="tia", **figures):
    base = {"gain": 1e8, "range_low": 0.0, "range_high": 8e-9, "settling_time": 5e-6, "energy": 1e-12}
    return VariantResults(name, "p", "sense", figures=base | figures)


def convert(name="adc", **figures):
    base = {"input_low": 0.0, "input_high": 1.0, "resolution": 6.0, "conversion_time": 1e-7, "energy": 1e-12}
    return VariantResults(name, "p", "convert", figures=base | figures)


def named(*variants):
    return {one.variant: one for one in variants}


def test_chain_error_is_what_the_rule_says():
    full = 64 * 100e-12
    (chain,) = chains(COLUMN, named(sense(offset_current_sigma=2e-11, noise_current=1e-11), convert(inl=0.5)), 100e-12)
    step = 1 / 64 / (1e8 * full)
    left = [1e-11 / full, step / math.sqrt(12), 0.5 * step]
    assert chain.calibrated_error == pytest.approx(math.hypot(*left))
    assert chain.error == pytest.approx(math.hypot(2e-11 / full, *left))
    assert (chain.time, chain.energy) == (pytest.approx(5.1e-6), 2e-12)


def test_choice_keeps_range_time_and_limit_and_takes_the_least_energy():
    fine = convert("fine", resolution=8.0, energy=9e-12)
    coarse = convert("coarse", resolution=4.0)
    variants = named(sense(), sense("thrifty", energy=5e-13), fine, coarse)
    choice = choose_chain(COLUMN, variants, 100e-12, 1e-5)
    assert (choice.chain.name, choice.calibrated, choice.reaches) == ("thrifty + fine", False, True)
    assert choose_chain(COLUMN, variants, 100e-12, 1e-6).chain is None  # too slow
    assert choose_chain(COLUMN, variants, 1e-9, 1e-3).chain is None  # beyond the range
    assert choose_chain(CELL, named(sense(), VariantResults("c", "p", "decide")), 100e-12, 1e-3).chain is None
    missed = choose_chain(COLUMN, named(sense(), coarse), 100e-12, 1e-5)
    assert missed.chain.name == "tia + coarse" and not missed.reaches
    skewed = choose_chain(COLUMN, named(sense(gain_sigma=4e6), fine), 100e-12, 1e-5)
    assert skewed.calibrated and skewed.reaches


def test_latches_decide_alone_by_their_contrast_and_in_the_time_of_the_current():
    figures = {
        "contrast": 0.01,
        "range_low": 1e-10,
        "range_high": 1e-6,
        "conversion_time": 1e-4,
        "noise_current": 1e-11,
    }
    draws = {"contrast": np.array([0.06, np.nan, 0.08])}
    curve = Curve(np.array([1e-10, 1e-8]), np.array([1e-3, 1e-5]), "reference current (A)", "time (s)")
    latch = VariantResults("latch", "p", "sense", figures=figures, draws=draws, curves={"time of a reading": curve})
    chain = choose_chain(CELL, named(latch), 2e-9, 1e-3).chain
    assert chain.error == pytest.approx(math.hypot(math.sqrt(0.005), 0.005))
    assert chain.calibrated_error == chain.error  # what was decided can't be corrected
    assert chain.time == pytest.approx(1e-4)
    assert choose_chain(CELL, named(latch), 2e-9, 0.9e-4).chain is None
    assert choose_chain(CELL, named(latch), 1e-11, 1.0).chain is None  # below its range
    assert choose_chain(COLUMN, named(latch), 1e-9, 1e-3).chain is None


def test_table_marks_the_best_and_crosses_out_what_fails():
    bounds = {"energy": Bound(None, 1e-13, "the budget")}
    variants = [
        VariantResults("a", "p", "decide", figures={"energy": 2e-13, "kickback": 1e-3}, bounds=bounds),
        VariantResults("b", "p", "decide", figures={"energy": 3e-13}, failures={"kickback": "no such node"}),
        VariantResults("c", "p", "decide", figures={"energy": 4e-13}),
        VariantResults("d", "p", "decide", error="it does not converge"),
    ]
    rows, header = figure_table(variants)
    cells = {row[0]: row[1:] for row in rows}
    assert header == ["figure", "a", "b", "c", "d"]
    assert cells["energy"][0] == Cell("200 fJ", "fails", "200 fJ is above 100 fJ: the budget")
    assert cells["energy"][1].mark == "best" and cells["energy"][2] == "400 fJ"
    assert cells["kickback"][1] == Cell("not had", "fails", "no such node")
    assert cells[""][3].why == "it does not converge"


def test_page_lists_macromodels_of_the_circuits_that_were_measured():
    names = [name for name in available_macromodels() if name.startswith("generic/")]
    model = load_macromodel(names[0])
    report = Report("test")
    nothing = {"settings": PeripherySettings(), "processes": {"generic": load_process("generic")}}
    run = SimpleNamespace(**nothing, subjects=[Subject(model.variants[0])])
    macromodel_section(report, run)
    page = report.html()
    assert f"generic/{model.name}" in page and "sky130/" not in page
    empty = Report("test")
    macromodel_section(empty, SimpleNamespace(**nothing, subjects=[Subject("nobody")]))
    assert "Macromodels" not in empty.html()
