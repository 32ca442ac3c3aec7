"""Candidate events span after span: the same, bit for bit, as drawn all at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ftj_spice as ftj
from ftj_spice.device.candidates import CandidateStream
from ftj_spice.device.traps import BOUND_RATE, Traps, draw_candidates

CARD = ftj.load_card("hzo_mfis_nominal")
TRAPS = Traps.from_card(CARD, 3, np.array([0.0, 1.0, -1.0]))
STREAMS = [(0, 0), (0, 1), (4, 2)]
BIAS = (-0.02, 1.52)


def stream(k: int, seed: int) -> CandidateStream:
    return CandidateStream(seed, STREAMS[k], float(TRAPS.table(*BIAS)[k, BOUND_RATE]), float(TRAPS.occupancy(1.5)[k]))


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.floats(1e-6, 0.2), min_size=1, max_size=12), st.integers(0, 50))
def test_spans_together_are_the_whole(spans, seed):
    ends = np.cumsum(spans)
    whole = draw_candidates(TRAPS, float(ends[-1]), BIAS, seed, STREAMS, initial_voltage=1.5)
    for k in range(3):
        source = stream(k, seed)
        assert source.state == whole.initial[k]
        parts = [source.until(float(end)) for end in ends]
        own = slice(whole.offsets[k], whole.offsets[k + 1])
        assert np.concatenate([times for times, _ in parts]).tobytes() == whole.times[own].tobytes()
        assert np.concatenate([draws for _, draws in parts]).tobytes() == whole.draws[own].tobytes()
        for begin, end, (times, _) in zip([0.0, *ends[:-1]], ends, parts, strict=True):
            assert ((times > begin) & (times <= end)).all()


def test_nothing_comes_twice_or_too_late():
    source = stream(0, 7)
    first, _ = source.until(0.05)
    again, _ = source.until(0.05)
    later, _ = source.until(0.1)
    assert len(first) and len(later) and len(again) == 0
    assert first[-1] <= 0.05 < later[0]


def test_rates_are_those_asked_for():
    """Poisson counts: two-sided false-alarm rate 1e-6 for each of three."""
    for k in range(3):
        rate = float(TRAPS.table(*BIAS)[k, BOUND_RATE])
        count = len(stream(k, 3).until(20000.0 / rate)[0])
        assert count == pytest.approx(20000, abs=4.9 * np.sqrt(20000))
