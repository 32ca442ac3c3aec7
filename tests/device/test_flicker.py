"""1/f noise: the density's scaling, and the spectrum of the traces."""

import numpy as np
import pytest
from scipy import signal, stats

from ftj_spice.device.card import load_card
from ftj_spice.device.flicker import flicker_density, flicker_level, flicker_trace

NOMINAL = load_card("hzo_mfis_nominal")


def test_levels_of_the_states_and_between():
    assert flicker_level(NOMINAL, [-1.0, 1.0]) == pytest.approx([1e-9, 3.3e-10])
    assert flicker_level(NOMINAL, 0.0) == pytest.approx(np.sqrt(1e-9 * 3.3e-10))
    quiet = NOMINAL.with_values(flicker_on=0.0)
    assert flicker_level(quiet, [-1.0, 0.0, 1.0]) == pytest.approx([1e-9, 5e-10, 0.0])


def test_density_goes_with_frequency_and_area():
    f = np.array([1.0, 10.0, 1e3])
    np.testing.assert_allclose(flicker_density(NOMINAL, f, -1.0), 1e-9 / f)
    np.testing.assert_allclose(
        flicker_density(NOMINAL, f, -1.0, area=1e-10), 1e-9 / f * 100**-NOMINAL.flicker_area_exponent
    )
    larger = NOMINAL.with_values(area=4e-12)
    np.testing.assert_allclose(flicker_density(larger, f, 0.2), flicker_density(NOMINAL, f, 0.2, area=4e-12))
    assert flicker_density(NOMINAL, f[:, None], [-1.0, 1.0]).shape == (3, 2)


@pytest.mark.parametrize(("interval", "s"), [(1e-3, -1.0), (2e-6, 0.4)])
def test_welchs_spectrum_is_the_density(interval, s):
    """256 traces of 2048 samples: mean periodogram in 12 log bands from the lowest to Nyquist within 5 sigma + 3 %.

    A line's mean over 256 independent Hann periodograms has a relative sigma of 1/16. The 3 % are the Hann window's
    smearing of 1/f over its neighbours, largest at the low end, where the two lowest lines are left out. False alarm
    1e-5.
    """
    n, traces = 2048, 256
    x = flicker_trace(NOMINAL, n, interval, np.full(traces, s), 1)
    f, p = signal.periodogram(x, 1 / interval, "hann", detrend="constant", axis=-1)
    ratio = (p.mean(axis=0)[3:-1]) / flicker_density(NOMINAL, f[3:-1], s)
    for part in np.array_split(np.arange(len(ratio)), np.unique(np.geomspace(1, len(ratio) - 1, 12).astype(int))):
        # Hann's lines overlap: about 1.5 lines are one independent value
        sigma = 1.5 / np.sqrt(traces * len(part))
        assert ratio[part].mean() == pytest.approx(1.0, abs=5 * sigma + 0.03)


def test_the_exponent_is_one():
    """Slope of ln S over ln f: within 0.03 of -1 (1 sigma below 0.006)."""
    x = flicker_trace(NOMINAL, 4096, 1e-3, np.full(64, -1.0), 3)
    f, p = signal.welch(x, 1e3, "hann", 4096, axis=-1)
    keep = slice(4, -1)
    slope = np.polyfit(np.log(f[keep]), np.log(p.mean(axis=0)[keep]), 1, w=1 / np.sqrt(f[keep]))[0]
    assert slope == pytest.approx(-1.0, abs=0.03)


def test_values_are_gaussian():
    """The spread of one sample over 4,000 cells, Kolmogorov-Smirnov at 1e-4; variance against the summed lines."""
    n, interval, cells = 64, 1e-3, 4000
    x = flicker_trace(NOMINAL, n, interval, np.full(cells, -1.0), 4)[:, 17]
    total = 8 * n
    lines = np.arange(1, total // 2 + 1)
    variance = 1e-9 * (np.sum(1 / lines) - 0.5 / lines[-1])
    assert stats.kstest(x / np.sqrt(variance), "norm").pvalue > 1e-4


def test_the_ends_do_not_know_of_one_another():
    """Correlation of first and last sample against that of a free 1/f: far below a periodic trace's.

    4,000 cells. In a periodic trace the two would be neighbours, with a correlation near that of any two neighbours.
    """
    x = flicker_trace(NOMINAL, 256, 1e-3, np.full(4000, -1.0), 5)
    ends = np.corrcoef(x[:, 0], x[:, -1])[0, 1]
    neighbours = np.corrcoef(x[:, 100], x[:, 101])[0, 1]
    assert neighbours > 0.7
    assert ends < 0.4
    first_half = np.corrcoef(x[:, 0], x[:, 127])[0, 1]
    assert ends < first_half + 0.02


def test_streams_and_states():
    many, few = (flicker_trace(NOMINAL, 100, 1e-3, np.full(k, -1.0), 1, (2,)) for k in (5, 2))
    np.testing.assert_array_equal(many[:2], few)
    assert not np.array_equal(few[0], few[1])
    assert flicker_trace(NOMINAL, 100, 1e-3, -1.0, 1, (2,)).shape == (100,)
    np.testing.assert_array_equal(flicker_trace(NOMINAL, 100, 1e-3, -1.0, 1, (2,)), few[0])
    on = flicker_trace(NOMINAL, 100, 1e-3, 1.0, 1, (2,))
    np.testing.assert_allclose(on, few[0] * np.sqrt(0.33))
    wide = flicker_trace(NOMINAL, 100, 1e-3, -1.0, 1, (2,), area=1e-10)
    np.testing.assert_allclose(wide, few[0] * 10**-NOMINAL.flicker_area_exponent)


@pytest.mark.parametrize("samples", [1, 2, 3, 97])
def test_any_length(samples):
    x = flicker_trace(NOMINAL, samples, 1e-3, -1.0, 1)
    assert x.shape == (samples,)
    assert np.all(np.isfinite(x))
