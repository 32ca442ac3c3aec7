"""Macromodels from the figures of a variant's own test bench: nominal ones, and their spreads over draws of mismatch.

A comparator's input is a voltage; a latch on the bit line decides about a current. Figures of an amplifier on a column
are referred to the current at the exact virtual ground: what the error of the virtual ground makes of the cells'
current is taken out of its gain and offset again by the card's law, draw by draw, because an array puts it in for its
own cells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.netlist.catalogue.variant import Variant
from ftj_spice.periphery.bench import Curve
from ftj_spice.periphery.benches.integrator import IntegratorSettings
from ftj_spice.periphery.clocked import ClockedComparatorSettings
from ftj_spice.periphery.column import Column
from ftj_spice.periphery.converting import ConverterSettings
from ftj_spice.periphery.fitting import CURVE, ORDER
from ftj_spice.periphery.levels import TransimpedanceSettings
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.periphery.own_benches import averaging_time
from ftj_spice.periphery.parts import ConvertModel, DecideModel, FitError, Identity, SenseModel
from ftj_spice.periphery.spreads import Spread, spread_note

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What a variant's bench gave.

    Attributes:
        variant: The variant.
        process: Name of the process.
        corner: Its corner.
        temperature: In K.
        card: Card of the column.
        figures: Nominal figures in SI units.
        draws: Figures of each draw, shape `(draws,)`, NaN where one failed.
        notes: What the bench declares, by figure.
        curves: Transfer curves by title, nominal.
        identity: What it was made of.
    """

    variant: Variant
    process: str
    corner: str
    temperature: float
    card: Card
    figures: Mapping[str, float]
    draws: Mapping[str, FloatArray] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    identity: Identity | None = None

    def figure(self, name: str) -> float:
        """Returns a nominal figure.

        Raises:
            SettingsError: It was not measured.
        """
        if name not in self.figures:
            raise SettingsError(f"variant '{self.variant.name}' gives no macromodel without its figure '{name}'")
        return self.figures[name]

    def drawn(self, name: str) -> FloatArray:
        """Returns a figure of each draw; none of them where there are no draws."""
        return np.asarray(self.draws.get(name, np.empty(0)), float)

    def noise(self, name: str, declared: str | None = None) -> dict[str, float | str]:
        """Returns a noise figure and its source, as the models' fields; `declared` names another figure's note."""
        if name not in self.figures:
            return {"noise": 0.0, "noise_source": "not measured"}
        return {
            "noise": self.figures[name],
            "noise_source": self.notes.get(declared or name, "the variant's own bench"),
        }

    def range(self, low: str, high: str) -> dict[str, float]:
        """Returns the ends of a range as far as they were measured."""
        return {end: self.figures[name] for end, name in (("low", low), ("high", high)) if name in self.figures}

    @property
    def energy(self) -> dict[str, float]:
        """Energy of one operation in J by supply; what flows back counts nothing."""
        parts = {name.removeprefix("energy_"): e for name, e in self.figures.items() if name.startswith("energy_")}
        return {name: max(e, 0.0) for name, e in parts.items()}


@dataclass(frozen=True)
class _Made:
    """A part, with the spreads in it by what they are of, and what there is to say."""

    part: SenseModel | ConvertModel | DecideModel
    spreads: Mapping[str, Spread]
    notes: tuple[str, ...] = ()


def offset_figure(variant: Variant) -> str:
    """Returns the figure whose spread over circuits is checked: a voltage's or a current's offset."""
    return "offset_current" if variant.kind == "sense" else "offset"


def has_macromodel(variant: Variant) -> bool:
    """Returns whether figures of a variant make a macromodel."""
    return (variant.bench or "") in _WAYS


def part_of(variant: Variant) -> str:
    """Returns which part of a macromodel a variant's figures make.

    Raises:
        SettingsError: None.
    """
    if not has_macromodel(variant):
        raise SettingsError(
            f"variant '{variant.name}' gives no macromodel: it neither reads a column nor converts nor decides"
        )
    return _WAYS[variant.bench or ""][0]


def figures_for(variant: Variant) -> tuple[str, ...]:
    """Returns the figures that a variant's macromodel takes."""
    return _WAYS[variant.bench or ""][2]


