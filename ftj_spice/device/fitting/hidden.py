"""Hidden Markov models of a sampled current, with Gaussian noise that all levels share (hmmlearn).

The number of levels, 1 to 4, is chosen by the Bayesian information criterion among the numbers whose levels stand out
from the noise. A model is hmmlearn's `GaussianHMM` with tied covariance.
"""

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_LEVELS = 4
"""More levels than this are not looked for."""
RESOLVED = 2.0
"""Two levels nearer to each other than this, in units of the noise, count as one."""
RESOLVED_MINOR = 1.0
"""The same for further levels, which a trace with two of them may have."""

_FEWEST_SAMPLES = 10  # of a level
_SHORTEST_STAY = 0.3  # probability to stay, of a level between others
_STICKY = 0.9  # probability to stay, as a first guess


def choose_model(samples: NDArray[np.float64]) -> Any:
    """Returns the model of the right number of levels, highest level first; none for a single level.

    Args:
        samples: Standardised to mean 0 and variance 1, shape `(samples, 1)`.
    """
    count = len(samples)
    best = None
    single = -0.5 * count * (math.log(2.0 * math.pi * float(samples.var())) + 1.0)
    criterion = -2.0 * single + 2.0 * math.log(count)
    for levels in range(2, MOST_LEVELS + 1):
        found = _fit(samples, levels)
        if found is None:
            break
        model, likelihood = found
        # levels' means, one noise, transitions
        free = levels + 1 + levels * (levels - 1)
        penalised = -2.0 * likelihood + free * math.log(count)
        means = np.sort(model.means_.ravel())
        noise = math.sqrt(float(model.covars_[0, 0, 0]))
        rare = float(occupancy(model, samples).min()) * count < _FEWEST_SAMPLES
        apart = (RESOLVED if levels == 2 else RESOLVED_MINOR) * noise
        if penalised >= criterion or np.diff(means).min() < apart or rare or _fleeting(model):
            break
        best, criterion = model, penalised
    if best is not None:
        _reorder(best, np.argsort(-best.means_.ravel()))
    return best


def _fleeting(model: Any) -> bool:
    """Says whether a level between others holds for a sample or so only: an average over a transition, no level."""
    order = np.argsort(model.means_.ravel())[1:-1]
    return bool(np.any(np.diag(model.transmat_)[order] < _SHORTEST_STAY))


def _fit(samples: NDArray[np.float64], levels: int) -> tuple[Any, float] | None:
    """Fits a model with so many levels from two first guesses and returns the likelier one."""
    from hmmlearn.hmm import GaussianHMM  # slow to import
    from scipy.cluster.vq import kmeans2

    values = samples.ravel()
    even = np.linspace(*np.quantile(values, [0.002, 0.998]), levels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster that stays empty keeps its first guess
        clusters, _ = kmeans2(
            values[:: max(1, len(values) // 20_000)],
            np.quantile(values, (np.arange(levels) + 0.5) / levels),
            minit="matrix",
        )
    guesses = (clusters, even)
    best: tuple[Any, float] | None = None
    for guess in guesses:
        off = float(np.sqrt(np.mean(np.min((values[:, None] - guess) ** 2, axis=1))))
        for way in ("scaling", "log"):
            model = GaussianHMM(
                levels, "tied", implementation=way, init_params="", n_iter=50, tol=0.03, min_covar=1e-10,
                covars_prior=1e-10, random_state=0,
            )  # fmt: skip
            model.startprob_ = np.full(levels, 1.0 / levels)
            model.transmat_ = np.full((levels, levels), (1.0 - _STICKY) / (levels - 1))
            np.fill_diagonal(model.transmat_, _STICKY)
            model.means_ = np.sort(guess)[:, None]
            model.covars_ = np.array([[max(off, 0.01) ** 2]])
            try:
                with _quiet():
                    model.fit(samples)
                    likelihood = float(model.score(samples))
            except (ValueError, np.linalg.LinAlgError):
                continue
            if not math.isfinite(likelihood):
                continue  # the fast way runs out of range where a sample lies far from every level
            if best is None or likelihood > best[1]:
                best = model, likelihood
            break
    return best


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps hmmlearn from telling of slow convergence and overflow: the likelihood is looked at anyway."""
    logger = logging.getLogger("hmmlearn.base")
    kept, logger.disabled = logger.disabled, True
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        logger.disabled = kept


def _reorder(model: Any, order: NDArray[np.intp]) -> None:
    model.means_ = model.means_[order]
    model.startprob_ = model.startprob_[order]
    model.transmat_ = model.transmat_[np.ix_(order, order)]


def occupancy(model: Any, samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the expected part of the samples in each level, shape `(levels,)`."""
    with _quiet():
        return np.asarray(model.predict_proba(samples)).mean(axis=0)
