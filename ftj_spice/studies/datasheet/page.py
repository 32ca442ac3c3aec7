"""The page of a datasheet: figures with captions that say what was done, and how far to trust them."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.results.plots import (
    device_lifetime,
    device_loops,
    device_noise,
    device_static,
    device_switching,
)
from ftj_spice.results.plots.device_loops import MV_PER_CM
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.datasheet.loops import CYCLES, MINOR_CYCLES
from ftj_spice.studies.datasheet.measure import Datasheet
from ftj_spice.studies.datasheet.noise import SPECTRUM_LENGTH
from ftj_spice.studies.datasheet.pulses import FINE_GROUPS
from ftj_spice.studies.datasheet.switching import RESET
from ftj_spice.studies.datasheet.trust import HEADER, key_facts, parameter_rows, warnings


def figures(sheet: Datasheet) -> dict[str, Figure]:
    """Returns all figures by name, in the page's order."""
    drawn = {
        "current-voltage": device_static.current_voltage(sheet.curve),
        "current-temperature": device_static.current_temperature(sheet.heat),
        "minor-loops": device_loops.minor_loops(sheet.loops),
        "field-loops": device_loops.field_loops(sheet.loops),
        "loop-currents": device_loops.loop_currents(sheet.loops),
        "reversal-curves": device_loops.reversal_curves(sheet.loops),
    }
    if sheet.switched is not None:
        drawn["switched-fraction"] = device_switching.switched_fraction(sheet.switched)
    if sheet.stairs is not None:
        drawn["staircases"] = device_switching.staircases(sheet.stairs)
    drawn["telegraph-noise"] = device_noise.traces(sheet.traces)
    if sheet.dwells:
        drawn["dwell-times"] = device_noise.dwell_histograms(sheet.dwells)
    drawn["time-constants"] = device_noise.time_constants(sheet.times)
    if sheet.spectrum is not None:
        drawn["spectrum"] = device_noise.spectrum(sheet.spectrum)
    return drawn | {
        "retention": device_lifetime.retention(sheet.retention),
        "endurance": device_lifetime.endurance(sheet.endurance),
        "spread": device_lifetime.spread(sheet.spread),
    }


def render(sheet: Datasheet, drawn: Mapping[str, Figure]) -> str:
    """Returns the page as HTML.

    Args:
        sheet: The quantities.
        drawn: Their figures, from `figures`.
    """
    card = sheet.card
    report = Report(
        f"Datasheet of {card.name}",
        f"{card.description} · {sheet.version} · seed {sheet.seed} · card {sheet.card_hash[:12]}",
    )
    report.section("At a glance")
    report.facts(key_facts(sheet))
    for note in warnings(sheet):
        report.note(note)
    report.text(
        "Markers are simulated by the engine named in each caption, lines are closed forms or the device model's own "
        "laws. Lengths, fields and currents are those of one cell; voltages are those of its upper electrode over the "
        "lower one, and positive ones switch towards the low-resistance state (s = +1)."
    )
    _static(report, sheet, drawn)
    _hysteresis(report, sheet, drawn)
    _pulsed(report, sheet, drawn)
    _noise(report, sheet, drawn)
    _lifetime(report, sheet, drawn)
    report.section(
        "How far to trust this",
        "Every parameter of the card. ● measured: a publication or a fit to data, with its 95 % interval where the "
        "card has one. ◐ derived: computed from such values. ○ estimate: ours; override it with your device's value.",
    )
    report.table(parameter_rows(card), HEADER, f"Card {card.name}, SHA-256 {sheet.card_hash}.")
    return report.html()


def _stamp(sheet: Datasheet, engine: str | None = None, temperature: str = "300 K", seed: bool = False) -> str:
    """Returns the end of every caption: card, engine, temperature, seed."""
    drawn = f", seed {sheet.seed}" if seed else ""
    return f" Card {sheet.card.name}; {engine or sheet.version}; {temperature}{drawn}."


def _static(report: Report, sheet: Datasheet, drawn: Mapping[str, Figure]) -> None:
    card, shown = sheet.card, len(sheet.curve.states)
    every = "all" if shown == card.levels else f"{shown} of"
    report.section("Current and voltage")
    report.figure(
        drawn["current-voltage"],
        f"Static I-V curves of {every} {card.levels} conductance levels, evenly spaced in current at the read voltage "
        f"of {card.vmm_voltage:g} V (law {card.law}, {card.mixing} mixing), polarization held. Dotted: read voltage "
        f"and noise voltage ({card.rtn_voltage:g} V). Right: ratio of the highest and lowest level; nonlinearity "
        f"I(V)/I(V/2) of both, 2 for an ohmic cell. Markers: simulated; lines: closed form.{_stamp(sheet)}",
        "Currents of all levels against voltage on a logarithmic axis, on/off ratio and nonlinearity",
    )
    kelvins = sheet.heat.temperatures
    report.figure(
        drawn["current-temperature"],
        f"Arrhenius plot of both extreme states' current at {sheet.heat.voltage:g} V; activation energies fitted to "
        f"the simulated points.{_stamp(sheet, temperature=f'{kelvins[0]:g} to {kelvins[-1]:g} K')}",
        "Current of both states against inverse temperature",
    )


