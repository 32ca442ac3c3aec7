"""RTN traces: levels, dwell times and amplitudes come back whatever the noise, and poor traces are refused."""

import math

import numpy as np
import pytest

from ftj_spice.common.errors import DataError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import load_card
from ftj_spice.device.fitting import synthetic
from ftj_spice.device.fitting.levels import telegraph
from ftj_spice.device.fitting.outcome import NotIdentifiedError
from ftj_spice.device.fitting.reading import read_table
from ftj_spice.device.fitting.rtn import fit_rtn

TRUE = load_card("hzo_mfis_nominal")
BASE = TRUE.with_values(
    capture_time=5e-3, emission_time=3e-4, capture_slope=10.0, emission_slope=12.0, rtn_amplitude_off=0.2
)


def tables(folder, texts):
    found = []
    for k, text in enumerate(texts):
        path = folder / f"t{k}.csv"
        path.write_text(text, encoding="utf-8")
        found.append(read_table(path, "rtn"))
    return found


def trace(voltage=1.5, seed=0, noise=0.05, interval=1e-4, samples=8000, **more):
    return synthetic.rtn_table(TRUE, voltage, interval, samples, noise, seed, **more)


def chain(p01, p10, samples, seed):
    """A two-state chain in discrete time, drawn state by state."""
    draws = generator(seed, "test-chain").random(samples)
    state = np.empty(samples, int)
    state[0] = 0
    for k in range(1, samples):
        state[k] = draws[k] < p01 if state[k - 1] == 0 else draws[k] >= p10
    return state


@pytest.mark.parametrize("noise", [0.05, 0.2])
def test_intervals_hold_the_true_values(tmp_path, noise):
    """A right 95 % interval misses 4 of 6 times or more with probability 9e-5: 0.05 % false alarm over 5 parameters."""
    misses = {}
    for seed in range(6):
        outcome = fit_rtn(tables(tmp_path, [trace(v, seed, noise) for v in (1.45, 1.55)]), BASE)
        assert outcome.scatter[0] == pytest.approx(noise, rel=0.1)
        for e in outcome.estimates:
            misses[e.name] = misses.get(e.name, 0) + (not e.low <= getattr(TRUE, e.name) <= e.high)
    assert len(misses) == 5
    assert max(misses.values()) <= 3, misses


@pytest.mark.parametrize(("p01", "p10"), [(0.3, 0.4), (0.02, 0.2), (0.5, 0.35)])
def test_events_between_samples_are_counted_in(p01, p10):
    """Times of the order of the sampling interval: counting dwells would give 1/p instead of the times below.

    Two standard errors of each time, at a false alarm of 1e-4 each (3.9 sigma).
    """
    state = chain(p01, p10, 40_000, 3)
    current = 1e-9 * (1.0 - 0.1 * state) + 1e-11 * generator(3, "test-noise").standard_normal(len(state))
    found = telegraph(current, 1.0, "x")
    total = -math.log(1.0 - p01 - p10)
    exact = np.log([(p01 + p10) / (p01 * total), (p01 + p10) / (p10 * total)])
    sigma = np.sqrt(np.diag(np.linalg.inv(found.information)))
    assert np.all(np.abs(found.log_times - exact) < 3.9 * sigma)
    assert np.all(sigma < 0.1)
    assert found.transitions == np.count_nonzero(np.diff(state))
    assert math.exp(found.log_amplitude) == pytest.approx(0.1, rel=0.01)


def test_information_is_that_of_the_transition_counts():
    """With levels far apart the states are known, and the information is that of two binomial draws."""
    state = chain(0.05, 0.03, 20_000, 5)
    found = telegraph(1e-9 * (1.0 - 0.1 * state) + 1e-13 * generator(5, "n").standard_normal(20_000), 1.0, "x")
    counts = np.zeros((2, 2))
    np.add.at(counts, (state[:-1], state[1:]), 1)

    def likelihood(log_times):
        rate = np.exp(-log_times)
        leave = rate * -np.expm1(-rate.sum()) / rate.sum()
        return sum(counts[k, 1 - k] * math.log(leave[k]) + counts[k, k] * math.log1p(-leave[k]) for k in (0, 1))

    h, at = 1e-3, found.log_times
    e = np.eye(2) * h
    exact = -np.array([
        [(likelihood(at + e[i] + e[j]) - likelihood(at + e[i] - e[j]) - likelihood(at - e[i] + e[j])
          + likelihood(at - e[i] - e[j])) / (4 * h * h) for j in (0, 1)] for i in (0, 1)
    ])  # fmt: skip
    assert found.information == pytest.approx(exact, rel=0.05, abs=0.02 * exact.max())


def test_more_than_two_levels(tmp_path):
    outcome = fit_rtn(tables(tmp_path, [trace(1.5, 2, 0.05, minor=0.3, samples=20_000)]), BASE)
    found = {e.name: e for e in outcome.estimates}
    assert "4 levels" in outcome.notes[0]
    for name in ("capture_time", "emission_time", "rtn_amplitude_off"):
        assert found[name].value == pytest.approx(getattr(TRUE, name), rel=0.2)
    assert set(found) == {"capture_time", "emission_time", "rtn_amplitude_off"}
    assert outcome.held["capture_slope"] == 10.0
    assert any("one voltage" in note for note in outcome.notes)


