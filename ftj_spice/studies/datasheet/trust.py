"""How far a card's datasheet can be trusted: every parameter with its source, and what the model stretches."""

from typing import Any

import numpy as np

from ftj_spice.device.card import Card
from ftj_spice.device.current import densities
from ftj_spice.device.parameters import CHOICES, DESCRIPTIONS, SECTIONS, unit_of
from ftj_spice.device.reliability import read_disturb
from ftj_spice.results.plots.device_loops import MV_PER_CM, UC_PER_CM2
from ftj_spice.results.units import engineering, takes_prefix
from ftj_spice.studies.datasheet.measure import Datasheet, accelerated, kinds
from ftj_spice.studies.datasheet.pulses import LOWEST

MARKS = {"measured": "● measured", "derived": "◐ derived", "estimate": "○ estimate"}
"""How the kinds look in the table."""
HEADER = ("parameter", "value", "kind", "meaning; source of the value")
"""Of the table of parameters."""

_EDGE_UNITS = {"C/m^2": (UC_PER_CM2, "µC/cm²"), "V/m": (MV_PER_CM, "MV/cm"), "A/m^2": (1e4, "A/cm²"),
               "m^2": (1e-12, "µm²")}  # fmt: skip
_MANY_SECONDS = 1e4
_DISTURBED = 0.01  # share switched by 1 s of reading from which it is worth a note
_DWELL_VOLTAGES = 3  # at which dwell times are collected
_APART = 0.02  # deviation of a switched fraction from which an engine's integration is in doubt


def shown(value: float, unit: str, digits: int = 3) -> str:
    """Returns a value in the unit a device engineer reads it in."""
    if unit in _EDGE_UNITS:
        factor, name = _EDGE_UNITS[unit]
        return f"{value / factor:.{digits}g} {name}"
    if (unit == "s" and abs(value) >= _MANY_SECONDS) or not takes_prefix(unit):
        return f"{value:.{digits}g}{'' if unit == '1' else ' ' + unit}"
    return f"{value:.{digits}g} eV" if unit == "eV" else engineering(value, unit, digits)


def parameter_rows(card: Card) -> list[list[str]]:
    """Returns the rows of the table of all parameters, in the cards' order."""
    rows = []
    for section in SECTIONS:
        for name in section.model_fields:
            value = getattr(card, name)
            if value is None:
                continue
            if name in CHOICES:
                rows.append([name, str(value), "choice", DESCRIPTIONS[name]])
                continue
            entry, unit = card.provenance.get(name), unit_of(name) or "1"
            text = shown(float(value), unit, 4)
            if entry is not None and entry.interval is not None:
                low, high = entry.interval
                text += f" (95 %: {shown(low, unit, 4)} to {shown(high, unit, 4)})"
            kind = MARKS["estimate"] if entry is None else MARKS[entry.kind]
            source = "" if entry is None else f"; {entry.source}"
            rows.append([name, text, kind, DESCRIPTIONS[name] + source])
    return rows


def warnings(sheet: Datasheet) -> list[str]:
    """Returns what a reader must know before trusting the page, one sentence or two each."""
    card, found = sheet.card, kinds(sheet.card)
    notes = []
    if accelerated(card):
        notes.append(
            "ACCELERATED card: its time constants are shortened for simulation. This is not a device; no time or "
            "frequency on this page is that of one."
        )
    total = sum(found.values())
    notes.append(
        f"{found['estimate']} of the card's {total} parameters are estimates, {found['derived']} are derived and "
        f"{found['measured']} measured (table at the end). What rests on an estimate is a property of the card, not of "
        "a device."
    )
    on = abs(float(densities(card, card.write_voltage)[0])) * card.area
    peak = max(float(abs(x.displacement).max()) for x in sheet.loops.majors)
    if on > 10.0 * peak:
        notes.append(
            f"At the write voltage ({card.write_voltage:g} V) the conduction law, calibrated at "
            f"{card.reference_voltage:g} V, gives {engineering(on, 'A')} "
            f"({on / card.area / 1e4:.1e} A/cm²), {on / peak:.0e} times the largest switching current. That is the law "
            "stretched far beyond its calibration; a real junction would break down or be limited by its contacts. "
            "Polarization, fields and switching do not depend on it."
        )
    unsaturated = [engineering(x.frequency, "Hz", 1) for x in sheet.loops.majors if not x.saturated]
    if unsaturated:
        notes.append(
            f"The write voltage does not saturate the loop at {', '.join(unsaturated)}; the loop is shown, its "
            "coercive field is left out of the plot against frequency."
        )
    disturbed = float(read_disturb(card, card.rtn_voltage, 1.0))
    if disturbed > _DISTURBED:
        drift = "; one more trace shows the drift" if card.switching == "nls" else ""
        notes.append(
            f"The noise voltage ({card.rtn_voltage:g} V) writes: within 1 s it switches {100 * disturbed:.0f} % of a "
            "cell that stands in the high-resistance state. Telegraph noise is therefore shown in the low-resistance "
            f"state, which a positive voltage keeps{drift}."
        )
    if card.offset_field_spread > 0:
        notes.append(
            "The card's domains differ in activation field and in offset field; the mean model stands for both by "
            f"{sheet.groups} groups. Steps of loops and staircases are those groups', not a device's: compare the "
            "cells of independent domains (grey in the staircases). At 0 V the offset fields switch part of the "
            "domains back, also while the cell is read."
        )
    if sheet.switched is not None:
        apart = np.abs(sheet.switched.fraction - sheet.switched.grouped)
        if np.isfinite(apart).any() and np.nanmax(apart) > _APART:
            notes.append(
                f"{sheet.version} departs from the closed form of the switched fraction by up to "
                f"{np.nanmax(apart):.2g}: its integration is not to be trusted for these pulses."
            )
    if card.switching == "preisach":
        notes.append(
            "The card's switching is Preisach's quasi-static hysteresis. It knows no rate, so switched fraction and "
            "staircases are left out; its loops and its telegraph noise are always the numpy model's."
        )
    return notes + _left_out(sheet)


