"""A current-input amplifier on a column of cells, whose rows step: the levels that its output settles to.

An input is a number of cells whose rows stand at the card's V_VMM above the intended virtual ground; a current beside
them goes beyond full scale and below zero. What counts as the input is the current that these cells would give at the
exact virtual ground, so that an error of the virtual ground shows as an error of gain and offset.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ftj_spice.common.quantities import Amperes, Farads, Number, Seconds, Volts, in_unit
from ftj_spice.common.settings import Strict
from ftj_spice.engines.protocol import Result, Transient
from ftj_spice.netlist.wiring import cell_values
from ftj_spice.periphery.column import Column
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.power import bias_power, supplied
from ftj_spice.periphery.rig import Netlist, Rig
from ftj_spice.periphery.stimulus import steps
from ftj_spice.periphery.waveform import mean_over, settling_time, value_at

FloatArray = NDArray[np.float64]

_TEMPLATE = "periphery/benches/transimpedance.cir.j2"
_EVEN = 0.003
"""Change over the end of a level, in parts of full scale, that counts as settled."""
_CLIPPED = 0.3
"""Slope of the output, in parts of the nominal gain, below which it clips."""
_REACHED = 0.7
"""Part of its expected step that the output must make before a settling time means anything."""


class TransimpedanceSettings(Strict):
    """Settings of the bench."""

    rows: Annotated[int, Field(ge=2, le=1024)] = 64
    """Cells of the column; all of them in the low-resistance state at V_VMM are full scale."""
    full_scale: Annotated[Amperes, Field(gt=0)] | None = None
    """Current of the whole column where it is not the card's: the cells' currents are scaled to it."""
    wire: Annotated[Farads, Field(ge=0)] = 0.13e-12
    """Capacitance of the bit line's wire; the cells bring their own."""
    ground: Volts
    """Intended voltage of the bit line."""
    zero: Volts
    """Intended output without a current."""
    nominal_gain: Annotated[float, in_unit("V/A")]
    """Gain that the design aims at: what `gain_error` compares with."""
    window: Annotated[Seconds, Field(gt=0)]
    """How long every level lasts: several settling times."""
    row_edge: Annotated[Seconds, Field(gt=0)] = 10e-9
    """Rise and fall time of rows."""
    load: Annotated[Farads, Field(ge=0)] = 0.1e-12
    """Capacitance at the output."""
    steps_per_window: Annotated[int, Field(ge=20, le=100000)] = 200
    """Steps of the transients in a level, at least."""
    settled_within: Annotated[Number, Field(gt=0, lt=1)] = 0.01
    """Distance from the last value, in parts of the step, that ends the settling time."""
    linear_within: Annotated[Number, Field(gt=0, lt=1)] = 0.01
    """Deviation from the straight line that bounds the range, in parts of full scale."""
    lowest_frequency: Annotated[float, in_unit("Hz"), Field(gt=0)] = 1.0
    """Where the noise spectrum begins: the inverse of how long nobody corrects the offset."""
    highest_frequency: Annotated[float, in_unit("Hz"), Field(gt=0)] = 1e9
    """Where the noise spectrum ends."""


@dataclass(frozen=True)
class Levels:
    """A transient of levels.

    Attributes:
        parts: Input of each level in parts of full scale, shape `(levels,)`.
        inputs: The same in A.
        outputs: Output at the end of each level in V.
        ground: Bit line minus its intended voltage there, in V.
        result: All waveforms.
        netlist: What was run.
    """

    parts: FloatArray
    inputs: FloatArray
    outputs: FloatArray
    ground: FloatArray
    result: Result
    netlist: Netlist


class Stand:
    """One amplifier under one condition, with its column.

    Args:
        rig: The circuit and its condition.

    Raises:
        SettingsError: The settings of the variant are wrong.
    """

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.settings = s = TransimpedanceSettings.parse(
            dict(rig.variant.settings), f"variant '{rig.variant.name}', settings"
        )
        column = Column.of(rig.card, s.rows, s.full_scale)
        self.full_scale, self.cells = column.full_scale, column.cells

    def netlist(self, parts: FloatArray) -> Netlist:
        """Returns the bench with inputs that step from level to level, given in parts of full scale."""
        s = self.settings
        count = np.clip(np.rint(parts * s.rows), 0, s.rows)
        beside = np.where((parts < 0) | (parts > 1), parts - count / s.rows, 0.0)
        rows = s.ground + self.rig.card.vmm_voltage * (count[:, np.newaxis] > np.arange(s.rows))
        return self.rig.netlist(
            _TEMPLATE,
            nodes={"bl": "bl", "out": "out"},
            rows=s.rows,
            cells=cell_values(self.cells),
            wire=s.wire,
            row_steps=[steps(rows[:, i], s.window, 0.0, s.row_edge) for i in range(s.rows)],
            beside_steps=steps(beside, s.window, 0.0, s.row_edge),
            full_scale=self.full_scale,
            load=s.load,
            step=s.window / s.steps_per_window,
            stop=len(parts) * s.window,
        )

    def levels(self, parts: FloatArray) -> Levels:
        """Runs a staircase of levels."""
        s, step = self.settings, self.settings.window / self.settings.steps_per_window
        netlist = self.netlist(parts)
        vectors = ["time", "v(out)", "v(bl)", *(f"i(v{port})" for port in self.rig.supplies)]
        with self.rig.open(netlist) as session:
            result = session.run(Transient(step, len(parts) * s.window, step), vectors)
        ends = s.window * (np.arange(len(parts)) + 1.0) - 2.0 * s.row_edge
        time = result["time"]
        inputs = np.where((parts < 0) | (parts > 1), parts, np.rint(parts * s.rows) / s.rows) * self.full_scale
        return Levels(
            parts,
            inputs,
            value_at(time, result["v(out)"], ends),
            value_at(time, result["v(bl)"], ends) - s.ground,
            result,
            netlist,
        )

    def stepped(self) -> "Steps":
        """Steps one cell, then the whole column."""
        return Steps(self, self.levels(np.array([0.0, 1.0 / self.settings.rows, 0.0, 1.0, 0.0])))


