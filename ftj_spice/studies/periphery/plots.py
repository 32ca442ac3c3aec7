"""The plots of a run, from its results."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.netlist.catalogue.variant import KINDS
from ftj_spice.periphery.figures import figure
from ftj_spice.results.plots.periphery import (
    Axis,
    Draws,
    monte_carlo,
    operation_waveforms,
    trade_offs,
    transfer_curves,
)
from ftj_spice.results.plots.style import figure_png
from ftj_spice.studies.periphery.limits import SIGNED
from ftj_spice.studies.periphery.merits import Merits, merits, pareto_front
from ftj_spice.studies.periphery.results import VariantResults

if TYPE_CHECKING:
    from ftj_spice.studies.periphery.study import PeripheryResult

TRADED = (("time", "energy"), ("energy", "error"), ("time", "error"), ("area", "error"))
"""Pairs of merits: horizontal, vertical."""


@dataclass(frozen=True)
class Plot:
    """One plot of a run.

    Attributes:
        section: Where it belongs: `trade-offs`, `operation`, `curves` or `draws`.
        process: The process.
        name: File's name without ending.
        title: Of the variant or kind.
        figure: The figure.
    """

    section: str
    process: str
    name: str
    title: str
    figure: Figure

    @cached_property
    def png(self) -> bytes:
        """The figure as a PNG file's bytes."""
        return figure_png(self.figure)


def draw_plots(result: "PeripheryResult") -> list[Plot]:
    """Returns all plots of a run, in the order of the page."""
    plots: list[Plot] = []
    for process, variants in result.variants.items():
        plots += _trade_offs(process, list(variants.values()))
    for process, variants in result.variants.items():
        for one in variants.values():
            plots += _of_variant(process, one)
    return plots


def _of_variant(process: str, one: VariantResults) -> Iterator[Plot]:
    name = f"{process}_{one.variant}"
    if one.operation is not None and one.operation.panels:
        drawn = operation_waveforms(one.operation.time, one.operation.panels)
        yield Plot("operation", process, f"operation_{name}", one.variant, drawn)
    if one.curves:
        curves = [(title, c.x, c.x_label, c.y, c.y_label) for title, c in one.curves.items()]
        yield Plot("curves", process, f"curves_{name}", one.variant, transfer_curves(curves))
    draws = [_draws(one, key) for key in one.draws if np.isfinite(one.draws[key]).sum() >= 2]
    if draws:
        yield Plot("draws", process, f"draws_{name}", one.variant, monte_carlo(draws))


def _draws(one: VariantResults, key: str) -> Draws:
    values = one.draws[key]
    bound = one.bounds.get(key)
    low, high = (None, None) if bound is None else (bound.low, bound.high)
    if key in SIGNED and high is not None:
        low = -high
    f = figure(key)
    return Draws(f.title, f.unit, values[np.isfinite(values)], low, high)


def _trade_offs(process: str, variants: Sequence[VariantResults]) -> Iterator[Plot]:
    for kind in KINDS:
        found = [(one, merits(one)) for one in variants if one.kind == kind]
        for number, unit in enumerate(dict.fromkeys(m.error_unit for _, m in found)):
            group = [(one, m) for one, m in found if m.error_unit == unit and None not in (m.error, m.energy)]
            if len(group) < 2:
                continue
            failing = {k for k, (one, _) in enumerate(group) if one.broken or one.useless}
            measured = [m for _, m in group]
            pairs = [pair for pair in (_pair(measured, failing, *names) for names in TRADED) if pair is not None]
            if pairs:
                title = f"{kind} circuits with an error in {unit}" if unit != "1" else f"{kind} circuits"
                drawn = trade_offs([one.variant for one, _ in group], pairs, failing)
                yield Plot("trade-offs", process, f"tradeoffs_{process}_{kind}{number or ''}", title, drawn)


def _pair(
    group: Sequence[Merits], failing: Collection[int], across: str, up: str
) -> tuple[Axis, Axis, np.ndarray] | None:
    x, y = (_axis(group, name) for name in (across, up))
    both = np.flatnonzero(np.isfinite(x.values) & np.isfinite(y.values))  # type: ignore[arg-type]
    if len(both) < 2:
        return None
    good = both[~np.isin(both, list(failing))]
    front = good[pareto_front(np.asarray(x.values)[good], np.asarray(y.values)[good])]
    return x, y, front


def _axis(group: Sequence[Merits], name: str) -> Axis:
    units = {"energy": "J", "time": "s", "error": group[0].error_unit}
    labels = {"energy": "energy per operation", "time": "time per operation", "error": "error at the input, rms"}
    if units["error"] == "LSB":  # no unit of the ticks
        labels["error"] += " (LSB)"
    values = np.array([_positive(getattr(m, name)) for m in group])
    if name == "area":
        return Axis("area (µm²)", "1", 1e12 * values)
    return Axis(labels[name], units[name], values)


def _positive(value: float | None) -> float:
    return np.nan if value is None or value <= 0 else value
