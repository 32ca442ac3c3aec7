"""A map of the sampling array over voltage and time: what it draws, how fast, how well and at what cost.

Every point is simulated by events (`ftj_spice.sampling.tallies`) beside its closed forms; ngspice repeats some of the
same array's samples at points drawn at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card, load_card
from ftj_spice.device.reliability import read_disturb
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.results.manifest import Stopwatch
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.results.units import engineering as eng
from ftj_spice.sampling.figures import QUANTITIES
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.sample_map.audit import PointAudit, audit_points
from ftj_spice.studies.sample_map.files import metrics_of, write_map
from ftj_spice.studies.sample_map.goal import Recommendation, recommend
from ftj_spice.studies.sample_map.points import MapPoint, check_size, simulate_points
from ftj_spice.studies.sample_map.settings import GOALS, Grid, MapSettings, grid_of
from ftj_spice.studies.sample_periphery import circuit_inputs, load_circuits
from ftj_spice.studies.settings import check_jobs
from ftj_spice.studies.transistors import check_transistors

FALSE_ALARM = 1e-4
"""Chance that the largest deviation of a right simulation is called too large."""
LARGEST_SHIFT = 0.5
"""A map whose wires move the mean by more than this, in standard deviations, is warned about."""
WORST_FLIP = 0.5
"""Opposed reads that flip more of the domains than this in one sample are refused: there is no state to read."""


@dataclass(frozen=True)
class Deviations:
    """Simulation over closed form at all points, in standard errors.

    Attributes:
        names: Figures that are looked at.
        values: Shape `(voltages, times, names)`.
        units: Independent units behind each standard error.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    units: int

    @property
    def largest(self) -> float:
        """Largest magnitude."""
        return float(np.max(np.abs(self.values)))

    @property
    def place(self) -> tuple[int, int, str]:
        """Numbers of voltage and time, and name of the figure, where it is."""
        i, k, q = np.unravel_index(int(np.argmax(np.abs(self.values))), self.values.shape)
        return int(i), int(k), self.names[q]

    def quantile(self, probability: float) -> float:
        """Returns what the largest of as many independent draws stays below with a probability (Student's t)."""
        return float(student.isf(-np.expm1(np.log(probability) / self.values.size) / 2.0, self.units - 1))

    @property
    def allowed(self) -> float:
        """The largest that `FALSE_ALARM` allows."""
        return self.quantile(1.0 - FALSE_ALARM)

    @property
    def passes(self) -> bool:
        """Whether the largest is one that is allowed."""
        return self.largest <= self.allowed