def test_temperatures_give_the_barrier_and_states_their_own_amplitude(tmp_path):
    texts = [trace(1.5, 1, state=1.0, samples=20_000), "# temperature = 300 K\n" + trace(1.5, 2, samples=20_000)]
    warm = TRUE.with_values(capture_time=0.5e-3, emission_time=0.5e-3)
    kelvin = 1.0 / (1.0 / 300.0 - math.log(2.0) * 8.617333262e-5 / TRUE.trap_barrier)
    texts.append(f"# temperature = {kelvin} K\n" + synthetic.rtn_table(warm, 1.5, 1e-4, 20_000, 0.05, 3))
    outcome = fit_rtn(tables(tmp_path, texts), BASE)
    found = {e.name: e for e in outcome.estimates}
    for name in ("trap_barrier", "rtn_amplitude_on", "rtn_amplitude_off", "capture_time"):
        e = found[name]
        assert e.value == pytest.approx(getattr(TRUE, name), rel=0.3), name
        assert e.low < getattr(TRUE, name) * 1.1
        assert e.high > getattr(TRUE, name) * 0.9


def test_the_reference_voltage_moves_to_the_data(tmp_path):
    outcome = fit_rtn(tables(tmp_path, [trace(1.4, 4)]), BASE)
    assert outcome.derived == {"trap_voltage": 1.4}
    expected = TRUE.capture_time * math.exp(TRUE.capture_slope * 0.1)
    assert outcome.values["capture_time"] == pytest.approx(expected, rel=0.4)


def test_held_times_keep_their_reference_voltage(tmp_path):
    texts = [trace(v, 4, state=s) for v, s in ((1.3, 0.0), (1.4, -1.0))]
    outcome = fit_rtn(tables(tmp_path, texts), TRUE, held=["capture_time", "capture_slope"])
    assert outcome.derived == {}
    assert {e.name for e in outcome.estimates} == {"emission_time", "emission_slope", "rtn_amplitude_off"}
    assert any("between the two extreme states" in note for note in outcome.notes)


def test_currents_may_be_negative(tmp_path):
    (plus,) = tables(tmp_path, [trace(1.5, 4)])
    values = telegraph(plus["current"], 1e-4, "x")
    turned = telegraph(-plus["current"], 1e-4, "x")
    assert turned.levels == pytest.approx(values.levels, rel=1e-9)
    assert turned.log_times == pytest.approx(values.log_times, abs=1e-3)


def test_samples_that_are_averages_make_no_levels_of_their_own():
    """An integrating instrument shows averages over transitions: no levels, but a note that times are less sure."""
    fine = chain(0.01, 0.01, 80_000, 7).astype(float)
    averages = fine.reshape(-1, 10).mean(axis=1)
    found = telegraph(1e-9 * (1.0 - 0.1 * averages + 0.005 * generator(7, "n").standard_normal(8000)), 10.0, "x")
    assert len(found.levels) == 2
    assert math.exp(found.log_amplitude) == pytest.approx(0.1, rel=0.1)
    assert np.exp(found.log_times) == pytest.approx([100.0, 100.0], rel=0.2)
    assert found.unrest > 1.5


def test_drift_is_noted(tmp_path):
    state = chain(0.1, 0.1, 4000, 9)
    noise = 0.005 * generator(9, "n").standard_normal(4000)
    still, moving = 1.0 - 0.1 * state + noise, 1.0 - 0.1 * state + noise + np.linspace(0.0, 0.06, 4000)
    (good,), (bad,) = (fit_rtn(tables(tmp_path, [plain(x)]), BASE).notes[1:-2] or ("",) for x in (still, moving))
    assert "drift" not in good
    assert "drift" in bad


def plain(current, times=None, head="# voltage = 1.5 V\n"):
    times = np.arange(len(current)) * 1e-3 if times is None else times
    rows = "\n".join(f"{t!r},{c!r}" for t, c in zip(times.tolist(), current.tolist(), strict=True))
    return f"{head}time [s],current [A]\n{rows}\n"


FLICKER = 1.0 - 0.1 * chain(0.1, 0.1, 400, 1)
NOISE = generator(0, "test-white").standard_normal(400)
GRID = np.arange(400) * 1e-3


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (plain(np.ones(400)), "3:", "no transitions: all samples of the current are the same"),
        (plain(1.0 + 0.01 * NOISE), "3:", "no transitions: the current has one level"),
        (plain(1.0 - 0.1 * (np.arange(400) > 200) + 0.01 * NOISE), "3:", "transitions between levels are too few"),
        (plain(FLICKER[:50] + 0.01 * NOISE[:50]), "52:1", "50 rows are too few"),
        (plain(FLICKER - 0.95 + 0.001 * NOISE), "3:", "changes its sign between levels"),
        (plain(FLICKER, GRID + 5e-4 * (np.arange(400) == 7)), "10:1", "samples must be evenly spaced"),
        (plain(FLICKER, head=""), "2:1", "no voltage for this trace"),
    ],
)
def test_poor_traces_are_located(tmp_path, text, place, words):
    with pytest.raises(DataError) as caught:
        fit_rtn(tables(tmp_path, [text]), BASE)
    assert str(caught.value).startswith(f"{tmp_path / 't0.csv'}:{place}"), str(caught.value)
    assert words in str(caught.value)


def test_a_voltage_that_moves_is_located(tmp_path):
    rows = "\n".join(
        f"{t!r},{1.0 + 0.1 * (k % 7 > 3)!r},{1.5 if k < 300 else 1.6}" for k, t in enumerate(GRID.tolist())
    )
    with pytest.raises(DataError, match=r"t0\.csv:302:\d+: the voltage of a trace must stand still; here it is 1.6"):
        fit_rtn(tables(tmp_path, [f"time [s],current [A],voltage [V]\n{rows}\n"]), BASE)


def test_samples_too_far_apart_are_told(tmp_path):
    with pytest.raises(
        NotIdentifiedError, match=r"capture_time is not identified: the samples of .*further apart than"
    ):
        fit_rtn(tables(tmp_path, [trace(1.5, 1, interval=0.05, samples=2000)]), BASE)
