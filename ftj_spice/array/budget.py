"""The error budget of a product on arrays: each imperfection switched on alone, and all together.

Every contribution is a run of `forward` with settings that differ in that imperfection from those of a run without
any, with the same inputs, seeds and coding. Its error is the difference of the two runs' outputs, so that what coding
itself does (the rounding of inputs) shows in one line only. Three need a word:

- *weights*: levels and clipping. Where clipping sets the scale of conductances, the other lines keep it, so that they
  are as large as in the whole; what clipping does to the weights is in this line only. The other lines keep the number
  of levels as well, without rounding to them: it sets the step that verifying counts in and the base of the slices.
- *wires*: line, driver and sense resistances, ends and select transistors as set, with ohmic cells.
- *I-V law*: the same with the card's law, less that with ohmic cells; through perfect wires it shows with amplitude
  coding only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.layer_result import LayerResult, effective_bits
from ftj_spice.array.settings import ReadSettings

IDEAL: dict[str, Any] = {
    "rounded": False, "clip_percentile": 100.0, "spread": 0.0, "cycle_spread": 0.0, "verify_tolerance": "none",
    "stuck": 0.0, "topology": "crossbar", "line_resistance": 0.0, "driver_resistance": 0.0, "sense_resistance": 0.0,
    "ohmic": True, "noise": False, "adc_bits": 0, "adc_offset": 0.0, "adc_gain_spread": 0.0, "adc_noise": 0.0,
}  # fmt: skip
"""Settings without any imperfection but the rounding of inputs."""

ROUNDING = 1e-12
"""Errors below this part of the full scale are those of floating-point numbers, and count as 0."""


@dataclass(frozen=True)
class Imperfection:
    """One kind of imperfection.

    Attributes:
        name: Its name.
        label: What it is, for tables and plots.
        fields: Settings that it takes from the run, all others being ideal.
        without: Settings that its reference takes from the run.
    """

    name: str
    label: str
    fields: tuple[str, ...]
    without: tuple[str, ...] = ("clip_percentile",)


_SCALE = ("clip_percentile",)
_WIRES = (*_SCALE, "topology", "line_resistance", "driver_resistance", "sense_resistance")

IMPERFECTIONS: tuple[Imperfection, ...] = (
    Imperfection("weights", "weight levels and clipping", ("rounded", "clip_percentile"), ()),
    Imperfection("spread", "device-to-device spread", (*_SCALE, "spread")),
    Imperfection("programming", "programming", (*_SCALE, "cycle_spread", "verify_tolerance", "stuck")),
    Imperfection("wires", "line, driver and sense resistance", _WIRES),
    Imperfection("law", "nonlinear I-V law", (*_WIRES, "ohmic"), _WIRES),
    Imperfection("noise", "shot and kT/C noise", (*_SCALE, "noise")),
    Imperfection("converter", "converter", (*_SCALE, "adc_bits", "adc_offset", "adc_gain_spread", "adc_noise")),
)
"""All imperfections but the rounding of inputs."""


@dataclass(frozen=True)
class Contribution:
    """One line of the budget.

    Attributes:
        name: Its name.
        label: What it is.
        error: Root mean square, in the unit of the outputs.
        relative: The same in parts of the full scale of the outputs; NaN where that is 0.
        effective_bits: `log2(full_scale / (sqrt(12) error))`.
    """

    name: str
    label: str
    error: float
    relative: float
    effective_bits: float


@dataclass(frozen=True)
class Budget:
    """The whole budget.

    Attributes:
        contributions: Each imperfection alone.
        together: All of them, against the exact product.
        full_scale: Span of the outputs that errors are relative to.
    """

    contributions: tuple[Contribution, ...]
    together: Contribution
    full_scale: float

    @property
    def root_sum_square(self) -> float:
        """Root of the sum of the squared errors: what independent errors would give together."""
        return float(np.sqrt(sum(entry.error**2 for entry in self.contributions)))

    def rows(self) -> list[dict[str, Any]]:
        """Returns the table, `together` last."""
        return [
            {
                "name": entry.name,
                "label": entry.label,
                "rms_error": entry.error,
                "relative_to_full_scale": entry.relative,
                "effective_bits": entry.effective_bits,
            }
            for entry in (*self.contributions, self.together)
        ]


Run = Callable[[ReadSettings], LayerResult]
"""Runs the same product with other settings."""


def error_budget(settings: ReadSettings, whole: LayerResult, run: Run, circuits: Run | None = None) -> Budget:
    """Returns the error budget.

    Args:
        settings: Settings of the read phase.
        whole: The product with these settings.
        run: Runs the product again; same inputs, weights, seed; behavioural read-out.
        circuits: Runs it again through the circuits that made `whole`, where it was such; they get a line in place of
            those of noise and converter.

    Raises:
        EngineError: A simulation failed.
    """
    given = settings.model_dump()
    results: dict[ReadSettings, NDArray[np.float64]] = {settings: whole.outputs}

    def outputs(fields: tuple[str, ...]) -> NDArray[np.float64]:
        chosen = ReadSettings(**given | IDEAL | {name: given[name] for name in fields})
        if chosen not in results:
            results[chosen] = run(chosen).outputs
        return results[chosen]

    def line(name: str, label: str, error: NDArray[np.float64]) -> Contribution:
        rms = float(np.sqrt(np.mean(error**2)))
        rms = rms if rms > ROUNDING * whole.full_scale else 0.0
        relative = rms / whole.full_scale if whole.full_scale else float("nan")
        return Contribution(name, label, rms, relative, effective_bits(whole.full_scale, rms))

    lines = [line("inputs", "input bits", outputs(()) - whole.exact)]
    for each in IMPERFECTIONS:
        if circuits is not None and each.name in ("noise", "converter"):
            continue
        fields = each.fields
        if each.name == "spread" and settings.verify_tolerance is not None:
            fields = each.without  # verifying takes it out, and stands under programming
        lines.append(line(each.name, label(each, settings), outputs(fields) - outputs(each.without)))
    if circuits is not None:
        fields = (*_SCALE, "noise", "adc_bits", "adc_offset", "adc_gain_spread", "adc_noise")
        chosen = ReadSettings(**given | IDEAL | {name: given[name] for name in fields})
        lines.append(line("periphery", "read-out circuits", circuits(chosen).outputs - outputs(_SCALE)))
    return Budget(tuple(lines), line("together", "all together", whole.outputs - whole.exact), whole.full_scale)


def label(each: Imperfection, settings: ReadSettings) -> str:
    """Returns an imperfection's label, with what the settings make of it."""
    verified = settings.verify_tolerance is not None
    stuck = ", stuck cells" if settings.stuck > 0 else ""
    if each.name == "spread" and verified:
        return "device-to-device spread (verified: none)"
    if each.name == "programming":
        return ("programming (verify residual" if verified else "programming (cycle to cycle") + stuck + ")"
    return each.label
