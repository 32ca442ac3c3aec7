"""Measured tables to a device card: reads the files, runs the fits, writes card and plots."""

import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ftj_spice.common.errors import DataError, OutputError, SettingsError
from ftj_spice.common.files import writing
from ftj_spice.common.quantities import quantity
from ftj_spice.device.card import Card, load_card, write_card
from ftj_spice.device.fitting import endurance, iv, retention, rtn, switching
from ftj_spice.device.fitting.cards import card_name, changed_card, fitted_card, read_changes, read_value
from ftj_spice.device.fitting.outcome import Outcome
from ftj_spice.device.fitting.reading import read_table
from ftj_spice.device.fitting.roles import ROLES, Kind, Layout
from ftj_spice.device.fitting.table import Table
from ftj_spice.studies.observer import Observer, silent


class _Fit(Protocol):
    def __call__(
        self, tables: Sequence[Table], card: Card, held: Collection[str], varied: Collection[str]
    ) -> Outcome: ...


def _endurance_parameters(card: Card) -> tuple[str, ...]:
    return (*endurance.PARAMETERS, "remanent_polarization")


FITS: dict[Kind, tuple[_Fit, Callable[[Card], tuple[str, ...]]]] = {
    "iv": (iv.fit_iv, iv.parameters),
    "switching": (switching.fit_switching, switching.parameters),
    "rtn": (rtn.fit_rtn, rtn.parameters),
    "retention": (retention.fit_retention, lambda card: retention.PARAMETERS),
    "endurance": (endurance.fit_endurance, _endurance_parameters),
}
"""Fit and parameters of each kind of measurement."""


@dataclass(frozen=True)
class FitOrder:
    """What to fit.

    Attributes:
        files: Tables of each kind.
        base: Card that gives the laws, the geometry and whatever is not fitted.
        name: Name of the new card; none makes one from the file's.
        columns: `ROLE=NAME` words.
        units: `ROLE=UNIT` words.
        changes: `KEY=VALUE` words that change the base card.
        area: Junction area, with a unit or in m^2.
        fixed: `NAME` or `NAME=VALUE` words: parameters not to fit.
        varied: Parameters to fit beyond the usual ones.
        rtn_voltages: Voltage of the RTN files: one for all, or one per file.
    """

    files: Mapping[Kind, Sequence[Path]]
    base: str = "hzo_mfis_nominal"
    name: str | None = None
    columns: Sequence[str] = ()
    units: Sequence[str] = ()
    changes: Sequence[str] = ()
    area: str | None = None
    fixed: Sequence[str] = ()
    varied: Sequence[str] = ()
    rtn_voltages: Sequence[str] = ()


@dataclass(frozen=True)
class FitResult:
    """A finished job.

    Attributes:
        card: The fitted card.
        outcomes: The fits it comes from.
        written: Files that were written.
    """

    card: Card
    outcomes: tuple[Outcome, ...]
    written: tuple[Path, ...] = field(default=())


def fit(
    order: FitOrder, out: Path | None = None, plots: Path | None = None, *, force: bool = False,
    observer: Observer = silent,
) -> FitResult:  # fmt: skip
    """Fits a card to measured tables and writes it.

    All that can be checked of the outputs is checked first; the plots are drawn whole, and the card is written last.

    Args:
        order: What to fit.
        out: Card to write (`.toml`); none writes none.
        plots: Folder for one PNG per kind of measurement; none draws none.
        force: Replaces existing files.
        observer: Told of progress.

    Raises:
        SettingsError: No data, or a word of the order that does not fit.
        DataError: A table that can't be used, or that is given twice; the sentence tells file, line and column.
        NotIdentifiedError: The data do not determine a parameter.
        FitError: The law does not describe the data.
        OutputError: A file exists or can't be written.
    """
    kinds = [kind for kind in ROLES if order.files.get(kind)]
    if not kinds:
        raise SettingsError(f"nothing to fit: give at least one of {', '.join(f'--{kind}' for kind in ROLES)}")
    name = order.name or card_name(out.stem if out is not None else "fitted")
    pictures = {kind: plots / f"fit_{kind}.png" for kind in kinds} if plots is not None else {}
    _check_outputs(out, plots, list(pictures.values()), force)
    card = _base(order)
    fitted_card(card, name, ())  # a bad name is told before the fits
    held, varied = _choices(order, card, kinds)
    layout = Layout.parse(order.columns, order.units)
    tables = {kind: [read_table(Path(path), kind, layout) for path in order.files[kind]] for kind in kinds}
    _bias(tables.get("rtn", []), order.rtn_voltages)
    _check_repeats(tables)
    outcomes: list[Outcome] = []
    for kind in kinds:
        observer("fit", len(outcomes), len(kinds))
        outcomes.append(FITS[kind][0](tables[kind], card, held, varied))
    observer("fit", len(kinds), len(kinds))
    fitted = fitted_card(card, name, outcomes)
    if plots is not None:
        _draw({pictures[outcome.kind]: outcome for outcome in outcomes}, plots)
    if out is not None:
        write_card(fitted, out)
    written = ([out] if out is not None else []) + list(pictures.values())
    return FitResult(fitted, tuple(outcomes), tuple(written))


