"""Trap noise inside ngspice, held bit by bit against the numpy witness of the same candidates."""

import numpy as np
import pytest

from ftj_spice.device.card import load_card
from ftj_spice.device.traps import TrapHistory, Traps, draw_candidates, simulate
from ftj_spice.engines.errors import BiasRangeError, EngineError, NetlistError
from ftj_spice.engines.ngspice import Resolution, TrapPlan
from ftj_spice.engines.protocol import Transient

AVERAGES, EVENTS = Resolution.AVERAGES, Resolution.EVENTS
EXACT = ".options abstol=1e-19 reltol=1e-9 vntol=1e-12 gmin=1e-20 method=gear maxord=1 trtol=1e9"
"""Tight Newton, but no step control: the steps are the ones asked for."""
VMM, RTN = 0.5, 1.5


def traps(count, scale=1.0, spread=0.0):
    logs = np.log(scale) + spread * np.linspace(-1, 1, count)
    return Traps.from_card(load_card("hzo_mfis_nominal"), count, logs)


def plan(candidates, resolution, edge_time=1e-7, minus=None):
    n = len(candidates.initial)
    return TrapPlan(
        candidates, tuple(f"w{i}" for i in range(n)), minus or ("0",) * n, Resolution(resolution), edge_time
    )


def column(sources, extra="", options=EXACT, amplitude=0.5):
    """Each cell: its own word line, a linear conductance of 1 nS at full, a trap; all into one integrator of 1 nF.

    The integrator is ideal (a current-controlled current source into a capacitor): no cell sees its voltage.
    """
    lines = ["column", "vs s 0 0", "f1 0 q vs 1", "cq q 0 1n", "rq q 0 1e20"]
    for i, source in enumerate(sources):
        lines += [
            f"vw{i}0x w{i} 0 {source}",
            f"vtrap{i} t{i} 0 external",
            f"bc{i} w{i} s i=1e-9*v(w{i})*(1-{amplitude}*v(t{i}))",
        ]
    nodes = " ".join(f"v(w{i}) v(t{i})" for i in range(len(sources)))
    return "\n".join([*lines, extra, options, ".ic v(q)=0", f".save v(q) i(vs) {nodes}", ".end"])


def run(engine, sources, candidates, resolution, step, stop, extra="", vectors=(), **rest):
    session = engine.open(column(sources, extra, **rest))
    names = ["time", "v(q)", *vectors]
    return session.simulate(Transient(step, stop, step), names, plan(candidates, resolution))


def in_order(history):
    order = np.argsort(history.times, kind="stable")
    return TrapHistory(
        history.initial, history.times[order], history.traps[order], history.states[order], history.duration
    )


def assert_same(history, witness):
    witness = in_order(witness)
    assert len(history.times) == len(witness.times)
    for name in ("initial", "times", "traps", "states"):
        np.testing.assert_array_equal(getattr(history, name), getattr(witness, name))


def draw(t, stop, seed=1, top=1.55, start=RTN, low=0.0):
    return draw_candidates(t, stop, (low, top), seed, [(i,) for i in range(len(t))], start)


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
@pytest.mark.parametrize("step", [2e-5, 1e-4, 1.7e-3])
def test_constant_bias_is_bit_equal(engine, resolution, step):
    stop = 0.05
    candidates = draw(traps(6), stop)
    result = run(engine, ["dc 1.5"] * 6, candidates, resolution, step, stop)
    witness = simulate(candidates, [0.0], [RTN])
    assert len(witness.times) > 100
    assert_same(result.history, witness)


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
def test_every_cell_sees_its_own_bias(engine, resolution):
    """Distinct biases and spreads: the vectors reach the right traps, whatever ngspice's order."""
    stop, bias = 0.04, [1.5, 1.38, 1.45, 1.53, 1.31, 1.42, 1.5, 1.29, 1.47, 1.36, 1.51]
    candidates = draw(traps(11, spread=1.0), stop)
    result = run(engine, [f"dc {v}" for v in bias], candidates, resolution, 1e-4, stop)
    for i, v in enumerate(bias):
        times, states = simulate(candidates, [0.0], [v]).of(i)
        np.testing.assert_array_equal(result.history.of(i)[0], times)
        np.testing.assert_array_equal(result.history.of(i)[1], states)


