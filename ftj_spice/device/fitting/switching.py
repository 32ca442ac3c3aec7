"""Switched fractions under single pulses to the parameters of nucleation-limited switching.

The law is `ftj_spice.device.switching.switched_fraction`: a saturated cell under a constant field, averaged over the
distribution of activation fields. Fractions scatter alike at all points.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card
from ftj_spice.device.fitting.outcome import NotIdentifiedError, Outcome, Panel, Series
from ftj_spice.device.fitting.solver import solve
from ftj_spice.device.fitting.table import Table
from ftj_spice.device.fitting.unknown import free
from ftj_spice.device.switching import switched_fraction

OPTIONAL = ("gb2_a", "gb2_p", "gb2_q")
"""Shapes of the generalised beta distribution, fitted on demand."""

_FEWEST = 8
_NODES = 96  # of the quadrature over the activation fields
_OVERSHOOT = 0.2  # measured fractions may scatter beyond [0, 1] by this much


def parameters(card: Card) -> tuple[str, ...]:
    """Returns the parameters that switching tables may give."""
    normal = card.activation_distribution == "normal"
    fields = ("activation_mean", "activation_sigma") if normal else ("activation_scale", *OPTIONAL)
    return ("attempt_time", "activation_exponent", "weibull_exponent", *fields)


def fit_switching(
    tables: Sequence[Table], card: Card, held: Collection[str] = (), varied: Collection[str] = ()
) -> Outcome:
    """Fits nucleation-limited switching to tables of pulse width, amplitude (or field) and switched fraction.

    Args:
        tables: Of kind `switching`.
        card: Gives stack, imprint, distribution, and the values of what is held.
        held: Parameters not to fit.
        varied: Parameters to fit beyond the usual ones (`OPTIONAL`).

    Raises:
        DataError: Too few rows, widths that are not positive, amplitudes of 0, fractions far outside [0, 1].
        SettingsError: The card's depolarization field moves during a pulse, so that amplitudes give no constant field.
        NotIdentifiedError: A parameter is not determined by the data.
    """
    parts = [_usable(table, card) for table in tables]
    width, strength, fraction = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(width) < _FEWEST:
        tables[-1].at_least(len(tables[-1]) + _FEWEST - len(width), "the fit of switching")
    names = [n for n in parameters(card) if n not in held and (n not in OPTIONAL or n in varied)]
    _check_spread(names, width, strength, fraction)
    # Each pair of width and field once: the quadrature is what takes the time.
    pulses, which = np.unique(np.stack([width, strength], axis=1), axis=0, return_inverse=True)

    def model(values: dict[str, float]) -> NDArray[np.float64]:
        changed = card.model_copy(update=values)
        return switched_fraction(changed, pulses[:, 1], pulses[:, 0], _NODES)[which.ravel()]

    scale = "activation_mean" if card.activation_distribution == "normal" else "activation_scale"
    middle = _half_field(strength, fraction)
    starts = [{scale: factor * middle} for factor in (1.5, 2.5)] + [
        {scale: 2.0 * middle, "activation_exponent": alpha, "attempt_time": time}
        for alpha in (1.5, 4.0)
        for time in (0.1 * float(width.min()), 0.001 * float(width.min()))
    ]
    solution = solve(
        lambda values: fraction - model(values),
        [free(card, name) for name in names],
        starts=[{}, *starts],
    )
    notes = []
    if card.offset_field_spread > 0.0:
        notes.append("offset_field_spread is not in the fit: the spread of the activation fields stands for it")
    if card.switching != "nls":
        notes.append(f"the base card switches by the law '{card.switching}', which does not use these values")
    fitted = model(solution.values)
    return Outcome(
        "switching", solution.estimates, {n: getattr(card, n) for n in parameters(card) if n not in names}, {},
        len(width), tuple(table.path for table in tables), (solution.scatter, "fraction"), solution.correlations,
        (*notes, *solution.remarks()), (_panel(width, strength, fraction, fitted),),
    )  # fmt: skip


def _usable(table: Table, card: Card) -> list[NDArray[np.float64]]:
    """Returns width, field strength and fraction."""
    table.require(table["width"] > 0.0, "width", "a pulse's width must be positive, got {} s")
    table.require(
        np.abs(table["fraction"] - 0.5) <= 0.5 + _OVERSHOOT, "fraction",
        "a switched fraction must lie between 0 and 1 (write fraction [%] for percent), got {}",
    )  # fmt: skip
    role = "field" if "field" in table else "amplitude"
    table.require(table[role] != 0.0, role, "a pulse's amplitude must not be {}")
    if role == "field":
        return [table["width"], np.abs(table["field"]), table["fraction"]]
    if card.electrostatics.depolarization != 0.0:
        raise SettingsError(
            f"{table.at(0, role)}: card '{card.name}' has a depolarization field, which moves during a pulse; give the "
            "field in the ferroelectric in a column 'field' instead, or pass --set interface_compensation=1"
        )
    field = card.electrostatics.field(table["amplitude"])
    table.require(
        np.sign(field) == np.sign(table["amplitude"]),
        role,
        "an amplitude of {} V does not overcome the card's imprint_field",
    )
    return [table["width"], np.abs(field), table["fraction"]]


def _check_spread(
    names: list[str], width: NDArray[np.float64], strength: NDArray[np.float64], fraction: NDArray[np.float64]
) -> None:
    if np.ptp(strength) < 1e-6 * strength.max():
        for name in ("activation_exponent", "activation_mean", "activation_scale"):
            if name in names:
                raise NotIdentifiedError(name, "all pulses have the same amplitude")
    if np.ptp(width) < 1e-6 * width.max():
        for name in ("attempt_time", "weibull_exponent"):
            if name in names:
                raise NotIdentifiedError(name, "all pulses have the same width")
    if names and not ((fraction > 0.05) & (fraction < 0.95)).any():
        raise NotIdentifiedError(names[0], "no pulse switches between 5 % and 95 %")


def _half_field(strength: NDArray[np.float64], fraction: NDArray[np.float64]) -> float:
    """Guesses the field that switches half."""
    weight = np.maximum(0.5 - np.abs(fraction - 0.5), 1e-3)
    return float(np.sum(weight * strength) / np.sum(weight))


def _panel(
    width: NDArray[np.float64],
    strength: NDArray[np.float64],
    fraction: NDArray[np.float64],
    fitted: NDArray[np.float64],
) -> Panel:
    series = []
    for value in np.unique(strength):
        mine = strength == value
        order = np.argsort(width[mine], kind="stable")
        label = f"{value / 1e8:.3g} MV/cm"
        series.append(Series(label, width[mine][order], fraction[mine][order], fitted[mine][order]))
    return Panel("Switching", ("pulse width", "s"), ("switched fraction", ""), "x", tuple(series))