def macromodel_of(measured: Measured, fit: FitError | None = None) -> Macromodel:
    """Returns the macromodel of a variant.

    Args:
        measured: What its bench gave.
        fit: Its error against transients that it was not made from.

    Raises:
        SettingsError: No macromodel stands for such a circuit, or a figure that it needs is missing.
    """
    variant = measured.variant
    part = part_of(variant)
    made = _WAYS[variant.bench or ""][1](measured)
    draws = min(spread.count for spread in made.spreads.values())
    notes = list(made.notes)
    if draws:
        notes.append(spread_note(draws))
    else:
        notes.append(f"without Monte Carlo draws the spreads of {', '.join(made.spreads)} are unknown: they stand as 0")
    for name, spread in made.spreads.items():
        if spread.broken:
            notes.append(
                f"{spread.broken} of {spread.count + spread.broken} circuits with mismatch fail, or lie far from all "
                f"others in {name}: its spread is that of the rest"
            )
    return Macromodel.model_validate(
        {
            "name": variant.name,
            "title": variant.title,
            "kind": part,
            "process": measured.process,
            "corner": measured.corner,
            "temperature": measured.temperature,
            "card": measured.card.name,
            "variants": (variant.name,),
            "area": measured.figures.get("area", 0.0),
            "draws": draws,
            "fit": fit,
            "identity": measured.identity,
            "notes": tuple(notes),
            part: made.part,
        }
    )


def _decides_clocked(m: Measured) -> _Made:
    s = ClockedComparatorSettings.parse(dict(m.variant.settings), m.variant.name)
    return _decides(m, {"time": s.period})


def _decides_continuously(m: Measured) -> _Made:
    power = max(m.figures.get("static_power", 0.0), 0.0)
    return _decides(m, {"sees": "edge" if "in" in m.variant.ports else "level", "static_power": power})


def _decides(m: Measured, more: dict[str, float | str]) -> _Made:
    offset = Spread.of(m.drawn("offset"))
    part = DecideModel.model_validate(
        {
            "offset": m.figure("offset"),
            "offset_sigma": offset.sigma,
            "hysteresis": max(m.figures.get("hysteresis", 0.0), 0.0),
            "lag": m.figure("decision_time"),
            "energy": m.energy,
        }
        | m.noise("noise")
        | m.range("input_low", "input_high")
        | more
    )
    return _Made(part, {"offset": offset})


def _decides_currents(m: Measured) -> _Made:
    offset = Spread.of(m.drawn("offset_current"))
    flip, contrast = abs(m.figure("offset_current")), m.figures.get("contrast", 0.0)
    part = DecideModel.model_validate(
        {
            "input": "current",
            "offset": m.figure("offset_current"),
            "offset_sigma": offset.sigma,
            "reference": flip / contrast if contrast > 0 else 0.0,  # contrast is the offset over the reference
            "lag": m.figure("decision_time"),
            "time": m.figures.get("conversion_time", 0.0),
            "energy": m.energy,
            "static_power": max(m.figures.get("static_power", 0.0), 0.0),
        }
        | m.noise("noise_current")
        | m.range("range_low", "range_high")
    )
    return _Made(part, {"offset": offset}, (f"it waits as long as in its bench: {m.notes.get('wait', 'unknown')}",))


def _converts(m: Measured) -> _Made:
    s = ConverterSettings.parse(dict(m.variant.settings), m.variant.name)
    offset, gain = Spread.of(m.drawn("offset") / s.step), Spread.of(m.drawn("gain_error"))
    inl: FloatArray = np.asarray(m.curves["INL"].y, float) if "INL" in m.curves else np.empty(0)
    whole = bool(np.isfinite(inl).all())
    noise = m.noise("noise")
    part = ConvertModel.model_validate(
        {
            "bits": (s.top + 1).bit_length() - 1,
            "inl": tuple(inl.tolist()) if whole else (),
            "offset_sigma": offset.sigma,
            "gain_sigma": gain.sigma,
            "step": s.step,
            "time": m.figure("conversion_time"),
            "energy": m.energy,
            "area": m.figures.get("area", 0.0),
        }
        | noise
        | {"noise": float(noise["noise"]) / s.step}
    )
    return _Made(part, {"offset": offset, "gain": gain}, () if whole else ("codes are missing: INL is left out",))


def _amplifies(m: Measured) -> _Made:
    s = TransimpedanceSettings.parse(dict(m.variant.settings), m.variant.name)
    bandwidth = m.figures.get("bandwidth")
    column = Column.of(m.card, s.rows, s.full_scale)
    timing = {"integrates": False, "time": m.figure("settling_time")}
    averaging = {"averaging": averaging_time(bandwidth)} if bandwidth else {}
    return _reads(m, column, timing | averaging, "noise_current")


