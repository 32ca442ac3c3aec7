"""Pulse trains and closed forms that several quantities share."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.activation import DomainGroups, domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.switching import switched_fraction, switching_rate
from ftj_spice.device.waveform import Waveform

FINE_GROUPS = 128
"""Domain groups of closed forms: so many that they show no steps."""
LOWEST = 1e-3
"""Lowest amplitude of a pulse, in V."""
EDGE = 0.02
"""Rise and fall time of a pulse, in parts of its width."""


class NoSuchPulseError(SettingsError):
    """No pulse that a card may be written with switches just the part that is asked for."""


@dataclass
class Train:
    """Collects the corners of a waveform that begins at 0 V.

    Attributes:
        times: Corners in s.
        voltages: In V.
    """

    times: list[float] = field(default_factory=lambda: [0.0])
    voltages: list[float] = field(default_factory=lambda: [0.0])

    def to(self, voltage: float, duration: float) -> Self:
        """Goes linearly to `voltage` (V) within `duration` seconds."""
        self.times.append(self.times[-1] + duration)
        self.voltages.append(voltage)
        return self

    def pulse(self, amplitude: float, width: float, gap: float) -> float:
        """Adds a trapezoidal pulse and a gap at 0 V after it; returns the middle of the pulse's top in s."""
        edge = EDGE * width
        self.to(amplitude, edge)
        middle = self.times[-1] + 0.5 * width
        self.to(amplitude, width).to(0.0, edge).to(0.0, gap)
        return middle

    @property
    def now(self) -> float:
        """Time of the last corner in s."""
        return self.times[-1]

    def waveform(self) -> Waveform:
        """Returns the waveform."""
        return Waveform(np.array(self.times), np.array(self.voltages))


def ferroelectric_field(card: Card, voltage: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the field in the ferroelectric in V/m, built-in field left out, at voltages (V) and states s."""
    return card.electrostatics.field(voltage, card.remanent_polarization * s) + card.imprint_field


def pulse_field(card: Card, amplitude: float) -> float:
    """Returns the field in V/m by which a positive pulse switches a cell whose polarization moves no field."""
    return float(card.electrostatics.field(amplitude))


def amplitude_for(card: Card, fraction: float, width: float) -> float:
    """Returns the amplitude in V whose pulse of `width` seconds switches `fraction` of a saturated cell, closed form.

    Raises:
        NoSuchPulseError: No voltage from `LOWEST` up to twice the card's write voltage does.
    """

    def excess(amplitude: float) -> float:
        return float(switched_fraction(card, max(pulse_field(card, amplitude), 1.0), width)) - fraction

    top = 2.0 * card.write_voltage
    if excess(top) < 0:
        raise NoSuchPulseError(
            f"card '{card.name}': pulses of {width:g} s and up to {top:g} V switch less than {100 * fraction:g} %; "
            "raise 'write_voltage' or 'write_time'"
        )
    if excess(LOWEST) > 0:
        raise NoSuchPulseError(
            f"card '{card.name}': pulses of {width:g} s switch more than {100 * fraction:g} % at {LOWEST:g} V already; "
            "lower 'write_time' or raise the activation fields"
        )
    return float(brentq(excess, LOWEST, top))


def saturated_branch(
    card: Card, amplitude: float, frequency: float, points: int = 1201, groups: DomainGroups | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Returns voltage and s on the rising half of a triangular wave from the down state, in closed form.

    `u = sum w_k [1 - exp(-h_k^beta)]`, h_k the integral of 1/tau_k over 0 -> amplitude -> 0 (Alessandri et al., TED 66,
    3527 (2019)). None where the card's polarization moves its own field or its switching
    knows no rate: then there is no closed form.

    Args:
        card: Device card.
        amplitude: Of the wave, in V; a negative one gives the falling half, from the up state.
        frequency: Of the wave, in Hz.
        points: Points of the answer.
        groups: Domain groups to average over; none makes `FINE_GROUPS` of them, which takes longer than the rest.
    """
    if card.switching == "preisach" or card.electrostatics.depolarization != 0.0:
        return None
    time = np.linspace(0.0, 0.5 / frequency, points)
    volts = amplitude * (1.0 - np.abs(1.0 - 4.0 * frequency * time))
    groups = groups or domain_groups(card, FINE_GROUPS)
    towards = np.sign(amplitude)
    field_ = towards * (card.electrostatics.field(volts)[:, None] + groups.offset_field)
    rate = np.where(field_ > 0, switching_rate(card, np.maximum(field_, 1.0), groups.activation_field), 0.0)
    steps = 0.5 * (rate[1:] + rate[:-1]) * np.diff(time)[:, None]
    clock = np.concatenate([np.zeros((1, len(groups))), np.cumsum(steps, axis=0)])
    share = -np.expm1(-(clock**card.weibull_exponent)) @ groups.weight
    return volts, towards * (2.0 * share - 1.0)


def zero_crossing(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Returns x where y first changes its sign, interpolated; None where it never does."""
    change = np.flatnonzero(np.signbit(y[1:]) != np.signbit(y[:-1]))
    if not len(change):
        return None
    k = int(change[0])
    return float(x[k] - y[k] * (x[k + 1] - x[k]) / (y[k + 1] - y[k]))