def _left_out(sheet: Datasheet) -> list[str]:
    """Returns what the page does not show, and why."""
    card, notes = sheet.card, []
    if card.switching == "nls" and (sheet.switched is None or sheet.stairs is None):
        notes.append(
            f"No pulses of {engineering(card.write_time, 's')} from {engineering(LOWEST, 'V', 1)} up to twice the "
            f"write voltage ({card.write_voltage:g} V) switch the smallest and the largest part of the cell that "
            "switched fraction and staircases need: one or both are left out."
        )
    if len(sheet.dwells) < _DWELL_VOLTAGES or np.isnan(sheet.times.voltage_times).any():
        notes.append(
            "At some voltages the trap's two times lie so far apart that the shorter dwells are lost beside the longer "
            "ones: dwell times and time constants are left out there."
        )
    if sheet.spectrum is None:
        notes.append(
            f"No spectrum is shown: at {card.trap_voltage:g} V the low-resistance state has no current or no noise, or "
            "the trap's longer time outlasts a record that resolves the shorter one."
        )
    if not len(sheet.spread.on):
        notes.append(
            f"At this area the card's spread of ln(current), {max(sheet.spread.sigmas):.3g}, is too wide to mean "
            "anything: the currents of single cells are left out."
        )
    untold = [v for v in (card.write_voltage, card.breakdown_voltage) if v not in sheet.endurance.write_voltages]
    if untold:
        notes.append(
            f"At {untold[0]:g} V the law of breakdown is stretched over so many decades that it gives no life worth "
            "drawing; it is left out."
        )
    return notes


def key_facts(sheet: Datasheet) -> dict[str, Any]:
    """Returns the numbers that head the page."""
    card, majors = sheet.card, sheet.loops.majors
    saturated = [x for x in majors if x.saturated and x.coercive_fields[0] is not None]
    off, on = (abs(float(row[int(abs(sheet.curve.voltages - card.vmm_voltage).argmin())]))
               for row in (sheet.curve.currents[0], sheet.curve.currents[-1]))  # fmt: skip
    at = float(sheet.curve.voltages[int(abs(sheet.curve.voltages - card.vmm_voltage).argmin())])
    facts: dict[str, Any] = {
        "Area": shown(card.area, "m^2"),
        f"2 P_r ({engineering(majors[0].frequency, 'Hz', 1)})": shown(
            majors[0].remanent[0] - majors[0].remanent[1], "C/m^2"
        ),
    }
    for loop in saturated[:2]:
        rising, falling = loop.coercive_fields
        assert rising is not None
        width = 0.5 * (rising - (falling if falling is not None else -rising))
        facts[f"E_c ({engineering(loop.frequency, 'Hz', 1)})"] = shown(width, "V/m")
    facts |= {
        f"I_on / I_off at {at:g} V": f"{engineering(on, 'A')} / {engineering(off, 'A')}",
        "On/off ratio": f"{on / off:.3g}",
        "Levels": card.levels,
    }
    if sheet.switched is not None and sheet.switched.half_times[-1] == sheet.switched.half_times[-1]:
        facts[f"t_50 at {sheet.switched.amplitudes[-1]:.3g} V"] = shown(float(sheet.switched.half_times[-1]), "s")
    facts |= {
        f"τ_c / τ_e at {card.trap_voltage:g} V": f"{shown(card.capture_time, 's')} / {shown(card.emission_time, 's')}",
        "ΔI/I, off / on": f"{card.rtn_amplitude_off:.0%} / {card.rtn_amplitude_on:.0%}",
        "Polarization after 10 years": f"{sheet.retention.factor[-1]:.0%}",
    }
    half = sheet.numbers()["endurance"]["cycles_to_half_polarization"]
    if half is not None:
        facts["Cycles to half P_r"] = f"{half:.1e}"
    return facts
