import numpy as np
import pytest
from rig_support import CARD, PROCESSES, condition_of

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.periphery.chain import available_chains, load_chain
from ftj_spice.periphery.readout import read_columns

ROWS = 16
"""A quarter of the column: four times as fast."""


def column(levels, on):
    """Conductances in parts of the on-state's, and rows on or off."""
    return CARD.on_conductance * np.array(levels, float)[:, np.newaxis], CARD.vmm_voltage * np.array(on, float)


@pytest.mark.parametrize("process", PROCESSES)
def test_codes_are_dot_products(ngspice, process):
    chain = load_chain("integrator_sar")
    rng = np.random.default_rng(1)
    g, v = column(rng.uniform(0.0, 4.0, ROWS), rng.integers(0, 2, (3, ROWS)) * [[1], [0], [1]])
    reads = read_columns(chain, condition_of(process), CARD, g, v, ngspice)
    assert reads.codes.shape == reads.outputs.shape == (3, 1)
    assert len(set(reads.codes[:, 0])) == 3
    assert reads.codes[1, 0] == 0
    assert np.all(np.abs(reads.codes - chain.ideal_code(v @ g)) <= 1)
    assert set(reads.areas) == {"sense", "convert"}
    assert {"array", "clocks", "sense_vdd", "convert_vdd", "convert_vref_p"} <= set(reads.energies)
    # Some 15 uA for 13 us; conversions take picojoules, and the first one is no exception.
    assert np.all((reads.energies["sense_vdd"] > 1e-10) & (reads.energies["sense_vdd"] < 6e-10))
    assert np.all((reads.energies["convert_vdd"] > 1e-13) & (reads.energies["convert_vdd"] < 1e-11))
    assert list(reads.operation.panels)[-1] == "Bits (V)"


def test_no_result_depends_on_chunks_or_workers(ngspice):
    chain = load_chain("integrator")
    g, v = column(np.full(ROWS, 4.0), np.arange(ROWS) < np.array([[16], [0], [7], [3]]))
    whole = read_columns(chain, condition_of(), CARD, g, v, ngspice, chunk=4)
    with NgspiceEngine(2, time_limit=120.0) as two:
        done = []
        single = read_columns(chain, condition_of(), CARD, g, v, two, chunk=1, progress=lambda *n: done.append(n))
    assert sorted(done) == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert np.allclose(whole.outputs, single.outputs, atol=5e-4)
    assert np.allclose(whole.energies["sense_vdd"], single.energies["sense_vdd"], rtol=1e-3)
    assert np.allclose(whole.energies["sense_ibias"], 2e-6 * 1.8 * chain.period)


def test_every_column_has_devices_of_its_own(ngspice):
    chain = load_chain("integrator")
    g, v = column(np.full(ROWS, 4.0), np.ones((1, ROWS)))
    two = np.concatenate([g, g], axis=1)
    nominal = read_columns(chain, condition_of(), CARD, two, v, ngspice)
    assert nominal.outputs[0, 0] == nominal.outputs[0, 1]
    drawn = read_columns(chain, condition_of(mismatch=(5, 0)), CARD, two, v, ngspice)
    again = read_columns(chain, condition_of(mismatch=(5, 0)), CARD, two[:, :1], v, ngspice)
    assert drawn.outputs[0, 0] != drawn.outputs[0, 1]
    assert drawn.outputs[0, 0] == again.outputs[0, 0]


def test_hostile_shapes_are_refused():
    chain = load_chain("integrator")
    g, v = column(np.ones(ROWS), np.ones((1, ROWS)))
    with NgspiceEngine() as engine:
        for conductance, voltages, text in (
            (g[:, 0], v, "shape"), (g, v[0], "shape"), (g, v[:, :-1], "shape"), (g, v[:0], "shape"),
            (-g, v, "negative"), (g * np.nan, v, "finite"), (g, v * np.inf, "finite"),
        ):  # fmt: skip
            with pytest.raises(DataError, match=text):
                read_columns(chain, condition_of(), CARD, conductance, voltages, engine)


def test_packaged_chains_fit_their_variants():
    for name in available_chains():
        chain = load_chain(name)
        assert chain.name == name
        load_card(chain.card)
        for kind in chain.blocks:
            assert set(chain.parameters(kind)) <= set(chain.variant(kind).parameters)
        assert chain.ideal_code([0.0, chain.full_scale, 10 * chain.full_scale]).tolist() == [0, chain.top, chain.top]


def test_an_unknown_chain_is_told_with_the_nearest():
    with pytest.raises(SettingsError, match="did you mean 'integrator_sar'"):
        load_chain("integrator_sra")


GOOD = """name = "mine"
title = "t"
description = "d"
card = "hzo_mfis_nominal"
virtual_ground = "0.9 V"
full_scale = "6.5 nA"
period = "13 us"
step = "0.2 us"
[sense]
variant = "integrator_cds"
column = "bl"
output = "out"
output_at = "12.5 us"
parameters = { c_int = "131 fF" }
biases = { vlow = "0.41 V" }
clocks = { reset = { begin = "0 s", end = "1 us" }, sample = { begin = "0 s", end = "2 us" }, hold = { begin = "12 us", end = "13 us" } }
[ideal]
bits = 6
low = "0.4 V"
high = "1.4 V"
"""  # noqa: E501


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('[ideal]\nbits = 6\nlow = "0.4 V"\nhigh = "1.4 V"\n', "", "either a 'convert' block or an 'ideal'"),
        ('"6.5 nA"', '"6.5 nV"', "full_scale"),
        ('output_at = "12.5 us"', 'output_at = "14 us"', "'sense.output_at' lies after"),
        ('end = "13 us"', 'end = "14 us"', "clock 'hold' of 'sense' falls after"),
        ('{ begin = "0 s", end = "2 us" }', '{ begin = "2 us", end = "1 us" }', "must come after"),
        ('end = "1 us" }', 'end = "1 us", count = 3 }', "given together"),
        ('title = "t"', 'titel = "t"', "did you mean 'title'"),
    ],
)
def test_a_wrong_chain_is_refused(tmp_path, old, new, text):
    assert old in GOOD
    (tmp_path / "mine.toml").write_text(GOOD.replace(old, new))
    with pytest.raises(SettingsError, match=text):
        load_chain(tmp_path / "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('column = "bl"', 'column = "bitline"', "has no port 'bitline'"),
        (', hold = { begin = "12 us", end = "13 us" }', "", "nothing drives or takes the port 'hold'"),
        ('"integrator_cds"', '"strongarm"', "is a decide variant"),
        ('"integrator_cds"', '"integrator_csd"', "no periphery variant"),
        ("{ vlow =", "{ vhigh =", "has no bias 'vhigh'"),
        ("{ c_int =", "{ c_i =", "has no parameter 'c_i'"),
        ('"131 fF"', '"131 V"', "sense.parameters.c_int"),
    ],
)
def test_a_chain_that_its_blocks_do_not_fit_is_refused(tmp_path, old, new, text):
    assert old in GOOD
    (tmp_path / "mine.toml").write_text(GOOD.replace(old, new))
    chain = load_chain(tmp_path / "mine.toml")
    with pytest.raises(SettingsError, match=text):
        chain.parameters("sense")
