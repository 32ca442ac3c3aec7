"""Test benches of a single cell in VACASK's dialect, around the Verilog-A model `models/ftj.va`.

Run them with `ftj_spice.engines.vacask.VacaskEngine`, or, beside the compiled model `ftj.osdi`, with `vacask FILE`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ftj_spice.device.activation import domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE
from ftj_spice.device.waveform import Waveform
from ftj_spice.netlist.render import RenderError, render

GROUPS = 16
"""Domain groups of the Verilog-A model."""

LAWS = {"sinh": 0, "linear": 1, "physical": 2}
"""The module's number for each conduction law."""
MIXINGS = {"logarithmic": 0, "parallel": 1}
"""The module's number for each way of mixing."""

SHARED = (
    "area",
    "ferroelectric_thickness",
    "interlayer_thickness",
    "ferroelectric_permittivity",
    "interlayer_permittivity",
    "interface_compensation",
    "imprint_field",
    "voltage_scale",
    "reference_voltage",
    "on_current_density",
    "on_off_ratio",
    "on_activation_energy",
    "off_activation_energy",
    "barrier_metal",
    "barrier_semiconductor",
    "tunnel_mass",
    "optical_permittivity",
    "trap_depth",
    "low_field_voltage",
    "rtn_amplitude_off",
    "rtn_amplitude_on",
    "remanent_polarization",
    "attempt_time",
    "activation_exponent",
    "weibull_exponent",
)
"""Numbers that card and module have in common, by the same names."""

_FROZEN = 1e30  # an attempt time in s that no simulation lives to see

NO_TRAP = (0.0, 0.0)
"""Corners of the noise port's voltage when all traps are empty: one time and its value."""


def module_parameters(card: Card) -> dict[str, float | int]:
    """Returns the module's parameters for a card, by name; what a cell starts with is not among them."""
    domains = domain_groups(card, GROUPS)
    parameters: dict[str, float | int] = {"law": LAWS[card.law], "mixing": MIXINGS[card.mixing]}
    parameters |= {name: float(getattr(card, name)) for name in SHARED}
    for k in range(GROUPS):
        parameters[f"activation_field_{k + 1}"] = float(domains.activation_field[k])
        parameters[f"weight_{k + 1}"] = float(domains.weight[k])
        parameters[f"offset_field_{k + 1}"] = float(domains.offset_field[k])
    return parameters


def _initial(up: ArrayLike) -> NDArray[np.float64]:
    return np.broadcast_to(np.asarray(up, float), GROUPS)


def static_bench(
    card: Card,
    voltages: ArrayLike,
    polarization: ArrayLike = -1.0,
    temperature: float = REFERENCE_TEMPERATURE,
    trap: float = 0.0,
) -> str:
    """Returns the bench that reads single cells, one per entry of `polarization`, at each voltage.

    The polarization is held. Analysis `static` gives `plus` (the voltage), and for cell k `vsense{k}:flow(br)`, its
    current, and `polarization{k}`.

    Args:
        card: Device card.
        voltages: In V.
        polarization: s of each cell, in [-1, 1].
        temperature: In K.
        trap: What the noise port carries.

    Raises:
        RenderError: A value is not fit for a netlist, or there is none.
    """
    states, volts = np.atleast_1d(np.asarray(polarization, float)), np.atleast_1d(np.asarray(voltages, float))
    if states.ndim != 1 or volts.ndim != 1 or not states.size or not volts.size:
        raise RenderError("a static bench needs one polarization and one voltage, or a list of either")
    return render(
        "vacask/static.sim.j2",
        parameters=module_parameters(card),
        cells=[_initial(0.5 * (1.0 + s)) for s in states],
        voltages=volts,
        celsius=temperature - 273.15,
        trap=trap,
    )


def transient_bench(
    card: Card,
    waveform: Waveform,
    up: ArrayLike = 0.0,
    temperature: float = REFERENCE_TEMPERATURE,
    *,
    step: float = 0.0,
    trap: Sequence[float] = NO_TRAP,
    frozen: bool = False,
    reltol: float = 1e-4,
) -> str:
    """Returns the bench that applies a waveform to one cell.

    Analysis `transient` gives `time`, `plus` (the voltage), `vsense:flow(br)` (the current into terminal plus),
    `polarization` (s), `trap`, and `xcell.conduction_current`.

    Args:
        card: Device card.
        waveform: The voltage.
        up: Part of the domains that points up at the begin, for all groups or one for each.
        temperature: In K.
        step: Largest time step in s; by default a fiftieth of the whole.
        trap: What the noise port carries: corners of a piecewise-linear curve, time in s and value in turn.
        frozen: Holds the polarization where it is at the begin.
        reltol: Relative tolerance of unknowns and time steps; VACASK's own default is 1e-3.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    if not len(trap) or len(trap) % 2:
        raise RenderError(f"the trap's corners are times and values in turn, not {len(trap)} numbers")
    corners = [float(value) for value in trap]
    if len(corners) == 2:  # VACASK's curves have two corners or more
        corners += [corners[0] + waveform.duration, corners[1]]
    parameters = module_parameters(card)
    if frozen:
        parameters["attempt_time"] = _FROZEN
    return render(
        "vacask/transient.sim.j2",
        parameters=parameters,
        corners=np.stack([waveform.times, waveform.voltages], axis=1).reshape(-1),
        trap=corners,
        initial=_initial(up),
        celsius=temperature - 273.15,
        step=step or waveform.duration / 50.0,
        stop=waveform.duration,
        reltol=reltol,
        vntol=1e-3 * reltol,
    )
