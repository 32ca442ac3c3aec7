"""Voltages of the schemes, and half-select disturb from the switching law."""

import numpy as np
import pytest

from ftj_spice.array.writing.disturb import flips, half_select
from ftj_spice.array.writing.schemes import SCHEMES, scheme_of
from ftj_spice.array.writing.settings import ProgramSettings
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.device.switching import MeanSwitching

NOMINAL = load_card("hzo_mfis_nominal")


@pytest.mark.parametrize(
    ("name", "row", "column", "elsewhere"),
    [("v2", 0.5, 0.5, 0.0), ("v3", 1 / 3, 1 / 3, -1 / 3), ("inhibit", 0.43, 0.0, 0.0)],
)
def test_voltages_across_the_cells(name, row, column, elsewhere):
    s = scheme_of(name, 0.57)
    assert s.selected == 1.0
    np.testing.assert_allclose([s.same_row, s.same_column, s.elsewhere], [row, column, elsewhere], atol=1e-12)


def test_every_scheme_has_a_record():
    assert [scheme_of(name).name for name in SCHEMES] == list(SCHEMES)


@pytest.mark.parametrize(
    ("scheme", "topology", "word"), [("inhibit", "crossbar", "v2"), ("v2", "1t1f", "inhibit"), ("v4", "nor", "v3")]
)
def test_scheme_and_topology_must_go_together(scheme, topology, word):
    with pytest.raises(SettingsError, match=word):
        ProgramSettings.parse({"scheme": scheme, "topology": topology}, "settings")


def test_one_pulse_flips_what_the_reference_says():
    table = {(h.scheme, h.place): h for h in half_select(NOMINAL, 3.5, 1e-6)}
    half, third = table["v2", "same column"], table["v3", "same column"]
    assert half.voltage == pytest.approx(1.75)
    assert float(half.flips[0]) == pytest.approx(0.012, rel=0.05)  # 1.17 %
    assert float(third.flips[0]) == pytest.approx(0.0003, rel=0.05)  # 0.0305 %
    assert float(third.grouped[0]) < 1e-6  # sixteen groups do not see the weakest domains
    assert ("inhibit", "same column") not in table


def test_pulses_add_up_as_the_mean_model_says():
    groups = 256
    counts = np.array([1, 3, 10])
    expected = flips(NOMINAL, 1.75, 1e-6, counts, nodes=20_000)
    cell = MeanSwitching(NOMINAL, up=0.0, groups=groups)
    found, done = [], 0
    for count in counts:
        for _ in range(count - done):
            cell.step(1e-6, 1.75, 1.75)
        done = count
        found.append(float(cell.fraction_up[0]))
    np.testing.assert_allclose(found, expected, rtol=0.06)


def test_flips_do_not_depend_on_the_sign():
    assert flips(NOMINAL, -1.75, 1e-6) == flips(NOMINAL, 1.75, 1e-6)
