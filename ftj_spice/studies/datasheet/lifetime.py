"""What time, cycles and reads do to the card's cell, and how cells differ: laws and draws of the device model."""

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.activation import activation_quantile, domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.current import static_current
from ftj_spice.device.reliability import at_cycles, cycled, degraded, draw_breakdown, read_disturb, retained, survival
from ftj_spice.device.switching import switching_rate
from ftj_spice.device.variability import draw_population
from ftj_spice.engines.witness import Witness
from ftj_spice.results.plots.device_lifetime import Endurance, Retention, Spread
from ftj_spice.studies.datasheet.loops import frequencies
from ftj_spice.studies.datasheet.pulses import FINE_GROUPS, ferroelectric_field, saturated_branch, zero_crossing
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.observer import Observer

TEN_YEARS = 10 * 365.25 * 86400.0
"""In s."""
WIDEST = 20.0
"""Sigma of ln(current) up to which a spread is drawn; a wider one spans more decades than a current has."""
DRAWN_DECADES = (-2.0, 40.0)
"""Powers of ten of the cycles to breakdown that are drawn, at most: beyond, the law is stretched too far."""
DRAWN_LIVES = 60
"""Cells whose breakdown is drawn."""


def retention(card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer) -> Retention:
    """Returns polarization and read currents against time, and the disturb by reads; two static runs per decade."""
    seconds = np.geomspace(1.0, TEN_YEARS, 10)
    left = retained(card, seconds)
    currents = np.empty((2, len(seconds)))
    for column, factor in enumerate(left):
        for row, s in enumerate((-1.0, 1.0)):
            currents[row, column] = witness.static(card, np.array([card.vmm_voltage]), float(s * factor))[0]
        observer("retention", column + 1, len(seconds))
    line = np.geomspace(1.0, TEN_YEARS, 160)
    states = np.array([[-1.0], [1.0]]) * retained(card, line)
    read_times = np.geomspace(card.write_time, TEN_YEARS, 40)
    volts = np.array(sorted({card.vmm_voltage, card.rtn_voltage}))
    return Retention(
        seconds=seconds,
        currents=currents,
        line_seconds=line,
        factor=retained(card, line),
        lines=static_current(card, card.vmm_voltage, states),
        read_voltage=card.vmm_voltage,
        disturb_voltages=volts,
        disturb_seconds=read_times,
        disturb=np.array([_disturbed(card, float(v), read_times) for v in volts]),
    )


