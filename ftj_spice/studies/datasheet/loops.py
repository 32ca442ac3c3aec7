"""Hysteresis under triangular waves: major and minor loops, reversal curves, coercive field against frequency."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.device.activation import domain_groups
from ftj_spice.device.card import Card
from ftj_spice.device.current import static_current
from ftj_spice.device.preisach import PreisachSwitching
from ftj_spice.device.waveform import Waveform
from ftj_spice.engines.witness import Response, Witness
from ftj_spice.results.plots.device_loops import SATURATED, Loop, Loops
from ftj_spice.studies.datasheet.pulses import FINE_GROUPS, Train, ferroelectric_field, saturated_branch, zero_crossing
from ftj_spice.studies.datasheet.settings import DatasheetSettings
from ftj_spice.studies.observer import Observer

SLOWEST = 2e-5
"""Slowest drawn loop's frequency times the attempt time, about: 1 kHz for the nominal card's 19 ns."""
FREQUENCIES = 3
"""Drawn frequencies, a decade apart."""
MINOR = (0.55, 1.6)
"""Amplitudes of the minor loops, in parts of the coercive voltage at the same frequency."""
CYCLES = 3
"""Cycles of a saturated major loop; the last is kept. One that does not saturate gets twice as many."""
SWEEP_CYCLES = 2
"""The same for the slower loops of the coercive field against frequency, which close sooner."""
MINOR_CYCLES = 4
"""Cycles of a minor loop; the last is kept."""


def frequencies(card: Card) -> NDArray[np.float64]:
    """Returns the drawn frequencies in Hz: powers of ten, shape `(FREQUENCIES,)`."""
    slowest = round(float(np.log10(SLOWEST / card.attempt_time)))
    return 10.0 ** (slowest + np.arange(FREQUENCIES))


def triangle_loop(
    card: Card, witness: Witness, amplitude: float, frequency: float, points: int, up: float, cycles: int
) -> Loop:
    """Drives a cell from `up` with `cycles` periods of a triangular wave and returns the last one."""
    wave = Waveform.triangle(amplitude, frequency, cycles)
    times = (cycles - 1 + np.linspace(0.0, 1.0, points + 1)) / frequency
    times[-1] = wave.duration
    answer = _respond(card, witness, wave, times, up)
    return _loop(card, answer.times, answer.voltage, answer.polarization, answer.current, amplitude, frequency)


def _respond(card: Card, witness: Witness, waveform: Waveform, times: NDArray[np.float64], up: float) -> Response:
    """Asks the witness; Preisach's hysteresis is the numpy model's only, and its s is P/P_r under the present field."""
    if card.switching == "nls":
        return witness.transient(card, waveform, times, up)
    cell = PreisachSwitching(card, up=up)
    grid = np.union1d(times, waveform.grid())
    volts = waveform.at(grid)
    polarization, left = np.empty(len(grid)), np.empty(len(grid))
    for k, voltage in enumerate(volts):
        cell.step(0.0, voltage, voltage)
        polarization[k], left[k] = cell.polarization[0], cell.normalised[0]
    keep = np.searchsorted(grid, times)
    s = polarization[keep] / card.remanent_polarization
    charge = card.electrostatics.charge(volts[keep], polarization[keep])
    current = card.area * np.gradient(charge, times) + static_current(card, volts[keep], left[keep])
    return Response(times, volts[keep], s, current)


def closing_cycles(card: Card, frequency: float) -> int:
    """Returns how many cycles a loop at the write voltage takes to close: more where it does not saturate."""
    branch = saturated_branch(card, card.write_voltage, frequency)
    return CYCLES if branch is not None and branch[1][-1] > SATURATED else 2 * CYCLES


def _loop(
    card: Card,
    times: NDArray[np.float64],
    volts: NDArray[np.float64],
    s: NDArray[np.float64],
    current: NDArray[np.float64],
    amplitude: float,
    frequency: float,
) -> Loop:
    """Adds what follows from voltage and state: charge, field, the current without conduction, the crossings."""
    charge = card.electrostatics.charge(volts, card.remanent_polarization * s)
    half = len(volts) // 2
    quarter, last = half // 2, half + half // 2
    rising = zero_crossing(volts[: half + 1], s[: half + 1])
    if rising is None:  # an imprinted or slow cell may cross zero while the field is still that of the other half
        rising = zero_crossing(volts[last:], s[last:])
    falling = zero_crossing(volts[half:], s[half:])
    at_zero = np.zeros(1)
    fields = [
        None if v is None else float(ferroelectric_field(card, np.array([v]), at_zero)[0]) for v in (rising, falling)
    ]
    return Loop(
        amplitude=amplitude,
        frequency=frequency,
        voltage=volts,
        state=s,
        polarization=card.remanent_polarization * s,
        charge=charge,
        field=ferroelectric_field(card, volts, s),
        current=current,
        displacement=card.area * np.gradient(charge, times),
        coercive_voltages=(rising, falling),
        coercive_fields=(fields[0], fields[1]),
        remanent=(card.remanent_polarization * float(s[half]), card.remanent_polarization * float(s[-1])),
        closure=float(abs(s[-1] - s[0])),
        swing=(float(s[quarter:last].max()), float(s.min())),
    )


def loops(card: Card, witness: Witness, settings: DatasheetSettings, seed: int, observer: Observer) -> Loops:
    """Measures all loops. `seed` is not used: the mean model draws nothing."""
    asked = frequencies(card)
    wide = 10.0 ** (np.log10(asked[0]) + np.arange(3.0 - settings.coercive_decades, FREQUENCIES))
    extra = [f for f in wide if not np.any(np.isclose(f, asked))]
    total = len(asked) * (1 + settings.minor_loops) + len(extra) + 1
    done = 0

    def drive(amplitude: float, frequency: float, up: float, cycles: int) -> Loop:
        nonlocal done
        loop = triangle_loop(card, witness, amplitude, frequency, settings.loop_points, up, cycles)
        done += 1
        observer("loops", done, total)
        return loop

    majors = [drive(card.write_voltage, float(f), 0.0, closing_cycles(card, float(f))) for f in asked]
    minors = []
    for major in majors:
        coercive = [abs(v) for v in major.coercive_voltages if v is not None] or [0.5 * card.write_voltage]
        centre = float(np.mean(coercive))
        top = min(MINOR[1] * centre, 0.95 * card.write_voltage)
        amplitudes = np.linspace(MINOR[0] * centre, top, settings.minor_loops)
        minors.append([drive(float(a), major.frequency, 0.5, MINOR_CYCLES) for a in amplitudes])
    swept = sorted(
        [*majors, *(drive(card.write_voltage, float(f), 0.0, SWEEP_CYCLES) for f in extra)], key=lambda x: x.frequency
    )
    reversals = _reversals(card, witness, settings, majors[1])
    observer("loops", total, total)
    return Loops(
        majors=tuple(majors),
        minors=tuple(tuple(row) for row in minors),
        sweep_frequencies=np.array([x.frequency for x in swept]),
        sweep_fields=np.array(
            [[np.nan if e is None or not x.saturated else e for e in x.coercive_fields] for x in swept]
        ),
        line_frequencies=(line := np.geomspace(swept[0].frequency, swept[-1].frequency, 60)),
        line_fields=_closed_fields(card, line),
        branches=tuple(saturated_branch(card, sign * card.write_voltage, majors[1].frequency) for sign in (1, -1)),
        reversals=reversals,
        card_coercive_field=card.coercive_field,
    )


def _closed_fields(card: Card, line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns both coercive fields in V/m by closed form, shape `(line, 2)`; NaN where there is none."""
    fields = np.full((len(line), 2), np.nan)
    groups = domain_groups(card, FINE_GROUPS)
    for row, frequency in enumerate(line):
        for column, sign in enumerate((1, -1)):
            branch = saturated_branch(card, sign * card.write_voltage, float(frequency), groups=groups)
            if branch is None or abs(branch[1][-1]) < SATURATED:
                continue
            volts = zero_crossing(*branch)
            if volts is not None:
                fields[row, column] = ferroelectric_field(card, np.array([volts]), np.zeros(1))[0]
    return fields


