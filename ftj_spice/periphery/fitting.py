"""Macromodels from transients: a chain reads a column of cells, and what comes out is fitted.

The column is that of the chain's card, 64 cells in their low-resistance state or as many as the full scale needs; each
read raises another set of rows. The current that the front end sees is the cells' at the voltage that the bit line
stands at without any current; what the bit line moves with the current is in the gain.

- Nominal devices give the straight line (least squares), the static curve and the energies.
- The blocks' own test benches give noise, averaging time and the places of the code transitions (`own_benches`).
- Monte Carlo columns, each with devices of its own, give the spreads at the front end's output, of gain and offset, and
  of the bit line. Those of the converter come from draws of its own bench: codes are too coarse for them.
- Fresh reads of other sets of rows, by a further column that no fit has seen, give the stated error.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.circuit import Cells
from ftj_spice.periphery.chain import Chain
from ftj_spice.periphery.macromodel import ConvertModel, FitError, Macromodel, SenseModel
from ftj_spice.periphery.own_benches import (
    ConverterErrors,
    FrontNoise,
    converter_errors,
    converter_logic,
    front_noise,
    integrator_settings,
)
from ftj_spice.periphery.readout import CHUNK, ColumnReads, read_columns
from ftj_spice.periphery.rig import Condition
from ftj_spice.periphery.spreads import spread_note

FloatArray = NDArray[np.float64]

ROWS = 64
"""Cells of the column."""
REACH = 0.95
"""Largest input of the fit, in parts of full scale: above it a circuit with mismatch may clip."""
CURVE = 9
"""Points of the static curve: a polynomial of third order sampled, enough for front ends that bend smoothly."""
ORDER = 3


@dataclass(frozen=True)
class FitPlan:
    """How many reads a fit takes.

    Attributes:
        nominal: Reads by nominal devices.
        columns: Columns with mismatch.
        each: Reads of each of them.
        fresh: Reads that the fit does not see.
        seed: Of mismatch and rows. Not one that runs begin with: their circuits are to be others than the fit's.
    """

    nominal: int = 29
    columns: int = 12
    each: int = 6
    fresh: int = 29
    seed: int = 1_000_003

    @property
    def reads(self) -> int:
        """Reads in all, those that stand before each chunk included."""
        chunks = [-(-count // CHUNK) for count in (self.nominal, self.each, self.fresh)]
        return self.nominal + chunks[0] + self.columns * (self.each + chunks[1]) + 2 * (self.fresh + chunks[2])


def fit_chain(
    chain: Chain,
    condition: Condition,
    card: Card,
    engine: NgspiceEngine,
    plan: FitPlan | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Macromodel:
    """Returns a chain's macromodel.

    Args:
        chain: The chain.
        condition: Process, corner, temperature, supplies; its mismatch is not used.
        card: Card of the column's cells.
        engine: Its workers read side by side.
        plan: How many reads.
        progress: Called with finished and all of the fit's parts.

    Raises:
        SettingsError: The chain does not work at all: its output does not follow its input.
        EngineError: A simulation failed.
    """
    plan = plan or FitPlan()
    told = progress or (lambda done, total: None)
    column = _conductance(chain, card)

    def read(rows: NDArray[np.bool_], columns: int, draw: int | None) -> ColumnReads:
        mismatch = None if draw is None else (plan.seed, draw)
        g = np.repeat(column[:, np.newaxis], columns, axis=1)
        return read_columns(
            chain, replace(condition, mismatch=mismatch), card, g, card.vmm_voltage * rows, engine
        )  # fmt: skip

    told(0, 5)
    nominal_rows = _rows(plan.seed, "nominal", plan.nominal)
    nominal = read(nominal_rows, 1, None)
    base = _fit_column(nominal, 0, nominal_rows, column, card, chain)
    told(1, 5)
    own_rows = _rows(plan.seed, "spread", plan.each)
    spread = read(own_rows, plan.columns, 0)
    each = [_fit_column(spread, j, own_rows, column, card, chain) for j in range(plan.columns)]
    told(2, 5)
    nominally = replace(condition, mismatch=None)
    noise = front_noise(chain, nominally, card, engine)
    sense = _sense(chain, nominal, base, each, noise)
    logic = converter_logic(chain)
    convert = None
    own = ConverterErrors()
    if chain.convert is not None:
        ends = tuple((code - base.code) / base.step for code in (-0.5, chain.top + 0.5))
        chips = [(plan.seed, draw) for draw in range(plan.columns)]
        own = converter_errors(chain, nominally, card, engine, ends, chips)
        energy = _energy(nominal, "convert")
        if logic is not None and logic.logic_cycles:
            energy |= {"logic": logic.logic_energy(condition.core)}
        convert = ConvertModel(
            bits=chain.bits,
            inl=own.inl,
            offset_sigma=own.offset.sigma,
            gain_sigma=own.gain.sigma,
            noise=own.noise * abs(base.step),
            noise_source=own.source,
            step=1.0 / abs(base.step),
            time=0.0,  # the chain's period holds both
            energy=energy,
            area=nominal.areas["convert"] + (0.0 if logic is None else logic.logic_area),
        )
    told(3, 5)
    fresh_rows = _rows(plan.seed, "fresh", plan.fresh)
    fit, notes = _check(chain, sense, convert, base, read(fresh_rows, 1, None), fresh_rows, column, card)
    told(4, 5)
    # One more circuit, with mismatch: its own gain and offset are taken as known, what is left is the curve's error.
    other = _check_other(read(fresh_rows, 1, 1), fresh_rows, column, card, chain, base)
    told(5, 5)
    notes += [*noise.notes, *own.notes, spread_note(plan.columns)]
    notes.append(
        f"a fresh circuit with mismatch keeps the nominal curve, its own gain and offset known, within {other:.2g} of "
        "the range (rms)"
    )
    if logic is not None and logic.logic_cycles:
        notes.append("the converter's XSPICE logic takes no current: energy 'logic' and its area are estimates")
    if own.offset.broken:
        notes.append(f"{own.offset.broken} of {plan.columns} converters with mismatch fail: they are in no spread")
    if chain.ideal is not None:
        notes.append("the chain's converter is ideal and not part of the macromodel")
    return Macromodel(
        name=chain.name,
        title=chain.title,
        kind="chain" if convert else "sense",
        process=condition.process.name,
        corner=condition.corner,
        temperature=condition.temperature,
        card=card.name,
        variants=tuple(block.variant for block in chain.blocks.values()),
        sense=sense,
        convert=convert,
        area=nominal.areas["sense"] + (0.0 if convert is None else convert.area),
        draws=plan.columns,
        fit=fit,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Line:
    """One column's straight lines.

    Attributes:
        gain: Output over current in V/A.
        zero: Output without current in V.
        ground: Bit line's error without current in V.
        currents: That the front end saw in A, shape `(reads,)`.
        step: Codes per volt of the output; NaN without a converter.
        code: Code at an output of 0 V, with its fraction.
    """

    gain: float
    zero: float
    ground: float
    currents: FloatArray
    step: float
    code: float


def _conductance(chain: Chain, card: Card) -> FloatArray:
    """Returns cells of many conductances that make up the full scale together."""
    g = np.full(ROWS, chain.full_scale / card.vmm_voltage / ROWS)
    if not card.off_conductance <= g[0] <= 1.01 * card.on_conductance:
        raise SettingsError(
            f"chain '{chain.name}' takes {chain.full_scale:.3g} A from {ROWS} cells, which those of card '{card.name}' "
            f"can't give: take a card whose cells carry such currents"
        )
    # Cells differ, so that sets of rows give currents between those of whole numbers of cells.
    factor = np.linspace(0.5, 1.0, ROWS)
    return np.maximum(g * factor, card.off_conductance)


def _rows(seed: int, purpose: str, count: int) -> NDArray[np.bool_]:
    """Returns sets of rows, from none to all, in random order; shape `(count, ROWS)`."""
    rng = generator(seed, f"macromodel-{purpose}")
    sizes = np.rint(np.linspace(0.0, 1.0, count) * ROWS).astype(int)
    sets = [rng.permutation(ROWS) < size for size in rng.permutation(sizes)]
    return np.array(sets)


def _currents(rows: NDArray[np.bool_], column: FloatArray, card: Card, ground: float) -> FloatArray:
    """Returns the column's currents with the bit line off by `ground`, by the card's law, shape `(reads,)`."""
    cells = Cells.of(card, column[:, np.newaxis])
    on = cells.current(np.full((ROWS, 1), card.vmm_voltage - ground))[:, 0]
    off = cells.current(np.full((ROWS, 1), -ground))[:, 0]
    return np.where(rows, on, off).sum(axis=1)


def _fit_column(
    reads: ColumnReads, j: int, rows: NDArray[np.bool_], column: FloatArray, card: Card, chain: Chain
) -> _Line:
    ideal = _currents(rows, column, card, 0.0)
    fitted = ideal < REACH * chain.full_scale
    ground = float(np.polyfit(ideal[fitted], reads.ground[fitted, j], 1)[1])
    seen = _currents(rows, column, card, ground)
    gain, zero = np.polyfit(seen[fitted], reads.outputs[fitted, j], 1)
    if not np.isfinite(gain) or abs(gain) * chain.full_scale < 1e-3:
        raise SettingsError(f"chain '{chain.name}' does not read: full scale moves its output by less than 1 mV")
    step = code = float("nan")
    if chain.convert is not None:
        codes = reads.codes[:, j]
        inside = fitted & (codes > 0) & (codes < chain.top)
        if inside.sum() > 2:
            step, code = np.polyfit(reads.outputs[inside, j], codes[inside], 1)
    return _Line(float(gain), float(zero), ground, seen, float(step), float(code))


def _sense(chain: Chain, nominal: ColumnReads, base: _Line, each: list[_Line], noise: FrontNoise) -> SenseModel:
    volts_at_zero, volts_at_top = _ends(chain, base)
    low = (volts_at_zero - base.zero) / base.gain
    high = (volts_at_top - base.zero) / base.gain
    span = high - low
    inside = base.currents < REACH * chain.full_scale
    left = (nominal.outputs[:, 0] - base.zero - base.gain * base.currents) / (base.gain * span)
    place = (base.currents - low) / span
    curve = np.polynomial.Polynomial.fit(place[inside], left[inside], ORDER, domain=[0, 1])
    energy = _energy(nominal, "sense")
    settings = integrator_settings(chain)
    return SenseModel(
        integrates=settings is not None and settings.time_constant is None,
        time=chain.period,
        averaging=noise.averaging,
        gain=base.gain,
        gain_sigma=float(np.std([line.gain / base.gain for line in each], ddof=1)),
        offset=0.0,
        offset_sigma=float(np.std([(line.zero - base.zero) / base.gain for line in each], ddof=1)),
        ground=base.ground,
        ground_sigma=float(np.std([line.ground for line in each], ddof=1)),
        noise=noise.current,
        noise_source=noise.source,
        low=float(low),
        high=float(high),
        deviation=tuple(curve(np.linspace(0.0, 1.0, CURVE)).tolist()),
        energy=energy,
        static_power=sum(energy.values()) / chain.period,
    )


def _ends(chain: Chain, base: _Line) -> tuple[float, float]:
    """Returns the front end's outputs that nominal codes 0 and `top` stand for."""
    if chain.ideal is not None:
        return chain.ideal.low, chain.ideal.high
    return -base.code / base.step, (chain.top - base.code) / base.step


