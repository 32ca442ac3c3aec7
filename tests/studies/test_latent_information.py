"""Bits that a latent tells about the traps: closed forms, simple cases, and counts."""

from dataclasses import replace

import numpy as np
import pytest

from ftj_spice.device.card import load_card
from ftj_spice.periphery.macromodel import ConvertModel, DecideModel, Macromodel, SenseModel
from ftj_spice.sampling.phase import sample
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.studies.latent_information import binary_entropy, latent_information

CARD = load_card("hzo_mfis_nominal")
SETTINGS = SampleSettings()
BASE = {"name": "m", "title": "m", "process": "generic", "corner": "tt", "temperature": 300.0, "card": CARD.name}
COLUMNS, COUNT = 4, 20_000


def drawn(settings=SETTINGS, count=COUNT, **parts):
    model = Macromodel(kind="chain", **BASE, **parts) if parts else None
    return sample(CARD, settings, count=count, columns=COLUMNS, seed=3, engine="fast", periphery=model)


def front(noise):
    return SenseModel(integrates=True, time=1.3e-5, high=6.5e-9, noise=noise)


def counted(sampling, bins=16):
    """Mutual information of a value in equally frequent bins and its code, counted, less Miller and Madow's bias."""
    found = []
    for value, code in zip(sampling.values.T, sampling.codes.T, strict=True):
        part = np.searchsorted(np.quantile(value, np.linspace(0, 1, bins + 1)[1:-1]), value)
        joint = np.zeros((bins, int(np.ptp(code)) + 1))
        np.add.at(joint, (part, code - code.min()), 1)
        both = (joint.sum(axis=1), joint.sum(axis=0), joint.ravel())
        h = [-np.sum(p[p > 0] / len(value) * np.log2(p[p > 0] / len(value))) for p in both]
        cells = [np.count_nonzero(p) for p in both]
        found.append(h[0] + h[1] - h[2] - (cells[2] - cells[0] - cells[1] + 1) / (2 * len(value) * np.log(2)))
    return float(np.mean(found))


def test_the_ideal_read_out_loses_nothing():
    found = latent_information(drawn(count=4), SETTINGS)
    assert found.lost == 0
    # A normal value in steps of a 32nd of its standard deviation: h - log2(step) = 2.047 + 5.
    assert found.kept == pytest.approx(7.05, abs=0.05)


def test_a_coarser_converter_loses_its_bits():
    found = latent_information(drawn(count=4, sense=front(0.0), convert=ConvertModel(bits=6)), SETTINGS)
    assert found.lost == pytest.approx(2.0, abs=0.02)


def test_noise_loses_what_shannon_says():
    # The range is 8 standard deviations: noise of a sixteenth of it is half of one. log2(1 + 4) / 2 bits are left, less
    # a little where the law is not normal; the old estimate, log2(1 + 1 / 4) / 2 bits lost, was 0.16.
    found = latent_information(drawn(count=4, sense=front(6.5e-9 / 16), convert=ConvertModel(bits=8)), SETTINGS)
    assert found.kept == pytest.approx(np.log2(5.0) / 2, abs=0.03)
    assert found.lost > 5.5


@pytest.mark.parametrize("noise", [1 / 16, 1 / 8])
def test_counts_of_samples_agree(noise):
    sampling = drawn(sense=front(6.5e-9 * noise), convert=ConvertModel(bits=5))
    found = latent_information(sampling, SETTINGS).kept
    # Bins of the value hide a little of what the code tells; successive samples are hardly correlated.
    assert found - 0.06 < counted(sampling) < found + 0.02


def test_comparators_lose_what_is_turned_round():
    settings = replace_digitiser("comparator")
    clean = latent_information(drawn(settings, count=4), settings)
    assert clean.lost == 0 and 0.9 < clean.kept <= 1.0
    sampling = drawn(settings, count=4, decide=DecideModel(noise=0.05))
    noisy = latent_information(sampling, settings)
    d = sampling.digitiser
    wrong = float(d.deciders.misread(d.swing, 1.0).mean())
    assert 0.1 < wrong < 0.2  # the 100 mV of a cell's swing, half of it, against 50 mV: 16 %
    assert noisy.lost == pytest.approx(float(binary_entropy(wrong)), abs=0.02)
    blind = replace(d, deciders=replace(d.deciders, noise=1e9))
    assert latent_information(replace(sampling, digitiser=blind), settings).kept == pytest.approx(0.0, abs=1e-6)


def test_columns_whose_comparator_sticks_tell_nothing_and_the_others_all():
    settings = replace_digitiser("comparator")
    sampling = drawn(settings, count=4, decide=DecideModel(noise=1e-9))
    d = sampling.digitiser
    offset = np.array([0.0, 0.9, -1.1, 0.2]) * 0.5 * d.swing.min()
    stuck = replace(d, deciders=replace(d.deciders, offset=offset))
    found = latent_information(replace(sampling, digitiser=stuck), settings)
    assert found.kept == pytest.approx(0.75 * found.ideal, rel=1e-6)


def replace_digitiser(name):
    return SETTINGS.model_copy(update={"digitiser": name})


def test_entropy_of_bits():
    assert binary_entropy([0.0, 0.5, 1.0, 0.25]) == pytest.approx([0.0, 1.0, 0.0, 0.8112781])
