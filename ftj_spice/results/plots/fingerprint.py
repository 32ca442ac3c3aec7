"""Plots of a fingerprint: Hamming distances, reliability, uniformity and what an attacker learns."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy import stats

from ftj_spice.results.plots.style import CLOSED_FORM, NOTE, SIMULATED, WIDTH, finite, remark, styled

_OTHERS = ("#009E73", "#CC79A7")  # further simulated lines, beside blue
_MARKS = ("o", "s", "^")
_CELSIUS = 273.15


@styled
def distance_histogram(
    between: ArrayLike, within: ArrayLike, freedom: float, independent: int, error: float, threshold: float
) -> Figure:
    """Draws the Hamming distances between chips and of repeated answers, and the closed form of the former.

    Args:
        between: Fractional distances of all pairs of chips.
        within: Fractional distances of answers from their own chip's reference.
        freedom: Closed-form degrees of freedom of the distances between chips.
        independent: Bits per answer, for the binomial of as many independent bits.
        error: Closed-form bit error of repeated answers.
        threshold: Distance of equal error.

    Raises:
        ValueError: Values are missing or not finite.
    """
    apart, own = finite(np.ravel(between), "between", (None,)), finite(np.ravel(within), "within", (None,))
    figure = Figure(figsize=(WIDTH, 3.3), layout="constrained")
    axes = figure.subplots()
    width = 0.0075
    edges = np.arange(0.0, max(0.65, apart.max(), own.max()) + 2 * width, width)
    counts = axes.hist(own, edges.tolist(), weights=np.full(len(own), 100 / len(own)), color=_OTHERS[0], alpha=0.65)[0]
    other = axes.hist(apart, edges.tolist(), weights=np.full(len(apart), 100 / len(apart)), color=SIMULATED, alpha=0.65)
    fine = np.linspace(0.0, edges[-1], 1200)
    curve, ideal = (100 * width * stats.norm.pdf(fine, 0.5, 0.5 / n**0.5) for n in (freedom, float(independent)))
    axes.plot(fine, curve, color=CLOSED_FORM, label=f"closed form: binomial of {freedom:.0f} bits")
    axes.plot(fine, ideal, ":", color=NOTE, label=f"{independent} independent bits")
    axes.axvline(error, color=CLOSED_FORM, linestyle="--", label="closed form: bit error of repeated answers")
    axes.axvline(threshold, color=NOTE, linewidth=0.8)
    top = 1.25 * float(max(np.max(counts), np.max(other[0]), curve.max()))
    axes.set_ylim(0.0, top)
    axes.text(threshold, 0.45 * top, " threshold\n of equal error", fontsize=8.5, color=NOTE, va="center")
    axes.text(max(own.max(), threshold), 0.9 * np.max(counts), "  same chip", color=_OTHERS[0], va="center")
    axes.text(
        apart.mean() - 2.2 * apart.std(), 1.1 * np.max(other[0]), "different chips", color=SIMULATED, ha="right"
    )  # fmt: skip
    axes.set_xlim(0.0, edges[-1])
    axes.set_xlabel("Hamming distance (share of bits)")
    axes.set_ylabel("share (%)")
    axes.legend(loc="upper center")
    return figure


Series = Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float | None]]]
"""By label: places, bit errors, and closed forms (none where there is none)."""


@styled
def reliability(temperature: Series, cycles: Series) -> Figure:
    """Draws bit errors against the reference, over temperature and over write cycles.

    Args:
        temperature: Lines over K.
        cycles: Lines over write cycles.

    Raises:
        ValueError: There is no line at all.
    """
    if not temperature and not cycles:
        raise ValueError("a plot of reliability needs a line")
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, series, shift in ((left, temperature, _CELSIUS), (right, cycles, 0.0)):
        for k, (label, (places, errors, closed)) in enumerate(series.items()):
            colour = (SIMULATED, *_OTHERS)[k % 3]
            x = np.asarray(places, float) - shift
            axes.plot(x, 100 * np.asarray(errors), _MARKS[k % 3], color=colour, markersize=4.5, label=label)
            known = [j for j, value in enumerate(closed) if value is not None]
            if known:
                axes.plot(x[known], [100 * closed[j] for j in known], color=CLOSED_FORM)  # type: ignore[operator]
        if series:
            axes.plot([], [], color=CLOSED_FORM, label="closed form")
            axes.legend(loc="lower left", bbox_to_anchor=(-0.12, 1.0), fontsize=8)
        axes.set_ylabel("bits that differ from the reference (%)")
    left.set_ylim(0.0, 1.08 * left.get_ylim()[1])
    left.set_xlabel("temperature (°C)")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_ylim(None, 70.0)
    right.axhline(50.0, color=NOTE, linewidth=0.8)
    right.text(1.0, 52.0, "guessing", fontsize=8.5, color=NOTE, va="bottom", transform=right.get_yaxis_transform(),
               ha="right")  # fmt: skip
    right.set_yticks([3, 5, 10, 20, 50], ["3", "5", "10", "20", "50"])
    right.minorticks_off()
    right.set_xlabel("write cycles before the answer")
    return figure


@styled
def balance(ones: ArrayLike, ones_sigma: float, aliasing: ArrayLike, aliasing_sigma: float) -> Figure:
    """Draws uniformity over chips and bit-aliasing over bits, with their closed forms.

    Args:
        ones: Each chip's share of ones.
        ones_sigma: Its closed-form standard deviation.
        aliasing: Each bit's share of ones over the chips.
        aliasing_sigma: Its closed-form standard deviation.

    Raises:
        ValueError: Values are missing or not finite.
    """
    figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
    for axes, values, sigma, what in zip(
        figure.subplots(1, 2), (ones, aliasing), (ones_sigma, aliasing_sigma),
        ("uniformity: ones of a chip (%)", "bit-aliasing: ones of a bit over chips (%)"), strict=True,
    ):  # fmt: skip
        data = finite(np.ravel(values), "values", (None,))
        distinct = len(np.unique(data))
        bins = min(max(int(np.sqrt(len(data))), 6), max(distinct, 2), 40)
        low, high = min(data.min(), 0.5 - 3.3 * sigma), max(data.max(), 0.5 + 3.3 * sigma)
        edges = np.linspace(low, high, bins + 1)
        axes.hist(100 * data, (100 * edges).tolist(), weights=np.full(len(data), 100 / len(data)), color=SIMULATED,
                  alpha=0.65, label="simulated")  # fmt: skip
        x = np.linspace(low, high, 300)
        share = 100 * stats.norm.pdf(x, 0.5, sigma) * (edges[1] - edges[0])
        axes.plot(100 * x, share, color=CLOSED_FORM, label="closed form")
        axes.set_xlabel(what)
        axes.set_ylabel("share (%)")
        axes.legend(loc="upper left", fontsize=8)
        axes.set_ylim(0.0, 1.3 * axes.get_ylim()[1])
    return figure


@styled
def attack(seen: ArrayLike, predicted: ArrayLike, commoner: ArrayLike, limit: float) -> Figure:
    """Draws how well unseen bits are predicted, by the number of answers an attacker has seen.

    Args:
        seen: Numbers of challenges.
        predicted: Share predicted right of each pair, shape `(numbers, pairs)`.
        commoner: Mean share right by always guessing a pair's commoner bit, shape `(numbers,)`.
        limit: What a perfect model would reach: 1 less the bit error of one noisy answer.

    Raises:
        ValueError: Shapes differ, or values are not finite.
    """
    x = finite(seen, "seen", (None,))
    right = finite(predicted, "predicted", (len(x), None))
    guess = finite(commoner, "commoner", (len(x),))
    figure = Figure(figsize=(WIDTH, 3.0), layout="constrained")
    axes = figure.subplots()
    low, middle, high = 100 * np.quantile(right, (0.1, 0.5, 0.9), axis=1)
    axes.fill_between(x, low, high, color=SIMULATED, alpha=0.2, linewidth=0, label="80 % of the pairs")
    axes.plot(x, middle, "o-", color=SIMULATED, label="logistic regression, median pair")
    axes.plot(x, 100 * guess, "s--", color=NOTE, markersize=4, label="the pair's commoner bit")
    axes.axhline(100 * limit, color=CLOSED_FORM, linewidth=1.0, label="perfect model: the noise is left")
    axes.set_xscale("log", base=2)
    axes.set_xticks(x, [f"{int(value)}" for value in x])
    axes.set_ylim(49.0, 101.0)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("answers of a pair that the attacker has seen")
    axes.set_ylabel("unseen bits predicted right (%)")
    axes.legend(loc="lower right")
    remark(axes, 0.01, 0.07, "50 %: nothing learnt of an unbiased pair")
    return figure
