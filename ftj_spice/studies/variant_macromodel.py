"""Macromodels of single variants: nominal figures and draws by their own bench, checked by draws and inputs of its own.

An amplifier or integrator on the bit line is fitted as a chain with an ideal converter, clocked as in its bench; other
variants by their figures.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import FtjSpiceError, SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.netlist.catalogue.variant import Variant
from ftj_spice.periphery.bench import Measurement
from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.benches.integrator import IntegratorSettings
from ftj_spice.periphery.chain import Chain
from ftj_spice.periphery.column import Column
from ftj_spice.periphery.converting import Conversions, ConverterSettings
from ftj_spice.periphery.levels import TransimpedanceSettings
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.periphery.measured import Measured, figures_for, macromodel_of, offset_figure, part_of
from ftj_spice.periphery.parts import FitError, Identity
from ftj_spice.periphery.rig import Condition, Rig
from ftj_spice.periphery.spreads import Spread, against_normal

FloatArray = NDArray[np.float64]

DRAWS = 24
"""Draws of mismatch that spreads come from, where nobody says."""
INPUTS = 32
"""Fresh inputs of a converter."""
BITS = 6
"""Of the ideal converter behind an amplifier; its range is what counts."""


@dataclass(frozen=True)
class VariantPlan:
    """How much a fit by figures measures.

    Attributes:
        draws: Draws of mismatch that spreads come from.
        fresh: Further draws that check them.
        seed: Of all of them.
    """

    draws: int = DRAWS
    fresh: int = DRAWS
    seed: int = 0


def bench_chain(variant: Variant, card: Card) -> Chain:
    """Returns the chain that reads a column through a front end as its test bench does, with an ideal converter.

    Raises:
        SettingsError: The variant's settings are wrong, or its bench is of another kind.
    """
    where = f"settings of '{variant.name}'"
    shared: IntegratorSettings | TransimpedanceSettings
    clocks = {}
    if variant.bench == "integrator":
        s = shared = IntegratorSettings.parse(dict(variant.settings), where)
        sampled = s.reset_time + s.settle_time
        held, period, step = sampled + s.window, sampled + s.window + s.hold_time, s.window / s.steps_per_window
        ends = {"reset": (0.0, s.reset_time), "sample": (0.0, sampled), "hold": (held, period)}
        clocks = {port: {"begin": f"{begin!r} s", "end": f"{end!r} s"} for port, (begin, end) in ends.items()}
    elif variant.bench == "transimpedance":
        shared = TransimpedanceSettings.parse(dict(variant.settings), where)
        period, step = shared.window, shared.window / shared.steps_per_window
    else:
        raise SettingsError(f"variant '{variant.name}' is no front end with an output: its bench is '{variant.bench}'")
    full = Column.of(card, shared.rows, shared.full_scale).full_scale
    data = {
        "name": variant.name,
        "title": variant.title,
        "description": variant.description,
        "card": card.name,
        "virtual_ground": f"{shared.ground!r} V",
        "full_scale": f"{full!r} A",
        "period": f"{period!r} s",
        "step": f"{step!r} s",
        "wire": f"{shared.wire!r} F",
        "row_edge": f"{shared.row_edge!r} s",
        "sense": {
            "variant": variant.name,
            "column": "bl",
            "output": "out",
            "output_at": f"{period - 2.0 * shared.row_edge!r} s",
            "clocks": clocks,
        },
        "ideal": {
            "bits": BITS,
            "low": f"{shared.zero!r} V",
            "high": f"{shared.zero + shared.nominal_gain * full!r} V",
        },
    }
    return Chain.parse(data, where).model_copy(update={"folder": variant.folder, "ours": variant.ours})


def fit_variant(
    variant: Variant,
    condition: Condition,
    card: Card,
    engine: NgspiceEngine,
    plan: VariantPlan,
    identity: Identity | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Macromodel:
    """Returns the macromodel of a comparator, a latch on the bit line or a converter, from its bench's figures.

    Args:
        variant: The variant.
        condition: Process, corner, temperature, supplies; its mismatch is not used.
        card: Card of the column.
        engine: Its workers measure side by side.
        plan: How many draws.
        identity: What the circuit is made of.
        progress: Called with finished and all measurements.

    Raises:
        SettingsError: No macromodel stands for such a circuit, or a figure that it needs can't be had.
        FtjSpiceError: The nominal circuit can't be measured.
    """
    part = part_of(variant)
    its = bench(variant.bench or "", f"variant '{variant.name}'")
    wanted = [name for name in figures_for(variant) if name in its.figures]
    drawn = [name for name in its.drawn if name in wanted]
    nominal = replace(condition, mismatch=None)

    def job(open_netlist: Open, draw: int | None) -> Measurement:
        chip = nominal if draw is None else replace(condition, mismatch=(plan.seed, draw))
        rig = Rig(variant, chip, card, SimpleNamespace(open=open_netlist))  # type: ignore[arg-type]
        return its.measure(rig, wanted) if draw is None else _tried(its.measure, rig, drawn)

    tasks = [None, *range(plan.draws + (plan.fresh if part == "decide" else 0))]
    told = progress or (lambda done, total: None)
    found, *chips = engine.map(job, tasks, lambda done: told(done, len(tasks) + 1))
    missing = [found.failures[name] for name in wanted if name in found.failures]
    draws = {name: np.array([chip.figures.get(name, np.nan) for chip in chips]) for name in drawn}
    measured = Measured(
        variant=variant,
        process=condition.process.name,
        corner=condition.corner,
        temperature=condition.temperature,
        card=card,
        figures=found.figures,
        draws={name: values[: plan.draws] for name, values in draws.items()},
        notes=found.notes,
        curves=found.curves,
        identity=identity,
    )
    fit = _fresh_offsets(measured, draws[offset_figure(variant)][plan.draws :]) if part == "decide" else None
    try:
        model = macromodel_of(measured, fit)
    except SettingsError as error:
        raise SettingsError(f"{error}: {'; '.join(missing) or 'its bench did not give it'}") from None
    if part == "convert":
        model = _fresh_codes(model, measured, Rig(variant, nominal, card, engine), plan)
    told(len(tasks) + 1, len(tasks) + 1)
    return model.model_copy(update={"notes": (*model.notes, *missing)})


def _tried(measure: Callable[[Rig, Collection[str]], Measurement], rig: Rig, figures: Collection[str]) -> Measurement:
    """Measures a draw; one that can't be measured gives no figures."""
    try:
        return measure(rig, figures)
    except FtjSpiceError:
        return Measurement({})


