"""Bit-line latches and current comparators, asked for readings: which of two lines carries more current.

Both lines are alike: `reads` cells at the read voltage and the other rows at rest, all with their capacitance, and the
wire. The reference line's read cells stand between the two states of the card; the bit line's carry more or less.
Cells of the same line in the same state are one element of their summed current, which without wire resistance is
exact.
"""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import Field

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.quantities import Farads, Seconds, Volts
from ftj_spice.common.settings import Strict
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Transient
from ftj_spice.netlist.circuit import Cells
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.power import currents
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.waveform import FloatArray, value_at

TEMPLATE = "periphery/benches/current_latch.cir.j2"
POINTS = 250
"""Fewest time steps of one reading."""
LARGEST_CURRENT = 1e-4
"""Largest difference of currents in A that the search for the offset tries."""
_EDGE = 5e-10
_ROW = 1e-8


class LatchSettings(Strict):
    """Settings of the bench."""

    rows: Annotated[int, Field(ge=1, le=4096)] = 64
    """Cells of each line."""
    reads: Annotated[int, Field(ge=1)] = 1
    """Cells that are read at once; the other rows rest at `ground`."""
    read_voltage: Annotated[Volts, Field(gt=0)] = 0.5
    """Voltage over the read cells at first."""
    ground: Volts = 0.9
    """Where the circuit is meant to hold the lines; rows stand at it, and `read_voltage` above it."""
    background: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the resting cells in the low-resistance state."""
    wire_capacitance: Annotated[Farads, Field(gt=0)] = 0.15e-12
    """Of each line's wire; the cells bring their own."""
    load: Annotated[Farads, Field(gt=0)] = 2e-15
    """At each output."""
    swing: Annotated[Volts, Field(gt=0)] = 0.04
    """The wait lets the difference of the currents at `contrast` move a line by this much, if nothing else did."""
    wait: Annotated[Seconds, Field(gt=0)] | None = None
    """From the release of the lines to the latch; given instead of `swing`."""
    contrast: Annotated[float, Field(gt=0, le=1)] | None = None
    """Relative difference of currents for times, energy and range; by default a cell's in its two states against the
    reference between them."""
    precharge: Annotated[Seconds, Field(gt=0)] = 2e-7
    """How long the lines are held before."""
    decide: Annotated[Seconds, Field(gt=0)] = 5e-8
    """From the latch's firing to its reset."""
    recover: Annotated[Seconds, Field(gt=0)] = 2e-7
    """From the reset to the next reading."""


@dataclass(frozen=True)
class Reading:
    """Waveforms of one reading.

    Attributes:
        time: In s.
        signals: Vectors by name.
    """

    time: FloatArray
    signals: dict[str, FloatArray]

    def __getitem__(self, name: str) -> FloatArray:
        return self.signals[name]

    @property
    def difference(self) -> FloatArray:
        """Output minus its complement, in V."""
        return self["v(outp)"] - self["v(outn)"]


