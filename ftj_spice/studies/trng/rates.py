"""What rates a card's noise allows, beside what has been claimed."""

import contextlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card, card_toml
from ftj_spice.device.current import rtn_amplitude
from ftj_spice.device.reliability import read_disturb
from ftj_spice.device.traps import Traps
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.sampling.trng.design import Design
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.trng.entropy_law import entropy_per_bit, relaxations_for
from ftj_spice.studies.trng.rates_table import rates_lines

DECISION = 70e-12
"""Time of a comparator's decision in s, 65 nm (Satapathy and Kaur, Circuits Syst. Signal Process. 42, 5108 (2023)): to
read a cell that has been flickering all along."""
REFERENCE_TIMES = (1e-3, 10e-6, 1e-6, 2e-9)
"""tau_c = tau_e, in s, for which the number of cells is given whatever the card."""
REFERENCE_RELAXATIONS = 5.0
"""Interval of the reference, in relaxation times."""
ARRAYS = (1, 500, 2304, 5000, 500_000)
"""Numbers of cells side by side for which the time constants are given; 2304 is 48 x 48."""
HIGHEST = 5.0
"""Highest read voltage that is looked for, in V."""

NOT_COUNTED = (
    *("combine", "conditioner", "comparator_offset"),
    *("time_constant_spread", "amplitude_spread", "current_spread"),
)
"""Settings that the closed forms know nothing of; they are refused, since their bits would be others."""


@dataclass(frozen=True)
class Claims:
    """What has been claimed of ferroelectric random bits, together.

    The numbers go round in a web article on generative ferroelectric chips that cites nothing: no primary source was
    found, and nothing here supports them.

    Attributes:
        rate: Bits per second.
        entropy: Min-entropy per bit, in bits.
        latency: In s.
        energy: Per bit, in J: 10 uJ per 1e6 bits.
    """

    rate: float = 200e6
    entropy: float = 0.99
    latency: float = 100e-9
    energy: float = 10e-12

    def __post_init__(self) -> None:
        positive = all(0 < number < math.inf for number in (self.rate, self.latency, self.energy))
        if not (positive and 0 < self.entropy < 1):
            raise SettingsError("claims must be positive and finite, and their min-entropy below 1 bit per bit")


CLAIM_SOURCE = "published claims without primary source: nothing here supports them"


@dataclass(frozen=True)
class Point:
    """One digitiser at one read voltage.

    Attributes:
        voltage: V_RTN in V.
        in_range: Whether the card's noise is meant for that voltage; true where the card does not say.
        capture_time: tau_c of a nominal cell in s.
        emission_time: tau_e in s.
        relaxation_time: tau_eff in s.
        occupancy: Share of time that the trap is filled.
        interval: Time from bit to bit in s.
        entropy: Closed-form min-entropy per bit; none where there is no closed form.
        rate: Bits per second of one digitiser.
        first_bit: Time from power-up to the first bit in s.
        free_running: Time to read a bit of cells that flicker all along, in s.
        cell_power: Of the digitiser's cells in W.
        cell_energy: Per bit in J.
        periphery_energy: Per bit in J: what the digitiser's TOML file counts.
        disturb: Part of a saturated cell's domains that reads against its polarization flip in 1 s.
    """

    voltage: float
    in_range: bool
    capture_time: float
    emission_time: float
    relaxation_time: float
    occupancy: float
    interval: float
    entropy: float | None
    rate: float
    first_bit: float
    free_running: float
    cell_power: float
    cell_energy: float
    periphery_energy: float
    disturb: float

    @property
    def energy(self) -> float:
        """Per bit in J."""
        return self.cell_energy + self.periphery_energy


@dataclass(frozen=True)
class RatesResult:
    """What `trng_rates` finds.

    Attributes:
        design: The digitiser at its operating point.
        point: Its numbers at the settings' interval.
        claims: What has been claimed.
        sweep: The same digitiser over voltage.
        metrics: All numbers.
        summary: The tables, line by line.
        path: The run directory, where one was written.
    """

    design: Design
    point: Point
    claims: Claims
    sweep: tuple[Point, ...]
    metrics: dict[str, Any] = field(default_factory=dict)
    summary: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def passes(self) -> bool:
        """Always: nothing is compared that could fail."""
        return True


