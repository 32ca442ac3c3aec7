"""The whole junction as an ngspice subcircuit: its numbers from a card, and test benches of a single cell.

The equations stand in docs/device-model.md, the text in `netlists/cells/ftj_dynamic.cir.j2`.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.activation import GROUPS, domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.current import CLAMP, FLAT_FIELD, REFERENCE_TEMPERATURE, Barrier, poole_frenkel, tunnelling
from ftj_spice.device.waveform import Waveform
from ftj_spice.netlist.benches import TrapSource
from ftj_spice.netlist.render import render
from ftj_spice.netlist.verilog_a import module_parameters

_NANO = 1e9  # the physical law's inner nodes carry currents in nA as volts


MODELS = ("subcircuit", "verilog-a")
"""What a junction is made of: a subcircuit for any ngspice, or the Verilog-A module for one with OSDI."""


def dynamic_cell(
    card: Card,
    up: ArrayLike = 0.0,
    groups: int = GROUPS,
    model: str = "subcircuit",
    towards_up: ArrayLike = 0.0,
    towards_down: ArrayLike = 0.0,
) -> dict[str, Any]:
    """Returns the numbers of the junction's templates.

    Args:
        card: Device card.
        up: Share of up domains at the start, for all groups or one for each.
        groups: Domain groups.
        model: One of `MODELS`; the Verilog-A module has 16 groups and starts without histories.
        towards_up: Total history towards up at the start, for all groups or one for each.
        towards_down: The same towards down.

    Raises:
        SettingsError: There is no such model.
    """
    if model not in MODELS:
        raise SettingsError(f"unknown model {model!r}; known: {', '.join(MODELS)}")
    domains = domain_groups(card, groups)
    stack = card.electrostatics
    unit = float(np.sum(domains.weight * domains.activation_field))
    return {
        "module": module_parameters(card) if model == "verilog-a" else None,
        "field_gain": stack.divider / (stack.thickness * unit),
        "imprint": card.imprint_field / unit,
        "feedback": stack.depolarization * card.remanent_polarization / (stack.thickness * unit),
        "alpha": card.activation_exponent,
        "beta": card.weibull_exponent,
        "attempt_time": card.attempt_time,
        "weight": domains.weight,
        "barrier": (domains.activation_field / unit) ** card.activation_exponent,
        "scattered": bool(card.offset_field_spread > 0),
        "offset": domains.offset_field / unit,
        "initial": np.broadcast_to(np.asarray(up, float), groups),
        "towards_up": np.broadcast_to(np.asarray(towards_up, float), groups),
        "towards_down": np.broadcast_to(np.asarray(towards_down, float), groups),
        "capacitance": card.capacitance,
        "charge": card.area * card.remanent_polarization * stack.charge_share,
        "law": card.law,
        "mixing": card.mixing,
        "amplitude_on": card.rtn_amplitude_on,
        "amplitude_off": card.rtn_amplitude_off,
        "log_amplitude_ratio": _log_ratio(card.rtn_amplitude_on, card.rtn_amplitude_off),
        "on_activation": card.on_activation_energy * elementary_charge / Boltzmann,
        "off_activation": card.off_activation_energy * elementary_charge / Boltzmann,
        **(_physical(card) if card.law == "physical" else _compact(card)),
    }


def _log_ratio(a: float, b: float) -> float:
    return float(np.log(a / b)) if a > 0 and b > 0 else 0.0


def _compact(card: Card) -> dict[str, float]:
    at = card.reference_voltage
    shape = at if card.law == "linear" else float(np.sinh(at / card.voltage_scale))
    on = card.area * card.on_current_density / shape
    return {
        "voltage_scale": card.voltage_scale,
        "on": on,
        "off": on / card.on_off_ratio,
        "log_ratio": float(np.log(card.on_off_ratio)),
    }


def _physical(card: Card) -> dict[str, float]:
    eta = card.electrostatics.divider
    at = np.asarray(eta * card.reference_voltage)
    on = card.area * card.on_current_density * _NANO
    off = on / card.on_off_ratio
    k = Barrier.of(card)
    first, second = card.barrier_metal, card.barrier_semiconductor
    tunnel_scale = off / float(tunnelling(card, at))
    frenkel = float(poole_frenkel(card, at, np.asarray(REFERENCE_TEMPERATURE)))
    return {
        "divider": eta,
        "clamp": CLAMP * min(first, second),
        "barrier_first": first,
        "barrier_second": second,
        "direct": tunnel_scale * k.direct,
        "height": k.height,
        "emission": tunnel_scale * k.emission / card.ferroelectric_thickness**2,
        "emission_slope": k.emission_slope * card.ferroelectric_thickness,
        "flat_voltage": FLAT_FIELD * card.ferroelectric_thickness,
        "frenkel": (on - off) / frenkel,
        "frenkel_slope": k.frenkel_slope,
        "low_field": card.low_field_voltage,
        "trap_depth": card.trap_depth,
        "inverse_boltzmann": elementary_charge / Boltzmann,
        "guard": off * 1e-10,
    }


def static_bench(
    card: Card,
    voltages: NDArray[np.float64],
    polarization: NDArray[np.float64],
    temperature: float,
    trap: float = 0.0,
    model: str = "subcircuit",
) -> str:
    """Returns the bench that reads one cell per entry of `polarization` at each voltage, as a DC sweep of `vindex`.

    The polarization is held: static analyses leave the domains where they start. Current k is `i(vsense{k})`.

    Args:
        card: Device card.
        voltages: In V, two or more.
        polarization: s of each cell.
        temperature: In K.
        trap: What the noise port carries.
        model: One of `MODELS`.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    return render(
        "benches/cell_static.cir.j2",
        cells=[dynamic_cell(card, 0.5 * (1.0 + s), model=model) for s in polarization],
        voltages=voltages,
        celsius=temperature - 273.15,
        trap=trap,
    )