def test_a_cells_bias_is_a_difference_of_two_nodes(engine):
    stop = 0.02
    candidates = draw(traps(2), stop, low=-1.0)
    netlist = (
        "t\nva a 0 2\nvb b 0 0.55\nvtrap0 t0 0 external\nvx1 t1 0 external\n"
        "r1 t0 0 1\nr2 t1 0 1\n.save V(A) v(b) v(t0)\n.end"
    )
    own = TrapPlan(candidates, ("a", "a"), ("B", "b"), AVERAGES)
    result = engine.open(netlist).simulate(Transient(1e-4, stop, 1e-4), ["v(t0)"], own)
    assert_same(result.history, simulate(candidates, [0.0], [2 - 0.55]))


def pulses(period, width, edge=1e-9):
    return f"pulse({VMM} {RTN} {width} {edge} {edge} {width - edge} {period})"


def pulse_witness(candidates, stop, width):
    breaks = np.arange(0.0, stop, width)
    return simulate(candidates, breaks, np.where(np.arange(len(breaks)) % 2, RTN, VMM))


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
@pytest.mark.parametrize("step", [1e-4, 7.3e-4])
def test_pulses_between_read_voltages_are_bit_equal(engine, resolution, step):
    """20 ns of edges in 60 ms: a candidate falls into one with probability 1e-3, for this seed none does."""
    stop, width = 0.06, 3e-3
    candidates = draw(traps(6), stop, start=VMM, seed=3)
    result = run(engine, [pulses(2 * width, width)] * 6, candidates, resolution, step, stop)
    witness = pulse_witness(candidates, stop, width)
    assert len(witness.times) > 50
    assert_same(result.history, witness)
    quiet = (result.history.times // width) % 2 == 0
    assert quiet.sum() == 0  # the traps keep still at V_VMM


def exact_charge(history, when, bias, conductance=1e-9, amplitude=0.5):
    """Charge of the column from 0 to each time, from the history, at constant bias."""
    edges = np.concatenate([[0.0], when])
    total = np.zeros(len(when))
    for i in range(len(history.initial)):
        filled = np.cumsum(history.averages(i, edges) * np.diff(edges))
        total += conductance * bias * (when - amplitude * filled)
    return total


@pytest.mark.parametrize("step", [1e-4, 2e-3])
def test_averages_conserve_charge(engine, step):
    stop, n = 0.05, 5
    candidates = draw(traps(n, scale=0.2), stop, seed=4)
    result = run(engine, ["dc 1.5"] * n, candidates, AVERAGES, step, stop)
    when = result["time"][1:]
    charge = 1e-9 * (result["v(q)"][1:] - result["v(q)"][0])
    expected = exact_charge(result.history, when, 1.5)
    assert np.abs(charge - expected).max() < 1e-9 * expected[-1]


def test_averages_are_the_mean_states_between_points(engine):
    stop = 0.02
    candidates = draw(traps(3), stop, seed=5)
    result = run(engine, ["dc 1.5"] * 3, candidates, AVERAGES, 3e-4, stop, vectors=[f"v(t{i})" for i in range(3)])
    for i in range(3):
        expected = result.history.averages(i, result["time"])
        assert np.abs(result[f"v(t{i})"][1:] - expected).max() < 1e-9


def test_events_land_on_every_transition(engine):
    stop, edge = 0.02, 1e-7
    candidates = draw(traps(3), stop, seed=6)
    result = run(engine, ["dc 1.5"] * 3, candidates, EVENTS, 5e-4, stop, vectors=[f"v(t{i})" for i in range(3)])
    time = result["time"]
    before = np.searchsorted(time, result.history.times)
    landing = np.minimum(np.abs(time[before] - result.history.times), np.abs(time[before - 1] - result.history.times))
    assert landing.max() <= 1.1e-12
    for i in range(3):
        away = np.ones(len(time), bool)
        for at in result.history.of(i)[0]:
            away &= (time < at - 2e-12) | (time > at + edge)
        np.testing.assert_array_equal(result[f"v(t{i})"][away], result.history.state_at(i, time[away]))


def test_the_two_resolutions_agree(engine):
    """Same history, and charges that differ by the finite edges only: at most half an edge per transition."""
    stop, n, edge = 0.05, 5, 1e-7
    candidates = draw(traps(n), stop, seed=7)
    by = {r: run(engine, ["dc 1.5"] * n, candidates, r, 5e-4, stop) for r in (AVERAGES, EVENTS)}
    assert_same(by[EVENTS].history, by[AVERAGES].history)
    charge = [1e-9 * (r["v(q)"][-1] - r["v(q)"][0]) for r in by.values()]
    per_transition = 0.5 * 1.5e-9 * edge
    assert abs(charge[0] - charge[1]) < len(by[EVENTS].history.times) * per_transition


# An oscillating LC tank with a hard diode, and XSPICE logic with its own breakpoints: both make ngspice reject steps.
RESTLESS = """
vn n0 0 sin(0 2 {f})
rn n0 n1 10
cn n1 0 1n
dn n1 n2 dq
cn2 n2 0 1n
rn2 n2 0 100k
.model dq d(is=1e-14 tt=1u cjo=1n)
vp p0 0 pulse(0 1 {t} 1n 1n {t} {u})
rp p0 p1 1k
cp p1 0 1p
"""
LOGIC = """
aadc [p1] [d1] adc
ainv d1 d2 inv
adac [d2] [y] dac
ry y 0 1k
cy y 0 1p
.model adc adc_bridge(in_low=0.4 in_high=0.6)
.model inv d_inverter(rise_delay=1u fall_delay=3u)
.model dac dac_bridge(out_low=0 out_high=1 t_rise=1n t_fall=1n)
"""


def restless(stop):
    return RESTLESS.format(f=40 / stop, t=stop / 23, u=2 * stop / 23)


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
@pytest.mark.parametrize("logic", [False, True])
def test_rejected_steps_change_nothing(engine, resolution, logic):
    if logic and not engine.features()["xspice"]:
        pytest.skip("this libngspice has no XSPICE")
    stop = 0.01
    candidates = draw(traps(5, scale=0.1), stop, seed=8)
    options = ".options reltol=1e-4 gmin=1e-20 abstol=1e-19"
    extra = restless(stop) + (LOGIC if logic else "")
    states = [f"v(t{i})" for i in range(5)]
    result = run(engine, ["dc 1.5"] * 5, candidates, resolution, 1e-4, stop, extra, states, options=options)
    rejected = _rejected(engine)
    assert rejected > 20
    witness = simulate(candidates, [0.0], [RTN])
    assert len(witness.times) > 200
    assert_same(result.history, witness)
    if resolution is AVERAGES:  # nor do they leave a stale answer behind
        for i in range(5):
            expected = result.history.averages(i, result["time"])
            assert np.abs(result[f"v(t{i})"][1:] - expected).max() < 1e-7
        return
    before = np.searchsorted(result["time"], witness.times - 1.1e-12)
    assert np.all(np.abs(result["time"][np.minimum(before, len(result["time"]) - 1)] - witness.times) <= 1.1e-12)


def _rejected(engine):
    """Asks ngspice how many time points of the last transient it rejected."""
    request = {"analysis": "echo", "scale": None, "end": 0.0, "vectors": [], "settings": [], "alters": [], "runs": 1}
    answer, _ = engine._slots[0].worker.ask("run", 10.0, request | {"options": ["rusage rejected"]})
    told = next(line for line in answer["output"] if "ejected" in line)
    return int("".join(c for c in told.split("=")[-1] if c.isdigit()))


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
def test_history_does_not_depend_on_steps_options_or_neighbours(engine, resolution):
    stop = 0.02
    candidates = draw(traps(3), stop, seed=9)
    histories = [
        run(engine, ["dc 1.5"] * 3, candidates, resolution, step, stop, extra, options=options).history
        for step, extra, options in (
            (1e-4, "", EXACT),
            (1e-3, "", EXACT),
            (3.3e-5, "", ".options method=trap"),
            (1e-4, restless(stop), ".options method=gear maxord=3 trtol=1"),
        )
    ]
    for other in histories[1:]:
        assert_same(other, histories[0])


def test_many_events_in_one_step_from_the_very_first(engine):
    """1,000 candidates per step: the first step, which no accepted point precedes, counts too."""
    stop = 1e-2
    t = Traps(*(np.array([x]) for x in (1e-6, 1e-6, 14.0, 9.0, 1.5)))
    candidates = draw(t, stop)
    result = run(engine, ["dc 1.5"], candidates, AVERAGES, 1e-3, stop)
    witness = simulate(candidates, [0.0], [RTN])
    assert len(witness.times) > 5000
    assert witness.times[0] < 1e-5
    assert_same(result.history, witness)


def test_initial_conditions_start_at_zero_too(engine):
    stop = 0.01
    candidates = draw(traps(2), stop, seed=12)
    session = engine.open(column(["dc 1.5"] * 2))
    result = session.simulate(
        Transient(1e-4, stop, 1e-4, use_initial_conditions=True), ["time", "v(q)"], plan(candidates, AVERAGES)
    )
    assert_same(result.history, simulate(candidates, [0.0], [RTN]))


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
def test_long_times_keep_their_resolution(engine, resolution):
    """20 s and 1,000 s: one ulp of time is far below the floor of 1 ps, or just below."""
    for stop, scale in ((20.0, 300.0), (1000.0, 20_000.0)):
        candidates = draw(traps(2, scale=scale), stop, seed=10)
        result = run(engine, ["dc 1.5"] * 2, candidates, resolution, stop / 50, stop)
        witness = simulate(candidates, [0.0], [RTN])
        assert len(witness.times) > 20
        assert_same(result.history, witness)


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
def test_a_moving_bias(engine, resolution):
    """A 1.3 to 1.55 V ramp and its own history, from the bias at each candidate.

    With landing (or with a fine step) few acceptances differ from those of the exact bias: none for this seed.
    """
    stop, n = 0.02, 8
    candidates = draw(traps(n), stop, seed=11, start=1.3)
    source = f"pwl(0 1.3 {stop} 1.54)"
    step = 1e-4 if resolution is EVENTS else 2e-6
    result = run(engine, [source] * n, candidates, resolution, step, stop)
    breaks = np.linspace(0, stop, 200_001)[:-1]
    witness = simulate(candidates, breaks, 1.3 + 0.24 * (breaks + stop / 400_000) / stop)
    assert len(witness.times) > 60
    assert_same(result.history, witness)


def test_averages_and_history_tell_one_story_while_the_bias_moves(engine):
    """Coarse steps on a steep ramp: what the source gave at each step is what was committed after it."""
    stop, n = 0.02, 8
    candidates = draw(traps(n, scale=0.05), stop, seed=14, start=1.3)
    states = [f"v(t{i})" for i in range(n)]
    result = run(engine, [f"pwl(0 1.3 {stop} 1.54)"] * n, candidates, AVERAGES, 5e-4, stop, vectors=states)
    assert len(result.history.times) > 500
    for i in range(n):
        expected = result.history.averages(i, result["time"])
        assert np.abs(result[f"v(t{i})"][1:] - expected).max() < 1e-9


def test_same_seed_same_run(engine, own_engine):
    stop = 0.01

    def once(which, seed):
        return run(which, ["dc 1.5"] * 3, draw(traps(3), stop, seed=seed), EVENTS, 1e-4, stop)

    first, again, elsewhere, other = once(engine, 1), once(engine, 1), once(own_engine(), 1), once(engine, 2)
    assert first["v(q)"].tobytes() == again["v(q)"].tobytes() == elsewhere["v(q)"].tobytes()
    assert first["time"].tobytes() == elsewhere["time"].tobytes()
    assert first["v(q)"].tobytes() != other["v(q)"].tobytes()


def test_plain_runs_before_and_after_noise_are_the_same(engine, own_engine):
    netlist = "rc\nv1 a 0 pulse(0 1 1u 1n 1n 1u 3u)\nr1 a b 1k\nc1 b 0 1n\n.end"
    analysis = Transient(1e-8, 5e-6, 1e-8)
    fresh = own_engine().open(netlist).run(analysis, ["time", "v(b)"])
    run(engine, ["dc 1.5"], draw(traps(1), 0.01), EVENTS, 1e-4, 0.01)
    after = engine.open(netlist).run(analysis, ["time", "v(b)"])
    assert after["v(b)"].tobytes() == fresh["v(b)"].tobytes()
    assert after["time"].tobytes() == fresh["time"].tobytes()


@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
def test_frozen_traps_change_nothing(engine, resolution):
    """Traps that never move give the currents of constant sources."""
    stop = 1e-3
    candidates = draw(traps(2, scale=1e9), stop)
    result = run(engine, ["dc 1.5"] * 2, candidates, resolution, 1e-4, stop, vectors=["i(vs)"])
    expected = 1.5e-9 * np.sum(1 - 0.5 * candidates.initial)
    np.testing.assert_allclose(result["i(vs)"], expected, rtol=1e-6)
    assert len(result.history.times) == 0


def test_a_bias_out_of_range_is_an_error(engine):
    candidates = draw(traps(1), 0.01, top=1.4)
    with pytest.raises(BiasRangeError, match=r"spanned 1.5 to 1.5 V, .* 0 to 1.4 V: draw them for a wider") as caught:
        run(engine, ["dc 1.5"], candidates, AVERAGES, 1e-4, 0.01)
    assert caught.value.kept.is_dir()


def test_a_run_longer_than_its_events_is_refused(engine):
    with pytest.raises(EngineError, match=r"drawn for 0.01 s, but the transient takes 0.02 s"):
        run(engine, ["dc 1.5"], draw(traps(1), 0.01), AVERAGES, 1e-4, 0.02)


def test_a_run_shorter_than_its_events_is_their_beginning(engine):
    candidates = draw(traps(3), 0.02)
    short = run(engine, ["dc 1.5"] * 3, candidates, AVERAGES, 1e-4, 0.01).history
    long = in_order(simulate(candidates, [0.0], [RTN]))
    n = np.searchsorted(long.times, 0.01)
    assert short.duration == 0.01
    np.testing.assert_array_equal(short.times, long.times[:n])


MISFITS = [
    ("vtrap0 t0 0 external\nvtrap2 t1 0 external", "has an EXTERNAL source number 2, but the trap plan holds"),
    ("vtrap0 t0 0 external\nvtrapx t1 0 external", "has an EXTERNAL source without a number"),
    ("vtrap0 t0 0 external\nvother0 t1 0 external", "two EXTERNAL sources of the netlist have the number of trap 0"),
    ("vtrap0 t0 0 external\nv7 t1 0 1", "has no EXTERNAL source for trap 1"),
]


@pytest.mark.parametrize(("sources", "sentence"), MISFITS)
@pytest.mark.parametrize("resolution", [AVERAGES, EVENTS])
def test_sources_that_do_not_fit_the_plan(engine, sources, sentence, resolution):
    netlist = f"t\nvw w0 0 1.5\nvv w1 0 1.5\n{sources}\nr0 t0 0 1\nr1 t1 0 1\n.end"
    with pytest.raises(NetlistError, match=sentence):
        engine.open(netlist).simulate(Transient(1e-4, 1e-3, 1e-4), ["v(w0)"], plan(draw(traps(2), 1e-3), resolution))


def test_leading_zeros_and_long_names(engine):
    netlist = f"t\nvw w0 0 1.5\nvv w1 0 1.5\nvtrap{'x' * 60}_000 t0 0 external\nv00001 t1 0 external\n"
    netlist += "r0 t0 0 1\nr1 t1 0 1\n.end"
    candidates = draw(traps(2), 0.01)
    result = engine.open(netlist).simulate(Transient(1e-4, 0.01, 1e-4), ["v(w0)"], plan(candidates, AVERAGES))
    assert_same(result.history, simulate(candidates, [0.0], [RTN]))


def test_nodes_must_be_saved(engine):
    netlist = "t\nvw w0 0 1.5\nvtrap0 t0 0 external\nr0 t0 0 1\n.save v(t0)\n.end"
    with pytest.raises(NetlistError, match="needs the voltage of node 'w0', which the netlist does not save"):
        engine.open(netlist).simulate(Transient(1e-4, 1e-3, 1e-4), ["v(t0)"], plan(draw(traps(1), 1e-3), AVERAGES))


def test_traps_in_subcircuits(engine):
    netlist = (
        "t\nvw w0 0 1.5\nvv w1 0 1.5\nx0 w0 t0 cell\n.subckt cell w t\nvtrap1 t 0 external\nr0 t 0 1\n.ends\n"
        "vtrap0 w2 0 external\nrr w2 0 1\n.end"
    )
    candidates = draw(traps(2), 0.01)
    result = engine.open(netlist).simulate(Transient(1e-4, 0.01, 1e-4), ["v(w0)"], plan(candidates, AVERAGES))
    assert_same(result.history, simulate(candidates, [0.0], [RTN]))


def test_column_noise_has_machlups_variance(engine):
    """Variance of the column current over windows against the closed form: within 4 standard errors over 24 cells."""
    from ftj_spice.device.moments import window_moments

    n, window, count = 24, 1e-3, 300
    stop = window * count
    t = traps(n)
    candidates = draw(t, stop, seed=13)
    result = run(engine, ["dc 1.5"] * n, candidates, AVERAGES, window / 4, stop)
    edges = np.interp(window * np.arange(count + 1), result["time"], result["v(q)"])
    current = 1e-9 * np.diff(edges) / window / (0.5 * 1.5e-9)  # in units of one trap's amplitude
    expected = n * float(window_moments(0.5, 5e-4, window).variance)
    mine = np.array([result.history.averages(i, window * np.arange(count + 1)).var() for i in range(n)])
    assert abs(mine.mean() - expected / n) < 4 * mine.std(ddof=1) / np.sqrt(n)
    # and of the column itself: one variance of 300 windows, 1 sigma about 10 %
    assert current.var() == pytest.approx(expected, rel=0.45)
