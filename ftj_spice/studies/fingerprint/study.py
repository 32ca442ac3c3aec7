"""A fingerprint: chips of pristine cells, asked by random challenges, and judged by the standard metrics."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from ftj_spice.array.audit import audit_reads, draw_reads, read_netlists
from ftj_spice.array.fingerprint.attack import predict
from ftj_spice.array.fingerprint.cells import PRISTINE, ChipCells, Condition, draw_chip, read_card
from ftj_spice.array.fingerprint.expected import Expected
from ftj_spice.array.fingerprint.metrics import Distances, between_chips, steadiness, within_chip
from ftj_spice.array.fingerprint.readout import Readout, draw_challenges
from ftj_spice.array.fingerprint.settings import FingerprintSettings
from ftj_spice.array.layer_result import KeptRead
from ftj_spice.common.errors import SettingsError
from ftj_spice.device.card import Card, card_toml, load_card
from ftj_spice.engines.arrays import ArrayReader
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.readers import open_reader
from ftj_spice.results.manifest import Stopwatch, build_manifest, sha256_text
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.fingerprint.metrics import measure, summarise
from ftj_spice.studies.observer import Observer, part_of, silent
from ftj_spice.studies.settings import check_jobs, read_settings

LARGEST_ANSWERS = 4_000_000_000
"""Bits of all answers of a run, at most."""
SMALLEST_EXAMPLES = 32
"""Challenges that the attacker has seen at first; four times as many at each further step."""


@dataclass(frozen=True)
class Asked:
    """One condition, and how far the answers were from the reference.

    Attributes:
        name: Which line of the plots it belongs to.
        condition: Temperature and cycles.
        distances: Of every chip's answer from its reference.
    """

    name: str
    condition: Condition
    distances: Distances


@dataclass(frozen=True)
class Attack:
    """What an attacker predicts.

    Attributes:
        seen: Challenges with known answers.
        accuracy: Share of the unseen bits predicted right, shape `(chips, pairs)`.
        guess: Share that the commoner bit of each pair's known answers would have got right, same shape.
    """

    seen: int
    accuracy: NDArray[np.float64]
    guess: NDArray[np.float64]


@dataclass(frozen=True)
class FingerprintResult:
    """What a fingerprint run gives.

    Attributes:
        settings: Settings of the run.
        card: The device card, at the read voltage.
        readout: What reads the chips.
        challenges: Masks of shape `(challenges, rows)`.
        responses: Reference answers, shape `(chips, challenges * pairs)`.
        currents: Column currents of the first chip's reference in A, shape `(challenges, columns)`.
        expected: Closed forms.
        between: Distances between chips.
        repeats: Distances of repeated answers from the reference.
        steadiness: Of each chip, shape `(chips,)`.
        asked: Answers under other conditions.
        attacks: What an attacker predicts, fewest examples first.
        audit: Comparison of some reads with ngspice; none where it was not asked for.
        kept: The reads that were audited.
        metrics: Figures of the run, as in `metrics.json`.
        summary: The same in a few lines.
        path: The run directory, where one was written.
    """

    settings: FingerprintSettings
    card: Card
    readout: Readout
    challenges: NDArray[np.bool_]
    responses: NDArray[np.bool_]
    currents: NDArray[np.float64]
    expected: Expected
    between: Distances
    repeats: Distances
    steadiness: NDArray[np.float64]
    asked: tuple[Asked, ...]
    attacks: tuple[Attack, ...]
    audit: Audit | None
    kept: tuple[KeptRead, ...]
    metrics: dict[str, Any] = field(default_factory=dict)
    summary: tuple[str, ...] = ()
    path: Path | None = None

    @property
    def passes(self) -> bool:
        """Whether the audit, if there was one, is within its limit."""
        return self.audit is None or self.audit.passes


def load_fingerprint_settings(path: str | Path | None = None, changes: Iterable[str] = ()) -> FingerprintSettings:
    """Returns the settings of a TOML file (or the defaults), changed by `key=value` strings.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    return read_settings(FingerprintSettings, path, changes)