def _disturbed(card: Card, voltage: float, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the share that reads switch; in closed form, finely at the weakest domains, where there is one."""
    if card.switching != "nls" or card.electrostatics.depolarization != 0.0 or card.offset_field_spread != 0.0:
        return read_disturb(card, voltage, seconds)
    edges = np.concatenate([[0.0], np.geomspace(1e-9, 0.05, 1500), np.linspace(0.05, 1.0, 500)[1:]])
    activation = activation_quantile(card, 0.5 * (edges[1:] + edges[:-1]))
    clock = seconds[:, None] * switching_rate(card, card.electrostatics.field(voltage), activation)
    return -np.expm1(-(clock**card.weibull_exponent)) @ np.diff(edges)


def endurance(card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer) -> Endurance:
    """Returns polarization and read currents against cycles, and breakdown; two static runs per decade."""
    last = max(1e2 * card.fatigue_cycles, 10.0 * card.breakdown_cycles)
    cycles = 10.0 ** np.arange(0, int(np.ceil(np.log10(last))) + 1)
    line = np.geomspace(cycles[0], cycles[-1], 200)
    currents = np.full((2, len(cycles)), np.nan)
    for column, number in enumerate(cycles):
        worn = _worn(card, float(number))
        if worn is not None:
            for row, s in enumerate((-1.0, 1.0)):
                currents[row, column] = witness.static(worn, np.array([card.vmm_voltage]), s)[0]
        observer("endurance", column + 1, len(cycles))
    lines = np.full((2, len(line)), np.nan)
    for column, number in enumerate(line):
        worn = _worn(card, float(number))
        if worn is not None:
            lines[:, column] = static_current(worn, card.vmm_voltage, np.array([-1.0, 1.0]))
    volts = np.array([v for v in sorted({card.write_voltage, card.breakdown_voltage}) if _lives_drawn(card, v)])
    lives = np.array([np.sort(draw_breakdown(card, DRAWN_LIVES, v, seed, (k,))) for k, v in enumerate(volts)])
    grid = np.geomspace(0.01 * lives.min(), 10.0 * lives.max(), 400)
    with np.errstate(over="ignore"):  # long after the last cell's end
        alive = np.array([survival(card, grid, v) for v in volts])
    return Endurance(
        cycles=cycles,
        currents=currents,
        line_cycles=line,
        lines=lines,
        factor=cycled(card, line),
        growth=degraded(card, line),
        read_voltage=card.vmm_voltage,
        write_voltages=volts,
        life_cycles=grid,
        survival=alive,
        lives=lives,
        remanent_polarization=card.remanent_polarization,
    )


def _lives_drawn(card: Card, voltage: float) -> bool:
    """Says whether the law puts the life at a write amplitude in V at a number of cycles worth drawing."""
    decades = np.log10(card.breakdown_cycles) - (voltage - card.breakdown_voltage) / card.breakdown_decade
    return voltage == card.breakdown_voltage or DRAWN_DECADES[0] <= decades <= DRAWN_DECADES[1]


def _worn(card: Card, cycles: float) -> Card | None:
    """Returns the card after cycling; none where its window has closed or a value leaves the range of a card."""
    try:
        return at_cycles(card, cycles)
    except SettingsError:
        return None


def spread(card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer) -> Spread:
    """Draws a population of cells; `witness` gives the two nominal currents that their factors multiply."""
    sigmas = (card.spread_scale * card.off_spread, card.spread_scale * card.on_spread)
    with np.errstate(over="ignore"):  # of factors that are then not drawn
        cells = draw_population(card, settings.cells, seed)
    drawn = slice(None) if max(sigmas) <= WIDEST else slice(0)
    off, on = (float(witness.static(card, np.array([card.vmm_voltage]), s)[0]) for s in (-1.0, 1.0))
    observer("spread", 1, 2)
    coercive = _coercive_fields(card, cells.activation_scale[: settings.coercive_cells])
    observer("spread", 2, 2)
    return Spread(
        off=off * cells.off_factor[drawn],
        on=on * cells.on_factor[drawn],
        nominal=(off, on),
        sigmas=sigmas,
        coercive_fields=coercive,
        frequency=float(frequencies(card)[1]),
        remanent=card.remanent_polarization * cells.remanent_scale,
        amplitudes=np.minimum(card.rtn_amplitude_off * cells.rtn_amplitude_factor, 0.99),
        capture_times=card.capture_time * cells.time_constant_factor,
        nominal_amplitude=card.rtn_amplitude_off,
        nominal_capture_time=card.capture_time,
        read_voltage=card.vmm_voltage,
        trap_voltage=card.trap_voltage,
    )


def _coercive_fields(card: Card, scales: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns each cell's coercive field at the middle loop frequency, closed form, in V/m; empty with fewer than two.

    Activation fields enter by their ratio to the field alone, so a cell with factor x on them sees, at x times the
    voltage, what the nominal one sees: its coercive field follows from a wave whose amplitude is divided by x.
    """
    if card.switching == "preisach":
        return card.coercive_field * scales
    fields, groups = [], domain_groups(card, FINE_GROUPS)
    for scale in scales:
        branch = saturated_branch(card, card.write_voltage / float(scale), float(frequencies(card)[1]), 401, groups)
        volts = None if branch is None else zero_crossing(*branch)
        if volts is not None:
            fields.append(float(scale) * float(ferroelectric_field(card, np.array([volts]), np.zeros(1))[0]))
    return np.array(fields if len(fields) > 1 else [])


def lifetime_summary(card: Card, kept: Retention, worn: Endurance, cells: Spread) -> dict[str, object]:
    """Returns the numbers of retention, endurance and spread."""
    ten, five = retained(card, TEN_YEARS), retained(card, 1e4)
    return {
        "retention": {
            "polarization_after_1e4_s": float(five),
            "polarization_after_10_years": float(ten),
            "on_off_ratio_after_1_s": float(kept.lines[1, 0] / kept.lines[0, 0]),
            "on_off_ratio_after_10_years": float(kept.lines[1, -1] / kept.lines[0, -1]),
            "switched_by_10_years_of_reads": {
                f"{v:g} V": float(x[-1]) for v, x in zip(kept.disturb_voltages, kept.disturb, strict=True)
            },
        },
        "endurance": {
            "largest_polarization_factor": float(worn.factor.max()),
            "cycles_to_half_polarization": _cycles_to(worn.line_cycles, worn.factor, 0.5),
            "median_life_cycles": {
                f"{v:g} V": _cycles_to(worn.life_cycles, alive, 0.5)
                for v, alive in zip(worn.write_voltages, worn.survival, strict=True)
            },
        },
        "spread": {
            "cells": len(cells.remanent),
            "sigma_ln_on": float(np.std(np.log(cells.on), ddof=1)) if len(cells.on) else None,
            "sigma_ln_off": float(np.std(np.log(cells.off), ddof=1)) if len(cells.off) else None,
            "sigma_ln_off_card": cells.sigmas[0],
            "sigma_ln_on_card": cells.sigmas[1],
            "coercive_field_mean_v_per_m": float(cells.coercive_fields.mean()) if len(cells.coercive_fields) else None,
            "coercive_field_sigma_v_per_m": (
                float(cells.coercive_fields.std(ddof=1)) if len(cells.coercive_fields) else None
            ),
        },
    }


def _cycles_to(cycles: NDArray[np.float64], values: NDArray[np.float64], part: float) -> float | None:
    """Returns the cycles after which falling `values` have come down to `part`; none where they do not."""
    below = np.flatnonzero(values < part)
    return float(cycles[below[0]]) if len(below) else None
