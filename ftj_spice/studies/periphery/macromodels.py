"""Macromodels in a run: those that its measurements make, and the packaged ones of its circuits, with their errors."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ftj_spice.common.errors import FtjSpiceError, SettingsError
from ftj_spice.periphery.identity import identity_of_variant
from ftj_spice.periphery.macromodel import Macromodel, available_macromodels, load_macromodel
from ftj_spice.periphery.measured import Measured, has_macromodel, macromodel_of, offset_figure
from ftj_spice.periphery.parts import FitError
from ftj_spice.periphery.spreads import other_half
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.periphery.identity import EDITED, changed
from ftj_spice.studies.periphery.settings import nominal_condition

if TYPE_CHECKING:
    from ftj_spice.studies.periphery.study import PeripheryResult

MACROMODELS = "macromodels"
"""Folder of a run directory that they lie in, as `PROCESS/NAME.json`."""


def run_macromodels(result: "PeripheryResult") -> tuple[dict[str, Macromodel], dict[str, str]]:
    """Returns the macromodels that a run's figures make, and why others make none, by `PROCESS/NAME`.

    Their error is that of the law of one half of the draws against the other half; with fewer than ten it is unknown.
    """
    made: dict[str, Macromodel] = {}
    failed: dict[str, str] = {}
    for given, (process_name, process) in zip(result.settings.processes, result.processes.items(), strict=True):
        place = Path(given).name if given.endswith(".toml") else given
        condition = nominal_condition(process)
        for one in result.subjects:
            if one.variant is None or not has_macromodel(one.variant):
                continue
            found = result.variants[process_name][one.name]
            if found.error is not None:
                continue
            name, offset = f"{process_name}/{one.name}", offset_figure(one.variant)
            if changed(one, process, result.prints):  # it would name the transistors of now for the figures of then
                failed[name] = EDITED
                continue
            try:
                measured = Measured(
                    variant=one.variant,
                    process=process_name,
                    corner=condition.corner,
                    temperature=condition.temperature,
                    card=result.card,
                    figures=found.figures,
                    draws=found.draws,
                    notes=found.notes,
                    curves=found.curves,
                    identity=identity_of_variant(one.variant, process, place, condition.corner),
                )
                fit = other_half(measured.drawn(offset), found.figures.get(offset, 0.0))
                model = macromodel_of(measured, fit)
            except FtjSpiceError as error:
                failed[name] = str(error)
                continue
            unknown = () if fit is not None else ("its error is not known: that takes ten draws or more",)
            made[name] = model.model_copy(update={"notes": (*model.notes, *unknown)})
    return made, failed


def macromodel_section(report: Report, result: "PeripheryResult") -> None:
    """Adds the macromodels that the run makes, and the packaged ones of its processes and circuits."""
    made, failed = run_macromodels(result)
    packaged = [model for model in _packaged() if model.process in result.processes]
    measured = {one.name for one in result.subjects}
    packaged = [model for model in packaged if measured & set(model.variants)]
    if not made and not packaged:
        return
    report.section(
        "From circuits to images",
        "Each of these circuits as a macromodel: a front end, a converter or a decision with its errors, for "
        "--periphery.",
    )
    if made:
        report.table(
            _rows(made.items()), _HEADINGS,
            f"Macromodels from this run's figures, in the run's folder {MACROMODELS}. The fit error is the "
            "distance between the law of offsets that half of the draws gives and the shares of the other half.",
        )  # fmt: skip
    for name, why in failed.items():
        report.note(f"{name}: {why}.")
    if packaged:
        named = [(f"{model.process}/{model.name}", model) for model in packaged]
        report.table(
            _rows(named), _HEADINGS,
            "Packaged macromodels of these circuits, fitted by 'ftj-spice periphery macromodel' to transients of their "
            "own, not in this run; the error is that against transients which the fit did not see.",
        )  # fmt: skip


_HEADINGS = ["macromodel", "circuits", "time", "energy", "area", "draws", "fit error"]


def _rows(models: Iterable[tuple[str, Macromodel]]) -> list[list[str | None]]:
    return [
        [
            name, ", ".join(model.variants), eng(model.time, "s"), eng(model.energy, "J"),
            f"{1e12 * model.area:.4g} µm²", str(model.draws) if model.draws else None, _error(model.fit),
        ]
        for name, model in models
    ]  # fmt: skip


def _error(fit: FitError | None) -> str | None:
    if fit is None:
        return None
    unit = {"LSB": "LSB", "range": "of the range", "probability": "of probability"}[fit.unit]
    return f"{fit.rms:.2g} rms, {fit.largest:.2g} at most, {unit}"


def _packaged() -> list[Macromodel]:
    """Returns the packaged macromodels that can be read: a damaged one is told by those who use it."""
    found = []
    for name in available_macromodels():
        try:
            found.append(load_macromodel(name))
        except SettingsError:
            continue
    return found
