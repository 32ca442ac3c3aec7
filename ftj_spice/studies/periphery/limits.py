"""What a variant asks for: figures that its bench measures, and limits in their units."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ftj_spice.common.errors import SettingsError
from ftj_spice.common.quantities import UnitError, in_unit, number_and_unit
from ftj_spice.netlist.catalogue.variant import Variant
from ftj_spice.periphery.bench import Bench
from ftj_spice.periphery.figures import Figure, figure
from ftj_spice.results.units import engineering

SIGNED = frozenset({"offset", "offset_current", "ground_error", "gain_error", "inl", "dnl"})
"""Figures that may be negative and are judged by their magnitude."""
SIGMA = "_sigma"


@dataclass(frozen=True)
class Bound:
    """A limit in SI units.

    Attributes:
        low: Smallest value allowed; none: no such limit.
        high: Largest value allowed.
        why: What the limit comes from.
    """

    low: float | None
    high: float | None
    why: str

    def broken_by(self, name: str, value: float) -> str | None:
        """Returns in a few words how a value of the figure `name` breaks the limit; none where it keeps it."""
        shown = abs(value) if name in SIGNED else value
        unit = figure(name).unit
        if self.high is not None and not shown <= self.high:
            return f"{engineering(shown, unit)} is above {engineering(self.high, unit)}: {self.why}"
        if self.low is not None and not shown >= self.low:
            return f"{engineering(shown, unit)} is below {engineering(self.low, unit)}: {self.why}"
        return None


def wanted_figures(variant: Variant, bench: Bench) -> tuple[str, ...]:
    """Returns the figures to measure.

    Raises:
        SettingsError: The variant asks for one that its bench can't measure, or that nobody knows.
    """
    for name in variant.measure:
        _check(name, bench.figures, f"variant '{variant.name}' asks to measure '{name}'", bench)
    return variant.measure or tuple(bench.figures)


def bounds_of(variant: Variant, bench: Bench) -> dict[str, Bound]:
    """Returns the limits by figure, in SI units.

    Raises:
        SettingsError: A limit is on a figure that is not measured, has the wrong unit, or no side at all.
    """
    measured = wanted_figures(variant, bench)
    drawn = [f"{name}{SIGMA}" for name in bench.drawn if name in measured]
    bounds: dict[str, Bound] = {}
    for name, limit in variant.limits.items():
        what = f"limit '{name}' of variant '{variant.name}'"
        if name in bench.figures and name not in measured:
            raise SettingsError(f"{what} is on a figure that its 'measure' leaves out; add it there")
        _check(name, [*measured, *drawn], what, bench)
        if limit.max is None and limit.min is None:
            raise SettingsError(f"{what} has neither 'min' nor 'max'")
        one = figure(name)
        bounds[name] = Bound(_side(limit.min, one, what), _side(limit.max, one, what), limit.why)
    return bounds


def broken_limits(figures: Mapping[str, float], bounds: Mapping[str, Bound]) -> dict[str, str]:
    """Returns, by figure, how limits are broken; limits of figures that were not measured say nothing here."""
    found = {name: bound.broken_by(name, figures[name]) for name, bound in bounds.items() if name in figures}
    return {name: text for name, text in found.items() if text is not None}


def _check(name: str, known: Collection[str], what: str, bench: Bench) -> None:
    supplies = name.startswith("energy_") and "energy" in known
    if name in known or supplies:
        return
    near = difflib.get_close_matches(name, [*known, "energy"], n=1)
    hint = f"did you mean '{near[0]}'? " if near and near[0] in known else ""
    try:
        figure(name)
        reason = f"its bench '{bench.name}' does not measure that"
    except KeyError:
        reason = "there is no such figure"
    raise SettingsError(f"{what}, but {reason}; {hint}known here: {', '.join(known)}")


def _side(value: float | str | None, one: Figure, what: str) -> float | None:
    if value is None:
        return None
    if one.unit == "LSB" and not isinstance(value, str):
        return float(value)  # steps are counted
    parts = number_and_unit(str(value))
    try:
        return float(in_unit(one.unit).func(value))  # type: ignore[call-arg]
    except UnitError:
        text = parts[1][:40] if parts else ""
        unit = f"in {text if text.isprintable() else repr(text)}" if text else "without a unit"
        measured = "is a pure number" if one.unit == "1" else f"measured in {one.unit}"
        raise SettingsError(f"{what} is given {unit} but {measured}") from None
    except ValueError:
        if parts is not None:
            raise SettingsError(f"{what} is given without a unit but measured in {one.unit}") from None
        raise SettingsError(f"{what}: {str(value)[:60]!r} is no number with a unit such as '1 {one.unit}'") from None
