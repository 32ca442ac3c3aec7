"""Two variants side by side: what differs, by how much, and whether Monte Carlo draws can tell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ftj_spice.common.errors import DataError, SettingsError
from ftj_spice.periphery.figures import figure
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.periphery.grouping import grouped
from ftj_spice.studies.periphery.limits import SIGMA, SIGNED
from ftj_spice.studies.periphery.results import VariantResults, load_results, load_run
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.statistics import difference
from ftj_spice.studies.periphery.study import periphery_run
from ftj_spice.studies.periphery.tables import SAME, shown, title

SIGNIFICANT = 0.01
"""P value below which draws tell two variants apart."""


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of two variants.

    Attributes:
        name: Its name.
        first: Value of the first variant in SI units; none where it was not measured.
        second: Value of the second one.
        better: Which one is better: the variant's name, or none where that can't be said.
        p_value: Of no difference, by the draws: of means for a drawn figure, of spreads for its `_sigma`; none where
            draws say nothing.
    """

    name: str
    first: float | None
    second: float | None
    better: str | None
    p_value: float | None

    @property
    def ratio(self) -> float | None:
        """Second over first."""
        return None if self.first in (None, 0.0) or self.second is None else self.second / self.first

    @property
    def differs(self) -> bool:
        """Whether the values differ at all."""
        if self.first is None or self.second is None:
            return self.first is not self.second
        return abs(self.first - self.second) > SAME * max(abs(self.first), abs(self.second))


@dataclass(frozen=True)
class Comparison:
    """Two variants side by side.

    Attributes:
        first: The first one.
        second: The second one.
        figures: All figures of both.
    """

    first: VariantResults
    second: VariantResults
    figures: tuple[ComparedFigure, ...]

    @property
    def metrics(self) -> dict[str, Any]:
        """The comparison as plain data."""
        return {
            "process": self.first.process, "first": self.first.variant, "second": self.second.variant,
            "errors": {one.variant: one.error for one in (self.first, self.second) if one.error is not None},
            "figures": {
                f.name: {
                    "first": f.first, "second": f.second, "unit": figure(f.name).unit, "ratio": f.ratio,
                    "better": f.better, "p_value": f.p_value,
                }
                for f in self.figures
            },
        }  # fmt: skip

    @property
    def lines(self) -> list[str]:
        """The comparison as a table in plain text."""
        names = [self.first.variant, self.second.variant]
        rows = [["figure", *names, "ratio", "better", "draws say"]]
        for f in self.figures:
            values = ["-" if value is None else shown(f.name, value) for value in (f.first, f.second)]
            ratio = "" if f.ratio is None else f"{f.ratio:.3g}"
            rows.append([title(f.name), *values, ratio if f.differs else "same", f.better or "", _said(f.p_value)])
        widths = [max(len(row[k]) for row in rows) for k in range(6)]
        lines = [f"{self.first.process}: {names[0]} and {names[1]}"]
        for row in rows:
            cells = [f"{cell:{side}{width}}" for cell, side, width in zip(row, "<>>><<", widths, strict=True)]
            lines.append("  ".join(cells).rstrip())
        for one in (self.first, self.second):
            if one.error is not None:
                lines.append(f"{one.variant} was not measured: {one.error}")
            said = [(title(name), text) for name, text in one.failures.items()]
            lines += [f"{one.variant}, {', '.join(names)}: {text}" for text, names in grouped(said).items()]
            lines += [f"{one.variant}, {title(name)}: {text}" for name, text in one.broken.items()]
        return lines


def compare_variants(first: VariantResults, second: VariantResults) -> Comparison:
    """Compares two variants of one process."""
    names = list(dict.fromkeys([*first.figures, *second.figures]))
    return Comparison(first, second, tuple(_figure(name, first, second) for name in names))


def periphery_compare(
    first: str,
    second: str,
    *,
    runs: Sequence[str | Path] = (),
    settings: PeripherySettings | None = None,
    jobs: int = 1,
    observer: Observer = silent,
) -> list[Comparison]:
    """Compares two variants, from run directories or freshly measured.

    Args:
        first: Name of a variant; a .toml file where it is to be measured.
        second: Likewise.
        runs: Run directories of `periphery_run`: one that holds both, or one for each; none measures both.
        settings: Processes, draws and card of a fresh measurement.
        jobs: ngspice processes side by side.
        observer: Told about progress.

    Returns:
        One comparison per process; from runs, per process of the first one.

    Raises:
        FtjSpiceError: No such variant, run directory or process.
    """
    if first == second and len(runs) < 2:
        raise SettingsError(f"'{first}' and '{second}' are one variant; name two, or two run directories")
    settings = settings or PeripherySettings()
    if not runs:
        result = periphery_run(
            settings=settings.model_copy(update={"variants": (first, second)}), jobs=jobs, observer=observer
        )
        return [compare_variants(*variants.values()) for variants in result.variants.values()]
    if len(runs) > 2:
        raise SettingsError(f"two variants come from one or two run directories, not {len(runs)}")
    pairs = [(_stored(runs[0], process, first), _stored(runs[-1], process, second)) for process in load_run(runs[0])]
    return [compare_variants(*_told_apart(pair, runs)) for pair in pairs]


def _stored(run: str | Path, process: str, name: str) -> VariantResults:
    variants = load_results(run, process)
    wanted = Path(name).stem
    if wanted not in variants:
        raise DataError(f"{run} has no variant '{wanted}'; it has {', '.join(variants)}")
    return variants[wanted]


def _told_apart(pair: tuple[VariantResults, VariantResults], runs: Sequence[str | Path]) -> list[VariantResults]:
    """Returns two variants under different names: one circuit in two runs gets the runs' names too."""
    if pair[0].variant != pair[1].variant:
        return list(pair)
    return [replace(one, variant=f"{one.variant} ({Path(run).name})") for one, run in zip(pair, runs, strict=True)]


def _figure(name: str, first: VariantResults, second: VariantResults) -> ComparedFigure:
    a, b = first.figures.get(name), second.figures.get(name)
    base = name.removesuffix(SIGMA)
    p_value = None
    if base in first.draws and base in second.draws:
        told = difference(first.draws[base], second.draws[base])
        p_value = told.sigma if name != base else told.mean
    better = None
    way = figure(name).better
    if a is not None and b is not None and way != "none" and (p_value is None or p_value < SIGNIFICANT):
        size = [abs(value) if name in SIGNED else value for value in (a, b)]
        if not np.isclose(*size, rtol=SAME, atol=0.0):
            winner = first if (size[0] < size[1]) == (way == "less") else second
            better = winner.variant
    return ComparedFigure(name, a, b, better, p_value)


def _said(p_value: float | None) -> str:
    if p_value is None:
        return ""
    return f"{'differ' if p_value < SIGNIFICANT else 'can not tell'} (p = {p_value:.2g})"
