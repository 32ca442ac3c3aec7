"""The parameters of a device card, section by section: unit, range of physical values, meaning.

Every number of a card is declared here and nowhere else; `ftj_spice.device.card` joins the sections into one flat
model. Values are SI, energies in eV. The equations are in docs/device-model.md.
"""

from functools import cache
from typing import Any, Literal

from pydantic import Field

from ftj_spice.common.settings import Strict


def quantity(unit: str, description: str, low: float, high: float, *, optional: bool = False) -> Any:
    """Declares one number of a card.

    Args:
        unit: SI unit (or eV); `1` for a pure number.
        description: What it is, one line.
        low: Smallest physical value.
        high: Largest physical value.
        optional: Whether it may be absent.
    """
    kwargs: dict[str, Any] = {"default": None} if optional else {}
    return Field(ge=low, le=high, description=description, json_schema_extra={"unit": unit}, **kwargs)


def choice(description: str) -> Any:
    """Declares one choice among names."""
    return Field(description=description)


class Geometry(Strict):
    """Stack and electrostatics."""

    area: float = quantity("m^2", "junction area", 1e-18, 1e-6)
    ferroelectric_thickness: float = quantity("m", "thickness of the ferroelectric", 5e-10, 1e-7)
    interlayer_thickness: float = quantity("m", "thickness of the dielectric interlayer; 0 without one", 0, 1e-7)
    ferroelectric_permittivity: float = quantity("1", "relative permittivity of the ferroelectric", 1, 1000)
    interlayer_permittivity: float = quantity("1", "relative permittivity of the interlayer", 1, 1000)
    interface_compensation: float = quantity(
        "1", "part of the polarization charge that trapped interface charge compensates (kappa)", 0, 1
    )


class Conduction(Strict):
    """Current of the two extreme states, and what lies between."""

    law: Literal["sinh", "linear", "physical"] = choice("conduction law")
    mixing: Literal["logarithmic", "parallel"] = choice("how polarization mixes the two extreme states' currents")
    voltage_scale: float = quantity("V", "V0 of the sinh law", 0.02, 10)
    reference_voltage: float = quantity("V", "voltage at which the current densities hold", 1e-3, 10)
    on_current_density: float = quantity(
        "A/m^2", "current density of the low-resistance state at the reference voltage and 300 K", 1e-6, 1e12
    )
    on_off_ratio: float = quantity("1", "current ratio of the two extreme states there", 1.000001, 1e9)
    on_activation_energy: float = quantity("eV", "activation energy of the low-resistance state's current", 0, 2)
    off_activation_energy: float = quantity("eV", "activation energy of the high-resistance state's current", 0, 2)
    tunnel_mass: float = quantity("1", "effective tunnelling mass in electron masses (physical law)", 1e-3, 10)
    barrier_metal: float = quantity("eV", "barrier at the metal (physical law)", 0.05, 10)
    barrier_semiconductor: float = quantity("eV", "barrier at the other electrode (physical law)", 0.05, 10)
    optical_permittivity: float = quantity("1", "high-frequency permittivity of Poole-Frenkel emission", 1, 100)
    trap_depth: float = quantity("eV", "depth of the Poole-Frenkel traps", 0.01, 5)
    low_field_voltage: float = quantity("V", "ferroelectric voltage below which Poole-Frenkel is capped", 1e-4, 1)


class Polarization(Strict):
    """Ferroelectric switching."""

    remanent_polarization: float = quantity("C/m^2", "remanent polarization P_r", 1e-4, 2)
    saturation_polarization: float = quantity("C/m^2", "saturation polarization P_s (Preisach)", 1e-4, 2)
    coercive_field: float = quantity("V/m", "quasi-static coercive field (Preisach)", 1e6, 2e9)
    switching: Literal["nls", "preisach"] = choice(
        "switching law: nucleation-limited domains, or Preisach's tanh branch"
    )
    attempt_time: float = quantity("s", "tau0, switching time at infinite field", 1e-15, 1e3)
    activation_exponent: float = quantity("1", "alpha of the field dependence", 0.2, 20)
    weibull_exponent: float = quantity("1", "beta of the switching probability", 1, 5)
    activation_distribution: Literal["normal", "gb2"] = choice(
        "distribution of the domains' activation fields: normal, or generalised beta of the second kind"
    )
    activation_mean: float | None = quantity("V/m", "mean activation field (normal)", 1e6, 5e9, optional=True)
    activation_sigma: float | None = quantity("V/m", "its standard deviation (normal)", 1e4, 2e9, optional=True)
    activation_scale: float | None = quantity("V/m", "scale b of the activation field (gb2)", 1e6, 5e9, optional=True)
    gb2_a: float | None = quantity("1", "exponent a (gb2)", 0.1, 100, optional=True)
    gb2_p: float | None = quantity("1", "shape p (gb2)", 1e-3, 100, optional=True)
    gb2_q: float | None = quantity("1", "shape q (gb2)", 1e-3, 100, optional=True)
    offset_field_spread: float = quantity("V/m", "domain-to-domain sigma of an offset field", 0, 1e9)
    imprint_field: float = quantity("V/m", "built-in field; positive ones oppose switching up", -1e9, 1e9)
    domains: int = quantity("1", "domains of a cell at 1 um^2 (stochastic model); goes with the area", 1, 10_000_000)