def _fresh_offsets(measured: Measured, offsets: FloatArray) -> FitError | None:
    """Compares how many fresh circuits decide high at an input with the law of offsets."""
    name = offset_figure(measured.variant)
    against = (
        "fresh circuits with mismatch: the share that decides high at each one's trip point, by the law of offsets"
    )
    return against_normal(offsets, measured.figures.get(name, 0.0), Spread.of(measured.drawn(name)).sigma, against)


def _fresh_codes(model: Macromodel, measured: Measured, rig: Rig, plan: VariantPlan) -> Macromodel:
    """Compares codes of fresh inputs, by nominal devices and by a circuit with mismatch, with the macromodel's."""
    convert = model.convert
    assert convert is not None
    s = ConverterSettings.parse(dict(rig.variant.settings), rig.variant.name)
    inputs = generator(plan.seed, "macromodel-fresh-inputs").uniform(s.low, s.high, INPUTS)
    offset, gain = measured.figures["offset"], 1.0 + measured.figures["gain_error"]

    def expected(offset: float, gain: float) -> NDArray[np.int64]:
        steps = (inputs - s.low - offset) / s.step * gain - 0.5
        return np.searchsorted(convert.transitions, steps, side="right").astype(np.int64)

    error = Conversions(rig, s).codes(inputs) - expected(offset, gain)
    fresh = replace(rig, condition=replace(rig.condition, mismatch=(plan.seed, plan.draws)))
    away = Conversions(fresh, s).codes(inputs) - expected(offset, gain)
    spread = float(np.sqrt(convert.offset_sigma**2 + np.mean(((inputs - s.low) / s.step * convert.gain_sigma) ** 2)))
    note = (
        f"a fresh circuit with mismatch is {np.sqrt(np.mean(away**2)):.2g} LSB rms from the nominal codes; its spreads "
        f"of offset and gain make {spread:.2g} LSB on the mean, bits' weights and rounding the rest"
    )
    fit = FitError(
        largest=float(np.max(np.abs(error))),
        rms=float(np.sqrt(np.mean(error**2.0))),
        unit="LSB",
        compared=INPUTS,
        against="codes of fresh inputs by the transistors of nominal devices",
    )
    return model.model_copy(update={"fit": fit, "notes": (*model.notes, note)})
