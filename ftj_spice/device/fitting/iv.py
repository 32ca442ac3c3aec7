"""I-V families to current density, ratio of the states, voltage scale and activation energies.

The law is the card's (`ftj_spice.device.current`, docs/device-model.md); ln|I| is fitted, with one relative scatter for
all points.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import DataError
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE, static_current
from ftj_spice.device.fitting.outcome import NotIdentifiedError, Outcome, Panel, Series
from ftj_spice.device.fitting.solver import solve
from ftj_spice.device.fitting.table import Table
from ftj_spice.device.fitting.unknown import Unknown, card_range, free

OPTIONAL = (
    "tunnel_mass", "barrier_metal", "barrier_semiconductor", "optical_permittivity", "trap_depth", "low_field_voltage",
)  # fmt: skip
"""Parameters of the physical law, fitted on demand."""

_FEWEST = 6
_SAME = 1e-3  # temperatures within this part of each other count as one


def parameters(card: Card) -> tuple[str, ...]:
    """Returns the parameters that I-V curves may give."""
    shape = {"sinh": ("voltage_scale",), "linear": (), "physical": OPTIONAL}[card.law]
    return ("on_current_density", "on_off_ratio", *shape, "on_activation_energy", "off_activation_energy")


def fit_iv(tables: Sequence[Table], card: Card, held: Collection[str] = (), varied: Collection[str] = ()) -> Outcome:
    """Fits the card's conduction law to I-V tables.

    Args:
        tables: Of kind `iv`.
        card: Gives the law, the area, and the values of what is held.
        held: Parameters not to fit.
        varied: Parameters to fit beyond the usual ones (`OPTIONAL`).

    Raises:
        DataError: Too few rows, a polarization outside [-1, 1], a temperature that is not positive, a current of 0 or
            against its voltage.
        NotIdentifiedError: A parameter is not determined by the data.
    """
    notes: list[str] = []
    parts = [_usable(table, notes) for table in tables]
    voltage, current, state, temperature = (np.concatenate(column) for column in zip(*parts, strict=True))
    if len(voltage) < _FEWEST:
        tables[-1].at_least(len(tables[-1]) + _FEWEST - len(voltage), "the fit of I-V curves")
    names = _names(card, state, temperature, held, varied, notes)
    _check_spread(names, voltage, state)
    measured = np.log(np.abs(current))

    def residuals(values: dict[str, float]) -> NDArray[np.float64]:
        model = np.abs(static_current(card.model_copy(update=values), voltage, state, temperature))
        return measured - np.log(np.maximum(model, 1e-300))

    guess = {
        "on_current_density": _level(card, voltage, current, state),
        "on_off_ratio": _ratio(current, state, card.on_off_ratio),
    }
    free_ones: list[Unknown] = [free(card, name, guess.get(name)) for name in names]
    scales = [{"voltage_scale": v} for v in (0.1, 0.3, 1.0)] if "voltage_scale" in names else []
    solution = solve(residuals, free_ones, starts=[{}, *scales])
    fitted = card.model_copy(update=solution.values)
    model = np.abs(static_current(fitted, voltage, state, temperature))
    return Outcome(
        "iv", solution.estimates, {name: getattr(card, name) for name in parameters(card) if name not in names}, {},
        len(voltage), tuple(table.path for table in tables), (solution.scatter, "ln(current)"), solution.correlations,
        (*notes, *solution.remarks()), (_panel(voltage, np.abs(current), model, state, temperature),),
    )  # fmt: skip


def _usable(table: Table, notes: list[str]) -> list[NDArray[np.float64]]:
    """Returns voltage, current, state and temperature of the rows that a logarithm can be taken of."""
    voltage, current, state = table["voltage"], table["current"], table["polarization"]
    temperature = table.column("temperature", REFERENCE_TEMPERATURE)
    table.require(
        np.abs(state) <= 1.0 + 1e-9, "polarization", "the normalised polarization must lie in [-1, 1], got {}"
    )
    if "temperature" in table:
        table.require(temperature > 0.0, "temperature", "a temperature must be positive in kelvin, got {}")
    at_zero = voltage == 0.0
    if at_zero.any():
        notes.append(f"{table.path}: {at_zero.sum()} rows at 0 V are left out")
    table.require(at_zero | (current != 0.0), "current", "a current of 0 has no logarithm; delete rows below the noise")
    magnitudes = bool((current >= 0.0).all())
    table.require(
        at_zero | magnitudes | (np.sign(current) == np.sign(voltage)), "current",
        "the current {} A runs against its voltage; delete rows below the noise, or give magnitudes throughout",
    )  # fmt: skip
    keep = ~at_zero
    if not keep.any():
        raise DataError(f"{table.at(0, 'voltage')}: every voltage is 0")
    return [voltage[keep], current[keep], np.clip(state[keep], -1.0, 1.0), temperature[keep]]


def _names(
    card: Card, state: NDArray[np.float64], temperature: NDArray[np.float64], held: Collection[str],
    varied: Collection[str], notes: list[str],
) -> list[str]:  # fmt: skip
    """Returns what to fit."""
    wanted = ["on_current_density", "on_off_ratio"] + ["voltage_scale"] * (card.law == "sinh")
    wanted += [name for name in OPTIONAL if name in varied and card.law == "physical"]
    for name, rows in (("on_activation_energy", state > -1.0), ("off_activation_energy", state < 1.0)):
        if card.law == "physical" and name == "on_activation_energy":
            continue  # the law does not use it
        if rows.any() and np.ptp(temperature[rows]) > _SAME * temperature.mean():
            wanted.append(name)
        elif name in varied:
            raise NotIdentifiedError(name, "the rows it acts on all have the same temperature")
    if np.ptp(temperature) <= _SAME * temperature.mean() and abs(temperature[0] - REFERENCE_TEMPERATURE) > 1.0:
        notes.append(
            f"measured at {temperature[0]:g} K alone: the current at 300 K follows with the base card's "
            "activation energies"
        )
    return [name for name in wanted if name not in held]


def _check_spread(names: list[str], voltage: NDArray[np.float64], state: NDArray[np.float64]) -> None:
    if "on_off_ratio" in names and np.ptp(state) < 1e-6:
        raise NotIdentifiedError("on_off_ratio", f"all rows have the same polarization ({state[0]:g})")
    if "voltage_scale" in names and np.ptp(np.abs(voltage)) < 1e-6 * np.abs(voltage).max():
        raise NotIdentifiedError("voltage_scale", f"all rows have the same voltage ({abs(voltage[0]):g} V)")


def _level(card: Card, voltage: NDArray[np.float64], current: NDArray[np.float64], state: NDArray[np.float64]) -> float:
    """Guesses the ON current density: the largest current nearest the reference voltage in the highest state."""
    top = state > state.max() - 0.2
    near = np.argmin(np.abs(np.abs(voltage[top]) - card.reference_voltage))
    return float(np.abs(current[top][near]) / card.area)


def _ratio(current: NDArray[np.float64], state: NDArray[np.float64], otherwise: float) -> float:
    high, low = state > state.max() - 0.2, state < state.min() + 0.2
    ratio = float(np.exp(np.median(np.log(np.abs(current[high]))) - np.median(np.log(np.abs(current[low])))))
    smallest, largest = card_range("on_off_ratio")
    return ratio if 1.01 * smallest < ratio < largest else otherwise


def _panel(
    voltage: NDArray[np.float64], current: NDArray[np.float64], model: NDArray[np.float64], state: NDArray[np.float64],
    temperature: NDArray[np.float64],
) -> Panel:  # fmt: skip
    series = []
    for s, t in sorted(set(zip(state.round(3), temperature.round(1), strict=True))):
        mine = (state.round(3) == s) & (temperature.round(1) == t)
        order = np.argsort(voltage[mine], kind="stable")
        label = f"s = {s:g}, {t:g} K"
        series.append(Series(label, voltage[mine][order], current[mine][order], model[mine][order]))
    return Panel("Current", ("voltage", "V"), ("|current|", "A"), "y", tuple(series))
