"""The page that a `generate` run leaves: what was simulated, at which operating point, and how good it is."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.array.programming import window
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
from ftj_spice.sampling.calibration.draw import CalibratedSamples
from ftj_spice.sampling.digitisers import FULL_SCALE, IntegratorReadout
from ftj_spice.sampling.phase import SampleResult
from ftj_spice.studies.energy_report import energy_section, periphery_section
from ftj_spice.studies.settings import RunSettings

if TYPE_CHECKING:
    from ftj_spice.studies.generate import GenerateResult

FEWEST_LATENTS = 8
"""Fewer are not worth a histogram."""
CALIBRATED_AUDIT = (
    "The audited samples are of the calibrated columns at their trims, but not those that gave the latents: the "
    "calibrated array's own simulation keeps no trap histories, so that the audit draws others, and compares the "
    "column's current and integrator. Standardisation and read noise are not in it."
)
"""What the audit of a calibrated array is not."""
TRACED_CELLS = 3
TRACED_SPAN = 60.0
"""Length of the drawn traces, in mean dwell times."""


def render_generate_report(result: "GenerateResult", durations: dict[str, float]) -> str:
    """Returns the page as HTML."""
    settings = result.settings
    report = Report(
        "Images drawn by a simulated FTJ array",
        f"{len(result.images)} images · seed {settings.seed} · card {settings.card} · "
        f"samples by {result.engines['sample']}, reads by {result.engines['read']}",
    )
    _images(report, result)
    if isinstance(result.sampling, CalibratedSamples):
        _calibrated(report, result.sampling)
    else:
        _sampling(report, result, result.sampling)
    _latents(report, result)
    _reading(report, result)
    if result.periphery is not None and result.energy is not None:
        kept, lost = (result.metrics["periphery"][name] for name in ("bits_per_sample", "bits_lost_per_sample"))
        per = "sample" if isinstance(getattr(result.sampling, "digitiser", None), IntegratorReadout) else "decided bit"
        extra = {} if lost is None else {f"Information per {per}": f"{kept:.3g} bit, {lost:.3g} fewer than ideal"}
        periphery_section(report, result.periphery, extra)
        if isinstance(result.sampling, CalibratedSamples):
            report.note("The latents come from a calibrated array with its own read-out: the circuits read the layers.")
        else:
            report.note(
                "Information: what a latent's code tells about the column's traps, by the exact law of its value, "
                "beside that of the settings' ideal integrator and converter. Noise of circuits makes codes no less "
                "random, but what it decides of them says nothing about the traps."
            )
        energy_section(report, result.energy)
    _audit(report, result)
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
        "are the latent vector; every decoder layer was multiplied on FTJ conductances, with the activations between "
        "them digital. Beside them, the numpy decoder's images for the same latents.",
    )
    shown = result.images[:64]
    report.figure(image_grid_png(shown), "Images through the simulated array.", "Grid of images from the array")
    report.figure(
        image_grid_png(result.ideal_images[:64]), "The same latents through the decoder in numpy: the ideal.",
        "Grid of images from the ideal decoder",
    )  # fmt: skip
    report.facts({"Pixel MSE to the ideal": m["mean_squared_error_to_ideal_decoder"], "Images": m["count"]})


def _calibrated(report: Report, sampling: CalibratedSamples) -> None:
    report.section(
        "Sample phase: a calibrated array",
        "The latents come from an array whose cells differ, by its stored calibration: its trims, its choice of cells "
        "and its statistics, which standardise the codes as a chip would. Read noise, converter offset, quantisation "
        "and clipping are in them.",
    )
    report.facts(calibrated_facts(sampling))


def calibrated_facts(sampling: CalibratedSamples) -> dict[str, Any]:
    """Returns what a report says of a calibrated array that gave latents."""
    calibration = sampling.calibration
    s, controls = calibration.settings, calibration.controls
    bias = calibration.design.voltage + controls.row_trims() + controls.column[:, np.newaxis]
    raised = bias[calibration.latents]
    return {
        "Array": f"{calibration.pool} rows, {s.columns} columns, seed {s.seed}",
        "Cells per latent": s.sample.rows,
        "Spread of ln(time)": s.sample.time_constant_spread * calibration.card.time_constant_spread,
        "Calibrated by": ", ".join(s.tools) or "nothing",
        "Voltage of the cells": f"{raised.min():.2f} to {raised.max():.2f} V",
        "Sampling time": eng(controls.timing.window, "s"),
        "Latents from usable columns": f"{calibration.usable[calibration.latents].sum()} of {s.latents}",
        "Engine": sampling.engine,
    }


def _sampling(report: Report, result: "GenerateResult", s: SampleResult) -> None:
    settings = result.settings.sample
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
            "Engine": s.engine,
        }
    )
    report.note(
        "Currents, amplitudes and time constants of this card are partly estimates (see the card's kind for each "
        "parameter). The noise is simulated: the traps are the only random element of the sample phase."
    )
    report.figure(
        _traces(s, (capture + emission) / 2),
        "Current of a few cells as their traps switched in the simulation; dashed: the two levels.",
        "Random telegraph noise of a few cells",
    )
    if isinstance(s.digitiser, IntegratorReadout) and s.waveform is not None:
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


def _latents(report: Report, result: "GenerateResult") -> None:
    latents = result.latents
    simulated, expected = (result.metrics["latents"][key] for key in ("simulated", "closed_form"))
    running = isinstance(result.sampling, CalibratedSamples) and result.sampling.calibration.running is not None
    by = "running statistics of the codes" if running else "the closed-form mean and variance"
    closed = LatentMoments(**{name: value for name, value in expected.items() if name != "lag1_autocorrelation"})
    if np.ptp(latents) > 0 and latents.size >= FEWEST_LATENTS:
        report.figure(
            latent_histogram(latents, closed),
            f"All latent components, standardised by {by}, against the normal density.",
            "Histogram of the latents",
        )
    report.table(
        [[name.replace("_", " "), simulated[name], expected[name]] for name in simulated],
        ["moment", "simulated", "closed form"],
        f"Moments over {latents.size} latent components.",
    )


def _traces(s: SampleResult, dwell: float) -> Figure:
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
    settings = result.settings.read
    card = result.card
    report.section("Read phase: the decoder on conductances")
    m = result.metrics
    low, high = window(card, settings)
    levels = card.levels if settings.levels is None else settings.levels
    verify = settings.verify_tolerance
    report.facts(
        {
            "Engine": result.engines["read"],
            "V_VMM": eng(card.vmm_voltage, "V"),
            "Conductance": f"{eng(low, 'S')} to {eng(high, 'S')}",
            "Levels": levels or "any conductance",
            "Programming": "one write" if verify is None else f"verified to ±{verify:g} of a level step",
            "Cells": m["cells"],
            "Tiles": sum(layer.tiles for layer in result.layers),
            "Reads": m["reads"],
            "Array": f"{settings.topology}, tiles of up to {settings.tile_rows} x {settings.tile_columns}",
            "Line resistance": eng(settings.line_resistance, "Ω") + " per segment",
            "Scheme": settings.scheme,
            "Input coding": f"{settings.coding}, {settings.input_bits} bits",
            "Converter": _converter(result),
        }
    )
    report.table(
        [
            [
                layer.number, layer.kind, f"{layer.shape[0]} x {layer.shape[1]}", layer.tiles, layer.cells, layer.reads,
                layer.rms_error, layer.effective_bits, ", ".join(f"{k} {v}" for k, v in layer.methods.items()) or "–",
            ]
            for layer in result.layers
        ],
        ["layer", "kind", "matrix", "tiles", "cells", "reads", "rms error", "effective bits", "solved by"],
        "The decoder's layers. Errors against the exact product of each layer's own inputs and weights. Effective "
        "bits: log2 of 8 standard deviations of an exact output over sqrt(12) times the rms error.",
    )  # fmt: skip
    first = result.layers[0]
    report.figure(
        array_map(first.conductance[: settings.tile_rows, : settings.tile_columns], "Layer 0, tile 0"),
        "Conductances of the first tile, as programmed.",
        "Map of conductances",
    )
    for layer in result.layers:
        if len(layer.exact) > 1:
            report.figure(
                vmm_error(layer.exact, layer.outputs, layer.effective_bits),
                f"Layer {layer.number}: pre-activations through the array against the exact product of unquantised "
                f"inputs and weights; {len(layer.exact)} of {layer.products * layer.shape[1]} shown.",
                f"Scatter of simulated against exact values of layer {layer.number}, and the error's histogram",
            )


def _converter(result: "GenerateResult") -> str:
    settings, model = result.settings.read, result.periphery
    if model is not None and model.convert is not None:
        return f"{model.convert.bits} bit, each column by its own"
    return f"{settings.adc_bits} bit, ±{settings.adc_sigmas:g}σ" if settings.adc_bits else "exact"


def _audit(report: Report, result: "GenerateResult") -> None:
    report.section("Audit")
    if not result.audits:
        who = "ngspice itself simulated both phases" if _all_ngspice(result) else "it was switched off"
        report.text(f"No audit: {who}.")
        return
    report.text(
        "Where another engine stood in for ngspice, a random part of its work was done again in ngspice, with the same "
        "conductances, inputs and trap histories."
    )
    report.table(
        [
            [
                name, _audited(result, name), audit.engine, audit.reads,
                f"{audit.largest:.2e}", f"{audit.rms:.2e}", f"{audit.limit:g}", audit.scale, audit.passes,
            ]
            for name, audit in result.audits.items()
        ],
        ["what", "engine", "against", "compared", "largest deviation", "rms", "limit", "1 stands for", "within"],
        "Deviations from ngspice.",
    )  # fmt: skip
    if "samples" in result.audits and isinstance(result.sampling, CalibratedSamples):
        report.note(CALIBRATED_AUDIT)
    for name, audit in result.audits.items():
        if audit.transitions:
            report.note(
                f"Trap histories of the {name}: {audit.differing} of {audit.transitions} transitions differ between "
                "the engines; windows with such a transition are left out of the deviations above."
            )
        if not audit.passes:
            report.note(f"The audit of the {name} is beyond its limit: do not trust this run.")


def _audited(result: "GenerateResult", name: str) -> str:
    if name in ("periphery", "sample circuits"):
        return "macromodel"
    return result.engines["sample" if name == "samples" else "read"]


def _all_ngspice(result: "GenerateResult") -> bool:
    return all(name.startswith("ngspice") for name in (result.engines["sample"], result.engines["read"]))


def _settings(report: Report, settings: RunSettings) -> None:
    rows = []
    unused = "sample" if settings.calibration is not None else "calibration"
    for name, value in settings.model_dump(exclude={unused}).items():
        group = value if isinstance(value, dict) else {"": value}
        rows += [
            [f"{name}.{key}".rstrip("."), "automatic" if entry is None else str(entry)] for key, entry in group.items()
        ]
    report.section("Settings").table(rows, ["setting", "value"], "Every setting of the run.")
