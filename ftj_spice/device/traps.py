"""The dominant trap of a cell: a two-state Markov process whose times fall exponentially with the cell's voltage.

State 0 is empty, state 1 filled; a filled trap lowers the current by the factor `1 - amplitude`. With capture time
tau_c (mean dwell empty) and emission time tau_e (mean dwell filled)

    tau_c(V) = tau_c0 exp(-k_c (V - V_R)),   tau_e(V) = tau_e0 exp(-k_e (V - V_R)).

Both times go with the temperature as exp[(E_B/k)(1/T - 1/T0)] (multiphonon capture and emission over a barrier: Kirton
and Uren, Adv. Phys. 38, 367 (1989)).

The process is simulated exactly for a bias that changes with time by uniformization (Aadithya, Demir, Venugopalan,
Roychowdhury, IEEE TCAD 32(1), 73, 2013): candidate events come at a constant rate that bounds both rates over the
bias range; each is accepted with the ratio of the true rate, at the candidate's own time, to the bound. Candidates
and acceptance draws are prepared beforehand from the trap's seed stream, so a history depends on nothing but seed and
bias. The compiled kernels below are shared by the device model and by the ngspice callbacks.
"""

from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.constants import Boltzmann, elementary_charge

from ftj_spice.common.compiling import CACHE
from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.device.current import REFERENCE_TEMPERATURE

# Columns of the table of trap parameters handed to the compiled kernels.
CAPTURE_RATE, CAPTURE_SLOPE, EMISSION_RATE, EMISSION_SLOPE, REFERENCE_VOLTAGE, BOUND_RATE = range(6)
PARAMETERS = 6

MAX_CANDIDATES = 200_000_000
"""More candidate events than this (3.2 GB) are refused before they are drawn."""


def temperature_factor(card: Card, temperature: float) -> float:
    """Returns the factor on both time constants at a temperature in K: `exp[(E_B/k)(1/T - 1/T0)]`."""
    barrier = card.trap_barrier * elementary_charge / Boltzmann
    return float(np.exp(barrier * (1.0 / temperature - 1.0 / REFERENCE_TEMPERATURE)))


