"""The page that a `generate` run leaves: what was simulated, at which operating point, and how good it is."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.common.settings import Strict
from ftj_spice.device.traps import Traps
from ftj_spice.results.plots import (
    LatentMoments,
    array_map,
    image_grid_png,
    integrator_waveform,
    latent_histogram,
    rtn_traces,
    timing_bar,
    vmm_error,
)
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.sampling.digitisers import FULL_SCALE, IntegratorReadout

if TYPE_CHECKING:
    from ftj_spice.studies.generate import GenerateResult

FEWEST_LATENTS = 8
"""Fewer are not worth a histogram."""
TRACED_CELLS = 3
TRACED_SPAN = 60.0
"""Length of the drawn traces, in mean dwell times."""


def render_generate_report(result: "GenerateResult", durations: dict[str, float]) -> str:
    """Returns the page as HTML."""
    settings = result.settings
    report = Report(
        "Images drawn by a simulated FTJ array",
        f"{len(result.images)} images · seed {settings.seed} · card {settings.card} · {result.sampling.engine}",
    )
    _images(report, result)
    _sampling(report, result)
    _reading(report, result)
    report.section("Where the time went").figure(
        timing_bar(durations), "Wall time by phase, before this page was written.", "Bar chart of seconds by phase"
    )
    _settings(report, settings)
    return report.html()


def _images(report: Report, result: "GenerateResult") -> None:
    m = result.metrics["images"]
    report.section(
        "Images",
        "Each image began as random telegraph noise: column currents of the sampling array, integrated and digitised, "
        "are the latent vector; the first decoder layer was multiplied on FTJ conductances; the remaining layers ran "
        "in numpy. Beside them, the numpy decoder's images for the same latents.",
    )
    shown = result.images[:64]
    report.figure(image_grid_png(shown), "Images through the simulated array.", "Grid of images from the array")
    report.figure(
        image_grid_png(result.ideal_images[:64]), "The same latents through the decoder in numpy: the ideal.",
        "Grid of images from the ideal decoder",
    )  # fmt: skip
    report.facts({"Pixel MSE to the ideal": m["mean_squared_error_to_ideal_decoder"], "Images": m["count"]})


def _sampling(report: Report, result: "GenerateResult") -> None:
    s, settings = result.sampling, result.settings.sample
    array = s.array
    card = array.card
    traps = Traps.from_card(card, 1)
    v = array.voltage
    capture, emission = float(traps.capture_time_at(v)[0]), float(traps.emission_time_at(v)[0])
    report.section("Sample phase: noise to latents")
    report.facts(
        {
            "Array": f"NOR-type, {array.shape[0]} cells on each of {array.shape[1]} bit lines",
            "V_RTN": eng(v, "V"),
            "Sampling time": eng(settings.time, "s"),
            "τ_c / τ_e of a nominal trap": f"{eng(capture, 's')} / {eng(emission, 's')}",
            "Nominal cell current, trap empty": eng(float(card.conduction.current(card.off_conductance, v)), "A"),
            "Nominal amplitude ΔI/I": f"{card.rtn_amplitude_off:.0%}",
            "Digitiser": settings.digitiser,
        }
    )
    report.note(
        "Currents, amplitudes and time constants of this card are partly estimates (see the card's kind for each "
        "parameter). The noise is simulated: the traps are the only random element of the sample phase."
    )
    report.figure(
        _traces(result, (capture + emission) / 2),
        "Current of a few cells as their traps switched in the co-simulation; dashed: the two levels.",
        "Random telegraph noise of a few cells",
    )
    if isinstance(s.digitiser, IntegratorReadout):
        d = s.digitiser
        shown = min(6, len(s.values))
        until = s.waveform.time <= shown * d.period
        ends = d.period * np.arange(1, shown + 1)
        output = s.waveform.vectors["v(out0)"]
        limit = float(2 ** (d.adc_bits - 1) * d.lsb[0] * d.window / d.capacitance)
        report.figure(
            integrator_waveform(
                s.waveform.time[until], output[until], ends, np.interp(ends, s.waveform.time, output), (-limit, limit)
            ),
            f"Integrator of column 0 over its first windows ({eng(d.capacitance, 'F')}, reference current "
            f"{eng(float(d.reference[0]), 'A')} subtracted; capacitor sized for ±{FULL_SCALE} V where not set).",
            "Integrator output against time",
        )
    m = s.moments
    closed = LatentMoments(skewness=float(m.skewness.mean()), excess_kurtosis=float(m.kurtosis.mean()))
    if np.ptp(s.latents) > 0 and s.latents.size >= FEWEST_LATENTS:
        report.figure(
            latent_histogram(s.latents, closed),
            "All latent components, standardised by the closed-form mean and variance, against the normal density.",
            "Histogram of the latents",
        )
    simulated, expected = (result.metrics["latents"][key] for key in ("simulated", "closed_form"))
    report.table(
        [[name.replace("_", " "), simulated[name], expected[name]] for name in simulated],
        ["moment", "simulated", "closed form"],
        f"Moments over {s.latents.size} latent components.",
    )


def _traces(result: "GenerateResult", dwell: float) -> Figure:
    s = result.sampling
    history = s.histories[0]
    cells = min(TRACED_CELLS, s.array.shape[0])
    span = min(history.duration, TRACED_SPAN * dwell)
    switched = history.times[(history.times < span) & (history.traps < cells)]
    edges = np.unique(np.concatenate([[0.0], switched, [span]]))
    empty, swing = s.array.empty_current[:cells, 0], s.array.swing[:cells, 0]
    currents = np.stack([empty[i] - swing[i] * history.state_at(i, edges[:-1]) for i in range(cells)])
    traps = s.array.traps.take(slice(0, cells))
    times = np.stack([traps.capture_time_at(s.array.voltage), traps.emission_time_at(s.array.voltage)], axis=1)
    labels = [f"row {i}, column 0" for i in range(cells)]
    return rtn_traces(edges, currents, np.stack([empty, empty - swing], axis=1), labels, times)


def _reading(report: Report, result: "GenerateResult") -> None:
    layer, settings = result.layer, result.settings.read
    m = result.metrics["first_layer"]
    card = result.sampling.array.card
    report.section("Read phase: the first layer on conductances")
    report.facts(
        {
            "V_VMM": eng(card.vmm_voltage, "V"),
            "Conductance": f"{eng(card.off_conductance, 'S')} to {eng(card.on_conductance, 'S')}",
            "Levels": settings.levels or card.levels,
            "Cells": m["cells"],
            "Tiles": m["tiles"],
            "Reads by ngspice": m["reads"],
            "Line resistance": eng(settings.line_resistance, "Ω") + " per segment",
            "Input coding": f"bit-serial, sign + {settings.input_bits - 1} bits, two phases",
            "Converter": f"{settings.adc_bits} bit, ±{settings.adc_sigmas:g}σ of computed currents of random latents",
            "Mean absolute error": m["mean_absolute_error"],
            "Effective bits": m["effective_bits"],
        }
    )
    report.figure(
        array_map(layer.layer.tiles[0].conductance, "Tile 0: differential pairs side by side"),
        "Programmed conductances of the first tile, with device-to-device spread.",
        "Map of conductances",
    )
    report.figure(
        vmm_error(layer.exact, layer.outputs, m["effective_bits"]),
        "Pre-activations of the first layer through the array against the exact product of unquantised latents and "
        "weights. Effective bits: log2 of 8 standard deviations of an exact output over sqrt(12) times the rms error.",
        "Scatter of simulated against exact pre-activations, and the error's histogram",
    )


def _settings(report: Report, settings: Strict) -> None:
    rows = []
    for name, value in settings.model_dump().items():
        group = value if isinstance(value, dict) else {"": value}
        rows += [
            [f"{name}.{key}".rstrip("."), "automatic" if entry is None else str(entry)] for key, entry in group.items()
        ]
    report.section("Settings").table(rows, ["setting", "value"], "Every setting of the run.")
