import math

import numpy as np
import pytest
from rig_support import PROCESSES, rig_of

from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.periphery.benches.current_latch import BENCH
from ftj_spice.periphery.figures import figure
from ftj_spice.periphery.latched import LatchSettings, Stand
from ftj_spice.periphery.waveform import value_at

STUCK = """* outputs that no line moves
m_n outp vdd 0 0 nmos w=1e-6 l=0.18e-6
m_p outn 0 vdd vdd pmos w=1e-6 l=0.18e-6
m_bl bl bl 0 0 nmos w=1e-6 l=0.18e-6
m_ref ref ref 0 0 nmos w=1e-6 l=0.18e-6
"""


def stand_of(rig):
    return Stand(rig, LatchSettings.parse(rig.variant.settings, "test"))


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize(
    ("name", "slowest"), [("bitline_latch", 1e-8), ("current_comparator", 1e-4), ("clamped_latch", 5e-8)]
)
def test_without_mismatch_the_circuit_tells_the_lines_apart(ngspice, name, slowest, process):
    rig = rig_of(ngspice, name, process)
    found = BENCH.measure(rig, ["decision_time", "conversion_time", "energy", "static_power", "area"])
    assert not found.failures
    assert 0 < found.figures["decision_time"] < slowest
    assert found.figures["conversion_time"] >= found.figures["decision_time"]
    assert 1e-14 < found.figures["energy"] < 2e-11
    parts = [value for key, value in found.figures.items() if key.startswith("energy_")]
    assert math.isclose(found.figures["energy"], math.fsum(parts))
    assert 1e-11 < found.figures["area"] < 1e-9
    assert found.operation is not None
    for key in found.figures:
        figure(key)


@pytest.mark.parametrize("name", ["bitline_latch", "current_comparator"])
def test_the_verdict_flips_at_the_offset(ngspice, name):
    rig = rig_of(ngspice, name, mismatch=(1, 0))
    found = BENCH.measure(rig, BENCH.drawn).figures
    stand = stand_of(rig)
    flip = found["offset_current"] / stand.reference
    assert math.isclose(found["contrast"], abs(flip))
    assert 1e-3 < abs(flip) < 1.0
    with rig.open(stand.netlist()) as session:
        above, below = (stand.verdict(stand.read(session, flip + 0.05 * sign)) for sign in (1, -1))
    assert above > stand.half
    assert below < -stand.half


def test_a_draw_is_the_same_chip_again_and_another_draw_another_one(ngspice):
    offsets = [
        BENCH.measure(rig_of(ngspice, "bitline_latch", mismatch=draw), ["offset_current"]).figures["offset_current"]
        for draw in [(1, 3), (1, 3), (1, 4)]
    ]
    assert offsets[0] == offsets[1] != offsets[2]


def test_the_clamped_latch_offset_is_far_above_a_cells_current(ngspice):
    found = BENCH.measure(rig_of(ngspice, "clamped_latch", mismatch=(1, 0)), BENCH.drawn).figures
    assert 1e-7 < abs(found["offset_current"]) < 1e-5
    assert found["contrast"] > 100.0


def test_floating_lines_part_at_the_rate_of_their_currents(ngspice):
    rig = rig_of(ngspice, "bitline_latch")
    stand = stand_of(rig)
    with rig.open(stand.netlist()) as session:
        reading = stand.read(session, stand.contrast)
    early = stand.release + np.array([0.02, 0.1]) * stand.wait
    moved = np.diff(value_at(reading.time, reading["v(bl)"] - reading["v(ref)"], early))[0]
    expected = stand.contrast * stand.reference * np.diff(early)[0] / stand.capacitance
    # The resting cells and the rise of the line itself slow it, and the transistors add some capacitance.
    assert 0.85 * expected < moved < expected


def test_cells_of_more_current_wait_less(ngspice):
    nominal, strong = (
        stand_of(rig_of(ngspice, "bitline_latch", card=card)) for card in ("hzo_mfis_nominal", "high_current")
    )
    assert math.isclose(nominal.wait * nominal.reference, strong.wait * strong.reference, rel_tol=1e-9)


def test_a_circuit_that_never_decides_is_told_by_name(ngspice, tmp_path):
    (tmp_path / "stuck.cir.j2").write_text(STUCK)
    text = (load_variant("current_comparator").folder / "current_comparator.toml").read_text()
    head, _, _ = text.partition("[parameters.")
    (tmp_path / "stuck.toml").write_text(head.replace('"current_comparator"', '"stuck"'))
    found = BENCH.measure(rig_of(ngspice, tmp_path / "stuck.toml"), ["contrast", "decision_time", "area"])
    assert set(found.figures) == {"area"}
    assert all("never decides" in found.failures[name] for name in ("contrast", "decision_time"))


def test_settings_are_checked(ngspice):
    with pytest.raises(SettingsError, match=r"current_comparator.*'reads' is 65, but there are 64 rows"):
        BENCH.measure(rig_of(ngspice, "current_comparator", settings={"reads": 65}), ["area"])
    with pytest.raises(SettingsError, match=r"unknown setting 'swimg', did you mean 'swing'"):
        BENCH.measure(rig_of(ngspice, "current_comparator", settings={"swimg": "1 V"}), ["area"])