@dataclass(frozen=True)
class Traps:
    """Parameters of a set of traps; every array has shape `(traps,)`.

    Attributes:
        capture_time: tau_c0 at `reference_voltage`, in s.
        emission_time: tau_e0 at `reference_voltage`, in s.
        capture_slope: k_c in 1/V.
        emission_slope: k_e in 1/V.
        reference_voltage: V_R in V.
    """

    capture_time: NDArray[np.float64]
    emission_time: NDArray[np.float64]
    capture_slope: NDArray[np.float64]
    emission_slope: NDArray[np.float64]
    reference_voltage: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.capture_time)

    @classmethod
    def from_card(
        cls,
        card: Card,
        count: int,
        log_scale: NDArray[np.float64] | None = None,
        temperature: float = REFERENCE_TEMPERATURE,
    ) -> "Traps":
        """Returns `count` traps of a card at a temperature.

        Args:
            card: Device card.
            count: Number of traps.
            log_scale: ln of each trap's factor on both time constants, shape `(count,)`; none means nominal traps.
            temperature: In K.
        """
        scale = np.full(count, temperature_factor(card, temperature))
        if log_scale is not None:
            scale = scale * np.exp(log_scale)
        full = np.ones(count)
        return cls(
            card.capture_time * scale,
            card.emission_time * scale,
            card.capture_slope * full,
            card.emission_slope * full,
            card.trap_voltage * full,
        )

    def take(self, index: NDArray[np.intp] | slice) -> "Traps":
        """Returns the traps picked by `index`."""
        return Traps(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def capture_time_at(self, voltage: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Returns tau_c in seconds at `voltage` in volts."""
        return self.capture_time * np.exp(-self.capture_slope * (voltage - self.reference_voltage))

    def emission_time_at(self, voltage: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Returns tau_e in seconds at `voltage` in volts."""
        return self.emission_time * np.exp(-self.emission_slope * (voltage - self.reference_voltage))

    def occupancy(self, voltage: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Returns the stationary probability of the filled state, tau_e / (tau_c + tau_e)."""
        capture, emission = self.capture_time_at(voltage), self.emission_time_at(voltage)
        return emission / (capture + emission)

    def relaxation_time(self, voltage: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Returns tau_eff = 1 / (1/tau_c + 1/tau_e) in seconds."""
        return 1.0 / (1.0 / self.capture_time_at(voltage) + 1.0 / self.emission_time_at(voltage))

    def table(self, lowest_voltage: float, highest_voltage: float) -> NDArray[np.float64]:
        """Returns the kernels' parameter table, shape `(traps, PARAMETERS)`, with each trap's bounding rate.

        Both rates are monotone in the bias, so the bound over a bias range is the largest rate at its two ends.
        """
        ends = [
            1.0 / times
            for v in (lowest_voltage, highest_voltage)
            for times in (self.capture_time_at(v), self.emission_time_at(v))
        ]
        return np.ascontiguousarray(
            np.stack(
                [
                    1.0 / self.capture_time,
                    self.capture_slope,
                    1.0 / self.emission_time,
                    self.emission_slope,
                    self.reference_voltage,
                    np.max(ends, axis=0),
                ],
                axis=1,
            )
        )


@dataclass(frozen=True)
class Candidates:
    """Pre-drawn candidate events of a set of traps over a span of time.

    Attributes:
        times: Candidate times in s, ascending within each trap, all traps one after another.
        draws: Acceptance draws, uniform on [0, 1), same shape.
        offsets: Trap i owns `times[offsets[i]:offsets[i + 1]]`; shape `(traps + 1,)`.
        initial: State of each trap at time 0 (0 empty, 1 filled), shape `(traps,)`.
        table: Parameter table of `Traps.table`.
        duration: Span covered, in s.
        voltages: Lowest and highest bias the bounds hold for, in V.
    """

    times: NDArray[np.float64]
    draws: NDArray[np.float64]
    offsets: NDArray[np.int64]
    initial: NDArray[np.int64]
    table: NDArray[np.float64]
    duration: float
    voltages: tuple[float, float]


def draw_candidates(
    traps: Traps,
    duration: float,
    voltages: tuple[float, float],
    seed: int,
    streams: list[tuple[int, ...]],
    initial_voltage: float | None = None,
    purpose: str = "trap",
) -> Candidates:
    """Draws the candidate events of every trap from its own seed stream.

    Args:
        traps: The traps.
        duration: Span of time in s.
        voltages: Lowest and highest bias that will occur, in V.
        seed: The run's seed.
        streams: Index of each trap's stream, one tuple per trap (for example `(column, row)`).
        initial_voltage: The traps start in the stationary distribution of this bias; none starts them empty.
        purpose: Name of the seed stream.

    Raises:
        FtjSpiceError: The span holds more than `MAX_CANDIDATES` events.
    """
    if len(streams) != len(traps):
        raise ValueError(f"{len(traps)} traps need as many streams, not {len(streams)}")
    table = traps.table(*voltages)
    expected = float(np.sum(table[:, BOUND_RATE]) * duration)
    if expected > MAX_CANDIDATES:
        raise FtjSpiceError(
            f"{expected:.2g} trap events in {duration:g} s at up to {voltages[1]:g} V are more than "
            f"{MAX_CANDIDATES:.1g}: shorten the time or lower the voltage"
        )
    occupancy = np.zeros(len(traps)) if initial_voltage is None else traps.occupancy(initial_voltage)
    times: list[NDArray[np.float64]] = []
    draws: list[NDArray[np.float64]] = []
    initial = np.zeros(len(traps), np.int64)
    for i, index in enumerate(streams):
        rng = generator(seed, purpose, *index)
        initial[i] = rng.random() < occupancy[i]
        own_times, own_draws = _marked_poisson(rng, table[i, BOUND_RATE], duration)
        times.append(own_times)
        draws.append(own_draws)
    offsets = np.concatenate([[0], np.cumsum([len(t) for t in times])]).astype(np.int64)
    empty = np.empty(0)
    return Candidates(
        np.concatenate([empty, *times]), np.concatenate([empty, *draws]), offsets, initial, table, duration, voltages
    )


def _marked_poisson(
    rng: np.random.Generator, rate: float, duration: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the ascending times of a Poisson process of `rate` on (0, duration], and a uniform draw for each.

    Gap and draw of an event come from the stream together, so that a longer duration only adds events at the end.
    """
    expected = rate * duration
    block = int(expected + 6.0 * np.sqrt(expected) + 16)
    times, draws = np.zeros(1), np.zeros(1)
    while times[-1] < duration:  # a second round only after a 6-sigma shortage
        uniform = rng.random((block, 2))
        gaps = -np.log1p(-uniform[:, 0]) / rate
        times = np.concatenate([times[:-1], np.cumsum(np.concatenate([times[-1:], gaps]))])
        draws = np.concatenate([draws, uniform[:, 1]])
    keep = slice(1, np.searchsorted(times, duration, side="right"))
    return times[keep], draws[keep]


@numba.njit(cache=CACHE, inline="always")
def accepts(table, trap, state, draw, voltage):  # pragma: no cover - compiled
    """Whether a candidate with this draw toggles the trap from `state` at `voltage`."""
    if state == 0:
        rate = table[trap, CAPTURE_RATE] * np.exp(
            table[trap, CAPTURE_SLOPE] * (voltage - table[trap, REFERENCE_VOLTAGE])
        )
    else:
        rate = table[trap, EMISSION_RATE] * np.exp(
            table[trap, EMISSION_SLOPE] * (voltage - table[trap, REFERENCE_VOLTAGE])
        )
    return draw * table[trap, BOUND_RATE] < rate


@numba.njit(cache=CACHE)
def simulate_piecewise(times, draws, offsets, initial, table, breaks, voltages):  # pragma: no cover - compiled
    """Runs every trap under a common piecewise-constant bias: `voltages[k]` holds from `breaks[k]` on.

    Returns:
        Transition times (s), trap numbers and new states, ordered by trap, then time.
    """
    n = len(times)
    out_time, out_trap, out_state = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    count = 0
    for trap in range(len(initial)):
        state = initial[trap]
        piece = 0
        for k in range(offsets[trap], offsets[trap + 1]):
            while piece + 1 < len(breaks) and breaks[piece + 1] <= times[k]:
                piece += 1
            if accepts(table, trap, state, draws[k], voltages[piece]):
                state = 1 - state
                out_time[count], out_trap[count], out_state[count] = times[k], trap, state
                count += 1
    return out_time[:count].copy(), out_trap[:count].copy(), out_state[:count].copy()


@dataclass(frozen=True)
class TrapHistory:
    """What a set of traps did: initial states and transitions.

    Attributes:
        initial: State of each trap at time 0, shape `(traps,)`.
        times: Transition times in s, shape `(transitions,)`.
        traps: Which trap, same shape.
        states: Its new state, same shape.
        duration: Span covered, in s.
    """

    initial: NDArray[np.int64]
    times: NDArray[np.float64]
    traps: NDArray[np.int64]
    states: NDArray[np.int64]
    duration: float

    def of(self, trap: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Returns the transition times and new states of one trap, in time order."""
        order, first = self._by_trap
        own = order[first[trap] : first[trap + 1]]
        return self.times[own], self.states[own]

    @cached_property
    def _by_trap(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Transitions sorted by trap, in time order within each, and where each trap's begin."""
        order = np.argsort(self.traps, kind="stable")
        return order, np.searchsorted(self.traps[order], np.arange(len(self.initial) + 1))

    def dwells(self, trap: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Returns the completed dwell times (empty, filled) of one trap in s, without the first and last: cut off."""
        times, states = self.of(trap)
        spans, ended = np.diff(times), states[:-1]
        return spans[ended == 0], spans[ended == 1]

    def state_at(self, trap: int, when: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the states of one trap at the times `when` in s (a transition at exactly `when` counts)."""
        times, states = self.of(trap)
        return np.concatenate([[self.initial[trap]], states])[np.searchsorted(times, when, side="right")]

    def averages(self, trap: int, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the mean state of one trap over `[edges[k], edges[k + 1]]`, shape `(len(edges) - 1,)`."""
        times, states = self.of(trap)
        levels = np.concatenate([[self.initial[trap]], states]).astype(float)
        knots = np.concatenate([[0.0], times])
        filled = np.concatenate([[0.0], np.cumsum(levels[:-1] * np.diff(knots))])
        piece = np.searchsorted(knots, edges, side="right") - 1
        integral = filled[piece] + levels[piece] * (edges - knots[piece])
        return np.diff(integral) / np.diff(edges)


def simulate(candidates: Candidates, breaks: NDArray[np.float64], voltages: NDArray[np.float64]) -> TrapHistory:
    """Runs pre-drawn candidates under a common piecewise-constant bias (numpy witness of the co-simulation).

    Args:
        candidates: From `draw_candidates`.
        breaks: Ascending times in s from which `voltages` hold; the first is 0.
        voltages: Bias in V, same shape.

    Raises:
        FtjSpiceError: A voltage lies outside the range the candidates were drawn for.
    """
    breaks, voltages = np.asarray(breaks, float), np.asarray(voltages, float)
    if breaks.shape != voltages.shape or breaks[0] != 0 or np.any(np.diff(breaks) <= 0):
        raise ValueError("breaks must ascend from 0, one voltage for each")
    low, high = candidates.voltages
    if np.min(voltages) < low or np.max(voltages) > high:
        raise FtjSpiceError(f"the bias leaves the range {low:g} to {high:g} V that the trap events were drawn for")
    c = candidates
    times, traps, states = simulate_piecewise(c.times, c.draws, c.offsets, c.initial, c.table, breaks, voltages)
    return TrapHistory(c.initial.copy(), times, traps, states, c.duration)
