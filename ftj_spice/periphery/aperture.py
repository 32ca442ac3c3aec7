"""Input noise of a clocked comparator from its sampling aperture.

Near its threshold a clocked comparator is a linear, time-varying system: what it decides is the sign of
`integral h(t) v_in(t) dt`, with the impulse sensitivity `h` of unit area. White noise of the (two-sided) density S(t)
in series with the input then gives the variance `integral S(t) h(t)^2 dt` (J. Kim, B. Leibowitz, J. Ren, C. Madden,
IEEE Trans. Circuits Syst. I 56(8), 1844-1857 (2009)). `h` follows from the responses to input steps at different times,
`S` from the transconductance of the pair: no random number is drawn.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import constants

FloatArray = NDArray[np.float64]


def sensitivity(times: FloatArray, share: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns the impulse sensitivity in 1/s at the middles of the intervals.

    Args:
        times: When the input stepped, increasing, in s, shape `(steps,)`.
        share: Response to each step over that to one long before, shape `(steps,)`: from 1 down to 0.

    Returns:
        Middles in s and sensitivities, shape `(steps - 1,)`.
    """
    return 0.5 * (times[1:] + times[:-1]), -np.diff(share) / np.diff(times)


def input_noise(
    times: FloatArray, share: FloatArray, transconductance: FloatArray, temperature: float, excess: float
) -> float:
    """Returns the rms input-referred noise in V of the input pair's channel noise.

    Each transistor's drain noise of (two-sided) density `2 k T excess gm` is `2 k T excess / gm` at its gate. Where it
    is as good as off (below a hundredth of its largest transconductance) it adds nothing.

    Args:
        times: When the input stepped, in s, shape `(steps,)`.
        share: See `sensitivity`.
        transconductance: Of each transistor of the pair, at the middles of the intervals, in S, shape
            `(transistors, steps - 1)`.
        temperature: In K.
        excess: Channel noise over `4 k T gm` (one-sided): 2/3 in strong inversion, about 1 at short channels.
    """
    _, h = sensitivity(times, share)
    on = transconductance > 0.01 * transconductance.max(axis=1, keepdims=True)
    resistance = np.where(on, 1.0 / np.where(on, transconductance, 1.0), 0.0).sum(axis=0)
    density = 2.0 * constants.k * temperature * excess * resistance
    return float(np.sqrt(np.sum(density * h**2 * np.diff(times))))


def window_noise(transconductance: FloatArray, window: float, temperature: float, excess: float) -> float:
    """Returns the rms input-referred noise in V of a pair's channel noise, averaged over a window.

    `input_noise` of the sensitivity `1 / window`: a continuous comparator that takes so long to decide can do no better
    than average over that time.

    Args:
        transconductance: Of each transistor of the pair in S, shape `(transistors,)`.
        window: In s.
        temperature: In K.
        excess: See `input_noise`.
    """
    density = 2.0 * constants.k * temperature * excess * np.sum(1.0 / transconductance)
    return float(np.sqrt(density / window))
