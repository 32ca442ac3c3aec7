"""Whether a converter in a chain gave a code at all: levels that are none, an end that never comes, codes that stick.

XSPICE's events can get lost where ngspice takes steps back, and a converter that waits for one keeps its last code.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.quantities import in_unit
from ftj_spice.engines.errors import EngineError
from ftj_spice.periphery.chain import Chain
from ftj_spice.periphery.waveform import value_at

FloatArray = NDArray[np.float64]
Waves = Mapping[str, FloatArray]

LOW, HIGH = 0.3, 0.7
"""Parts of the supply below and above which a level is a logic one: the usual limits of CMOS inputs."""
FAR = 0.25
"""Part of the full scale that a code may be away from what the converter's input stands for: no mismatch does that."""


class ConversionError(EngineError):
    """A converter gave no code."""


def done_node(chain: Chain) -> str | None:
    """Returns the node of the converter's end-of-conversion output; none where it has none."""
    if chain.convert is None:
        return None
    port = chain.variant("convert").settings.get("done")
    return f"convert_{port}" if isinstance(port, str) and port in chain.convert.open else None


def check_codes(
    chain: Chain,
    waves: Waves,
    begins: FloatArray,
    inputs: FloatArray,
    codes: NDArray[np.int64],
    high: float,
    where: str,
) -> None:
    """Checks that each code of a transient was made by a conversion.

    Args:
        chain: The chain; it has a converter.
        waves: `time` in s, bits and end of conversion as `v(NODE)` in V, shape `(points,)`.
        begins: Begin of each read in s, shape `(reads,)`.
        inputs: The converter's input in V when it counts, shape `(reads,)`.
        codes: Shape `(reads,)`.
        high: Supply in V.
        where: Chain and column, for the sentence.

    Raises:
        ConversionError: One was not; the sentence says which and when.
    """
    assert chain.convert is not None
    time, moments = waves["time"], begins + chain.convert.bits_at
    for port in chain.convert.bits:
        part = value_at(time, waves[f"v(convert_{port})"], moments) / high
        for k in np.flatnonzero(~((part < LOW) | (part > HIGH)))[:1]:
            raise ConversionError(
                f"{where}: bit '{port}' stands at {part[k] * high:.3g} V of {high:.3g} V when the code is read, "
                f"{_at(moments[k])}: neither low nor high; the conversion needs more time, or the bit is not driven"
            )
    own = chain.top - codes if chain.convert.falls else codes
    node = done_node(chain)
    if node is not None:
        _check_end(waves, node, begins, moments, own == chain.top, high, where)
    settings = chain.variant("convert").settings
    low, top = (_volts(settings.get(name)) for name in ("low", "high"))
    if low is None or top is None or chain.convert.biases:  # with other references it has another range
        return
    wanted = np.clip((inputs - low) / (top - low), 0.0, 1.0)
    for k in np.flatnonzero(np.abs(own / chain.top - wanted) > FAR)[:1]:
        raise ConversionError(
            f"{where}: code {own[k]} is read {_at(moments[k])}, where the converter's input of {inputs[k]:.4g} V "
            f"stands for about {wanted[k] * chain.top:.0f} of {chain.top}: the code sticks, or the converter is broken"
        )


def _check_end(
    waves: Waves,
    node: str,
    begins: FloatArray,
    moments: FloatArray,
    full: NDArray[np.bool_],
    high: float,
    where: str,
) -> None:
    """Checks that every conversion began and ended; one of the largest code may end without a sign of it."""
    time, done = waves["time"], waves[f"v({node})"] > 0.5 * high
    for begin, moment, largest in zip(begins, moments, full, strict=True):
        inside = (time > begin) & (time <= moment)
        port = node.removeprefix("convert_")
        if not largest and not done[inside][-1]:
            raise ConversionError(
                f"{where}: '{port}' is low when the code is read, {_at(moment)}: the conversion has not ended by then"
            )
        if done[inside].all():
            raise ConversionError(
                f"{where}: '{port}' is high all the time before the code is read, {_at(moment)}: no conversion has "
                "begun"
            )


def _volts(value: object) -> float | None:
    try:
        return float(in_unit("V").func(value))  # type: ignore[call-arg]
    except (ValueError, TypeError):
        return None


def _at(moment: float) -> str:
    return f"{1e6 * moment:.4g} us into the transient"
