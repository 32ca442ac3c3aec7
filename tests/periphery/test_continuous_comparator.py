import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rig_support import CARD, PROCESSES, condition_of, rig_of
from scipy import constants

from ftj_spice.device.card import load_card
from ftj_spice.periphery.benches.continuous_comparator import BENCH
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.rtn import Block, Channel, delays, late_disagreement, record
from ftj_spice.periphery.telegraph import disagreement, edge_errors, state_at


@pytest.mark.parametrize("process", PROCESSES)
def test_hysteresis_is_that_of_a_weakly_inverted_pair(ngspice, process):
    found = BENCH.measure(rig_of(ngspice, "static_hysteresis", process), ["offset", "hysteresis", "area"])
    assert not found.failures
    assert abs(found.figures["offset"]) < 1e-4
    # The pair's currents are as crossed to diode at the trip points: n kT/q ln(3/2) either way, n from 1.1 to 1.6.
    ideal = 2.0 * constants.k * 300.0 / constants.e * np.log(1.5)
    assert 1.1 * ideal < found.figures["hysteresis"] < 1.6 * ideal


def test_hysteresis_rises_with_temperature_not_with_bias(ngspice):
    def hysteresis(**condition):
        rig = rig_of(ngspice, "static_hysteresis", **condition)
        return BENCH.measure(rig, ["hysteresis"]).figures["hysteresis"]

    assert hysteresis(temperature=360.0) / hysteresis() == pytest.approx(360.0 / 300.0, rel=0.08)


def test_without_feedback_there_is_no_hysteresis(ngspice):
    rig = rig_of(ngspice, "static_hysteresis", changes={"crossed": 1.0, "diodes": 2.0})
    assert BENCH.measure(rig, ["hysteresis"]).figures["hysteresis"] < 2e-3


def test_static_figures(ngspice):
    rig = rig_of(ngspice, "static_hysteresis", settings={"level_step": "0.3 V"})
    asked = ["decision_time", "energy", "static_power", "noise", "input_low", "kickback", "dead_time"]
    found = BENCH.measure(rig, asked)
    assert not found.failures
    figures = found.figures
    assert 20e-9 < figures["dead_time"] < 2 * figures["decision_time"] < 1e-6
    # Standing power is part of a decision's energy.
    assert figures["energy"] > 0.3 * figures["static_power"] * figures["decision_time"]
    assert 0.9e-6 < figures["static_power"] < 9e-6
    assert 3e-5 < figures["noise"] < 5e-4
    assert figures["input_low"] >= 0.3
    assert figures["kickback"] < 1e-3
    assert np.all(np.diff(found.curves["decision time"].y) < 0)


@pytest.mark.parametrize("process", PROCESSES)
def test_edge_detector_does_not_see_the_level(ngspice, process):
    def time(level):
        rig = rig_of(ngspice, "rc_edge", process, settings={"level": level})
        found = BENCH.measure(rig, ["decision_time", "smallest_edge"]).figures
        return found["decision_time"], found["smallest_edge"]

    low, high = time("0.2 V"), time("1.6 V")
    assert low == pytest.approx(high, rel=0.02)
    assert 5e-3 < low[1] < 30e-3


def test_edge_detector_follows_a_telegraph_signal(ngspice):
    figures = ["disagreement", "missed_edges", "false_edges", "decision_time"]
    found = BENCH.measure(rig_of(ngspice, "rc_edge", settings={"dwell": "20 us", "edges": 20}), figures).figures
    assert found["disagreement"] == pytest.approx(late_disagreement(found["decision_time"], 20e-6), rel=1.0)
    assert found["missed_edges"] <= 0.1
    assert found["false_edges"] == 0.0


def test_what_never_flips_is_told_by_name(ngspice):
    rig = rig_of(ngspice, "static_hysteresis", settings={"clear": "5 mV"})
    found = BENCH.measure(rig, ["offset", "area"])
    assert "static_hysteresis" in found.failures["offset"]
    assert set(found.figures) == {"area"}


def test_telegraph_bits_of_uA_cells_come_through(ngspice):
    condition = condition_of()
    channel = Channel(
        load_card("high_current"), condition, Block.named("tia_fast"),
        (Block.named("static_hysteresis", diodes=4, crossed=5),), rows=16,
    )  # fmt: skip
    late = delays(channel, 20e-6, ngspice)["static_hysteresis"]
    assert 0.05e-6 < late < 1.5e-6
    found = record(channel, 50e-6, 20, 1, ngspice)
    share = found.disagreement["static_hysteresis"]
    # 15 edges count, and the running mean that they are compared with wanders.
    assert 0.3 * late_disagreement(late, 50e-6) < share < 5.0 * late_disagreement(late, 50e-6)
    assert found.missed["static_hysteresis"] == 0.0
    assert np.ptp(found.waveforms.panels["amplifier (V)"]["output"]) == pytest.approx(29e-3, rel=0.15)


def test_a_channel_needs_ports_that_it_knows(ngspice):
    condition = condition_of()
    channel = Channel(CARD, condition, Block.named("tia_fast"), (Block.named("strongarm"),))
    with pytest.raises(MeasurementError, match="port 'clk'"):
        channel.netlist(np.array([1e-6]), 1e-9, 1e-3)


def test_late_signals_differ_by_the_telegraph_law():
    rng = np.random.default_rng(5)
    edges = np.cumsum(rng.exponential(1.0, 40_000))
    for delay in (0.05, 0.3, 1.0):
        share = disagreement(edges, False, edges + delay, False, (10.0, 35_000.0))
        # Four standard errors of some 35,000 / (1 + delay) independent dwell times.
        assert share == pytest.approx(
            late_disagreement(delay, 1.0), abs=4 * 0.5 * np.sqrt((1 + delay) * share / 35_000)
        )


@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=30), st.lists(st.floats(0.01, 1.0), max_size=30), st.booleans()
)
def test_disagreement_is_a_distance(gaps, others, start):
    a, b = np.cumsum(gaps), np.cumsum(others)
    span = (0.0, 20.0)
    assert disagreement(a, start, a, start, span) == 0.0
    assert disagreement(a, start, a, not start, span) == pytest.approx(1.0)
    one = disagreement(a, start, b, start, span)
    assert one == pytest.approx(disagreement(b, start, a, start, span))
    assert one + disagreement(a, start, b, not start, span) == pytest.approx(1.0)
    grid = np.linspace(0.0, 20.0, 20_001)
    sampled = np.mean(state_at(a, start, grid) != state_at(b, start, grid))
    assert one == pytest.approx(sampled, abs=0.004 * (len(a) + len(b) + 1) / 10)


@given(st.lists(st.floats(0.1, 1.0), min_size=4, max_size=20), st.integers(0, 8))
def test_edges_are_counted(gaps, dropped):
    edges = np.cumsum(gaps)
    span = (0.0, float(edges[-1]) + 1.0)
    assert edge_errors(edges, False, edges + 0.01, False, span) == (0.0, 0.0)
    k = 2 * (dropped % (len(edges) // 2))
    fewer = np.delete(edges, [k, k + 1]) + 0.01
    missed, false = edge_errors(edges, False, fewer, False, span)
    assert missed == pytest.approx(2 / len(edges))
    assert false == pytest.approx(0.0)
    assert edge_errors(fewer, False, edges, False, span)[1] > 0 or len(fewer) == 0
