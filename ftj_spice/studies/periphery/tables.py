"""Tables of the page: figures by kind, draws, spread over conditions, parts."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ftj_spice.periphery.figures import FIGURES, figure
from ftj_spice.results.report import Cell
from ftj_spice.results.units import engineering
from ftj_spice.studies.periphery.limits import SIGMA, SIGNED
from ftj_spice.studies.periphery.results import VariantResults
from ftj_spice.studies.periphery.statistics import Yield

SAME = 1e-9
"""Relative difference below which two figures count as equal."""


def title(name: str) -> str:
    """Returns a figure's title."""
    return figure(name).title


def shown(name: str, value: float) -> str:
    """Returns a figure with its unit; areas in square micrometres."""
    unit = figure(name).unit
    if unit == "m^2":
        return f"{_plain(1e12 * value)} µm²"
    if unit == "LSB":
        return f"{value:.3g} LSB".replace("-", "\N{MINUS SIGN}")
    return engineering(value, {"V*s": "V·s"}.get(unit, unit)).replace("-", "\N{MINUS SIGN}")


def _plain(value: float) -> str:
    """Returns a number with four digits and no power of ten."""
    return f"{value:.4g}" if abs(value) < 1e4 else f"{float(f'{value:.4g}'):.0f}"


def listed(value: Any) -> str:
    """Returns a setting's value in one line."""
    if isinstance(value, tuple | list):
        return ", ".join(str(one) for one in value) or "typical"
    return str(value)


def figure_table(
    variants: Sequence[VariantResults], rivals: Sequence[VariantResults] | None = None
) -> tuple[list[list[Any]], list[str]]:
    """Returns the rows and the header of a table of one kind: a row per figure, a column per variant.

    Args:
        variants: What the table shows.
        rivals: Among whom the best is marked; none means the variants themselves.
    """
    names = _in_order({name for one in variants for name in (*one.figures, *one.failures)})
    rows: list[list[Any]] = []
    for name in names:
        best = _best(name, rivals or variants)
        rows.append(
            [title(name), *(_figure_cell(one, name, best is not None and _is(one, name, best)) for one in variants)]
        )
    yields = [one.yielded for one in variants]
    if any(found is not None for found in yields):
        rows.append(["yield", *(None if y is None else _yield_cell(y) for y in yields)])
    if any(one.error is not None for one in variants):
        rows.append(["", *("" if one.error is None else Cell("not measured", "fails", one.error) for one in variants)])
    return rows, ["figure", *(one.variant.replace("_", " ") for one in variants)]


def _in_order(names: Iterable[str]) -> list[str]:
    """Returns figures in the order of their table, each spread and each supply's part behind its figure."""
    order = list(FIGURES)

    def place(name: str) -> tuple[int, int, str]:
        base = name.removesuffix(SIGMA)
        base = "energy" if base.startswith("energy_") else base
        return order.index(base), int(name.endswith(SIGMA)) + 2 * int(name != base), name

    return sorted(names, key=place)


def _best(name: str, variants: Sequence[VariantResults]) -> float | None:
    """Returns the best value of a figure among those that keep their limits; none where nothing is to be compared.

    A circuit of which no draw works is the best at nothing.
    """
    base, better = name.removesuffix(SIGMA), figure(name).better
    values = [one.figures[name] for one in variants if name in one.figures and _counts(one, name)]
    if base != name and figure(base).better == "none":  # the spread of what differs by design
        return None
    spread = any(f"{name}{SIGMA}" in one.figures for one in variants)  # then that is what counts
    if better == "none" or len(values) < 2 or name.startswith("energy_") or (name in SIGNED and spread):
        return None
    size = abs if name in SIGNED else float
    best = (min if better == "less" else max)(values, key=size)
    ties = sum(abs(value - best) <= SAME * abs(best) for value in values)
    return best if ties < len(values) else None


def _counts(one: VariantResults, name: str) -> bool:
    return name not in one.broken and not one.useless