class Stand:
    """The bench of one rig, for cells of one current.

    Args:
        rig: The circuit and its condition.
        settings: Of the bench.
        scale: Factor of all cells' currents.
    """

    def __init__(self, rig: Rig, settings: LatchSettings, scale: float = 1.0) -> None:
        if settings.reads > settings.rows:
            raise SettingsError(
                f"variant '{rig.variant.name}', settings: 'reads' is {settings.reads}, but there are "
                f"{settings.rows} rows"
            )
        self.rig, self.settings = rig, settings
        card = rig.card
        on, off = card.on_conductance, card.off_conductance
        middle, rest = 0.5 * (on + off), settings.rows - settings.reads
        counts = scale * np.array([[settings.reads], [settings.background * rest], [(1 - settings.background) * rest]])
        cells = Cells.of(card, np.array([[middle], [on], [off]]))
        self.cells = replace(cells, strength=cells.strength * counts)
        self.reference = float(self.cells.current(settings.read_voltage)[0, 0])
        self.contrast = settings.contrast or (on - off) / (on + off)
        self.capacitance = settings.wire_capacitance + settings.rows * card.capacitance
        moved = settings.swing * self.capacitance / (self.contrast * self.reference)
        self.wait = moved if settings.wait is None else settings.wait / scale
        self.clocked = "en" in rig.variant.ports
        self.release = settings.precharge
        self.fire = self.release + self.wait
        self.reset = self.fire + settings.decide
        self.stop = self.reset + settings.recover
        self.start = self.fire if self.clocked else _ROW
        self.half = 0.5 * rig.supplies["vdd"]

    @property
    def vectors(self) -> list[str]:
        """What a reading returns."""
        return ["time", "v(bl)", "v(ref)", "v(row)", "v(outp)", "v(outn)", *currents(self.rig)]

    def netlist(self) -> Netlist:
        """Returns the bench as a netlist."""
        settings = self.settings
        clocks = [port for port in ("pre", "en") if port in self.rig.variant.ports]
        return self.rig.netlist(
            TEMPLATE,
            nodes={port: port for port in ("bl", "ref", "outp", "outn", *clocks)},
            cells=cell_values(self.cells),
            rows=settings.rows,
            reads=settings.reads,
            capacitance=settings.wire_capacitance,
            load=settings.load,
            ground=settings.ground,
            read_voltage=settings.read_voltage,
            edge=_EDGE,
            row=_ROW,
            release=self.release,
            fire=self.fire,
            reset=self.reset,
            stop=self.stop,
            step=self.stop / POINTS,
        )

    def read(self, session: NgspiceSession, difference: float) -> Reading:
        """Runs one reading, after one that gave the opposite.

        Args:
            session: The netlist, loaded.
            difference: Bit line's current minus the reference, over the reference; below -1 the bit line carries
                nothing and the reference more.
        """
        before = math.copysign(self.contrast, difference)
        session.alter(vbeforebl=before, vnowbl=-max(difference, -1.0), vnowref=min(1.0 + difference, 0.0))
        step = self.stop / POINTS
        result = session.run(Transient(step, self.stop, step), self.vectors)
        return Reading(result["time"], {name: result[name] for name in self.vectors})

    def verdict(self, reading: Reading) -> float:
        """Returns the difference of the outputs at the end of the decision, in V."""
        return float(value_at(reading.time, reading.difference, self.reset))

    def decision_time(self, reading: Reading, sign: float) -> float:
        """Returns when the outputs are half a supply apart for good, after the latch's firing or the row's rise.

        Args:
            reading: The waveforms.
            sign: 1 where the bit line carries more, else -1.

        Raises:
            MeasurementError: They never are, or the wrong way round.
        """
        time, output = reading.time, sign * reading.difference
        final = float(value_at(time, output, self.reset))
        if final < self.half:
            way = "the wrong way" if final <= -self.half else "no way"
            raise MeasurementError(
                f"it never decides right: with {1.0 + sign * self.contrast:.3g} times the reference of "
                f"{1e9 * self.reference:.4g} nA its outputs go {way}, {final:.3g} V apart after "
                f"{self.reset - self.start:.3g} s"
            )
        before = np.flatnonzero((time >= self.start) & (time <= self.reset) & (output < self.half))
        if not len(before):
            return 0.0
        last = before[-1]
        part = (self.half - output[last]) / (output[last + 1] - output[last])
        return float(time[last] + part * (time[last + 1] - time[last]) - self.start)

    def flip(self, session: NgspiceSession) -> float:
        """Returns the relative difference of currents at which the output flips.

        Raises:
            MeasurementError: No difference up to `LARGEST_CURRENT` flips it.
        """
        start = self.verdict(self.read(session, 0.0))
        way = -math.copysign(1.0, start)
        inner, outer = 0.0, way * 0.25 * self.contrast
        while math.copysign(1.0, self.verdict(self.read(session, outer))) != way:
            inner, outer = outer, 4.0 * outer
            if abs(outer) * self.reference > LARGEST_CURRENT:
                raise MeasurementError(
                    f"it never decides: its outputs stay {start:.3g} V apart from {inner * self.reference:.3g} A of "
                    f"difference to none"
                )
        while abs(outer - inner) > max(0.005, 0.02 * abs(outer)):
            middle = 0.5 * (inner + outer)
            if math.copysign(1.0, self.verdict(self.read(session, middle))) == way:
                outer = middle
            else:
                inner = middle
        return 0.5 * (inner + outer)