def _integrates(m: Measured) -> _Made:
    s = IntegratorSettings.parse(dict(m.variant.settings), m.variant.name)
    column = Column.of(m.card, s.rows, s.full_scale)
    time = s.reset_time + s.settle_time + s.window + s.hold_time
    return _reads(
        m, column, {"integrates": s.time_constant is None, "time": time, "averaging": s.averaging}, "noise_charge"
    )


def _reads(m: Measured, column: Column, timing: dict[str, float], declared: str) -> _Made:
    """Returns a front end from its figures."""
    moved = 0.5 * column.full_scale * m.figures.get("input_resistance", 0.0)
    ground = m.figure("ground_error") - moved  # without a current: what it moves with the current is in the gain
    low, high = max(m.figures.get("range_low", 0.0), 0.0), m.figure("range_high")
    gain, deviation = _static(m, low, high)
    alone = _alone(m, column, m.figure("gain"), m.figure("offset_current"), np.array([ground]))
    gains, offsets = _alone(m, column, m.drawn("gain"), m.drawn("offset_current"), m.drawn("ground_error") - moved)
    spreads = {
        "gain": Spread.of(gains / alone[0] - 1.0),
        "offset": Spread.of(offsets),
        "virtual ground": Spread.of(m.drawn("ground_error")),
    }
    part = SenseModel.model_validate(
        timing
        | {
            "gain": gain,
            "gain_sigma": spreads["gain"].sigma,
            "offset": float(alone[1][0]),
            "offset_sigma": spreads["offset"].sigma,
            "ground": ground,
            "ground_sigma": spreads["virtual ground"].sigma,
            "low": low,
            "high": high,
            "deviation": deviation,
            "energy": m.energy,
            "static_power": max(m.figures.get("static_power", 0.0), 0.0),
        }
        | m.noise("noise_current", declared)
    )
    return _Made(part, spreads)


def _alone(
    m: Measured, column: Column, gain: float | FloatArray, offset: float | FloatArray, ground: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Returns gains and offsets of the circuits themselves, what the virtual ground's error does to cells taken out."""

    def current(volts: FloatArray) -> FloatArray:
        return column.cells.current(np.broadcast_to(volts, (column.cells.shape[0], len(ground)))).sum(axis=0)

    rest = current(-ground)
    share = (current(m.card.vmm_voltage - ground) - rest) / column.full_scale
    own = np.asarray(gain) / share
    return own, np.asarray(offset) * np.asarray(gain) / own - rest


def _static(m: Measured, low: float, high: float) -> tuple[float, tuple[float, ...]]:
    """Returns the straight line's gain in V/A, and the static curve beside it in parts of the range."""
    curve = m.curves.get("Transfer")
    if curve is None:
        return m.figure("gain"), ()
    x, y = (1e-9 if "(nA)" in curve.x_label else 1e-6) * np.asarray(curve.x), np.asarray(curve.y)
    inside = (x >= low) & (x <= high * (1.0 + 1e-9))
    if inside.sum() <= ORDER + 1:
        return m.figure("gain"), ()
    place = (x[inside] - low) / (high - low)
    slope, zero = np.polyfit(place, y[inside], 1)
    left = (y[inside] - zero - slope * place) / slope
    bent = np.polynomial.Polynomial.fit(place, left, ORDER, domain=[0, 1])
    return float(slope / (high - low)), tuple(bent(np.linspace(0.0, 1.0, CURVE)).tolist())


_WAYS: Mapping[str, tuple[str, Callable[[Measured], _Made], tuple[str, ...]]] = {
    "clocked_comparator": (
        "decide",
        _decides_clocked,
        ("offset", "hysteresis", "decision_time", "noise", "energy", "input_low", "input_high", "area"),
    ),
    "continuous_comparator": (
        "decide",
        _decides_continuously,
        ("offset", "hysteresis", "decision_time", "noise", "energy", "static_power", "input_low", "input_high", "area"),
    ),
    "current_latch": (
        "decide",
        _decides_currents,
        ("offset_current", "contrast", "decision_time", "conversion_time", "range_low", "range_high", "noise_current",
         "energy", "static_power", "area"),
    ),
    "converter": ("convert", _converts, ("offset", "gain_error", "inl", "noise", "conversion_time", "energy", "area")),
    "transimpedance": ("sense", _amplifies, ()),
    "integrator": ("sense", _integrates, ()),
}  # fmt: skip
"""What the figures of each bench become: part, way, figures that it takes; none named: all."""