def _hysteresis(report: Report, sheet: Datasheet, drawn: Mapping[str, Figure]) -> None:
    card, loops = sheet.card, sheet.loops
    engine = "numpy model" if card.switching == "preisach" else None
    first, middle = loops.majors[0], loops.majors[len(loops.majors) // 2]
    gap = 0.5 * max(x.closure for x in (*loops.majors, *(y for row in loops.minors for y in row)))
    text = None
    if card.switching == "nls" and sheet.groups < FINE_GROUPS // 2:
        text = (
            f"Small steps at the foot of slow loops are the mean model's {sheet.groups} groups of domains, which stand "
            "for the whole distribution of activation fields; the closed forms, drawn with all of it, have none."
        )
    report.section("Hysteresis", text)
    report.figure(
        drawn["minor-loops"],
        f"P-V loops under triangular waves. Blue: ±{card.write_voltage:g} V from the poled-down state, cycle {CYCLES} "
        f"(cycle {2 * CYCLES} without saturation); dots mark the measured coercive voltages. Other colours: minor "
        f"loops from the unpoled state, cycle {MINOR_CYCLES}, amplitudes from {loops.minors[0][0].amplitude:.2f} to "
        f"{loops.minors[-1][-1].amplitude:.2f} V. Largest gap between begin and end of a shown cycle: {gap:.1g} of 2 "
        f"P_r.{_stamp(sheet, engine)}",
        "Polarization against voltage, major and minor loops at three frequencies",
    )
    rising, falling = first.coercive_fields
    measured = (
        f"measured at {eng(first.frequency, 'Hz', 1)}: {rising / MV_PER_CM:+.3f} and {falling / MV_PER_CM:+.3f} MV/cm"
        if rising is not None and falling is not None
        else "not reached"
    )
    report.figure(
        drawn["field-loops"],
        "Left: P-E loops of the same cycles, E the field in the ferroelectric "
        f"({card.ferroelectric_thickness * 1e9:g} nm, {card.electrostatics.divider:.0%} of the voltage); dots: "
        f"coercive field, {measured}. Dashed: charge on the terminals, with the dielectric's part, as a tester "
        f"integrates it. Right: coercive field against the frequency of a ±{card.write_voltage:g} V triangular wave, "
        f"saturated loops only.{_stamp(sheet, engine)}",
        "Polarization against field; coercive field against frequency",
    )
    report.figure(
        drawn["loop-currents"],
        "Left: current without conduction (leakage compensated) over the sweep rate: switching peaks on the stack's "
        "capacitance. Right: the whole terminal current on a logarithmic axis: conduction opens the I-V butterfly, "
        f"displacement floors it and shifts its zeros.{_stamp(sheet, engine)}",
        "Switching current against voltage, and terminal current on a logarithmic axis",
    )
    report.figure(
        drawn["reversal-curves"],
        f"First-order reversal curves at {4e-3 * middle.amplitude * middle.frequency:.3g} V/ms: from the poled-up "
        "state down to a reversal voltage (dots) and back up. Past the reversal the cell goes on switching down "
        f"until the voltage turns positive: switching takes time.{_stamp(sheet, engine)}",
        "Polarization against voltage from several reversal points",
    )


def _pulsed(report: Report, sheet: Datasheet, drawn: Mapping[str, Figure]) -> None:
    card = sheet.card
    if sheet.switched is not None:
        report.section("Pulsed switching")
        data = sheet.switched
        deviation = data.fraction - data.closed
        if np.isfinite(deviation).any():
            told = f" Largest deviation from the whole distribution: {np.nanmax(np.abs(deviation)):.1g}."
        else:
            told = " No closed form: polarization or offset fields move the field during a pulse."
        report.figure(
            drawn["switched-fraction"],
            f"Fraction of a saturated cell switched up by one trapezoidal pulse (edges {data.edge:.0%} of the width), "
            f"each after a reset of {-card.write_voltage:g} V for {eng(RESET * card.write_time, 's')}. Right: time to "
            "switch half against the inverse field. Lines: nucleation-limited switching averaged over the "
            f"domains.{told}{_stamp(sheet)}",
            "Switched fraction against pulse width for several amplitudes; half-switching time against inverse field",
        )
    if sheet.stairs is not None:
        same, rising = sheet.stairs
        half = len(rising.amplitudes) // (2 * rising.cycles)
        cells = (
            f" Grey: {len(same.cells)} cells of {same.domains} domains that flip at random." if len(same.cells) else ""
        )
        report.figure(
            drawn["staircases"],
            f"Potentiation and depression, {half} pulses of {eng(same.width, 's', 2)} each, {same.cycles} cycles from "
            f"the poled-down state: identical pulses of ±{same.amplitudes[0]:.2f} V, and amplitudes rising from "
            f"{rising.amplitudes[0]:.2f} to {rising.amplitudes[half - 1]:.2f} V. After every pulse a read of "
            f"{same.read_voltage:g} V gives the conductance.{cells}{_stamp(sheet, seed=True)}",
            "State and conductance against pulse number",
        )


def _noise(report: Report, sheet: Datasheet, drawn: Mapping[str, Figure]) -> None:
    if sheet.card.switching == "nls":
        last = "the high-resistance state, which the positive voltage erodes while it is read."
        engine = None
    else:
        last = (
            "the high-resistance state. The polarization is held and the current is the numpy model's static one: "
            "Preisach's switching has no transient model."
        )
        engine = "numpy model"
    report.section(
        "Telegraph noise",
        "The dominant trap of a cell with nominal amplitude and time constants. Histories of the trap are drawn by the "
        "device model, stationary at the voltage; the engine gives the current that follows them.",
    )
    report.figure(
        drawn["telegraph-noise"],
        "Current at constant voltage as the trap captures and emits; dashed: both levels in closed form. Last: "
        f"{last}{_stamp(sheet, engine, seed=True)}",
        "Two-level current traces at several voltages",
    )
    if sheet.dwells:
        report.figure(
            drawn["dwell-times"],
            "Histograms of the dwell times in both states, bars: square root of the count; lines: exponential law with "
            "the card's mean. Written: mean, in brackets the card's, number of dwells, and p of a Kolmogorov-Smirnov "
            "test against that law (of six tests, one below 0.05 is no surprise)."
            f"{_stamp(sheet, 'device model', seed=True)}",
            "Dwell-time histograms on logarithmic axes with exponential lines",
        )
    report.figure(
        drawn["time-constants"],
        "Capture time (mean dwell empty) and emission time (mean dwell filled) against voltage and temperature; "
        "lines: the card's law; slopes and barriers fitted to the "
        f"markers.{_stamp(sheet, 'device model', '280 to 360 K', True)}",
        "Capture and emission times against voltage and inverse temperature",
    )
    if sheet.spectrum is not None:
        report.figure(
            drawn["spectrum"],
            f"Spectral density of the current at {sheet.spectrum.voltage:g} V, low-resistance state: Hann-windowed "
            f"periodograms of {SPECTRUM_LENGTH} samples each, averaged; Machlup's form with the card's time constants, "
            f"and the 1/f background. Below: deviation in standard errors.{_stamp(sheet, seed=True)}",
            "Spectral density against frequency with Machlup's form",
        )


def _lifetime(report: Report, sheet: Datasheet, drawn: Mapping[str, Figure]) -> None:
    card = sheet.card
    report.section(
        "Retention, endurance, spread",
        "Laws of the device model with the card's parameters; the engine gives the read currents of the states that "
        "are left.",
    )
    report.figure(
        drawn["retention"],
        "Left: polarization left after a time at 0 V (stretched exponential). Middle: read current of both states. "
        "Right: share of a saturated cell, in the state that the voltage opposes, that uninterrupted reading has "
        f"switched.{_stamp(sheet)}",
        "Polarization and currents against time, read disturb",
    )
    report.figure(
        drawn["endurance"],
        "Left: remanent polarization over write cycles: wake-up, then fatigue. Middle: read current of both states, "
        "with the growth of leakage; the window closes where they meet. Right: Weibull plot of breakdown, "
        f"{sheet.endurance.lives.shape[1]} drawn cells per voltage; lines: the card's law.{_stamp(sheet, seed=True)}",
        "Polarization and currents against cycles, breakdown",
    )
    held = sheet.spread
    report.figure(
        drawn["spread"],
        f"Device-to-device spread at {card.area * 1e12:g} µm². Read currents of both states on a normal probability "
        "scale, lines: the card's lognormal law; coercive field of a triangular wave at "
        f"{eng(held.frequency, 'Hz', 1)}; relative amplitude of the dominant trap in the high-resistance state; its "
        f"capture time.{_stamp(sheet, seed=True)}",
        "Probability plot of currents, histograms of coercive field, amplitude and capture time",
    )