def fingerprint(
    out: str | Path | None = None,
    *,
    settings: FingerprintSettings | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
) -> FingerprintResult:
    """Makes chips, asks them, and measures what their answers are worth as a fingerprint.

    Args:
        out: Run directory to write; none writes nothing.
        settings: Settings of the run.
        jobs: ngspice workers of the audit side by side; the fast engine takes all processors.
        force: Replaces an existing run directory.
        observer: Told about progress: phases `chips`, `attack` and `audit`.
        command: The command line, for the manifest.

    Raises:
        FtjSpiceError: Settings, simulation or output; the subclass and its sentence say what.
    """
    chosen = settings or FingerprintSettings()
    check_jobs(jobs)
    card = read_card(load_card(chosen.card), chosen)
    readout = Readout.of(card, chosen)
    _check_size(chosen)
    watch = Stopwatch()
    if out is None:
        return _run(chosen, card, readout, jobs, observer, watch)
    with RunDirectory(Path(out), force=force) as run:
        result = _run(chosen, card, readout, jobs, observer, watch)
        with watch("report"):
            _write(run, result, watch, command)
    return replace(result, path=Path(out))


def conditions(settings: FingerprintSettings) -> list[tuple[str, Condition]]:
    """Returns the conditions of a run by the name of their line."""
    found = []
    for kelvin in settings.temperatures:
        found.append(("card", Condition(temperature=kelvin)))
        if settings.activation_spread:
            found.append(("activation", Condition(temperature=kelvin, activation=True)))
    for cycles in settings.cycles:
        found.append(("laws", Condition(cycles=cycles)))
        found.append(("breakdown", Condition(cycles=cycles, breakdown=True)))
        found.append(("rewriting", Condition(cycles=cycles, breakdown=True, rewriting=True)))
    return found


def _check_size(settings: FingerprintSettings) -> None:
    sessions = 1 + settings.repeats + len(conditions(settings))
    answers = settings.chips * sessions * settings.challenges * settings.pairs
    if answers > LARGEST_ANSWERS:
        raise SettingsError(
            f"{settings.chips} chips would give {answers:.3g} bits under {sessions} conditions, more than "
            f"{LARGEST_ANSWERS:.3g}; ask fewer chips or challenges"
        )


def _run(
    settings: FingerprintSettings, card: Card, readout: Readout, jobs: int, observer: Observer, watch: Stopwatch
) -> FingerprintResult:
    challenges = draw_challenges(settings.rows, settings.on, settings.challenges, settings.seed)
    drawn: dict[int, list[int]] = {}
    pairs = draw_reads([[settings.challenges] * settings.chips], settings.audit, settings.seed)[0]
    for chip, read in pairs[: settings.audit]:
        drawn.setdefault(chip, []).append(read)
    asked = conditions(settings)
    bits = settings.challenges * settings.pairs
    responses = np.empty((settings.chips, bits), bool)
    repeats = np.empty((settings.chips, settings.repeats))
    steady = np.empty(settings.chips)
    distances = np.empty((len(asked), settings.chips))
    cumulants, first = [], np.empty(0)
    kept: list[KeptRead] = []
    audit: Audit | None = None
    with open_reader("fast", jobs=0) as reader:
        with watch("chips"):
            for chip in range(settings.chips):
                cells = draw_chip(card, settings, chip)
                cumulants.append(cells.trap_cumulants())
                session = count()
                reference, currents = readout.answer(reader, cells, PRISTINE, next(session), challenges)
                kept += _kept(readout, cells, challenges, currents, reference, drawn.get(chip, []))
                again = _answers(readout, reader, cells, [PRISTINE] * settings.repeats, session, challenges)
                others = _answers(readout, reader, cells, [condition for _, condition in asked], session, challenges)
                responses[chip] = reference.ravel()
                repeats[chip] = within_chip(responses[chip], again)
                steady[chip] = steadiness(again)
                distances[:, chip] = within_chip(responses[chip], others)
                first = first if chip else currents
                observer("chips", chip + 1, settings.chips)
        with watch("attack"):
            attacks = _attack(readout, reader, settings, part_of(observer, "attack"))
    if kept:
        with watch("audit"), open_reader("ngspice", jobs=jobs) as ngspice:
            audit = audit_reads(kept, ngspice, progress=part_of(observer, "audit"))
    result = FingerprintResult(
        settings=settings,
        card=card,
        readout=readout,
        challenges=challenges,
        responses=responses,
        currents=first,
        expected=Expected(readout, *(float(mean) for mean in np.mean(cumulants, axis=0))),
        between=between_chips(responses),
        repeats=Distances(repeats.ravel(), bits),
        steadiness=steady,
        asked=tuple(Asked(name, at, Distances(d, bits)) for (name, at), d in zip(asked, distances, strict=True)),
        attacks=attacks,
        audit=audit,
        kept=tuple(kept),
    )
    metrics = measure(result)
    return replace(result, metrics=metrics, summary=tuple(summarise(result, metrics)))