def _energy(reads: ColumnReads, kind: str) -> dict[str, float]:
    """Returns a block's mean energy per read in J, by supply; clocks count with the front end."""
    own = {name: float(values.mean()) for name, values in reads.energies.items() if name.startswith(f"{kind}_")}
    found = {name.removeprefix(f"{kind}_"): value for name, value in own.items()}
    return found | ({"clocks": float(reads.energies["clocks"].mean())} if kind == "sense" else {})


def _check(
    chain: Chain,
    sense: SenseModel,
    convert: ConvertModel | None,
    base: _Line,
    fresh: ColumnReads,
    rows: NDArray[np.bool_],
    column: FloatArray,
    card: Card,
) -> tuple[FitError, list[str]]:
    """Compares with fresh reads of nominal devices: outputs, and codes where there are any."""
    seen = _currents(rows, column, card, base.ground)
    inside = seen < REACH * chain.full_scale
    place = (seen - sense.low) / sense.span
    grid = np.linspace(0.0, 1.0, len(sense.deviation))
    expected = base.zero + base.gain * (seen + sense.span * np.interp(place, grid, sense.deviation))
    error = ((fresh.outputs[:, 0] - expected) / (base.gain * sense.span))[inside]
    notes = [
        f"against {inside.sum()} fresh reads the front end's output is off by {np.max(np.abs(error)):.2g} of the range "
        f"at most, {np.sqrt(np.mean(error**2)):.2g} rms"
    ]
    if convert is None:
        unit, compared = "range", int(inside.sum())
    else:
        model = Macromodel(
            name=chain.name, title=chain.title, kind="chain", process="generic", corner="", temperature=300.0,
            card=card.name, sense=sense, convert=convert,
        )  # fmt: skip
        error = (fresh.codes[:, 0] - model.codes(seen)).astype(float)
        unit, compared = "LSB", len(error)
        notes.append(f"{int(np.count_nonzero(error))} of {compared} fresh codes differ from the macromodel's")
    return FitError(
        largest=float(np.max(np.abs(error))),
        rms=float(np.sqrt(np.mean(error**2))),
        unit=unit,
        compared=compared,
        against="reads of other sets of rows by the transistors of nominal devices, which the fit has not seen",
    ), notes


def _check_other(
    reads: ColumnReads, rows: NDArray[np.bool_], column: FloatArray, card: Card, chain: Chain, base: _Line
) -> float:
    """Returns how far a circuit with mismatch bends away from its own straight line, rms, in parts of the range."""
    own = _fit_column(reads, 0, rows, column, card, chain)
    inside = own.currents < REACH * chain.full_scale
    left = reads.outputs[inside, 0] - own.zero - own.gain * own.currents[inside]
    return float(np.sqrt(np.mean((left / (base.gain * chain.full_scale)) ** 2)))
