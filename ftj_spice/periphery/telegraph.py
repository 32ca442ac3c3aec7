"""Telegraph signals against what a comparator makes of them: both are a start state and the times of their edges."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def state_at(edges: FloatArray, start: bool, moments: FloatArray) -> NDArray[np.bool_]:
    """Returns the states of a signal at moments.

    Args:
        edges: Times of its edges in s, increasing.
        start: State before the first one.
        moments: Times in s.
    """
    return (np.searchsorted(edges, moments, side="right") % 2 == 1) ^ start


def disagreement(
    true_edges: FloatArray, true_start: bool, edges: FloatArray, start: bool, span: tuple[float, float]
) -> float:
    """Returns the share of a span during which two signals differ: that of point samples at random times.

    Args:
        true_edges: Edges of one signal in s.
        true_start: Its state before the first one.
        edges: Edges of the other in s.
        start: Its state before the first one.
        span: Begin and end in s.
    """
    inside = np.concatenate([true_edges, edges])
    grid = np.unique(np.concatenate([span, inside[(inside > span[0]) & (inside < span[1])]]))
    middles = 0.5 * (grid[1:] + grid[:-1])
    differ = state_at(true_edges, true_start, middles) != state_at(edges, start, middles)
    return float(np.sum(np.diff(grid) * differ) / (span[1] - span[0]))


def edge_errors(
    true_edges: FloatArray, true_start: bool, edges: FloatArray, start: bool, span: tuple[float, float]
) -> tuple[float, float]:
    """Returns the shares of true edges that were missed and of false ones that were made, of the true edges' number.

    An edge of the true signal is found if the other makes an edge the same way after it and before the true signal's
    next edge of that way; every edge counts once.

    Args:
        true_edges: See `disagreement`.
        true_start: See `disagreement`.
        edges: See `disagreement`.
        start: See `disagreement`.
        span: See `disagreement`; edges outside count nothing.
    """
    true_times, true_ways = _within(true_edges, true_start, span)
    times, ways = _within(edges, start, span)
    if not len(true_times):
        return 0.0, float(len(times) > 0)
    found = 0
    for way in (False, True):
        wanted, made = true_times[true_ways == way], times[ways == way]
        found += len(np.unique(np.searchsorted(wanted, made, side="right")[made >= wanted[0]])) if len(wanted) else 0
    return 1.0 - found / len(true_times), (len(times) - found) / len(true_times)


def _within(edges: FloatArray, start: bool, span: tuple[float, float]) -> tuple[FloatArray, NDArray[np.bool_]]:
    ways = (np.arange(len(edges)) % 2 == 0) ^ start
    inside = (edges >= span[0]) & (edges < span[1])
    return edges[inside], ways[inside]
