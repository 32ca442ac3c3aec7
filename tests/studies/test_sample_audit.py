"""The audit of the sample phase by a chip: a converter without noise whose bit lines stand off by a planted error."""

import numpy as np
import pytest

from ftj_spice.device.card import load_card
from ftj_spice.periphery.macromodel import load_macromodel
from ftj_spice.periphery.sampled import SampledReads
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import plan
from ftj_spice.studies import sample_transistors
from ftj_spice.studies.sample_transistors import audit_sampling

CARD = load_card("hzo_mfis_nominal")
MODEL = load_macromodel("generic/integrator_sar")


@pytest.mark.parametrize("ground", [0.0, 2e-4, -5e-4])
def test_a_nominal_bit_line_that_stands_off_is_no_error_of_the_macromodel(monkeypatch, ground):
    settings = SampleSettings(adc_sigmas=3.0)
    keep = [part for group in plan(settings, 1, 4) for part in group]
    drawn = sample(CARD, settings, count=4, columns=1, seed=1, engine="fast", keep=keep, periphery=MODEL)
    d, top = drawn.digitiser, 2**MODEL.convert.bits - 1

    def chip(condition, card, columns, voltage, engine, *, progress=None):
        (column,) = columns
        count, rows = len(column.reference), len(column.conductance)
        filled = np.tile(column.occupancy, (count, 1))
        if column.history is not None:
            windows = [[d.period * (k + 1) - d.window, d.period * (k + 1)] for k in range(count)]
            filled = np.array([[column.history.averages(i, np.array(w))[0] for i in range(rows)] for w in windows])
        cells = card.conduction.current(column.conductance, voltage - ground)
        value = ((1.0 - column.amplitude * filled) * cells).sum(axis=1) - column.reference
        codes = np.clip(np.rint(value / d.lsb[0] + 0.1), 0, top).astype(np.int64)
        return SampledReads(codes[:, np.newaxis], np.full((count, 1), ground), ("",))

    monkeypatch.setattr(sample_transistors, "read_samples", chip)
    audit = audit_sampling(MODEL, drawn, None, seed=1, observer=lambda *told: None)
    # 0.2 mV are two to three steps; a value next to a transition may fall to its other side.
    assert audit.reads == 4 and audit.largest <= 1.0 and audit.rms <= 0.71
