"""The plots of a map: figures beside closed forms, laws and autocorrelations of single points, energy, limits."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure as Drawing

from ftj_spice.results.plots import sample_map as plots
from ftj_spice.results.units import engineering as eng
from ftj_spice.sampling.figures import QUANTITIES
from ftj_spice.sampling.tallies import BINS, LAGS, REACH
from ftj_spice.studies.sample_map.goal import checks
from ftj_spice.studies.sample_map.points import MapPoint, closed_point

if TYPE_CHECKING:
    from ftj_spice.studies.sample_map.study import MapResult

DRAWN = (
    "mean", "variance", "latent_variance", "skewness", "kurtosis", "distance", "latent_distance",
    "autocorrelation_1", "shannon_entropy",
    "min_entropy", "effective_bits", "bit_rate", "supply_energy",
)  # fmt: skip
"""Figures that get a plot; the others are in map.csv and map.nc."""
ATOMS = 1e-6
"""Atoms of less probability are not drawn."""

MEANING = {
    "variance": (
        "of the column current's mean over the window; the latents' variance has the converter's steps and clipping in "
        "it, and is 1 but for those"
    ),
    "distance": (
        "largest difference between the distribution functions of the value and of the normal of the same mean and "
        "variance. Closed form: from the exact law (Pedler 1971, convolved over the cells). Simulation: share of "
        "samples below the place where the exact law is farthest from the normal, so that no noise is taken for "
        "distance"
    ),
    "latent_distance": (
        "the same of the latents, as the converter's steps (and the read-out circuits, where there are some) leave "
        "them, and the standard normal: half of the commonest code's share belongs to it"
    ),
    "shannon_entropy": (
        "of the converter's codes. Simulation: mean of -log2 of the exact law's probability of each code"
    ),
    "min_entropy": (
        "-log2 of the share of the most probable code of the exact law. Simulation: from the share of the codes "
        "about it that together come in 5 % of the samples, where it alone comes less often"
    ),
    "effective_bits": (
        "Shannon entropy of the codes less what the sample before tells, taken as that of jointly normal samples, "
        "-log2(1 - rho^2)/2 with the lag-1 autocorrelation. It holds where the law is near the normal and few samples "
        "pass without any transition; earlier samples may tell more, so it is an upper bound of the entropy rate. The "
        "map of octiles below measures how far it holds. Fine codes of a smooth law keep many bits even where samples "
        "are strongly correlated: these are bits of resolution, not unpredictable binary decisions"
    ),
    "supply_energy": (
        "read voltage times current, integrated over window and reset: cells, wires and drivers. Amplifiers, clocks "
        "and what the drivers themselves burn are not in it"
    ),
}
"""What the figures mean, where their names don't say it all."""


@dataclass(frozen=True)
class Plot:
    """One plot of a map.

    Attributes:
        name: Of its file, without the ending.
        figure: The plot.
        caption: Text below it.
        alt: What it shows.
        section: Where in the report it stands.
    """

    name: str
    figure: Drawing
    caption: str
    alt: str
    section: str


def draw_plots(result: "MapResult") -> list[Plot]:
    """Returns every plot of a map."""
    found = [*_figures(result), *_deviations(result)]
    chosen = chosen_points(result)
    found.append(
        Plot(
            "distributions",
            plots.laws([_law(result, title, place) for title, place in chosen]),
            "Histograms of the simulated values, standardised by the closed-form mean and variance, their exact law "
            "in the same bins, and the normal density. Where traps hardly move in a window, the law is made of "
            "atoms: one for each number of filled traps.",
            "Histograms against exact laws and the normal density",
            "laws",
        )
    )
    lines = [_lags(title, result.points[i][k]) for title, (i, k) in chosen]
    found.append(
        Plot(
            "autocorrelation", plots.autocorrelations(lines, result.settings.limits.autocorrelation),
            "Autocorrelation against the lag: simulation with standard errors on the closed form (lines).",
            "Autocorrelation against lag", "laws",
        )
    )  # fmt: skip
    if result.grid.shape != (1, 1):
        found.append(_energy(result))
    return found


