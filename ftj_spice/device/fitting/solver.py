"""Least squares with lmfit: scale parameters in logarithms, 95 % intervals, and a refusal where data say nothing."""

import math
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ftj_spice.common.errors import SettingsError
from ftj_spice.device.fitting.outcome import Estimate, FitError, NotIdentifiedError
from ftj_spice.device.fitting.unknown import Unknown

CONFIDENCE = 0.95
"""Confidence of the stated intervals."""

NOTHING_LEFT = "nothing is left to fit: every parameter that these data give is held"

_SINGULAR = 1e-9
_NOTABLE = 0.95
_EXACT = 1e-12  # variance of residuals, of numbers of order 1, below which data are as good as exact
_UNLIKELY = 0.01  # chance of a scatter this large from which intervals are widened
_STRANGE = 1e-4  # chance at which a parameter that wants out of its range speaks against the law


@dataclass(frozen=True)
class Solution:
    """A finished least-squares fit.

    Attributes:
        estimates: In the order of the parameters.
        values: Best values by name.
        scatter: Standard deviation of the residuals.
        correlations: Between pairs of fitted numbers, where notable.
        edges: Parameters that lie at the edge of their range.
        excess: The residuals scatter by more than their known sigma; the intervals are widened.
    """

    estimates: tuple[Estimate, ...]
    values: dict[str, float]
    scatter: float
    correlations: dict[tuple[str, str], float]
    edges: tuple[str, ...]
    excess: bool

    def remarks(self) -> list[str]:
        """Returns sentences on parameters at the edge of their range and on too much scatter."""
        found = [f"{name} lies at the edge of its range: {self.values[name]:g}" for name in self.edges]
        if self.excess:
            found.append(
                f"the files differ by more than their own scatter in {', '.join(self.values)}: intervals widened"
            )
        return found


def solve(
    residuals: Callable[[dict[str, float]], NDArray[np.float64]],
    parameters: Sequence[Unknown],
    *,
    starts: Sequence[dict[str, float]] = ({},),
    known_scatter: bool = False,
    profile: Collection[str] = (),
) -> Solution:
    """Fits parameters to residuals of equal, independent scatter.

    Intervals come from the covariance with Student's quantile, or from the profile of the likelihood (lmfit's F test).

    Args:
        residuals: Measured less modelled, by values of the parameters; shape `(points,)`.
        parameters: What to fit.
        starts: First guesses to try, each what differs from the parameters' own; the best result counts.
        known_scatter: The residuals are in units of their known sigma: it is used unless they scatter by more.
        profile: Names of parameters whose interval is to come from the profile.

    Raises:
        SettingsError: There is no parameter.
        NotIdentifiedError: A parameter is not determined by the data.
        FitError: A parameter comes out far beyond its range, or at an end of it that is no end of the law.
    """
    if not parameters:
        raise SettingsError(NOTHING_LEFT)
    walls = {p.name for p in parameters if p.logarithmic or p.walled}
    minimizer, result = _best(residuals, parameters, starts, known_scatter, walls)
    outside = [p for p in parameters if not p.holds(float(result.params[p.name].value))]
    if outside:
        wild = result
        minimizer, result = _best(residuals, parameters, starts, known_scatter, {p.name for p in parameters})
        if _costs(result, wild, len(outside), known_scatter):
            p, value = outside[0], float(wild.params[outside[0].name].value)
            raise FitError(
                f"{p.name} comes out as {value:.3g}, outside its range of {p.low:g} to {p.high:g}: the law does "
                f"not describe these data; hold it with --fix {p.name}[=VALUE] if you know better"
            )
    freedom = result.nfree
    _check_rank(np.asarray(result.jac), parameters, freedom, 0 if known_scatter else 1)
    excess = known_scatter and freedom > 0 and stats.chi2.sf(result.chisqr, freedom) < _UNLIKELY
    upper = 0.5 + CONFIDENCE / 2
    student = stats.norm.ppf(upper) if known_scatter and not excess else stats.t.ppf(upper, freedom)
    jacobian = np.asarray(result.jac)
    covariance = np.linalg.inv(jacobian.T @ jacobian) * (1.0 if known_scatter and not excess else result.redchi)
    sigma = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(np.maximum(sigma, 1e-300), np.maximum(sigma, 1e-300))
    estimates = []
    for k, p in enumerate(parameters):
        middle, half = float(result.params[p.name].value), float(student * sigma[k])
        _check_width(k, parameters, half, correlation)
        low, high = middle - half, middle + half
        if p.name in profile and result.redchi > 0.0:
            low, high = _profile(minimizer, result, p.name, (low, high))
            low, high = min(low, middle), max(high, middle)  # at the end of a range the profile stops short of it
        low, high = min(max(p.outward(low), p.low), p.high), min(max(p.outward(high), p.low), p.high)
        if low == p.low and high == p.high:
            raise NotIdentifiedError(p.name, f"its 95 % interval is its whole range, {p.low:g} to {p.high:g}")
        estimates.append(Estimate(p.name, min(max(p.outward(middle), p.low), p.high), low, high))
    edges = _edges(residuals, parameters, result, known_scatter)
    notable = {
        (parameters[i].name, parameters[j].name): float(correlation[i, j])
        for i in range(len(parameters))
        for j in range(i)
        if abs(correlation[i, j]) > _NOTABLE
    }
    scatter = math.sqrt(result.chisqr / freedom) if freedom > 0 else 0.0
    values = {e.name: e.value for e in estimates}
    return Solution(tuple(estimates), values, scatter, notable, edges, excess)


