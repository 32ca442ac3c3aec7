"""The section of a run's page on macromodels: packaged chains of its circuits, with their fit errors."""

from typing import TYPE_CHECKING

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.macromodel import Macromodel, available_macromodels, load_macromodel
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.energy_report import claims_table

if TYPE_CHECKING:
    from ftj_spice.studies.periphery.study import PeripheryResult


def macromodel_section(report: Report, result: "PeripheryResult") -> None:
    """Adds the packaged macromodels of the run's processes and circuits, and published figures beside them."""
    models = [model for model in _packaged() if model.process in result.processes]
    measured = {one.name for one in result.subjects}
    models = [model for model in models if measured & set(model.variants)]
    if not models:
        return
    report.section(
        "From circuits to images",
        "Chains of these circuits as macromodels, for --periphery of generate, sample and vmm. They were fitted by "
        "'ftj-spice periphery macromodel' to transients of their own, not in this run; the error is that against "
        "transients which the fit did not see.",
    )
    rows = []
    for model in models:
        fit = model.fit
        unit = "LSB" if fit is not None and fit.unit == "LSB" else "of the range"
        rows.append(
            [
                f"{model.process}/{model.name}", ", ".join(model.variants), eng(model.time, "s"),
                eng(model.energy, "J"), f"{1e12 * model.area:.4g} µm²",
                None if fit is None else f"{fit.rms:.2g} rms, {fit.largest:.2g} at most, {unit}",
            ]
        )  # fmt: skip
    report.table(rows, ["macromodel", "circuits", "time per read", "energy", "area", "fit error"], "Macromodels.")
    claims_table(report)


def _packaged() -> list[Macromodel]:
    """Returns the packaged macromodels that can be read: a damaged one is told by those who use it."""
    found = []
    for name in available_macromodels():
        try:
            found.append(load_macromodel(name))
        except SettingsError:
            continue
    return found
