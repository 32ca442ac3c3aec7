"""Static current: I-V curves of all levels, and the current against temperature."""

import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE, densities, static_current
from ftj_spice.engines.witness import Witness
from ftj_spice.results.plots.device_static import CurrentTemperature, CurrentVoltage
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.observer import Observer


def level_states(card: Card, count: int) -> NDArray[np.float64]:
    """Returns the states s of levels whose currents at the read voltage are evenly spaced, shape `(count,)`."""
    on, off = densities(card, card.vmm_voltage)
    current = np.linspace(float(off), float(on), count)
    if card.mixing == "parallel":
        return 2.0 * (current - off) / (on - off) - 1.0
    return 2.0 * np.log(current / off) / np.log(on / off) - 1.0


def current_voltage(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> CurrentVoltage:
    """Measures the I-V curve of every level. `seed` is not used: nothing is drawn."""
    number = min(settings.levels, card.levels)
    states = level_states(card, card.levels)[np.rint(np.linspace(0, card.levels - 1, number)).astype(int)]
    reach = 1.2 * max(card.rtn_voltage, card.trap_voltage, card.vmm_voltage)
    half = 2 * (settings.voltages // 4)
    positive = reach * np.arange(1, half + 1) / half
    voltages = np.concatenate([-positive[::-1], positive])
    currents = np.empty((number, len(voltages)))
    for k, s in enumerate(states):
        currents[k] = witness.static(card, voltages, float(s))
        observer("I-V", k + 1, number)
    fine = np.concatenate([-np.geomspace(reach, reach / 300, 200), np.geomspace(reach / 300, reach, 200)])
    return CurrentVoltage(
        states=states,
        voltages=voltages,
        currents=currents,
        line_voltages=fine,
        lines=static_current(card, fine, states[:, None]),
        read_voltage=card.vmm_voltage,
        noise_voltage=card.rtn_voltage,
        levels=card.levels,
    )


def current_temperature(
    card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer
) -> CurrentTemperature:
    """Measures the current of both extreme states at the read voltage against temperature. `seed` is not used."""
    temperatures = np.array(settings.temperatures)
    states = np.array([-1.0, 1.0])
    currents = np.empty((2, len(temperatures)))
    for row, s in enumerate(states):
        for column, temperature in enumerate(temperatures):
            answer = witness.static(card, np.array([card.vmm_voltage]), float(s), float(temperature))
            currents[row, column] = answer[0]
            observer("I-T", row * len(temperatures) + column + 1, currents.size)
    line = np.linspace(temperatures[0], temperatures[-1], 100)
    inverse = elementary_charge / (Boltzmann * temperatures)
    return CurrentTemperature(
        states=states,
        temperatures=temperatures,
        currents=currents,
        line_temperatures=line,
        lines=static_current(card, card.vmm_voltage, states[:, None], line),
        voltage=card.vmm_voltage,
        activation_energies=np.array([-np.polyfit(inverse, np.log(row), 1)[0] for row in currents]),
    )


def static_summary(card: Card, curve: CurrentVoltage, heat: CurrentTemperature) -> dict[str, object]:
    """Returns the numbers of both quantities."""
    asked = sorted({card.vmm_voltage, card.reference_voltage, card.rtn_voltage})
    ends = {"off": -1.0, "on": 1.0}
    low, high = curve.currents[0], curve.currents[-1]
    closed = static_current(card, curve.voltages, curve.states[:, None])
    at = [
        {
            "voltage_v": v,
            "on_off_ratio": float(static_current(card, v, 1.0) / static_current(card, v, -1.0)),
            **{f"current_{name}_a": float(static_current(card, v, s)) for name, s in ends.items()},
            **{
                f"nonlinearity_{name}": float(static_current(card, v, s) / static_current(card, v / 2, s))
                for name, s in ends.items()
            },
        }
        for v in asked
    ]
    return {
        "levels": card.levels,
        "measured_on_off_ratio": {"smallest": float(np.min(high / low)), "largest": float(np.max(high / low))},
        "largest_relative_deviation_from_closed_form": float(np.max(np.abs(curve.currents / closed - 1.0))),
        "closed_form_at": at,
        "activation_energy_ev": {
            "temperatures_k": heat.temperatures,
            "off_fitted": float(heat.activation_energies[0]),
            "on_fitted": float(heat.activation_energies[1]),
            "off_card": card.off_activation_energy,
            "on_card": None if card.law == "physical" else card.on_activation_energy,
        },
        "reference_temperature_k": REFERENCE_TEMPERATURE,
    }
