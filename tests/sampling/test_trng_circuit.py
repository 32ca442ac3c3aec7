"""Digitisers as circuits in ngspice, against their event rules on the same trap histories."""

import re
import subprocess

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.engines.ngspice.locate import find_command
from ftj_spice.sampling.trng.circuit import events, simulate_bits
from ftj_spice.sampling.trng.design import Design
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.sampling.trng.variant import available_variants

SHARE = 0.02
"""Events that may hang on the comparator's lag and yet differ: far more than were ever seen."""


def run(engine, streams=1, bits=150, **settings):
    design = Design.of(TrngSettings(**settings))
    return design, simulate_bits(design, engine, streams=streams, bits=bits)


def differences(design, stream):
    return events(design, stream.bits) != events(design, stream.rule)


@pytest.mark.parametrize("settings", [{}, {"voltage": 1.6, "comparator_offset": 0.3, "current_spread": 0.2}], ids=str)
@pytest.mark.parametrize("name", available_variants())
def test_a_circuit_gives_the_bits_of_its_rule(name, settings, engine):
    design, (stream,) = run(engine, digitiser=name, seed=2, **settings)
    differing = differences(design, stream)
    assert not np.any(differing & ~stream.doubtful)
    assert differing.mean() <= SHARE
    assert stream.doubtful.mean() < 0.15
    assert set(np.unique(stream.bits)) <= {0, 1}
    if not settings:
        assert 0.2 < stream.bits.mean() < 0.95  # it lives


@pytest.mark.parametrize("name", ["edge_toggle", "differential", "edge_train", "integrator_lsb"])
def test_the_netlist_gives_the_same_bits_in_plain_ngspice(name, engine, tmp_path):
    design, (stream,) = run(engine, digitiser=name, seed=3, bits=60)
    path = tmp_path / "bits.cir"
    path.write_text(stream.netlist)
    done = subprocess.run([find_command(), "-b", str(path)], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    found = dict(re.findall(r"^bit(\d+)\s*=\s*(\S+)", done.stdout, re.MULTILINE))
    bits = np.array([float(found[str(k)]) > 0.5 for k in range(60)], np.uint8)
    differing = events(design, bits) != events(design, stream.bits)
    assert not np.any(differing & ~stream.doubtful)


def test_energy_and_edges_are_those_of_the_trap(engine):
    design, streams = run(engine, digitiser="edge_toggle", seed=4, streams=2, bits=300)
    for stream in streams:
        filled = np.mean(stream.history.averages(0, np.linspace(design.settling, stream.history.duration, 2)))
        current = design.empty_current - design.swing * filled
        assert stream.cell_energy == pytest.approx(design.voltage * current * design.interval, rel=2e-3)
        falls = np.sum((stream.history.states == 1) & (stream.history.times > design.settling))
        assert stream.edges == pytest.approx(falls / 300, rel=0.02)
    assert (streams[0].bits != streams[1].bits).any()


def test_it_begins_with_a_power_up(engine):
    """Traps stand as at 0 V: of 20 all empty (false alarm 1 %, seed fixed)."""
    _, streams = run(engine, digitiser="mid_level", streams=20, bits=1, settling=0.0)
    assert sum(int(stream.history.initial[0]) for stream in streams) == 0


def test_streams_do_not_depend_on_how_many_there_are(engine):
    _, two = run(engine, digitiser="mid_level", streams=2, bits=40, seed=9)
    _, one = run(engine, digitiser="mid_level", streams=1, bits=40, seed=9)
    assert (one[0].bits == two[0].bits).all() and one[0].netlist == two[0].netlist


def test_no_bits_are_refused(engine):
    with pytest.raises(SettingsError, match="at least 1, got 1 and 0"):
        run(engine, bits=0)


SEVENTH = """
name = "slow_low"
description = "A comparator with hysteresis below the half-way level, whose output an RC slows down."
rule = {read = "state", reference = "mid", output = "level"}
overlay = ["quarter"]
settling = 10.0

[ports]
sense0 = "the cell's current"
quarter = "level in nA, as a voltage"
bit = "1 where the current lies above the level"

[parameters.lag]
value = 0.05
unit = "relaxation"
kind = "choice"
source = "test"

[parameters.threshold]
value = -0.25
unit = "swing"
kind = "choice"
source = "test"

[parameters.hysteresis]
value = 0.1
unit = "swing"
kind = "choice"
source = "test"
"""
SEVENTH_TEMPLATE = """
{% from "sense/decision.cir.j2" import decision %}
vsense0 sense0 0 dc 0
vquarter quarter 0 dc {{ 1e9 * (reference + p.threshold) }}
{{ decision("bit", "i(vsense0)-1e-9*v(quarter)-(%.12g)" % offset, p.hysteresis / 20, p.lag, p.hysteresis) }}
"""


def test_a_further_variant_needs_no_python(engine, tmp_path):
    (tmp_path / "slow_low.toml").write_text(SEVENTH)
    (tmp_path / "slow_low.cir.j2").write_text(SEVENTH_TEMPLATE)
    design, (stream,) = run(engine, digitiser=str(tmp_path / "slow_low.toml"), seed=5)
    differing = differences(design, stream)
    assert not np.any(differing & ~stream.doubtful) and differing.mean() < 0.05
    assert 0.3 < stream.bits.mean() < 0.7
    assert "v(quarter)" in stream.waveform.vectors


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('bit = "1', 'bits = "1'), "must name 'bit'"),
        (('reference = "mid"', 'reference = "partner"'), "two cells go with the reference 'partner'"),
        (('output = "level"', 'output = "toggle"'), "must be one of level"),
        (('output = "level"}', 'output = "level", edge = "rising"}'), "'edge' where it reads edges"),
        (('unit = "relaxation"', 'unit = "V"'), "'lag' must be given in s or relaxation or interval"),
        (('overlay = ["quarter"]', 'overlay = ["half"]'), "names 'half'"),
        (('name = "slow_low"', 'name = "slow low"'), "name"),
        (("settling = 10.0", "setling = 10.0"), "did you mean 'settling'"),
        (("settling = 10.0", "settling = "), "not valid TOML"),
        (('name = "slow_low"', 'name = "slow_lower"'), "can't read .*slow_lower.cir.j2"),
        (('name = "slow_low"', 'name = "slow_low"\ntemplate = "../slow_low"'), "template"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_variant_that_makes_no_sense_is_refused(change, words, tmp_path):
    assert change[0] in SEVENTH
    (tmp_path / "slow_low.toml").write_text(SEVENTH.replace(*change))
    (tmp_path / "slow_low.cir.j2").write_text(SEVENTH_TEMPLATE)
    with pytest.raises(SettingsError, match=words):
        Design.of(TrngSettings(digitiser=str(tmp_path / "slow_low.toml")))