def transient_bench(
    card: Card,
    waveform: Waveform,
    up: ArrayLike = 0.0,
    temperature: float = REFERENCE_TEMPERATURE,
    step: float = 0.0,
    model: str = "subcircuit",
    reltol: float = 1e-4,
) -> str:
    """Returns the bench that applies a waveform to one cell and saves `v(plus)`, `v(polarization)` and `i(vsense)`.

    Args:
        card: Device card.
        waveform: The voltage.
        up: Share of up domains at the start, for all groups or one for each.
        temperature: In K.
        step: Largest time step in s; by default the 400th part of the waveform.
        model: One of `MODELS`.
        reltol: Relative tolerance; at ngspice's own default, 1e-3, a slow ramp may overshoot by some percent meanwhile.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    return render(
        "benches/cell_transient.cir.j2",
        reltol=reltol,
        cell=dynamic_cell(card, up, model=model),
        corners=np.stack([waveform.times, waveform.voltages], axis=1).reshape(-1),
        stop=waveform.duration,
        step=step or waveform.duration / 400.0,
        celsius=temperature - 273.15,
    )


def noise_bench(
    card: Card,
    voltage: float,
    duration: float,
    step: float,
    up: float = 0.0,
    traps: TrapSource | None = None,
    temperature: float = REFERENCE_TEMPERATURE,
    model: str = "subcircuit",
) -> str:
    """Returns the bench of one cell at constant voltage whose noise port carries trap 0; saves `i(vsense)`.

    Args:
        card: Device card.
        voltage: In V.
        duration: In s.
        step: Largest time step in s.
        up: Share of up domains at the start.
        traps: Where the trap's state comes from; co-simulation by default.
        temperature: In K.
        model: One of `MODELS`.

    Raises:
        RenderError: A value is not fit for a netlist.
    """
    source = traps or TrapSource()
    return render(
        "benches/cell_noise.cir.j2",
        cell=dynamic_cell(card, up, model=model),
        voltage=voltage,
        traps=source.kind,
        history=source.histories[0] if source.histories else [],
        celsius=temperature - 273.15,
        step=step,
        stop=duration,
    )