@dataclass(frozen=True)
class Steps:
    """What times and energies come from: none, one cell, none, the whole column, none."""

    stand: Stand
    levels: Levels

    def settling(self, level: int) -> float:
        """Returns the settling time after a level's begin.

        Raises:
            MeasurementError: The output does not settle, or does not move.
        """
        s, result = self.stand.settings, self.levels.result
        begin = level * s.window
        inside = (result["time"] >= begin) & (result["time"] <= begin + s.window - 2.0 * s.row_edge)
        change = abs(self.levels.outputs[level] - self.levels.outputs[level - 1])
        expected = abs(s.nominal_gain * (self.levels.inputs[level] - self.levels.inputs[level - 1]))
        if change < _REACHED * expected:
            raise MeasurementError(
                f"the output moves by {change:.3g} V where the design aims at {expected:.3g} V: it clips, or is "
                f"not done after {s.window:.3g} s"
            )
        return settling_time(result["time"][inside], result["v(out)"][inside], begin, s.settled_within)

    def energies(self) -> dict[str, float]:
        """Returns the energy of a full-scale read up to its settling, from each supply and bias current."""
        begin, took = 3 * self.stand.settings.window, self.settling(3)
        result = self.levels.result
        return supplied(self.stand.rig, result["time"], result.vectors, begin, begin + took)

    def static_power(self) -> float:
        """Returns the power without a current."""
        window, result = self.stand.settings.window, self.levels.result
        supplied = sum(
            -volts * mean_over(result["time"], result[f"i(v{port})"], 2.5 * window, 2.95 * window)
            for port, volts in self.stand.rig.supplies.items()
        )
        return supplied + sum(bias_power(self.stand.rig).values())


class Line:
    """The straight line through a staircase.

    Args:
        stand: The amplifier.
        levels: The staircase.
    """

    def __init__(self, stand: Stand, levels: Levels) -> None:
        self.stand, self.levels = stand, levels
        self.inside = (levels.parts >= 0) & (levels.parts <= 1)
        self.gain, self.zero = np.polyfit(levels.inputs[self.inside], levels.outputs[self.inside], 1)

    def deviation(self) -> FloatArray:
        """Returns the deviation from the straight line at every level, in parts of full scale."""
        span = self.gain * self.stand.full_scale
        return (self.levels.outputs - self.zero - self.gain * self.levels.inputs) / span

    def figures(self) -> dict[str, float]:
        """Returns gain, offset and errors of the virtual ground.

        Raises:
            MeasurementError: The output does not settle, or clips within full scale.
        """
        self._settles()
        self._follows()
        s, levels = self.stand.settings, self.levels
        rest, half = (int(np.flatnonzero(levels.parts == part)[0]) for part in (0.0, 0.5))
        slope = np.polyfit(levels.inputs[self.inside], levels.ground[self.inside], 1)[0]
        return {
            "gain": float(self.gain),
            "gain_error": float(self.gain / s.nominal_gain - 1.0),
            "offset_current": (float(levels.outputs[rest]) - s.zero) / float(self.gain),
            "ground_error": float(levels.ground[half]),
            "input_resistance": float(slope),
        }

    def nonlinearity(self) -> dict[str, float]:
        """Returns the largest deviation within full scale.

        Raises:
            MeasurementError: As in `figures`.
        """
        self._settles()
        self._follows()
        return {"nonlinearity": float(np.abs(self.deviation()[self.inside]).max())}

    def range(self) -> dict[str, float]:
        """Returns the range around half of full scale within which the output keeps to its straight line.

        Raises:
            MeasurementError: The output does not settle, or leaves the line even there.
        """
        self._settles()
        inputs, limit = self.levels.inputs, self.stand.settings.linear_within
        good = np.abs(self.deviation()) <= limit
        low = high = int(np.flatnonzero(self.levels.parts == 0.5)[0])
        if not good[low]:
            raise MeasurementError(
                f"the output is {100 * abs(self.deviation()[low]):.3g} % of full scale off its straight line at half "
                f"of full scale, beyond the {100 * limit:g} % that bound the range"
            )
        while low > 0 and good[low - 1]:
            low -= 1
        while high < len(good) - 1 and good[high + 1]:
            high += 1
        return {"range_low": float(inputs[low]), "range_high": float(inputs[high])}

    def _settles(self) -> None:
        s, levels = self.stand.settings, self.levels
        time, out = levels.result["time"], levels.result["v(out)"]
        for k in np.flatnonzero(self.inside):
            late = (time > (k + 0.8) * s.window) & (time < (k + 1) * s.window - s.row_edge)
            move = float(np.ptp(out[late]))
            if move > _EVEN * abs(s.nominal_gain * self.stand.full_scale):
                raise MeasurementError(
                    f"the output has not settled {s.window:.3g} s after a step to {levels.inputs[k]:.3g} A: it still "
                    f"moves by {move:.3g} V"
                )

    def _follows(self) -> None:
        inputs, outputs = self.levels.inputs[self.inside], self.levels.outputs[self.inside]
        bad = np.flatnonzero(np.diff(outputs) / np.diff(inputs) / self.stand.settings.nominal_gain < _CLIPPED)
        if len(bad):
            raise MeasurementError(
                f"the output clips at {outputs[bad[0]]:.3g} V, from {inputs[bad[0]]:.3g} A of "
                f"{self.stand.full_scale:.3g} A"
            )
