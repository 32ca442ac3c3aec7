"""Levels and dwell times of a sampled current.

The hidden states are the current's levels (`ftj_spice.device.fitting.hidden`). The two groups of levels on either side
of the widest gap are the states of the dominant trap. Its times are those of greatest likelihood in continuous time:
between samples dt apart the trap fills with the probability `p (1 - rho)` and empties with `(1 - p)(1 - rho)`,
`rho = exp[-(1/tau_c + 1/tau_e) dt]`, p the occupancy; so events that begin and end between two samples are counted in.
Samples are taken as instantaneous. The intervals follow from the observed information.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from threadpoolctl import threadpool_limits

from ftj_spice.common.errors import DataError
from ftj_spice.device.fitting.hidden import choose_model, occupancy
from ftj_spice.device.fitting.outcome import NotIdentifiedError

FEWEST_TRANSITIONS = 10
"""With fewer transitions of the dominant trap, dwell times mean nothing."""

_MAD = 0.67449  # median magnitude of a standard normal variable
_SPARSE = 3.0  # rates times the sampling interval beyond which samples are independent
_STEP = 0.4  # of the numerical second derivatives, in standard deviations


@dataclass(frozen=True)
class Telegraph:
    """The dominant trap seen in one trace.

    Attributes:
        levels: Magnitudes of the current's levels in A, falling; shape `(levels,)`.
        occupancy: Part of the time in each.
        noise: Standard deviation of the current about its level, in A.
        first_filled: Number of the first level at which the dominant trap is filled.
        log_times: ln of capture and emission time in s.
        information: Observed information of `log_times`, shape `(2, 2)`.
        log_amplitude: ln of the relative drop of the current.
        log_amplitude_error: Its standard error.
        transitions: Of the dominant trap.
        unrest: Scatter about the levels over that from one sample to the next: 1 for white noise, more where the
            current drifts or samples are averages.
        path: Most probable level of each sample, shape `(samples,)`.
    """

    levels: NDArray[np.float64]
    occupancy: NDArray[np.float64]
    noise: float
    first_filled: int
    log_times: NDArray[np.float64]
    information: NDArray[np.float64]
    log_amplitude: float
    log_amplitude_error: float
    transitions: int
    unrest: float
    path: NDArray[np.int64]


def telegraph(current: NDArray[np.float64], interval: float, place: str) -> Telegraph:
    """Finds levels and dwell times of a trace.

    Args:
        current: Samples in A, shape `(samples,)`, evenly spaced.
        interval: Between samples, in s.
        place: `file:line:column` of the current; it opens errors.

    Raises:
        DataError: The current has one level only, hardly changes between levels, or changes sign.
        NotIdentifiedError: The samples are too far apart for the dwell times.
    """
    with threadpool_limits(1):  # threads cost more than they win in many small products of matrices
        return _telegraph(current, interval, place)


def _telegraph(current: NDArray[np.float64], interval: float, place: str) -> Telegraph:
    sign = 1.0 if current.mean() >= 0.0 else -1.0
    magnitude = sign * current
    spread = float(magnitude.std())
    if spread <= 1e-12 * abs(float(magnitude.mean())):
        raise DataError(f"{place}: no transitions: all samples of the current are the same")
    samples = ((magnitude - magnitude.mean()) / spread)[:, None]
    model = choose_model(samples)
    if model is None:
        raise DataError(f"{place}: no transitions: the current has one level, with a scatter of {spread:.3g} A")
    means = model.means_.ravel()
    noise = math.sqrt(float(model.covars_[0, 0, 0]))
    levels = magnitude.mean() + spread * means
    if levels[-1] <= 0.0:
        raise DataError(f"{place}: the current changes its sign between levels; take its offset away first")
    filled = int(np.argmax(-np.diff(means))) + 1
    path = model.predict(samples)
    transitions = int(np.count_nonzero(np.diff((path >= filled).astype(int))))
    if transitions < FEWEST_TRANSITIONS:
        raise DataError(
            f"{place}: {transitions} transitions between levels are too few; at least {FEWEST_TRANSITIONS} are needed"
        )
    log_times, information = _rates(model, samples, filled, interval, place)
    share = occupancy(model, samples)
    errors = spread * noise / np.sqrt(np.maximum(share * len(samples), 1.0))
    top, low = levels[0], levels[filled]
    drop = (top - low) / top
    # d(drop)/d(top) = low / top^2, d(drop)/d(low) = -1 / top
    error = math.hypot(low / top**2 * errors[0], errors[filled] / top) / drop
    stay = np.diff(magnitude)[path[1:] == path[:-1]]
    white = float(np.median(np.abs(stay - np.median(stay)))) / (_MAD * math.sqrt(2.0))
    unrest = spread * noise / white if white > 0.0 else 1.0
    return Telegraph(
        levels,
        share,
        spread * noise,
        filled,
        log_times,
        information,
        math.log(drop),
        error,
        transitions,
        unrest,
        path,
    )


def _rates(
    model: Any, samples: NDArray[np.float64], filled: int, interval: float, place: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the likeliest ln(capture time), ln(emission time) and their observed information."""
    share = occupancy(model, samples)
    empty = np.arange(len(share)) < filled
    down = float(share[empty] @ model.transmat_[np.ix_(empty, ~empty)].sum(axis=1) / share[empty].sum())
    up = float(share[~empty] @ model.transmat_[np.ix_(~empty, empty)].sum(axis=1) / share[~empty].sum())
    total = -math.log(max(1.0 - down - up, math.exp(-2.0 * _SPARSE)))
    part = down / (down + up)
    begin = np.log(interval / (total * np.array([part, 1.0 - part])))
    chain = model.transmat_.copy()
    across = np.where(empty, chain[:, ~empty].sum(axis=1), chain[:, empty].sum(axis=1))[:, None]
    across = np.clip(across, 1e-12, 1.0 - 1e-12)
    same = empty[:, None] == empty[None, :]
    profile = np.where(same, chain / (1.0 - across), chain / across)

    def unlikelihood(log_times: NDArray[np.float64]) -> float:
        capture, emission = np.exp(-np.clip(log_times, -600.0, 600.0)) * interval
        leave = -math.expm1(-(capture + emission)) / (capture + emission)
        out = np.where(empty, capture, emission)[:, None] * leave
        model.transmat_ = profile * np.where(same, 1.0 - out, out)
        model.transmat_ /= model.transmat_.sum(axis=1, keepdims=True)
        return -float(model.score(samples))

    simplex = begin + np.array([[0.0, 0.0], [0.05, 0.0], [0.0, 0.05]])
    found = optimize.minimize(
        unlikelihood, begin, method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": 1e-4, "fatol": 1e-4, "maxfev": 200},
    )  # fmt: skip
    log_times = np.asarray(found.x)
    information = _hessian(unlikelihood, log_times)
    model.transmat_ = chain
    if interval * float(np.exp(-log_times).sum()) > _SPARSE or not np.all(np.linalg.eigvalsh(information) > 0.0):
        raise NotIdentifiedError(
            "capture_time",
            f"the samples of {place}, {interval:.3g} s apart, lie further apart than the dwells they should show",
        )
    return log_times, information


def _hessian(function: Callable[[NDArray[np.float64]], float], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the second derivatives at a minimum, with steps of a part of the standard deviation."""
    step = np.full(2, 0.05)
    for _ in range(2):
        middle = function(at)
        matrix = np.empty((2, 2))
        for i in range(2):
            e = np.eye(2)[i] * step
            matrix[i, i] = (function(at + e) - 2.0 * middle + function(at - e)) / step[i] ** 2
        a, b = np.array([step[0], 0.0]), np.array([0.0, step[1]])
        mixed = function(at + a + b) - function(at + a - b) - function(at - a + b) + function(at - a - b)
        matrix[0, 1] = matrix[1, 0] = mixed / (4.0 * step[0] * step[1])
        if np.any(np.diag(matrix) <= 0.0):
            break
        step = _STEP / np.sqrt(np.diag(matrix))
    return matrix
