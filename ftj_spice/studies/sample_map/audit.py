"""The audit of a map: random points of it again in ngspice, with the same trap histories, currents and energy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.sampling.audit import compare
from ftj_spice.sampling.digitisers import IntegratorReadout
from ftj_spice.sampling.events import column_operating_point
from ftj_spice.sampling.phase import KeptPart, SampleResult, sample
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import Outcome, Part, plan, simulate_part
from ftj_spice.studies.observer import Observer
from ftj_spice.studies.sample_map.points import point_settings
from ftj_spice.studies.sample_map.settings import Grid, MapSettings
from ftj_spice.studies.sample_transistors import audit_sampling

ENERGY_LIMIT = 1e-3
"""Largest relative deviation of a transient's energy allowed."""


@dataclass(frozen=True)
class PointAudit:
    """One point of a map in both engines.

    Attributes:
        voltage: V_RTN in V.
        time: Sampling time in s.
        column: Column of the array.
        audit: Comparison of its samples.
        energy: What the rows delivered over the transient, by events, in J.
        spice_energy: The same in ngspice: voltage times current, integrated over its time steps.
    """

    voltage: float
    time: float
    column: int
    audit: Audit
    energy: float
    spice_energy: float

    @property
    def energy_deviation(self) -> float:
        """Relative deviation of the energies."""
        return abs(self.energy / self.spice_energy - 1.0)

    @property
    def passes(self) -> bool:
        """Whether samples and energy are within their limits."""
        return self.audit.passes and self.energy_deviation <= ENERGY_LIMIT


def draw_points(settings: MapSettings, grid: Grid) -> list[tuple[int, int, int]]:
    """Returns the audited points, drawn at random over the map: numbers of voltage, time and column."""
    rng = generator(settings.seed, "sample-map-audit")
    count = len(grid.voltages) * len(grid.times)
    chosen = sorted(rng.choice(count, size=min(settings.audit, count), replace=False).tolist())
    columns = rng.integers(settings.columns, size=len(chosen)).tolist()
    return [(*divmod(n, len(grid.times)), j) for n, j in zip(chosen, columns, strict=True)]


def audit_points(
    card: Card,
    settings: MapSettings,
    grid: Grid,
    engine: NgspiceEngine,
    observer: Observer,
    model: Macromodel | None = None,
) -> tuple[list[PointAudit], Mapping[str, str], Audit | None]:
    """Simulates random points by events and in ngspice.

    Args:
        card: Device card.
        settings: Settings of the map.
        grid: Its points.
        engine: Where the transients run.
        observer: Told about progress, as `audit`.
        model: Circuits whose virtual grounds hold the columns; none: at 0 V.

    Returns:
        The comparisons, the netlists by file name, and a few samples of the first point through transistors, where the
        macromodel was made from a chain of them that integrates.

    Raises:
        EngineError: A simulation failed.
    """
    chosen = draw_points(settings, grid)
    work = []
    for i, k, column in chosen:
        own = point_settings(settings, float(grid.voltages[i]), float(grid.times[k]))
        own = own.model_copy(update={"samples_per_transient": settings.audit_samples})
        part = plan(own, settings.columns, settings.audit_samples)[column][0]
        result = sample(
            card, own, count=settings.audit_samples, columns=settings.columns, seed=settings.seed, engine="fast",
            keep=[part], periphery=model,
        )  # fmt: skip
        work.append((own, result))
    total = len(work)
    observer("audit", 0, total)

    def run(open_netlist: Open, item: tuple[SampleSettings, SampleResult]) -> Outcome:
        own, result = item
        kept = result.kept[0]
        return simulate_part(open_netlist, kept.part, kept.candidates, result.array, own, result.digitiser)

    outcomes = engine.map(run, work, lambda done: observer("audit", done, total))
    audits, netlists = [], {}
    for (_, _, column), (own, result), outcome in zip(chosen, work, outcomes, strict=True):
        voltage = result.array.voltage
        audit = compare(result, [outcome])
        audits.append(
            PointAudit(
                voltage, own.time, column, audit, fast_energy(result, own, result.kept[0]),
                spice_energy(outcome, voltage, result.kept[0].part),
            )
        )  # fmt: skip
        netlists[f"{voltage:.4g}V_{own.time:.3g}s_column{column}.cir"] = outcome.netlist
    circuits = audit_sampling(model, work[0][1], engine, seed=settings.seed, observer=observer)
    return audits, netlists, circuits


def fast_energy(result: SampleResult, settings: SampleSettings, kept: KeptPart) -> float:
    """Returns what the rows deliver to a part's column over its transient, by its trap history, in J."""
    columns = list(kept.part.columns)
    rows = result.array.shape[0]
    digitiser = result.digitiser
    assert isinstance(digitiser, IntegratorReadout)
    point = column_operating_point(result.array, settings, columns, digitiser.ground)
    edges = np.array([0.0, kept.history.duration])
    filled = [kept.history.averages(trap, edges)[0] for trap in range(rows * len(columns))]
    states = np.array(filled).reshape(len(columns), rows).T
    return result.array.voltage * float(point.columns(states[None]).sum()) * kept.history.duration


def spice_energy(outcome: Outcome, voltage: float, part: Part) -> float:
    """Returns the same from a transient of ngspice: its current at a point is the mean since the point before."""
    wave = outcome.waveform
    current = sum(wave.vectors[f"i(vsense{k})"] for k in range(len(part.columns)))
    return voltage * float(np.sum(np.asarray(current)[1:] * np.diff(wave.time)))