@dataclass(frozen=True)
class MapResult:
    """What a map gives.

    Attributes:
        grid: Its points.
        points: Each point's figures, by voltage and time.
        recommendations: By goal.
        audits: Comparisons with ngspice.
        netlists: What ngspice ran, by file name.
        disturb: Share of the domains that the reads at each voltage would flip if they opposed the stored polarization,
            over their total time; shape `(voltages,)`.
        read_time: That total time in s: what one column's reads of the whole map take at each voltage.
        warnings: What a user should know before trusting the map, in sentences.
        settings: Settings of the map.
        card: The device card.
        engine: Simulator of the audit, and version; empty without one.
        path: The run directory, where one was written.
        periphery: The circuits that read the columns, where they were asked for.
        circuit_audit: A few samples through its transistors, codes against the macromodel's; none where it has none.
    """

    grid: Grid
    points: tuple[tuple[MapPoint, ...], ...]
    recommendations: dict[str, Recommendation]
    audits: tuple[PointAudit, ...]
    netlists: dict[str, str]
    disturb: NDArray[np.float64]
    read_time: NDArray[np.float64]
    warnings: tuple[str, ...]
    settings: MapSettings
    card: Card
    engine: str
    path: Path | None = None
    periphery: Macromodel | None = None
    circuit_audit: Audit | None = None

    @cached_property
    def deviations(self) -> Deviations:
        """Simulation over closed form."""
        names = tuple(name for name, quantity in QUANTITIES.items() if quantity.tested)
        values = [[[p.figures[name].deviation for name in names] for p in row] for row in self.points]
        return Deviations(names, np.array(values), self.settings.units)

    @property
    def passes(self) -> bool:
        """Whether the audit is within its limits, and the simulation agrees with the closed forms."""
        return self.audits_pass and self.deviations.passes

    @property
    def audits_pass(self) -> bool:
        """Whether the audits, of points and of circuits, are within their limits."""
        circuits = self.circuit_audit is None or self.circuit_audit.passes
        return all(audit.passes for audit in self.audits) and circuits

    @property
    def recommendation(self) -> Recommendation:
        """What the settings' goal recommends."""
        return self.recommendations[self.settings.goal]

    def of(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Returns one figure of all points: simulated, standard error, closed form; shape `(voltages, times)` each."""
        found = [[p.figures[name] for p in row] for row in self.points]
        return (
            np.array([[f.simulated for f in row] for row in found]),
            np.array([[f.error for f in row] for row in found]),
            np.array([[f.closed for f in row] for row in found]),
        )

    @property
    def summary(self) -> list[str]:
        """What came out, in lines."""
        d = self.deviations
        i, k, name = d.place
        at = self.points[i][k]
        samples = sum(p.samples * p.units for row in self.points for p in row)
        count = len(self.points) * len(self.points[0])
        lines = [
            f"{count} operating point{'s' * (count > 1)}, {samples:.3g} samples of "
            f"{self.settings.sample.rows} cells each, {self.settings.units} independent columns per point",
            f"simulation over closed form: largest of {d.values.size} deviations {d.largest:.2f} standard errors "
            f"({QUANTITIES[name].label}, {at.voltage:.4g} V, {eng(at.time, 's')}); of as many independent draws "
            f"{d.quantile(0.5):.2f} is to be expected, {d.allowed:.2f} allowed",
        ]
        if self.audits:
            worst = max(a.audit.largest for a in self.audits)
            energy = max(a.energy_deviation for a in self.audits)
            lines.append(
                f"audit: {len(self.audits)} random points against {self.engine}: largest deviation {worst:.1e} of full "
                f"scale, energy {energy:.1e} (allowed {self.audits[0].audit.limit:g})"
            )
        else:
            lines.append("no audit: it was switched off")
        if count == 1:
            f = at.figures
            lines.append(
                f"{at.voltage:.4g} V, {eng(at.time, 's')}: {at.rate:.4g} samples/s, "
                f"{f['effective_bits'].simulated:.2f} effective bits each, {eng(at.energy, 'J')} per sample; distance "
                f"to the normal {f['distance'].closed:.2g}, autocorrelation {f['autocorrelation_1'].simulated:.3f}"
            )
        lines.append(f"{self.settings.goal}: {self.recommendation.reason}")
        if self.periphery is not None:
            lines.append(self.cost_sentence)
        if self.circuit_audit is not None:
            lines.append(f"audit of the circuits: {self.circuit_audit.sentence}")
        lines.append(self.disturb_sentence)
        return lines

    @property
    def cost_sentence(self) -> str:
        """What the read-out circuits cost at the recommended point, or nearest to it, with numbers."""
        i, k = self.recommendation.nearest
        point = self.points[i][k]
        cost = point.circuits
        assert cost is not None and self.periphery is not None
        return (
            f"{self.periphery.process}/{self.periphery.name} at {point.voltage:.4g} V, {eng(point.time, 's')}: "
            f"{cost.information:.2f} bits of a sample tell about the traps, {cost.bits_lost:.2f} fewer than of the "
            f"ideal read-out's; distance of the latents to the normal {point.figures['latent_distance'].closed:.3f} "
            f"(ideal {cost.ideal_latent_distance:.3f})"
        )

    @property
    def disturb_sentence(self) -> str:
        """What the reads do to the polarization, with numbers."""
        worst = int(np.argmax(self.disturb))
        numbers = (
            f"{self.disturb[worst]:.2g} of the domains at {self.grid.voltages[worst]:.4g} V, in the map's "
            f"{eng(float(self.read_time[worst]), 's')} of reads there"
        )
        if self.settings.direction == "stored":
            return (
                "reads go in the direction of the stored polarization and flip nothing; against it they would flip "
                f"{numbers}"
            )
        return f"reads oppose the stored polarization and flip {numbers}; what they flip is not simulated"

    @property
    def metrics(self) -> dict[str, Any]:
        """Figures of the map, as in `metrics.json`."""
        return metrics_of(self)


def sample_map(
    out: str | Path | None = None,
    *,
    settings: MapSettings | None = None,
    goal: str | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> MapResult:
    """Maps the sampling array over voltage and time, or looks at one operating point.

    An audit beyond its limit is not an error: the result says so (`passes`).

    Args:
        out: Run directory to write; none writes nothing.
        settings: Settings of the map; the defaults (one point, the card's own) where none are given.
        goal: Overrides the settings' goal.
        jobs: Threads, and ngspice workers of the audit; the result does not depend on it.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, card, simulation or output; the subclass and its sentence say what.
    """
    chosen = settings or MapSettings()
    if goal is not None:
        chosen = MapSettings.parse(chosen.model_dump() | {"goal": goal}, "--goal")
    check_jobs(jobs)
    card = load_card(chosen.card)
    grid = grid_of(chosen, card)
    check_size(card, chosen, grid)
    _check_direction(card, chosen, grid)
    model = load_circuits(chosen.periphery, chosen, "a map")
    if chosen.audit:
        check_transistors(model)
    watch = Stopwatch()
    if out is None:
        return _run(card, chosen, grid, model, jobs, observer, watch)
    with RunDirectory(Path(out), force=force, inputs=circuit_inputs(chosen.periphery)) as run:
        result = _run(card, chosen, grid, model, jobs, observer, watch)
        write_map(run, result, watch, command, observer)
    return replace(result, path=Path(out))


def _run(
    card: Card,
    settings: MapSettings,
    grid: Grid,
    model: Macromodel | None,
    jobs: int,
    observer: Observer,
    watch: Stopwatch,
) -> MapResult:
    with watch("sample"):
        points = simulate_points(card, settings, grid, jobs, observer, model)
    audits: list[PointAudit] = []
    netlists: dict[str, str] = {}
    circuits: Audit | None = None
    engine = ""
    if settings.audit:
        with watch("audit"), NgspiceEngine(jobs) as spice:
            audits, found, circuits = audit_points(card, settings, grid, spice, observer, model)
            netlists = dict(found)
            engine = audits[0].audit.engine
    read_time = np.array([sum(p.samples * settings.copies * p.period for p in row) for row in points])
    with watch("disturb"):
        disturb = read_disturb(card, grid.voltages, read_time)
    opposed = settings.direction == "opposed"
    limit: list[float | None] = [float(d) if opposed else None for d in disturb]
    return MapResult(
        grid=grid,
        points=tuple(tuple(row) for row in points),
        recommendations={name: recommend(points, name, settings.limits, limit) for name in GOALS},
        audits=tuple(audits),
        netlists=netlists,
        disturb=disturb,
        read_time=read_time,
        warnings=tuple(_warnings(card, settings, grid, points, disturb, read_time)),
        settings=settings,
        card=card,
        engine=engine,
        periphery=model,
        circuit_audit=circuits,
    )


def _check_direction(card: Card, settings: MapSettings, grid: Grid) -> None:
    """Refuses opposed reads that leave nothing to read.

    Raises:
        SettingsError: The sentence says how much of the polarization one sample flips.
    """
    if settings.direction == "stored":
        return
    time = float(grid.times[-1])
    flips = float(read_disturb(card, grid.voltages[-1], time))
    if flips > WORST_FLIP:
        raise SettingsError(
            f"direction = 'opposed': one read of {eng(time, 's')} at {grid.voltages[-1]:.4g} V flips {flips:.0%} of "
            f"the domains that it opposes, and more than {WORST_FLIP:.0%} leaves no state to read; lower the voltage "
            "or read in the stored direction"
        )


def _warnings(
    card: Card,
    settings: MapSettings,
    grid: Grid,
    points: list[list[MapPoint]],
    disturb: NDArray[np.float64],
    read_time: NDArray[np.float64],
) -> list[str]:
    """Returns what a user should know before trusting a map, a sentence each."""
    found = []
    low, high = card.rtn_voltage_low, card.rtn_voltage_high
    if low is not None and high is not None:
        outside = grid.voltages[(grid.voltages < low - 1e-9) | (grid.voltages > high + 1e-9)]
        if len(outside):
            numbers = ", ".join(f"{v:.4g}" for v in outside[:5]) + (", ..." if len(outside) > 5 else "")
            found.append(
                f"the noise of card '{card.name}' is given for {low:g} to {high:g} V; at {numbers} V it is extrapolated"
            )
    shifted = max((p for row in points for p in row), key=lambda p: abs(p.reference_shift))
    if abs(shifted.reference_shift) > LARGEST_SHIFT:
        found.append(
            f"wires and drivers move the mean current by {shifted.reference_shift:.2g} standard deviations at "
            f"{shifted.voltage:.4g} V, {eng(shifted.time, 's')}, against the converter's reference, which does not "
            "know them: its codes lie aside or clip; lower the driver and line resistances, or calibrate the "
            "reference"
        )
    bad = disturb > settings.limits.disturb
    if settings.direction == "opposed" and bad.any():
        worst = int(np.argmax(disturb))
        found.append(
            f"reads oppose the stored polarization: at {grid.voltages[worst]:.4g} V they flip {disturb[worst]:.2g} of "
            f"the domains in {eng(float(read_time[worst]), 's')}, and at {int(bad.sum())} of {len(bad)} voltages more "
            f"than the {settings.limits.disturb:g} allowed; rewrite the array, or read in the stored direction"
        )
    return found