def _reversals(card: Card, witness: Witness, settings: DatasheetSettings, major: Loop) -> tuple[Loop, ...]:
    """Measures first-order reversal curves in one run: from the saturated up state to a reversal voltage and back.

    All ramps have the major loop's slope.
    """
    falling = major.coercive_voltages[1]
    centre = abs(falling) if falling is not None else 0.5 * card.write_voltage
    depths = np.linspace(0.75 * centre, min(1.3 * centre, card.write_voltage), settings.reversals)
    slope = 4.0 * major.amplitude * major.frequency
    train, spans = Train(), []
    top = major.amplitude
    train.to(top, top / slope)
    for depth in depths:
        begin = train.now
        train.to(-float(depth), (top + depth) / slope).to(top, (top + depth) / slope)
        spans.append((begin, train.now))
    points = settings.loop_points // 2
    grids = [np.linspace(a, b, 2 * points + 1) for a, b in spans]
    answer = _respond(card, witness, train.waveform(), np.unique(np.concatenate(grids)), 1.0)
    curves = []
    for depth, (a, b) in zip(depths, spans, strict=True):
        own = (answer.times >= a) & (answer.times <= b)
        curve = _loop(
            card, answer.times[own], answer.voltage[own], answer.polarization[own], answer.current[own], -float(depth),
            major.frequency,
        )  # fmt: skip
        curves.append(replace(curve, coercive_voltages=(None, None), coercive_fields=(None, None)))
    return tuple(curves)


def loops_summary(card: Card, data: Loops) -> dict[str, object]:
    """Returns the numbers of the loops."""

    def one(loop: Loop) -> dict[str, object]:
        return {
            "frequency_hz": loop.frequency,
            "amplitude_v": loop.amplitude,
            "coercive_voltage_up_v": loop.coercive_voltages[0],
            "coercive_voltage_down_v": loop.coercive_voltages[1],
            "coercive_field_up_v_per_m": loop.coercive_fields[0],
            "coercive_field_down_v_per_m": loop.coercive_fields[1],
            "remanent_polarization_up_c_per_m2": loop.remanent[0],
            "remanent_polarization_down_c_per_m2": loop.remanent[1],
            "largest_state": loop.swing[0],
            "smallest_state": loop.swing[1],
            "closure_of_state": loop.closure,
        }

    closed = np.array([np.interp(np.log(data.sweep_frequencies), np.log(data.line_frequencies), data.line_fields[:, k])
                       for k in (0, 1)]).T  # fmt: skip
    deviation = np.abs(data.sweep_fields / closed - 1.0)
    return {
        "major": [one(loop) for loop in data.majors],
        "minor": [[one(loop) for loop in row] for row in data.minors],
        "saturated_by_write_voltage": all(loop.saturated for loop in data.majors),
        "coercive_field_against_frequency": {
            "frequency_hz": data.sweep_frequencies,
            "up_v_per_m": data.sweep_fields[:, 0],
            "down_v_per_m": data.sweep_fields[:, 1],
            "largest_relative_deviation_from_closed_form": (
                float(np.nanmax(deviation)) if np.isfinite(deviation).any() else None
            ),
        },
        "card_quasi_static_coercive_field_v_per_m": card.coercive_field,
    }