def _answers(
    readout: Readout,
    reader: ArrayReader,
    cells: ChipCells,
    under: Sequence[Condition],
    session: Iterable[int],
    challenges: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Returns one answer to all challenges per condition, shape `(conditions, bits)`."""
    numbers = iter(session)
    bits = [readout.answer(reader, cells, at, next(numbers), challenges)[0].ravel() for at in under]
    return np.stack(bits) if bits else np.empty((0, len(challenges) * readout.settings.pairs), bool)


def _kept(
    readout: Readout,
    cells: ChipCells,
    challenges: NDArray[np.bool_],
    currents: NDArray[np.float64],
    bits: NDArray[np.bool_],
    reads: Sequence[int],
) -> list[KeptRead]:
    """Returns some reads of a chip's reference, whole."""
    if not reads:
        return []
    circuit = readout.circuit(cells.conductance(PRISTINE, 0))
    return [
        KeptRead(
            cells.chip, read, circuit, readout.drive(circuit, challenges[read : read + 1]), currents[read],
            bits[read].astype(float),
        )
        for read in reads
    ]  # fmt: skip


def _attack(readout: Readout, reader: ArrayReader, settings: FingerprintSettings, progress: Any) -> tuple[Attack, ...]:
    """Returns how well answers to new challenges are predicted, by the number of answers seen."""
    most, unseen = settings.attack_challenges, settings.attack_challenges // 2
    sizes = [SMALLEST_EXAMPLES * 4**k for k in range(12) if SMALLEST_EXAMPLES * 4**k < most] + [most]
    accuracy = np.empty((len(sizes), settings.attacked, settings.pairs))
    guess = np.empty_like(accuracy)
    asked = draw_challenges(settings.rows, settings.on, most + unseen, settings.seed, (1,)) if settings.attacked else []
    for chip in range(settings.attacked):
        cells = draw_chip(readout.card, settings, chip)
        bits, _ = readout.answer(reader, cells, PRISTINE, 0, np.asarray(asked))
        for k, size in enumerate(sizes):
            found = predict(asked[:size], bits[:size], asked[most:])
            accuracy[k, chip] = (found == bits[most:]).mean(axis=0)
            guess[k, chip] = (bits[most:] == (bits[:size].mean(axis=0) > 0.5)).mean(axis=0)
            progress(chip * len(sizes) + k + 1, settings.attacked * len(sizes))
    return tuple(Attack(size, accuracy[k], guess[k]) for k, size in enumerate(sizes)) if settings.attacked else ()


def _write(run: RunDirectory, result: FingerprintResult, watch: Stopwatch, command: Sequence[str]) -> None:
    from ftj_spice.results.plots.style import figure_png
    from ftj_spice.studies.fingerprint.report import figures, render_fingerprint_report

    netlists = read_netlists(result.kept)
    run.write_npy("challenges.npy", result.challenges)
    run.write_npy("responses.npy", result.responses)
    for name, text in netlists.items():
        run.write_text(f"netlists/{name}", text)
    drawn = figures(result)
    for name, figure in drawn.items():
        run.write_bytes(f"plots/{name}.png", figure_png(figure))
    run.write_text("settings.toml", tomli_w.dumps(result.settings.model_dump(exclude_none=True)))
    run.write_json("metrics.json", result.metrics)
    run.write_text("report.html", render_fingerprint_report(result, drawn, dict(watch.durations)))
    run.write_json(
        "manifest.json",
        build_manifest(
            command,
            result.settings.model_dump(),
            result.settings.seed,
            {name: sha256_text(text) for name, text in netlists.items()},
            watch.durations,
            "fast",
            {"card": {"name": result.card.name, "sha256": sha256_text(card_toml(result.card))}},
        ),
    )