def _check_outputs(out: Path | None, plots: Path | None, pictures: list[Path], force: bool) -> None:
    """Refuses, before anything is fitted, what could not be written afterwards; it writes nothing itself."""
    if out is not None and out.suffix != ".toml":
        raise SettingsError(f"a card's file must end in .toml, got {str(out)!r}")
    for path in ([out] if out is not None else []) + pictures:
        with writing(path):  # a name too long, a folder that can't be looked into
            there, a_file = path.exists(), path.is_file()
        if there and not a_file:
            raise OutputError(f"can't write {path}: it is not a file")
        if there and not force:
            raise OutputError(f"{path} exists; choose another name or pass --force")
    if plots is not None:
        with writing(plots):
            nearest = next(folder for folder in (plots, *plots.parents) if folder.exists())
            within = out is not None and out.resolve() in (plots.resolve(), *plots.resolve().parents)
        if within:
            raise OutputError(f"can't write plots into {plots}: {out} is to be the card's file")
        _check_folder(plots, nearest)
    if out is not None:
        if not out.parent.is_dir():
            raise OutputError(f"can't write {out}: there is no folder {out.parent}")
        _check_folder(out, out.parent)


def _check_folder(path: Path, folder: Path) -> None:
    if not folder.is_dir():
        raise OutputError(f"can't write {path}: {folder} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"can't write {path}: no permission to write into {folder}")


def _check_repeats(tables: Mapping[Kind, Sequence[Table]]) -> None:
    """Refuses a table that is given twice: its points would count as new ones."""
    for group in tables.values():
        for k, table in enumerate(group):
            for earlier in group[:k]:
                if table.repeats(earlier):
                    raise DataError(
                        f"{table.path}: the same table as {earlier.path}; give it once, or the intervals come out too "
                        "narrow"
                    )


def _base(order: FitOrder) -> Card:
    """Returns the base card with what the command line sets."""
    changes: dict[str, Any] = read_changes(order.changes, "--set")
    if order.area is not None:
        changes["area"] = quantity(order.area, "m^2", "--area")
    for word in order.fixed:
        name, equals, text = word.partition("=")
        if equals:
            changes[name.strip()] = read_value(name.strip(), text, f"--fix {word!r}")
    return changed_card(load_card(order.base), changes)


def _choices(order: FitOrder, card: Card, kinds: Sequence[Kind]) -> tuple[frozenset[str], frozenset[str]]:
    """Returns which parameters are held and which are fitted beyond the usual ones."""
    held = frozenset(word.partition("=")[0].strip() for word in order.fixed)
    varied = frozenset(name.strip() for name in order.varied)
    known = {name for kind in kinds for name in FITS[kind][1](card)}
    for option, names in (("--fix", held), ("--vary", varied)):
        for name in sorted(names - known):
            raise SettingsError(f"{option} {name}: these data don't fit it; they may give {', '.join(sorted(known))}")
    if held & varied:
        raise SettingsError(f"{min(held & varied)} can't be both held (--fix) and fitted (--vary)")
    return held, varied


def _bias(tables: Sequence[Table], words: Sequence[str]) -> None:
    """Gives RTN traces the voltage of the command line."""
    if not words:
        return
    if len(words) not in {1, len(tables)}:
        raise SettingsError(
            f"--rtn-voltage must be given once or once per --rtn file ({len(tables)}), not {len(words)}"
        )
    for k, table in enumerate(tables):
        if "voltage" in table:
            raise SettingsError(f"{table.at(0, 'voltage')}: the file gives the voltage itself; leave out --rtn-voltage")
        value = quantity(words[k % len(words)], "V", f"--rtn-voltage {words[k % len(words)]!r}")
        table.columns["voltage"] = np.full(len(table), value)


def _draw(outcomes: Mapping[Path, Outcome], folder: Path) -> None:
    """Draws all plots before any takes its place."""
    from ftj_spice.results.plots.fit import fit_figure  # matplotlib is slow to import
    from ftj_spice.results.plots.style import DPI, figure_png

    contents = {path: figure_png(fit_figure(outcome), 2 * DPI) for path, outcome in outcomes.items()}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fit_") as beside:
            for path, content in contents.items():
                (Path(beside) / path.name).write_bytes(content)
            for path in contents:
                (Path(beside) / path.name).replace(path)
