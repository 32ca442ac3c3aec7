"""The account of the sample phase: comparators, calibrated arrays; and the units of a comparator's errors."""

from types import SimpleNamespace

import numpy as np
import pytest

from ftj_spice.device.card import load_card
from ftj_spice.periphery.macromodel import ConvertModel, DecideModel, FitError, Macromodel, SenseModel
from ftj_spice.results.report import Report
from ftj_spice.sampling.array import SamplingArray
from ftj_spice.sampling.calibration.chip import Controls, Design
from ftj_spice.sampling.calibration.draw import sample_calibrated
from ftj_spice.sampling.calibration.settings import CalibrateSettings
from ftj_spice.sampling.calibration.state import Calibration
from ftj_spice.sampling.energy import converter_energy
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.studies.energy_report import periphery_section
from ftj_spice.studies.generate_energy import generate_energy
from ftj_spice.studies.settings import RunSettings

CARD = load_card("hzo_mfis_nominal")
BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": CARD.name}
CHAIN = Macromodel(
    kind="chain", **BASE, convert=ConvertModel(bits=6, energy={"vdd": 2e-12}),
    sense=SenseModel(integrates=True, time=1e-5, high=6.5e-9, energy={"vdd": 3e-12}, static_power=1e-9),
)  # fmt: skip
COUNT, COLUMNS = 3, 2


def decided(**decide):
    model = Macromodel(kind="decide", **BASE, decide=DecideModel(energy={"vdd": 1e-12}, **decide))
    settings = RunSettings(sample=SampleSettings(digitiser="comparator"))
    drawn = sample(CARD, settings.sample, count=COUNT, columns=COLUMNS, seed=1, engine="fast", periphery=model)
    account = generate_energy(model, settings, CARD, drawn, [], SimpleNamespace(layers=()))
    return account.total("sample", "decide") / (COUNT * COLUMNS * settings.sample.rows), drawn.digitiser.slot


def test_a_continuous_comparator_stays_on_between_its_decisions():
    clocked, _ = decided(lag=3e-10, time=8e-9)
    assert clocked == pytest.approx(1e-12)
    waiting, slot = decided(lag=2e-7, static_power=3e-6)
    # A microwatt over a slot of tens of microseconds is a hundred times what the decision itself takes.
    assert waiting == pytest.approx(1e-12 + 3e-6 * (slot - 2e-7)) and waiting > 1e-10
    whole, _ = decided(input="current", lag=2e-7, static_power=3e-6)
    assert whole == pytest.approx(1e-12)  # measured over a whole reading, its wait included


def test_a_calibrated_array_takes_energy_too():
    array = SamplingArray.draw(CARD, SampleSettings(rows=4), 3, 1)
    settings = CalibrateSettings(latents=2, spare=1, arrays=1, sample={"rows": 4})
    for own, sense, convert in ((None, 0.0, converter_energy(settings.sample.adc_bits)), (CHAIN, 3e-12, 2e-12)):
        design = Design.of(CARD, settings, 4, own)
        controls = Controls.nominal(design, 1, 3, 4)
        calibration = Calibration(CARD, settings, controls, None, np.arange(2), np.ones(3, bool), own)
        drawn = sample_calibrated(calibration, COUNT)
        account = generate_energy(CHAIN, RunSettings(), CARD, drawn, [], SimpleNamespace(layers=()))
        found = {block: account.total("sample", block) for block in ("array", "sense", "convert")}
        reads, period = COUNT * settings.columns, controls.timing.period
        power = array.voltage * np.sum(array.empty_current)
        assert 0.5 * power * COUNT * period < found["array"] < power * COUNT * period
        static = 1e-9 * (period - 1e-5) if sense else 0.0
        assert found["sense"] == pytest.approx(reads * (sense + static))
        assert found["convert"] == pytest.approx(reads * convert)
        assert account.samples == COUNT * 2 and account.seconds["sample"] == pytest.approx(COUNT * period)


def test_errors_of_a_comparator_of_currents_are_amperes_and_shares_no_parts_of_a_range():
    fit = FitError(largest=0.16, rms=0.07, unit="probability", compared=24, against="fresh circuits")
    for unit, takes in (("nV", "voltage"), ("nA", "current")):
        report = Report("t")
        decide = DecideModel(input=takes, offset_sigma=3e-9)
        periphery_section(report, Macromodel(kind="decide", **BASE, decide=decide, fit=fit))
        assert f"offset ± 3.00 {unit}" in report.html()
        assert "0.16 of probability at most" in report.html() and "0.16 of the range" not in report.html()