def chosen_points(result: "MapResult") -> list[tuple[str, tuple[int, int]]]:
    """Returns the points that are shown in detail: corners of the map, its middle, and the recommended one."""
    voltages, times = result.grid.shape
    best = result.recommendation
    places = {
        "recommended" if best.place is not None else "nearest to the limits": best.nearest,
        "slowest traps": (0, 0),
        "middle": (voltages // 2, times // 2),
        "fastest traps": (voltages - 1, times - 1),
    }
    if result.grid.shape == (1, 1):
        places = {"": (0, 0)}
    found: dict[tuple[int, int], str] = {}
    for name, place in places.items():
        found.setdefault(place, name)
    return [(_title(result.points[i][k], name), (i, k)) for (i, k), name in found.items()]


def _title(point: MapPoint, name: str) -> str:
    return f"{point.voltage:.3g} V, {eng(point.time, 's')}" + (f" ({name})" if name else "")


def _axes(result: "MapResult") -> plots.MapAxes:
    return plots.MapAxes(result.grid.voltages, result.grid.times, result.recommendation.place)


def _figures(result: "MapResult") -> list[Plot]:
    voltages, times = result.grid.shape
    found = []
    for name in DRAWN if voltages * times > 1 else ():
        quantity = QUANTITIES[name]
        simulated, error, closed = result.of(name)
        meaning = f": {MEANING[name]}" if name in MEANING else ""
        caption = f"{quantity.label[0].upper()}{quantity.label[1:]}{meaning}."
        if voltages > 1 and times > 1:
            shown = np.where(error > 0, (simulated - closed) / np.where(error > 0, error, 1.0), np.nan)
            figure = plots.figure_maps(_axes(result), simulated, closed, shown, quantity.label, quantity.unit)
        else:
            along_time = times > 1
            mark = result.recommendation.place
            figure = plots.figure_lines(
                result.grid.times if along_time else result.grid.voltages, "read voltage (V)", simulated.ravel(),
                error.ravel(), closed.ravel(), quantity.label, quantity.unit, logarithmic=along_time,
                mark=None if mark is None else mark[along_time],
            )  # fmt: skip
        found.append(Plot(name, figure, caption, f"Map of {quantity.label}", "maps"))
    return found


def _deviations(result: "MapResult") -> list[Plot]:
    if min(result.grid.shape) < 2:
        return []
    d = result.deviations
    largest = np.max(np.abs(d.values), axis=2)
    found = [
        Plot(
            "deviations", plots.deviation_map(_axes(result), largest, d.values),
            f"Largest deviation of {len(d.names)} figures at every point, and the histogram of all deviations. "
            "Figures of one point come from the same samples and are not independent of one another.",
            "Map and histogram of deviations", "deviations",
        )
    ]  # fmt: skip
    pair = np.array([[p.pair_information for p in row] for row in result.points])
    found.append(
        Plot(
            "pair_information",
            plots.figure_maps(
                _axes(result), pair[..., 0], pair[..., 2],
                np.where(pair[..., 1] > 0, (pair[..., 0] - pair[..., 2]) / np.maximum(pair[..., 1], 1e-12), np.nan),
                "information of an octile", "bit", "normal process",
            ),
            "What the octile (of the normal law) of a sample tells about that of the next one, in bits: simulated, "
            "and of a normal process with the same autocorrelation. Where the two differ by "
            "many standard errors the effective bits rest on an approximation; this is no test of the simulation.",
            "Map of the mutual information of successive octiles", "deviations",
        )
    )  # fmt: skip
    limit = result.settings.limits
    own = [[checks(p, limit, _disturb(result, i)) for p in row] for i, row in enumerate(result.points)]
    missed = {
        f"{c.name.replace('_', ' ')}\n{'≥' if c.least else '≤'} {c.limit:g}": np.array(
            [[not cs[n].kept for cs in row] for row in own]
        )
        for n, c in enumerate(own[0][0])
    }  # fmt: skip
    found.append(
        Plot(
            "limits", plots.limits_map(_axes(result), missed),
            "Dark: points that miss a limit. Circle: the recommended point.", "Maps of missed limits", "goal",
        )
    )  # fmt: skip
    return found


def _disturb(result: "MapResult", voltage: int) -> float | None:
    return float(result.disturb[voltage]) if result.settings.direction == "opposed" else None


def _law(result: "MapResult", title: str, place: tuple[int, int]) -> plots.LawPanel:
    point = result.points[place[0]][place[1]]
    exact = closed_point(result.card, result.settings, point.voltage, point.time, result.periphery)
    value = np.linspace(-REACH, REACH, 1601)
    # Columns that differ have laws of their own; the histogram holds all of them.
    share = np.bincount(exact.law, minlength=len(exact.laws)) / len(exact.law)
    density = sum(part * law.density(value) for part, law in zip(share, exact.laws, strict=True))
    seen = [law.atoms > ATOMS for law in exact.laws]
    places = [law.nodes[own] for law, own in zip(exact.laws, seen, strict=True)]
    masses = [part * law.atoms[own] for part, law, own in zip(share, exact.laws, seen, strict=True)]
    return plots.LawPanel(
        title, np.linspace(-REACH, REACH, BINS + 1), point.histogram, value, np.asarray(density),
        np.concatenate(places), np.concatenate(masses), point.figures["distance"].closed,
    )  # fmt: skip


def _lags(title: str, point: MapPoint) -> plots.LagLine:
    found = [point.figures[f"autocorrelation_{lag}"] for lag in LAGS]
    return plots.LagLine(
        title, np.array(LAGS), np.array([f.simulated for f in found]), np.array([f.error for f in found]),
        np.array([f.closed for f in found]),
    )  # fmt: skip


def _energy(result: "MapResult") -> Plot:
    flat = [(i, p) for i, row in enumerate(result.points) for p in row]
    inside = [all(c.kept for c in checks(p, result.settings.limits, _disturb(result, i))) for i, p in flat]
    marks = {}
    for goal, found in result.recommendations.items():
        if found.place is not None:
            point = result.points[found.place[0]][found.place[1]]
            marks[goal] = (point.rate, point.energy)
    figure = plots.energy_rate(
        np.array([p.rate for _, p in flat]), np.array([p.energy for _, p in flat]), np.array(inside),
        np.array([p.voltage for _, p in flat]), marks,
    )  # fmt: skip
    return Plot(
        "energy_rate", figure,
        "Energy of a sample (rows, simulated current; converter, estimate) against the rate of one column. Circles "
        "around "
        "points: recommended for each goal.", "Energy per sample against samples per second", "energy",
    )  # fmt: skip