def _is(one: VariantResults, name: str, best: float) -> bool:
    return one.figures.get(name) == best and _counts(one, name)


def _yield_cell(found: Yield) -> Any:
    text = f"{100 * found.share:.3g} %"
    return text if found.good else Cell(text, "fails", "no draw works and keeps its limits")


def _figure_cell(one: VariantResults, name: str, best: bool) -> Any:
    if name in one.failures:
        return Cell("not had", "fails", one.failures[name])
    if name not in one.figures:
        return None
    text = shown(name, one.figures[name])
    if name in one.broken:
        return Cell(text, "fails", one.broken[name])
    return Cell(text, "best", "the best of its kind") if best else text


def draw_table(variants: Sequence[VariantResults]) -> tuple[list[list[Any]], list[str]]:
    """Returns the rows and the header of the table of draws: one line per variant and drawn figure."""
    rows: list[list[Any]] = []
    for one in variants:
        found = one.yielded
        share = None
        if found is not None:
            low, high = found.interval
            share = f"{found.good} of {found.count} ({100 * low:.3g} to {100 * high:.3g} %)"
        for name, values in one.draws.items():
            live = values[np.isfinite(values)]
            spread = one.figures.get(f"{name}{SIGMA}")
            error = one.sigma_errors.get(f"{name}{SIGMA}")
            broken = one.broken.get(f"{name}{SIGMA}")
            text = None if spread is None else f"{shown(name, spread)} ± {shown(name, error or 0.0)}"
            text = "all alike" if spread == 0 else text
            rows.append(
                [
                    one.variant, title(name), len(live), shown(name, float(live.mean())) if len(live) else None,
                    text if broken is None else Cell(text, "fails", broken), share,
                ]
            )  # fmt: skip
            share = ""
    return rows, ["variant", "figure", "draws", "mean", "spread", "yield"]


def condition_table(one: VariantResults) -> list[list[Any]]:
    """Returns, per figure, its nominal value and its extremes over all conditions with where they stand."""
    if len(one.conditions) < 2:
        return []
    rows = []
    for name in _in_order({name for condition in one.conditions for name in condition.figures}):
        found = [(c.figures[name], c.label) for c in one.conditions if name in c.figures]
        if name == "area" or len(found) < 2:
            continue
        low, high = (pick(found, key=lambda pair: pair[0]) for pick in (min, max))  # of equal ones the first
        nominal = one.conditions[0].figures.get(name)
        bound = one.bounds.get(name)
        cells = [
            shown(name, value) if bound is None else _judged(name, value, bound.broken_by(name, value))
            for value in (low[0], high[0])
        ]
        rows.append(
            [title(name), None if nominal is None else shown(name, nominal), cells[0], low[1], cells[1], high[1]]
        )
    return rows


def _judged(name: str, value: float, broken: str | None) -> Any:
    return shown(name, value) if broken is None else Cell(shown(name, value), "fails", broken)


def parts_table(variants: Iterable[VariantResults]) -> list[list[Any]]:
    """Returns, per variant, how many devices it has with their area, and its ideal elements."""
    rows = []
    for one in variants:
        if not one.devices and not one.ideals:
            continue
        groups: dict[str, list[float]] = {"transistor": [0, 0.0], "capacitor": [0, 0.0], "resistor": [0, 0.0]}
        for kind, (count, area) in one.devices.items():
            group = groups.get(kind, groups["transistor"])
            group[0] += count
            group[1] += area
        cells = [f"{int(n)}, {_plain(1e12 * area)} µm²" if n else None for n, area in groups.values()]
        rows.append([one.variant, *cells, _listed_ideals(one.ideals)])
    return rows


def _listed_ideals(ideals: Sequence[str], most: int = 8) -> str | None:
    if not ideals:
        return None
    more = f" and {len(ideals) - most} more" if len(ideals) > most else ""
    return ", ".join(ideals[:most]) + more
