"""What a chain's blocks show on test benches of their own and reads of the chain can't: noise, and fine steps.

Transients of the chain hold no noise, and its codes are rounded: noise and the time that the front end averages over
come from the sense variant's bench, noise and the places of the code transitions from the converter's.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import Card
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.periphery.bench import Measurement
from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.benches.integrator import IntegratorSettings
from ftj_spice.periphery.chain import Chain
from ftj_spice.periphery.converting import Conversions, ConverterSettings
from ftj_spice.periphery.figures import MeasurementError
from ftj_spice.periphery.linearity import linearity, superposed_codes, superposed_levels
from ftj_spice.periphery.rig import Condition, Rig
from ftj_spice.periphery.spreads import Spread

FloatArray = NDArray[np.float64]

FINENESS = 1.0 / 32.0
"""Steps within which a converter's transitions are searched: its INL is that exact."""


@dataclass(frozen=True)
class FrontNoise:
    """Noise of a front end.

    Attributes:
        current: Input-referred, of one read, in A rms.
        source: Where it comes from.
        averaging: Time over which a read averages the current in s; none: unknown.
        notes: What could not be measured.
    """

    current: float = 0.0
    source: str = "not measured"
    averaging: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConverterErrors:
    """Errors of a converter that a chain's codes are too coarse for.

    Attributes:
        inl: Deviation of each transition from its straight line in steps, from the lowest code; none: not measured.
        offset: Spread of the offset in steps, at the lowest code.
        gain: Relative spread of the gain.
        noise: At its input in V, rms.
        source: Where the noise comes from.
        notes: What could not be measured.
    """

    inl: tuple[float, ...] = ()
    offset: Spread = field(default_factory=Spread)
    gain: Spread = field(default_factory=Spread)
    noise: float = 0.0
    source: str = "not measured"
    notes: tuple[str, ...] = ()


def averaging_time(bandwidth: float) -> float:
    """Returns the averaging time in s that passes as much white noise as one pole with this 3 dB bandwidth in Hz.

    The noise bandwidth of one pole is `pi / 2` times its bandwidth, that of an average over T is `1 / (2 T)`.
    """
    return 1.0 / (math.pi * bandwidth)


def integrator_settings(chain: Chain) -> IntegratorSettings | None:
    """Returns the settings of a chain's front end that is measured as integrators are; none of another one."""
    variant = chain.variant("sense")
    if variant.bench != "integrator":
        return None
    return IntegratorSettings.parse(dict(variant.settings), f"settings of '{variant.name}'")


def front_noise(chain: Chain, condition: Condition, card: Card, engine: NgspiceEngine) -> FrontNoise:
    """Returns the noise of a chain's front end by its variant's bench, and the time that it averages over.

    An integrator's window lies between the fall of its clock `sample` and the rise of `hold`; an amplifier that is
    clocked in the same way averages over twice its time constant.

    Raises:
        SettingsError: The variant does not fit the chain.
    """
    window, clocks = None, chain.sense.clocks
    settings = integrator_settings(chain)
    if settings is not None and settings.time_constant is not None:
        window = settings.averaging
    elif settings is not None and {"hold", "sample"} <= set(clocks):
        window = clocks["hold"].begin - clocks["sample"].last
    found, notes = _measured(chain, "sense", condition, card, engine, ("noise_current", "bandwidth"))
    if found is None:
        return FrontNoise(averaging=window, notes=notes)
    bandwidth = found.figures.get("bandwidth")
    if window is None and bandwidth:
        window = averaging_time(bandwidth)
    if "noise_current" not in found.figures:
        return FrontNoise(averaging=window, notes=(*notes, *found.failures.values()))
    source = next((found.notes[name] for name in ("noise_charge", "noise_current") if name in found.notes), None)
    return FrontNoise(found.figures["noise_current"], source or "the variant's own bench", window, notes)


def converter_errors(
    chain: Chain,
    condition: Condition,
    card: Card,
    engine: NgspiceEngine,
    ends: tuple[float, float],
    draws: Sequence[tuple[int, int]] = (),
) -> ConverterErrors:
    """Returns INL, noise and spreads of a chain's converter by its variant's bench.

    Args:
        chain: The chain.
        condition: Process, corner, temperature, supplies.
        card: Card of the column.
        engine: What simulates it.
        ends: Inputs in V at which the lowest code begins and the highest ends, in the order of the chain's codes.
        draws: Seed and number of each draw of mismatch.

    Raises:
        SettingsError: The variant does not fit the chain.
    """
    ideal = {"low": f"{min(ends)!r} V", "high": f"{max(ends)!r} V"}
    found, notes = _measured(chain, "convert", condition, card, engine, ("noise",), ideal)
    noise, source = 0.0, "not measured"
    if found is not None:
        notes = (*notes, *found.failures.values())
        noise = found.figures.get("noise", noise)
        source = found.notes.get("noise", source)
    inl: tuple[float, ...] = ()
    variant = chain.variant("convert")
    if variant.bench != "converter":
        return ConverterErrors((), noise=noise, source=source, notes=(*notes, "the converter's spreads are not known"))
    changed = variant.model_copy(update={"settings": variant.settings | ideal})
    rig = Rig(changed, condition, card, engine, chain.parameters("convert"))
    try:
        values = transition_errors(rig)
        inl = tuple((values if ends[0] < ends[1] else -values[::-1]).tolist())
    except FtjSpiceError as error:
        notes = (*notes, f"the converter's INL is not in the macromodel: {error}")
    offset, gain = converter_spreads(rig, draws, falls=ends[0] > ends[1])
    fineness = ConverterSettings.parse(dict(changed.settings), f"settings of '{variant.name}'").draw_resolution
    notes = (*notes, f"levels of converters with mismatch are searched to {fineness:g} LSB: smaller spreads don't show")
    return ConverterErrors(inl, offset, gain, noise, source, notes)


