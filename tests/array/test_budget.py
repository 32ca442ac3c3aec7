"""The error budget, and how well an array sums."""

import math

import numpy as np
import pytest

import ftj_spice as ftj
from ftj_spice.array.budget import error_budget
from ftj_spice.array.layer import forward
from ftj_spice.array.reading import array_circuit
from ftj_spice.array.settings import ReadSettings
from ftj_spice.array.sums import noise_of, sum_errors

CARD = ftj.load_card("hzo_mfis_nominal")
QUIET = {"line_resistance": 0.0, "driver_resistance": 0.0, "noise": False, "adc_bits": 0}


def _problem(inputs=15, outputs=8, batch=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, inputs)), rng.normal(size=(inputs, outputs)) / 2


def _budget(read, reader):
    x, w = _problem()
    runs = []

    def run(settings):
        runs.append(settings)
        return forward(x, w, None, CARD, settings, seed=3, reader=reader)

    return error_budget(read, run(read), run), runs


def test_each_line_is_its_own_imperfection(perfect, fast):
    names = ["inputs", "weights", "spread", "programming", "wires", "law", "noise", "converter"]
    whole, runs = _budget(ReadSettings(verify_tolerance="none", line_resistance=1e6, driver_resistance=1e8), fast)
    assert [entry.name for entry in whole.contributions] == names
    alone = {entry.name: entry for entry in whole.contributions}
    assert all(entry.error > 0 for entry in whole.contributions)
    assert len(runs) == 10
    # Switched off one by one, a line vanishes and the others stay as they were.
    changes = {
        "spread": {"spread": 0.0},
        "programming": {"cycle_spread": 0.0}, "noise": {"noise": False}, "converter": {"adc_bits": 0},
    }  # fmt: skip
    for name, change in changes.items():
        settings = ReadSettings(verify_tolerance="none", line_resistance=1e6, driver_resistance=1e8, **change)
        lines = {entry.name: entry for entry in _budget(settings, fast)[0].contributions}
        assert lines.pop(name).error == 0.0
        for other, entry in lines.items():
            assert entry.error == pytest.approx(alone[other].error, rel=1e-9)
    fine, _ = _budget(ReadSettings(verify_tolerance="none", levels=0, clip_percentile=100.0, **QUIET), perfect)
    assert {entry.name: entry for entry in fine.contributions}["weights"].error == 0.0
    ohmic, _ = _budget(ReadSettings(ohmic=True, line_resistance=1e6, driver_resistance=1e8), fast)
    assert {entry.name: entry for entry in ohmic.contributions}["law"].error == 0.0
    verified, runs = _budget(ReadSettings(**QUIET), perfect)
    lines = {entry.name: entry for entry in verified.contributions}
    assert lines["spread"].error == lines["wires"].error == lines["law"].error == lines["converter"].error == 0.0
    assert lines["programming"].label == "programming (verify residual)" and "verified" in lines["spread"].label
    assert verified.root_sum_square == pytest.approx(math.sqrt(sum(e.error**2 for e in verified.contributions)))
    # Three small independent errors add up as squares; 320 outputs.
    assert verified.together.error == pytest.approx(verified.root_sum_square, rel=0.2)
    rows = verified.rows()
    assert rows[-1]["name"] == "together" and rows[-1]["rms_error"] == verified.together.error
    assert rows[0]["relative_to_full_scale"] == rows[0]["rms_error"] / verified.full_scale


@pytest.mark.parametrize(
    ("levels", "slices"), [(4, 1), (8, 1), (64, 1), (4, 2), (4, 3), (3, 2), (64, 2)]
)  # fmt: skip
def test_lines_keep_the_levels_of_the_run(levels, slices, perfect):
    """Not the card's 16: a line is what its imperfection does to the very same run with all else switched off."""
    settings = ReadSettings(
        **QUIET | {"noise": True}, levels=levels, slices=slices, clip_percentile=100.0, input_bits=12
    )
    lines = {entry.name: entry.error for entry in _budget(settings, perfect)[0].contributions}
    x, w = _problem()

    def real(**change):
        one = settings.model_copy(update={"noise": False, "verify_tolerance": 0.0} | change)
        return forward(x, w, None, CARD, one, seed=3, reader=perfect).outputs

    def rms(error):
        return float(np.sqrt(np.mean(error**2)))

    # Cells at the lowest level can't be verified to conductances below 0, which more cells reach after rounding.
    assert lines["programming"] == pytest.approx(rms(real(verify_tolerance=0.25) - real()), rel=0.03)
    # Shot noise goes with the cells' conductances: the digits', not the weights', where there are slices.
    assert lines["noise"] == pytest.approx(rms(real(noise=True) - real()), rel=0.01)
    assert lines["weights"] == pytest.approx(rms(real() - real(rounded=False)), rel=1e-9)


def test_rounding_errors_fall_with_the_levels_and_so_do_those_of_verifying(perfect):
    few, many = (
        {entry.name: entry.error for entry in _budget(ReadSettings(**QUIET, levels=n), perfect)[0].contributions}
        for n in (4, 64)
    )
    # Both are uniform in parts of a step, 21 times smaller.
    assert few["programming"] / many["programming"] == pytest.approx(63 / 3, rel=0.05)


def test_the_law_shows_with_amplitude_coding_through_perfect_wires(perfect):
    lines = {
        entry.name: entry.error
        for entry in _budget(ReadSettings(**QUIET, coding="amplitude"), perfect)[0].contributions
    }
    assert lines["wires"] == 0.0 and lines["law"] > 5 * lines["inputs"]


def test_sums_through_perfect_wires_are_exact_but_for_noise(perfect):
    rng = np.random.default_rng(1)
    g = rng.uniform(CARD.off_conductance, CARD.on_conductance, (24, 12))
    circuit = array_circuit(g, CARD, ReadSettings(**QUIET))
    read = ReadSettings(**QUIET)
    exact = sum_errors(circuit, 0.5, perfect, read, seed=0)
    assert exact.largest < 1e-14 and exact.patterns == 1000
    assert exact.full_scale == pytest.approx(0.5 * g.sum(axis=0).max())
    noisy = sum_errors(circuit, 0.5, perfect, read, seed=0, noise=True)
    # A sum's own noise, and that of the twelve cells, on average, that are added up; the latter are common to all
    # patterns: 288 cell readings, of which a deviation of 30 % of the rms is five standard deviations.
    own = np.mean(noise_of(0.25 * g.sum(axis=0), read) ** 2)
    cells = np.mean(noise_of(0.5 * g, read) ** 2) * 12
    assert noisy.rms * noisy.full_scale == pytest.approx(math.sqrt(own + cells), rel=0.3)
    assert noisy.full_scale == exact.full_scale


def test_sums_through_wires_lose_what_the_wires_take(fast):
    g = np.full((24, 12), CARD.on_conductance)
    losses = [
        sum_errors(
            array_circuit(g, CARD, read), 0.5, fast, read, seed=0, patterns=100, noise=False
        ).rms
        for read in (ReadSettings(line_resistance=r, driver_resistance=0.0) for r in (1e3, 1e4))
    ]  # fmt: skip
    assert 8 < losses[1] / losses[0] < 12 and losses[1] < 1e-3