class Bias(Strict):
    """Voltages the arrays use."""

    vmm_voltage: float = quantity("V", "read voltage of the vector-matrix product", 1e-3, 10)
    rtn_voltage: float = quantity("V", "read voltage at which the trap flickers", 1e-3, 10)
    rtn_voltage_low: float | None = quantity(
        "V", "lowest read voltage that the noise parameters are meant for", 1e-3, 10, optional=True
    )
    rtn_voltage_high: float | None = quantity("V", "highest such voltage", 1e-3, 10, optional=True)
    write_voltage: float = quantity("V", "amplitude of a full write pulse", 1e-2, 50)
    write_time: float = quantity("s", "length of a full write pulse", 1e-10, 10)
    levels: int = quantity("1", "programmable conductance levels", 2, 4096)


class Noise(Strict):
    """Traps and 1/f noise."""

    capture_time: float = quantity("s", "mean time to capture (trap empty) at trap_voltage and 300 K", 1e-12, 1e9)
    emission_time: float = quantity("s", "mean time to emission (trap filled) there", 1e-12, 1e9)
    capture_slope: float = quantity("1/V", "-d ln(capture time)/dV", 0, 200)
    emission_slope: float = quantity("1/V", "-d ln(emission time)/dV", 0, 200)
    trap_voltage: float = quantity("V", "voltage at which the two times hold", -10, 10)
    trap_barrier: float = quantity("eV", "activation energy of both times", 0, 3)
    rtn_amplitude_off: float = quantity(
        "1", "relative drop of the current, trap filled, high-resistance state", 0, 0.99
    )
    rtn_amplitude_on: float = quantity("1", "the same, low-resistance state", 0, 0.99)
    rtn_amplitude_spread: float = quantity("1", "cell-to-cell sigma of ln(amplitude)", 0, 3)
    time_constant_spread: float = quantity("1", "cell-to-cell sigma of ln(time constants)", 0, 5)
    minor_traps: float = quantity("1", "mean number of minor traps of a cell (Poisson)", 0, 50)
    minor_amplitude: float = quantity("1", "amplitude of a minor trap relative to the dominant one", 0, 1)
    flicker_off: float = quantity("1/Hz", "S_I/I^2 of the 1/f noise at 1 Hz and 1 um^2, high-resistance state", 0, 1)
    flicker_on: float = quantity("1/Hz", "the same, low-resistance state", 0, 1)
    flicker_area_exponent: float = quantity("1", "S_I/I^2 goes with area to minus this power", 0, 3)


class Reliability(Strict):
    """What cycles and time do."""

    wakeup_gain: float = quantity("1", "gain of the remanent polarization by wake-up", 0, 5)
    wakeup_cycles: float = quantity("1", "cycles of the wake-up", 1e-3, 1e15)
    fatigue_cycles: float = quantity("1", "cycles at which fatigue halves the remanent polarization", 1, 1e20)
    fatigue_exponent: float = quantity("1", "exponent of the fatigue", 0.05, 5)
    recovery: float = quantity("1", "remanent polarization that a recovery sweep restores, of the fresh value", 0, 1)
    retention_time: float = quantity("s", "tau of the stretched exponential", 1e-9, 1e30)
    retention_exponent: float = quantity("1", "its exponent", 0.01, 1)
    breakdown_cycles: float = quantity("1", "Weibull scale of cycles to breakdown at breakdown_voltage", 1, 1e25)
    breakdown_shape: float = quantity("1", "Weibull shape", 0.1, 20)
    breakdown_voltage: float = quantity("V", "write amplitude at which breakdown_cycles holds", 1e-2, 50)
    breakdown_decade: float = quantity("V", "rise of the write amplitude that costs a decade of life", 1e-3, 10)
    degradation: float = quantity(
        "1", "growth of leakage and noise per decade of cycles after degradation_onset", 0, 10
    )
    degradation_onset: float = quantity("1", "cycles after which they grow", 1, 1e20)


class Variability(Strict):
    """Spread from device to device and from cycle to cycle."""

    on_spread: float = quantity("1", "device-to-device sigma of ln(current), low-resistance state, at 1 um^2", 0, 3)
    off_spread: float = quantity("1", "the same, high-resistance state", 0, 3)
    coercive_spread: float = quantity("1", "device-to-device relative sigma of the activation field", 0, 0.5)
    remanent_spread: float = quantity("1", "device-to-device relative sigma of the remanent polarization", 0, 0.5)
    cycle_spread: float = quantity("1", "cycle-to-cycle sigma of a programmed state, in parts of the range", 0, 0.5)


SECTIONS: tuple[type[Strict], ...] = (Geometry, Conduction, Polarization, Bias, Noise, Reliability, Variability)
"""The sections, in the order in which cards are shown and written."""


@cache
def _declared() -> dict[str, Any]:
    return {name: field for section in SECTIONS for name, field in section.model_fields.items()}


def unit_of(name: str) -> str | None:
    """Returns the unit of a parameter; none for a choice.

    Raises:
        KeyError: There is no such parameter.
    """
    extra = _declared()[name].json_schema_extra
    return extra["unit"] if isinstance(extra, dict) else None


PARAMETERS: tuple[str, ...] = tuple(_declared())
"""Names of all parameters, in order."""
QUANTITIES: tuple[str, ...] = tuple(name for name in PARAMETERS if unit_of(name) is not None)
"""Names of those that are numbers with a unit."""
CHOICES: tuple[str, ...] = tuple(name for name in PARAMETERS if unit_of(name) is None)
"""Names of those that are choices among names."""
DESCRIPTIONS: dict[str, str] = {name: field.description for name, field in _declared().items()}
"""What each parameter is, by name."""
DISTRIBUTION_PARAMETERS: dict[str, tuple[str, ...]] = {
    "normal": ("activation_mean", "activation_sigma"),
    "gb2": ("activation_scale", "gb2_a", "gb2_p", "gb2_q"),
}
"""Parameters of each distribution of activation fields; a card has those of its own and no others."""