def _best(
    residuals: Callable[[dict[str, float]], NDArray[np.float64]], parameters: Sequence[Unknown],
    starts: Sequence[dict[str, float]], known_scatter: bool, walls: Collection[str],
) -> tuple[Any, Any]:  # fmt: skip
    """Returns lmfit's minimizer and result of the best start; the parameters in `walls` keep to their range."""
    import lmfit  # slow to import

    def objective(fitted: "lmfit.Parameters") -> NDArray[np.float64]:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            out = residuals({p.name: p.outward(fitted[p.name].value) for p in parameters})
        return np.nan_to_num(out, nan=1e6, posinf=1e6, neginf=-1e6)

    best = None
    for start in starts:
        chosen = lmfit.Parameters()
        for p in parameters:
            low, high = (p.low, p.high) if p.name in walls else (-math.inf, math.inf)
            at = min(max(start.get(p.name, p.start), low), high)
            low = p.inward(low) if math.isfinite(low) else low
            chosen.add(p.name, value=p.inward(at), min=low, max=p.inward(high) if math.isfinite(high) else high)
        minimizer = lmfit.Minimizer(objective, chosen, scale_covar=not known_scatter)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a singular Hessian is looked at afterwards
            result = minimizer.minimize(method="least_squares", x_scale="jac", ftol=1e-10, xtol=1e-10, gtol=1e-10)
        if best is None or result.chisqr < best[1].chisqr:
            best = minimizer, result
    assert best is not None
    return best


def _edges(
    residuals: Callable[[dict[str, float]], NDArray[np.float64]], parameters: Sequence[Unknown], result: Any,
    known_scatter: bool,
) -> tuple[str, ...]:  # fmt: skip
    """Returns the parameters that lie at an end of the law; refuses one at another end, or that wants beyond it."""
    numbers = {p.name: float(result.params[p.name].value) for p in parameters}
    found = [(p, side) for p in parameters if (side := p.edge(numbers[p.name])) is not None]
    loose = {p.name for p, side in found if p.logarithmic and not p.walled and p.natural[side]}
    wants = False
    if loose:  # the law goes on beyond its end: does it describe the data better there?
        best, kept = {p.name: p.outward(numbers[p.name]) for p in parameters}, {*numbers} - loose
        wants = _costs(result, _best(residuals, parameters, [best], known_scatter, kept)[1], len(loose), known_scatter)
    for p, side in found:
        if not p.natural[side] or (wants and p.name in loose):
            raise FitError(
                f"{p.name} comes out at {p.end(side)}: the law does not describe these data, or they do not determine "
                f"it; hold it with --fix {p.name}[=VALUE] if you know better"
            )
    return tuple(p.name for p, _ in found)


def _costs(bound: Any, loose: Any, count: int, known_scatter: bool) -> bool:
    """Says by the F test whether keeping `count` parameters within their range raises the squares beyond chance."""
    unit = 1.0 if known_scatter else max(loose.redchi, _EXACT)
    ratio = (bound.chisqr - loose.chisqr) / count / unit
    return bool(stats.f.sf(ratio, count, 1e9 if known_scatter else max(loose.nfree, 1)) < _STRANGE)


def _check_rank(jacobian: NDArray[np.float64], parameters: Sequence[Unknown], freedom: int, needed: int) -> None:
    """Refuses parameters of which only a combination matters."""
    if freedom < needed:
        why = f"{len(jacobian)} rows can't give {len(parameters)} parameters with their intervals"
        raise NotIdentifiedError(parameters[-1].name, why)
    size = np.linalg.norm(jacobian, axis=0)
    for k, p in enumerate(parameters):
        if size[k] <= _SINGULAR * size.max():
            raise NotIdentifiedError(p.name, "the data do not depend on it")
    _, singular, right = np.linalg.svd(jacobian / size, full_matrices=False)
    if singular[-1] <= _SINGULAR * singular[0]:
        names = [p.name for p, part in zip(parameters, right[-1], strict=True) if abs(part) > 0.1]
        others = " and ".join(names[1:]) or "the others"
        raise NotIdentifiedError(names[0], f"the data determine it only in combination with {others}")


def _check_width(k: int, parameters: Sequence[Unknown], half: float, correlation: NDArray[np.float64]) -> None:
    p = parameters[k]
    if half <= p.widest:
        return
    row = np.abs(correlation[k]) * (np.arange(len(parameters)) != k)
    partner = int(np.argmax(row))
    linked = (
        f", and a change of it is made up by {parameters[partner].name} (correlation {correlation[k, partner]:.4f})"
    )
    width = f"a factor {math.exp(min(half, 700.0)):.3g}" if p.logarithmic else f"{half:.3g}"
    raise NotIdentifiedError(
        p.name, f"its 95 % interval reaches {width} to either side{linked if row[partner] > 0.9 else ''}"
    )


def _profile(minimizer: object, result: object, name: str, fallback: tuple[float, float]) -> tuple[float, float]:
    """Returns the interval by lmfit's profile, or the covariance's where the profile finds no ends."""
    import lmfit

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = lmfit.conf_interval(minimizer, result, p_names=[name], sigmas=[CONFIDENCE], maxiter=200)[name]
    except (ValueError, RuntimeError, lmfit.MinimizerException):
        return fallback
    low, high = float(found[0][1]), float(found[-1][1])
    return (low if math.isfinite(low) else fallback[0]), (high if math.isfinite(high) else fallback[1])