def converter_spreads(rig: Rig, draws: Sequence[tuple[int, int]], *, falls: bool = False) -> tuple[Spread, Spread]:
    """Returns the spreads of a converter's offset in steps and of its relative gain, over draws of mismatch.

    Codes of a chain are too coarse for them: a line through rounded codes spreads by itself.

    Args:
        rig: The converter; its mismatch is not used.
        draws: Seed and number of each draw.
        falls: Whether codes count down from the highest input: the offset is then that at the other end.
    """
    s = ConverterSettings.parse(dict(rig.variant.settings), f"settings of '{rig.variant.name}'")
    its = bench("converter", f"variant '{rig.variant.name}'")

    def job(open_netlist: Open, draw: tuple[int, int]) -> tuple[float, float]:
        chip = replace(rig, condition=replace(rig.condition, mismatch=draw), engine=SimpleNamespace(open=open_netlist))  # type: ignore[arg-type]
        try:
            found = its.measure(chip, ("offset", "gain_error")).figures
        except FtjSpiceError:
            return np.nan, np.nan
        gain = found.get("gain_error", np.nan)
        lowest = -found.get("offset", np.nan) / s.step
        return (-(lowest + gain * (s.top + 1)) if falls else lowest), gain

    values = np.array(rig.engine.map(job, list(draws)), float).reshape(-1, 2)
    return Spread.of(values[:, 0]), Spread.of(values[:, 1])


def transition_errors(rig: Rig) -> FloatArray:
    """Returns the INL of a converter in steps, shape `(top,)`, from those transitions that its bench searches in draws.

    Where the bits' weights add up a few give all others; of a smooth ramp some do, and the rest are interpolated.

    Raises:
        MeasurementError: A code begins nowhere.
        FtjSpiceError: It can't be measured.
    """
    s = ConverterSettings.parse(dict(rig.variant.settings), f"settings of '{rig.variant.name}'")
    codes = sorted({*range(1, s.top + 1, s.draw_every), s.top})
    if s.superposed:
        codes = superposed_codes(len(s.outputs))
    few, _ = Conversions(rig, s).transitions(codes, FINENESS)
    if not np.isfinite(few).all():
        raise MeasurementError(f"{np.count_nonzero(~np.isfinite(few))} of {len(codes)} codes begin nowhere")
    if s.superposed:
        levels = superposed_levels(few.tolist(), len(s.outputs))
    else:
        levels = np.interp(np.arange(1, s.top + 1), codes, few)
    return linearity(levels, s.low, s.high).inl


def _measured(
    chain: Chain,
    kind: str,
    condition: Condition,
    card: Card,
    engine: NgspiceEngine,
    figures: Collection[str],
    settings: Mapping[str, float | str] | None = None,
) -> tuple[Measurement | None, tuple[str, ...]]:
    """Returns what a block's bench gives of some figures, and why it gives nothing."""
    variant = chain.variant(kind)
    if variant.bench is None:
        return None, (f"variant '{variant.name}' has no test bench: its noise is not known",)
    its = bench(variant.bench, f"variant '{variant.name}'")
    wanted = [name for name in figures if name in its.figures]
    if not wanted:
        return None, (f"the test bench '{its.name}' of variant '{variant.name}' measures no noise",)
    known = {name: value for name, value in (settings or {}).items() if name in its.settings.model_fields}
    changed = variant.model_copy(update={"settings": variant.settings | known})
    try:
        return its.measure(Rig(changed, condition, card, engine, chain.parameters(kind)), wanted), ()
    except FtjSpiceError as error:
        return None, (f"'{variant.name}' could not be measured by its own test bench: {error}",)


def converter_logic(chain: Chain) -> ConverterSettings | None:
    """Returns what the converter's variant says of its logic; none without a circuit, or with one of another bench."""
    if chain.convert is None:
        return None
    variant = chain.variant("convert")
    if variant.bench != "converter":
        return None
    return ConverterSettings.parse(dict(variant.settings), f"settings of '{variant.name}'")
