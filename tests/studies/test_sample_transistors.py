"""The sample phase through transistors: what is refused before anything runs, and a few samples that are read."""

import numpy as np
import pytest

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.periphery.macromodel import load_macromodel
from ftj_spice.periphery.readout import CHUNK
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.studies.observer import silent
from ftj_spice.studies.sample_transistors import TRIMS, check_sampling, sample_by_transistors, transistor_reads
from ftj_spice.studies.transistors import LONGEST, PER_READ

CHAIN = "integrator_sar"


@pytest.mark.parametrize(
    ("name", "settings", "count", "sentence"),
    [
        (None, {}, 1, "needs circuits to read by: pass --periphery NAME"),
        (CHAIN, {"digitiser": "comparator"}, 1, "take sample.digitiser='integrator'"),
        (CHAIN, {"whole_array": True}, 1, "sample.whole_array=false"),
        ("strongarm", {}, 1, "has no chain of transistors from the bit line to the code"),
        ("tia_sar", {}, 1, "chain 'tia_sar' does not integrate"),
        (CHAIN, {}, 10**6, "or fewer samples"),
    ],
)
def test_what_transistors_cannot_sample_is_refused_before_anything_runs(name, settings, count, sentence):
    model = None if name is None else load_macromodel(name)
    with pytest.raises(SettingsError) as told:
        check_sampling(model, SampleSettings(**settings), 10, count, 1)
    assert sentence in str(told.value) and "\n" not in str(told.value)


def test_time_is_that_of_every_read_made():
    assert transistor_reads(3, 1) == 3 * (TRIMS + 1 + 1 + 1)
    assert transistor_reads(1, CHUNK + 1) - transistor_reads(1, CHUNK) == 2  # a transient more
    model, settings = load_macromodel(CHAIN), SampleSettings()
    most = int(LONGEST / PER_READ)
    count = next(n for n in range(most, 0, -1) if transistor_reads(1, n) <= most)
    check_sampling(model, settings, 1, count, 1)
    with pytest.raises(SettingsError, match="more than the 2 hours allowed"):
        check_sampling(model, settings, 1, count + 1, 1)
    check_sampling(model, settings, 1, count + 1, 2)


def test_samples_are_the_codes_of_transistors():
    settings = SampleSettings(rows=8)
    card, model = load_card("hzo_mfis_nominal"), load_macromodel(CHAIN)
    with NgspiceEngine(1) as engine:
        found = sample_by_transistors(card, settings, model, engine, count=2, columns=1, seed=3, observer=silent)
    top = 2**model.convert.bits
    assert found.samples.codes.shape == found.samples.latents.shape == (2, 1)
    assert np.all((found.samples.codes >= -top // 2) & (found.samples.codes < top // 2))
    assert 0.9 < found.circuits.gain[0] < 1.1 and abs(found.circuits.offset[0]) < top / 4
    assert np.max(np.abs(found.deviations)) <= 1.5  # rounding is half a step
    assert found.figures["reads"] == 2 and "transistors" in found.samples.engine