def trng_rates(
    out: str | Path | None = None,
    *,
    settings: TrngSettings | None = None,
    claims: Claims | None = None,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> RatesResult:
    """Works out rate, latency and energy of a digitiser, and what the claims would need of its card.

    All numbers are closed forms of nominal cells: raw bits, without spread, conditioner and XORed digitisers.

    Args:
        out: Run directory to write; none writes nothing.
        settings: Digitiser, card, voltage and interval.
        claims: What the card is held against.
        force: Replaces an existing run directory.
        observer: Told about progress: phase `voltages`.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings or output; the subclass and its sentence say what.
    """
    chosen, held = settings or TrngSettings(), claims or Claims()
    for name in NOT_COUNTED:
        if getattr(chosen, name) != getattr(TrngSettings(), name):
            raise SettingsError(f"rates are those of raw bits from nominal cells, where '{name}' counts nothing")
    watch = Stopwatch()
    if out is None:
        return _run(chosen, held, observer)
    with RunDirectory(Path(out), force=force) as run:
        with watch("rates"):
            result = _run(chosen, held, observer)
        _write(run, result, watch, command)
    return replace(result, path=Path(out))


def point_of(design: Design, interval: float | None = None) -> Point:
    """Returns a digitiser's numbers at its voltage, at its own interval or another one in s."""
    card, volts, variant = design.card, design.voltage, design.variant
    traps = Traps.from_card(card, 1)
    capture, emission = float(traps.capture_time_at(volts)[0]), float(traps.emission_time_at(volts)[0])
    spacing = design.interval if interval is None else interval
    mean = design.empty_current * (1.0 - float(rtn_amplitude(card, -1.0)) * design.occupancy)
    power = variant.cells * volts * mean
    edges = spacing / (capture + emission)  # one rise and one fall per cycle
    per = {"interval": 1.0, "edge": edges}
    exact = entropy_per_bit(variant.rule, capture, emission, spacing)
    low, high = card.rtn_voltage_low, card.rtn_voltage_high
    return Point(
        voltage=volts,
        in_range=low is None or high is None or low <= volts <= high,
        capture_time=capture,
        emission_time=emission,
        relaxation_time=design.relaxation_time,
        occupancy=design.occupancy,
        interval=spacing,
        entropy=None if exact is None else exact.least,
        rate=1.0 / spacing,
        first_bit=design.settling + spacing,
        free_running=DECISION,
        cell_power=power,
        cell_energy=power * spacing,
        periphery_energy=sum(block.energy * per[block.per] for block in variant.periphery),
        disturb=float(read_disturb(card, volts, 1.0)),
    )


def reference_cells(claims: Claims) -> list[dict[str, float]]:
    """Returns the cells that reach the claimed rate at 5 tau_eff per bit, for even odds, whatever the card."""
    rows = []
    for time in REFERENCE_TIMES:
        interval = REFERENCE_RELAXATIONS * 0.5 * time
        cells = _whole(claims.rate * interval)
        entropy = -math.log2(0.5 * (1.0 + math.exp(-REFERENCE_RELAXATIONS)))
        rows.append({"time_s": time, "interval_s": interval, "cells": cells, "entropy": entropy})
    return rows


def voltage_for(card: Card, relaxation_time: float) -> float | None:
    """Returns the voltage in V at which a nominal cell relaxes so fast; none where 0 to 5 V don't reach it."""
    traps = Traps.from_card(card, 1)

    def excess(volts: float) -> float:
        return float(np.log(traps.relaxation_time(volts)[0] / relaxation_time))

    if excess(0.0) < 0.0 or excess(HIGHEST) > 0.0:
        return None
    return float(brentq(excess, 0.0, HIGHEST, xtol=1e-9))


def _whole(number: float) -> int:
    """Returns a number of cells, rounded up; what is whole but for rounding stays."""
    return math.ceil(number * (1.0 - 1e-9))


def _run(settings: TrngSettings, claims: Claims, observer: Observer) -> RatesResult:
    design = Design.of(settings)
    centre = design.voltage
    volts = np.linspace(max(0.6 * centre, 0.05), min(1.4 * centre, 2.5), 33)
    sweep = []
    for k, value in enumerate(volts):
        with contextlib.suppress(SettingsError):  # a given interval may be too short at lower voltages
            sweep.append(point_of(Design.of(settings.model_copy(update={"voltage": float(value)}), design.card)))
        observer("voltages", k + 1, len(volts))
    result = RatesResult(design, point_of(design), claims, tuple(sweep) or (point_of(design),))
    metrics = _measure(result)
    return replace(result, metrics=metrics, summary=tuple(rates_lines(result, metrics)))


def _measure(result: RatesResult) -> dict[str, Any]:
    design, point, claims = result.design, result.point, result.claims
    variant, card = design.variant, design.card
    needed = relaxations_for(variant.rule, point.capture_time, point.emission_time, claims.entropy)
    at = point if needed is None else point_of(design, needed * design.relaxation_time)
    settled = design.settling / design.relaxation_time
    relaxations = at.interval / design.relaxation_time
    digitisers = _whole(claims.rate * at.interval)
    cells = digitisers * variant.cells
    each = sum(block.energy for block in variant.periphery if block.per == "interval")
    longest = (claims.energy - each) / ((at.energy - each) / at.interval)  # cells and edges take more in more time
    return {
        "card": card.name,
        "digitiser": variant.name,
        "cells_per_digitiser": variant.cells,
        "one": {**asdict(point), "energy": point.energy},
        "claims": {**asdict(claims), "source": CLAIM_SOURCE},
        "reaches_claimed_entropy": needed is not None,
        "at_claimed_entropy": {**asdict(at), "energy": at.energy, "relaxations": relaxations},
        "for_the_claims": {
            "cells": cells,
            "area_m2": cells * card.area,
            "power_W": claims.rate * at.energy,
            "relaxation_time_of_one_digitiser_s": 1.0 / (claims.rate * relaxations),
            "relaxation_time_for_latency_of_first_bit_s": claims.latency / (settled + relaxations),
            "relaxation_time_for_latency_of_each_bit_s": claims.latency / relaxations,
            "longest_interval_for_energy_s": max(longest, 0.0),
            "meets": {
                "rate_of_one_digitiser": at.rate >= claims.rate,
                "entropy": needed is not None,
                "latency_of_first_bit": at.first_bit <= claims.latency,
                "latency_of_free_running_bit": at.free_running <= claims.latency,
                "energy": at.energy <= claims.energy,
            },
        },
        "arrays": [_array(result, count, relaxations) for count in ARRAYS],
        "reference_relaxations": REFERENCE_RELAXATIONS,
        "reference": reference_cells(claims),
        "periphery": [block.model_dump() for block in variant.periphery],
    }


def _array(result: RatesResult, count: int, relaxations: float) -> dict[str, Any]:
    """Returns what so many digitisers side by side ask of a cell, and the voltage at which the card would give it."""
    design, claims = result.design, result.claims
    tau = count / (claims.rate * relaxations)
    volts = voltage_for(design.card, tau)
    row: dict[str, Any] = {"digitisers": count, "relaxation_time_s": tau, "voltage_V": volts}
    if volts is None or volts <= 0.0:
        return row
    moved = Design(design.settings.model_copy(update={"voltage": volts, "interval": None}), design.card,
                   design.variant, design.template)  # fmt: skip
    at = point_of(moved, relaxations * tau)
    return row | {
        "in_range": at.in_range,
        "occupancy": at.occupancy,
        "entropy": at.entropy,
        "energy_J": at.energy,
        "power_W": claims.rate * at.energy,
        "area_m2": count * design.variant.cells * design.card.area,
        "disturb": at.disturb,
    }


def _write(run: RunDirectory, result: RatesResult, watch: Stopwatch, command: Sequence[str]) -> None:
    import tomli_w

    from ftj_spice.results.plots.style import figure_png
    from ftj_spice.studies.trng.rates_report import rates_figure, render_rates_report

    figure = rates_figure(result)
    run.write_bytes("plots/rates.png", figure_png(figure))
    run.write_json("metrics.json", result.metrics)
    run.write_text("settings.toml", tomli_w.dumps(result.design.settings.model_dump(exclude_none=True)))
    run.write_text("report.html", render_rates_report(result, figure))
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.design.settings.model_dump(),
            result.design.settings.seed,
            {},
            watch.durations,
            "closed forms",
            {"card": {"name": result.design.card.name, "sha256": sha256_text(card_toml(result.design.card))}},
        ),
    )
