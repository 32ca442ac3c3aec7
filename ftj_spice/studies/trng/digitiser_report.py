"""The page and the figures of a comparison of digitisers."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ftj_spice.device.card import Card
from ftj_spice.results.plots import timing_bar
from ftj_spice.results.plots.digitisers import digitiser_conditions, digitiser_statistics, digitiser_waveforms
from ftj_spice.results.report import Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.results.units import grouped
from ftj_spice.sampling.trng.measure import BitFigures
from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.studies.trng.digitiser_rows import (
    CONDITIONS,
    NOISE,
    OFF_CENTRE,
    OFFSET,
    RULE_STREAMS,
    XORED,
    DigitiserRow,
    bias_floor,
    rms_bias,
)

SHOWN = 10
"""Intervals that a waveform shows."""


def digitiser_figures(rows: Sequence[DigitiserRow]) -> dict[str, Figure]:
    """Returns the figures of a comparison by file name."""
    found = {"statistics": _statistics(rows), "conditions": _conditions(rows)}
    return found | {f"waveforms_{row.design.variant.name}": _waveforms(row) for row in rows}


def _statistics(rows: Sequence[DigitiserRow]) -> Figure:
    circuit, rule = [row.circuit for row in rows], [row.rule for row in rows]

    def ones(figures: list[BitFigures]) -> tuple[list[float], list[float]]:
        return [f.ones for f in figures], [f.ones_error for f in figures]

    def lag(figures: list[BitFigures]) -> tuple[list[float], list[float]]:
        return [float(np.nan_to_num(f.correlation[0])) for f in figures], [f.correlation_error for f in figures]

    return digitiser_statistics(
        [row.design.variant.name for row in rows],
        {
            "ngspice (2 s.e.)": ones(circuit),
            "event rule (2 s.e.)": ones(rule),
            "closed form": ([row.chain.probability for row in rows], None),
        },
        {
            "ngspice (2 s.e.)": lag(circuit),
            "event rule (2 s.e.)": lag(rule),
            "closed form": ([float(np.nan_to_num(row.chain.autocorrelation(1)[0])) for row in rows], None),
        },
    )


def _conditions(rows: Sequence[DigitiserRow]) -> Figure:
    labels = [condition.label for condition in CONDITIONS]
    bias = [[rms_bias(row.conditions[label]) for label in labels] for row in rows]
    lag = [[rms_correlation(row.conditions[label]) for label in labels] for row in rows]
    return digitiser_conditions([row.design.variant.name for row in rows], labels, bias, lag, bias_floor(rows[0].rule))


def rms_correlation(figures: BitFigures) -> float:
    """Returns the rms over streams of the correlation of neighbouring bits; NaN where all streams are stuck."""
    live = figures.stream_correlation[np.isfinite(figures.stream_correlation)]
    return float(np.sqrt(np.mean(live**2))) if len(live) else float("nan")


def _waveforms(row: DigitiserRow) -> Figure:
    design, stream = row.design, row.streams[0]
    wave = stream.waveform
    begin = design.settling
    end = begin + SHOWN * design.interval
    inside = (wave.time >= begin) & (wave.time <= end)
    vectors = {name: vector[inside] for name, vector in wave.vectors.items()}
    ports = [port for port in design.variant.nodes if port != "bit"]
    cells = range(design.variant.cells)
    names = ["cell"] if design.variant.cells == 1 else [f"cell {k + 1}" for k in cells]
    return digitiser_waveforms(
        wave.time[inside],
        {name: vectors[f"i(vsense{k})"] for k, name in zip(cells, names, strict=True)},
        {port: 1e-9 * vectors[f"v({port})"] for port in ports if port in design.variant.overlay},
        {port: vectors[f"v({port})"] for port in ports if port not in design.variant.overlay},
        vectors["v(bit)"],
        begin + design.interval * np.arange(1, SHOWN + 1),
        stream.bits[:SHOWN],
    )


def render_digitiser_report(
    rows: Sequence[DigitiserRow], settings: TrngSettings, card: Card, durations: Mapping[str, float]
) -> str:
    """Returns the page as HTML."""
    first = rows[0].design
    report = Report(
        "Digitisers of trap noise, side by side",
        f"card {card.name} · {eng(first.voltage, 'V')} · a bit every {eng(first.interval, 's')}, "
        f"{first.interval / first.relaxation_time:.3g} relaxation times · {rows[0].streams[0].engine}",
    )
    figures = digitiser_figures(rows)
    _table(report, rows, figures["statistics"])
    _off_design(report, rows, figures["conditions"])
    _conditioned(report, rows)
    _energy(report, rows)
    report.section(
        "At work",
        "Each begins after its settling time from a power-up in which the traps stood as they do at 0 V.",
    )
    for row in rows:
        report.figure(
            figures[f"waveforms_{row.design.variant.name}"],
            f"{row.design.variant.name}: {row.design.variant.description} Dotted: sampling instants.",
            f"Waveforms of the digitiser {row.design.variant.name}",
        )
    report.section("Where the time went").figure(
        timing_bar(dict(durations)), "Wall time by digitiser, before this page was written.", "Bar chart of seconds"
    )
    values = [
        [key, "automatic" if value is None else str(value)]
        for key, value in settings.model_dump(exclude={"digitiser", "combine", "conditioner"}).items()
    ]
    report.section("Settings").table(values, ["setting", "value"], "Settings that the digitisers share.")
    return report.html()


def _table(report: Report, rows: Sequence[DigitiserRow], figure: Figure) -> None:
    report.section(
        "Share of ones and correlation",
        "Every digitiser ran as a circuit in ngspice with co-simulated traps; its event rule then read the same trap "
        "histories, and many more of its own. An event (a bit, or for the toggle whether it turned over) is doubtful "
        "where the rule itself would decide otherwise with four times more or less comparator lag, or with a level "
        "off by a hundredth of the swing: a difference there is explained, any other is not.",
    )
    report.table(
        [
            [
                row.design.variant.name,
                grouped(row.circuit.bits),
                _pm(row.circuit.ones, row.circuit.ones_error),
                _pm(row.rule.ones, row.rule.ones_error),
                f"{row.chain.probability:.4f}",
                _pm(row.circuit.correlation[0], row.circuit.correlation_error),
                _pm(row.rule.correlation[0], row.rule.correlation_error),
                f"{row.chain.autocorrelation(1)[0]:.4f}",
                f"{row.differing}, {row.unexplained}",
            ]
            for row in rows
        ],
        ["digitiser", "bits in ngspice", "ones: ngspice", "rule", "closed form", "lag 1: ngspice", "rule",
         "closed form", "differing, unexplained"],
        f"Values ± one standard error; the rule's are of {grouped(rows[0].rule.bits)} bits. Closed forms are of ideal "
        "digitisers: without comparator lag, with an average far from the dwells.",
    )  # fmt: skip
    report.figure(
        figure,
        "Share of ones and correlation of neighbouring bits.",
        "Dots with error bars beside closed forms, one line per digitiser",
    )
    lags = rows[0].rule.correlation
    report.table(
        [[row.design.variant.name, *(f"{value:+.4f}" for value in row.rule.correlation)] for row in rows],
        ["digitiser", *(f"lag {k}" for k in range(1, len(lags) + 1))],
        f"Correlation of the rule's bits, each ± {rows[0].rule.correlation_error:.4f}.",
    )


def _off_design(report: Report, rows: Sequence[DigitiserRow], figure: Figure) -> None:
    report.section(
        "Off the design",
        f"Read voltage off by {OFF_CENTRE:g} V either way, with the interval in relaxation times as before; "
        f"comparators off by {OFFSET:g} swings; time constants spread as the card says (one interval for all); "
        "currents and amplitudes spread. References are calibrated for the cell and the voltage they go with; a pair "
        f"of cells and the threshold of a differentiator are not. {RULE_STREAMS} chips each, by the event rule.",
    )
    floor = 100 * bias_floor(rows[0].rule)
    report.figure(
        figure,
        f"Rms over the chips; perfect bits would show {floor:.2g} % and {2 * floor:.2g} %, from the number of bits "
        "alone.",
        "Two maps of numbers, digitisers against conditions",
    )
    report.table(
        [
            [
                condition.label,
                ", ".join(row.design.variant.name for row in rows if row.unbiased(condition.label)) or None,
            ]
            for condition in CONDITIONS
        ],
        ["condition", "unbiased"],
        f"Digitisers whose shares of ones scatter about one half less than {NOISE:g} times as much as perfect bits'. "
        "That says nothing about correlation.",
    )


def _conditioned(report: Report, rows: Sequence[DigitiserRow]) -> None:
    report.section(
        "Behind conditioners",
        f"The rule's bits behind von Neumann's rule, the XOR of {XORED} digitisers, and SHA-256 with as many bits per "
        "block as the min-entropy asks for that is left to one who knows the traps' state. Energies are those of cells "
        "and periphery for the raw bits; the conditioner's own is not counted. That a hash looks perfect says nothing "
        "about its input.",
    )
    lines = []
    for row in rows:
        for c in row.conditioned:
            lines.append(
                [
                    row.design.variant.name,
                    c.name,
                    None if c.figures is None else _pm(c.figures.ones, c.figures.ones_error),
                    None if c.figures is None else _pm(c.figures.correlation[0], c.figures.correlation_error),
                    f"{c.yielded:.3f}",
                    eng(c.yielded / row.design.interval, "bit/s"),
                    eng(row.energy / c.yielded, "J") if c.yielded else None,
                ]
            )
    report.table(
        lines,
        ["digitiser", "conditioner", "ones", "lag 1", "bits per raw bit", "rate per digitiser", "energy per bit"],
        "Bits behind conditioners.",
    )


def _energy(report: Report, rows: Sequence[DigitiserRow]) -> None:
    report.section("Rate and energy")
    report.table(
        [
            [
                row.design.variant.name,
                row.design.variant.cells,
                eng(1 / row.design.interval, "bit/s"),
                eng(row.cell_energy, "J"),
                eng(row.periphery_energy, "J"),
                eng(row.energy, "J"),
            ]
            for row in rows
        ],
        ["digitiser", "cells", "rate", "cells, per bit", "periphery, per bit", "together"],
        "Cells: from the simulated current of their row's driver. Periphery: the estimate below.",
    )
    blocks = {
        (block.block, block.energy, block.per): (block, row.design.variant.name)
        for row in reversed(rows)
        for block in row.design.variant.periphery
    }
    report.table(
        [
            [name, block.block, eng(block.energy, "J"), block.per, block.kind, block.source]
            for block, name in reversed(blocks.values())
        ],
        ["first used by", "block", "energy", "per", "kind", "source"],
        "Energy of the periphery's blocks.",
    )


def _pm(value: float, error: float) -> str:
    return f"{value:.4f} ± {error:.4f}"
