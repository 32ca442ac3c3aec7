"""Plots of a datasheet, from made-up numbers."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from matplotlib.figure import Figure

from ftj_spice.results.plots import device_lifetime as lifetime
from ftj_spice.results.plots import device_loops as loops
from ftj_spice.results.plots import device_noise as noise
from ftj_spice.results.plots import device_static as static
from ftj_spice.results.plots import device_switching as switching
from ftj_spice.results.plots.style import figure_svg

X = np.array([-2.0, -1.0, 1.0, 2.0])


def curve(power=1.0):
    fine = np.concatenate([-np.geomspace(2, 0.01, 30), np.geomspace(0.01, 2, 30)])
    gain = np.array([[1e-12], [5e-11]])
    return static.CurrentVoltage(
        states=np.array([-1.0, 1.0]), voltages=X, currents=gain * np.sinh(X) * np.abs(X) ** (power - 1),
        line_voltages=fine, lines=gain * np.sinh(fine) * np.abs(fine) ** (power - 1), read_voltage=0.5,
        noise_voltage=1.5, levels=2,
    )  # fmt: skip


def loop(amplitude=4.0, frequency=1e3, crossing=2.5):
    up = np.linspace(-amplitude, amplitude, 41)
    volts = np.concatenate([up[20:], up[-2::-1], up[1:21]])
    rising = np.gradient(volts) > 0
    s = np.tanh(3 * (volts - np.where(rising, crossing, -crossing)))
    return loops.Loop(
        amplitude=amplitude, frequency=frequency, voltage=volts, state=s, polarization=0.2 * s,
        charge=0.2 * s + volts / 50,
        field=0.4 * volts / 6e-9, current=1e-9 * np.sinh(volts) + 1e-12, displacement=1e-9 * np.gradient(s),
        coercive_voltages=(crossing, -crossing), coercive_fields=(1.5e8, -1.5e8), remanent=(0.2, -0.2), closure=0.0,
        swing=(0.99, -0.99),
    )  # fmt: skip


def all_loops(closed=True):
    line = np.geomspace(1, 1e5, 20)
    branch = (np.linspace(0, 4, 9), np.linspace(-1, 1, 9))
    return loops.Loops(
        majors=tuple(loop(frequency=f) for f in (1e3, 1e4, 1e5)),
        minors=tuple((loop(2.0), loop(3.0)) for _ in range(3)),
        sweep_frequencies=np.array([1e2, 1e3, 1e4]),
        sweep_fields=np.array([[1.4e8, -1.4e8], [1.5e8, -1.5e8], [np.nan] * 2]),
        line_frequencies=line, line_fields=np.full((20, 2), 1.5e8 if closed else np.nan),
        branches=(branch, branch) if closed else (None, None), reversals=(loop(), loop()), card_coercive_field=1.2e8,
    )  # fmt: skip


def fractions():
    widths, line = np.geomspace(1e-7, 1, 8), np.geomspace(1e-7, 1, 40)
    rows = np.array([1e-2, 1e-5])[:, None]
    some = 1 - np.exp(-widths / rows)
    return switching.SwitchedFraction(
        amplitudes=np.array([2.0, 4.0]), fields=np.array([1.2e8, 2.4e8]), widths=widths, fraction=some, closed=some,
        grouped=some, line_widths=line, lines=1 - np.exp(-line / rows), half_times=np.array([7e-3, np.nan]),
        field_line=np.linspace(1.1e8, 2.5e8, 9), half_line=np.geomspace(1e-1, 1e-6, 9), edge=0.02,
    )  # fmt: skip


def stair(cells=2, domains=100):
    train = np.concatenate([np.ones(4), -np.ones(4)] * 2)
    s = np.concatenate([[-1.0], np.clip(np.cumsum(train / 2) - 1, -1, 1)])
    return switching.Staircase(
        "identical pulses", 2 * train, 1e-5, s, 1e-11 * 7.0**s, np.tile(s, (cells, 1)), 0.5, 2, domains
    )


def trace(drift=0.0):
    time = np.linspace(0, 0.1, 101)
    state = (np.arange(101) // 10) % 2
    return noise.Trace(
        1.5, 1.0, time, 1e-9 * (1 - 0.1 * state + drift * time), np.array([1e-9, 9e-10]), 1e-2, 1e-2, 0.5
    )


def dwell():
    spans = -1e-3 * np.log((np.arange(500) + 0.5) / 500)
    return noise.Dwells(1.5, spans, 2 * spans, 1e-3, 2e-3, (0.4, 0.6))


def times():
    volts, kelvins = np.linspace(1.2, 1.8, 4), np.array([280.0, 320.0, 360.0])
    both, heat = np.exp(-10 * volts) * np.array([[1.0], [2.0]]), np.exp(5000 / kelvins) * np.array([[1e-9], [2e-9]])
    return noise.TimeConstants(
        volts, both, 0.02 * both, volts, both, kelvins, heat, 0.02 * heat, kelvins, heat, ((14, 0.1), (9, 0.1)),
        ((0.4, 0.01), (0.4, 0.01)), 1.5,
    )  # fmt: skip


def density(flicker=1e-30):
    f = np.geomspace(10, 1e4, 12)
    s = 1e-23 / (1 + (f / 300) ** 2)
    return noise.Spectrum(1.5, f, s, 0.1 * s, s, f, s, flicker / f, 300.0)


def kept():
    t = np.geomspace(1, 3e8, 6)
    both = np.array([2e-12 * t**0.01, 1e-10 * t**-0.01])
    return lifetime.Retention(
        t, both, t, t**-0.01, both, 0.5, np.array([0.5, 1.5]), t, np.array([0 * t, 1e-3 * t**0.2])
    )


def worn():
    n = 10.0 ** np.arange(9)
    both = np.array([2e-12 * n**0.01, 1e-10 * n**-0.01])
    both[:, -1] = np.nan
    alive = np.exp(-((n / 1e6) ** 1.3))
    return lifetime.Endurance(
        n, both, n, both, 1 / (1 + n / 1e7), n**0, 0.5, np.array([3.5, 4.0]), n, np.array([alive, alive]),
        np.array([[1e5, 1e6, 2e6]] * 2), 0.2,
    )  # fmt: skip


def cells(coercive=True):
    z = np.linspace(-3, 3, 200)
    return lifetime.Spread(
        2e-12 * np.exp(0.2 * z), 1e-10 * np.exp(0.1 * z), (2e-12, 1e-10), (0.2, 0.1),
        1.7e8 * (1 + 0.05 * z) if coercive else np.empty(0), 1e4, 0.2 * (1 + 0.05 * z), 0.1 * np.exp(0.6 * z),
        1e-3 * np.exp(2 * z), 0.1, 1e-3, 0.5, 1.5,
    )  # fmt: skip


DRAWN = {
    "current-voltage": lambda: static.current_voltage(curve()),
    "current-voltage, ratio over decades": lambda: static.current_voltage(replace(curve(), lines=curve(3.0).lines)),
    "current-temperature": lambda: static.current_temperature(
        static.CurrentTemperature(np.array([-1.0, 1.0]), X + 300, np.exp([X, X + 3]), X + 300, np.exp([X, X + 3]), 0.5,
                                  np.array([0.0, 0.15]))
    ),
    "minor-loops": lambda: loops.minor_loops(all_loops()),
    "field-loops": lambda: loops.field_loops(all_loops()),
    "field-loops without closed form": lambda: loops.field_loops(all_loops(closed=False)),
    "loop-currents": lambda: loops.loop_currents(all_loops()),
    "reversal-curves": lambda: loops.reversal_curves(all_loops()),
    "reversal-curves without closed form": lambda: loops.reversal_curves(all_loops(closed=False)),
    "switched-fraction": lambda: switching.switched_fraction(fractions()),
    "staircases": lambda: switching.staircases((stair(), stair())),
    "staircases of one domain": lambda: switching.staircases((stair(domains=1), stair(domains=1))),
    "staircases without cells": lambda: switching.staircases((stair(0), stair(0))),
    "telegraph-noise": lambda: noise.traces([trace(), trace(50.0)]),
    "dwell-times": lambda: noise.dwell_histograms([dwell(), dwell()]),
    "time-constants": lambda: noise.time_constants(times()),
    "spectrum": lambda: noise.spectrum(density()),
    "spectrum with strong 1/f noise": lambda: noise.spectrum(density(1e-21)),
    "spectrum without telegraph noise": lambda: noise.spectrum(replace(density(1e-26), telegraph=np.zeros(12))),
    "spectrum without 1/f noise": lambda: noise.spectrum(density(0.0)),
    "time-constants not measured": lambda: noise.time_constants(
        replace(
            times(),
            voltage_times=np.full((2, 4), np.nan),
            temperature_times=np.full((2, 3), np.nan),
            slopes=((np.nan, np.nan),) * 2,
            barriers=((np.nan, np.nan),) * 2,
        )
    ),
    "retention": lambda: lifetime.retention(kept()),
    "endurance": lambda: lifetime.endurance(worn()),
    "spread": lambda: lifetime.spread(cells()),
    "spread without currents and amplitudes": lambda: lifetime.spread(
        replace(cells(), off=np.empty(0), on=np.empty(0), sigmas=(200.0, 100.0), nominal_amplitude=0.0)
    ),
    "spread without coercive fields": lambda: lifetime.spread(cells(coercive=False)),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_every_axis_is_labelled_and_no_text_is_cut(name):
    figure = DRAWN[name]()
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for axes in figure.axes:
        for text in (axes.xaxis.label, axes.yaxis.label):
            box = text.get_window_extent()
            if text.get_text():
                assert box.x0 > -2, text
                assert box.y0 > -2, text
                assert box.x1 < width + 2, text
                assert box.y1 < height + 2, text
        shared_x = axes.xaxis.get_tick_params().get("labelbottom") is False
        assert axes.get_xlabel() or shared_x or not axes.get_visible() or axes.get_ylabel()


def test_same_numbers_give_the_same_bytes():
    assert figure_svg(DRAWN["spectrum"]()) == figure_svg(DRAWN["spectrum"]())


def test_current_against_its_voltage_is_refused():
    with pytest.raises(ValueError, match="sign of the voltage"):
        static.current_voltage(replace(curve(), currents=-curve().currents))


def test_coercive_voltages_stand_above_their_loop():
    titles = [axes.get_title(loc="left") for axes in loops.minor_loops(all_loops()).axes]
    assert titles[0] == "1 kHz: $V_\\mathrm{c}$ = ±2.50 V"
    lopsided = replace(all_loops(), majors=tuple(replace(x, coercive_voltages=(2.5, -2.0)) for x in all_loops().majors))
    assert "+2.50 / −2.00 V" in loops.minor_loops(lopsided).axes[0].get_title(loc="left")
    none = replace(all_loops(), majors=tuple(replace(x, coercive_voltages=(None, None)) for x in all_loops().majors))
    assert "no coercive voltage" in loops.minor_loops(none).axes[0].get_title(loc="left")


def test_fraction_above_one_is_not_hidden():
    wrong = replace(fractions(), fraction=1.4 * fractions().fraction)
    assert switching.switched_fraction(wrong).axes[0].get_ylim()[1] > 1.4


def test_log_ticks_leave_an_axis_without_a_range_alone():
    axes = Figure().subplots()
    axes.set_xlim(-1.0, 1.0)
    locator = axes.xaxis.get_major_locator()
    static.log_ticks(axes, "x")
    assert axes.xaxis.get_major_locator() is locator
    axes.set_xscale("log")
    axes.set_xlim(1e-120, 1e120)
    static.log_ticks(axes, "x")
    assert len(axes.get_xticks()) < 20


def test_hidden_flicker_noise_is_named():
    legend = noise.spectrum(density()).axes[0].get_legend()
    assert any("below this axis" in text.get_text() for text in legend.get_texts())


@limits(max_examples=40, deadline=None)
@given(low=st.floats(-20, 10), decades=st.floats(0.5, 25))
def test_log_axes_have_a_few_ticks_at_decades(low, decades):
    axes = Figure().subplots()
    axes.set_xscale("log")
    axes.set_xlim(10.0**low, 10.0 ** (low + decades))
    static.log_ticks(axes, "x")
    shown = [t for t in axes.get_xticks() if 10.0**low <= t <= 10.0 ** (low + decades)]
    assert len(shown) <= 10
    np.testing.assert_allclose(np.log10(shown), np.rint(np.log10(shown)), atol=1e-6)
    if decades > 2:
        assert shown
