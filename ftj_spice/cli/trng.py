"""`ftj-spice trng`: random bits from trap noise, and tests of random bits."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ftj_spice.cli.jobs import ALL, Jobs, workers
from ftj_spice.cli.output import complain, say, say_json
from ftj_spice.cli.progress import progress_bars
from ftj_spice.common.errors import SettingsError

trng_app = typer.Typer(
    no_args_is_help=True,
    help="Random bits from trap noise: made, tested, and held against claims.",
    epilog="Examples:\n\n"
    "  ftj-spice trng generate --bits 1e8 --streams 100 -o bits.bin     100 streams of 1,000,000 bits\n\n"
    "  ftj-spice trng test bits.bin -o report                           SP 800-22, SP 800-90B, health, diagnostics\n\n"
    "  ftj-spice trng digitisers -o digitisers                          every digitiser, measured in ngspice\n\n"
    "  ftj-spice trng rates                                             bits per second, latency, energy\n\n"
    "  ftj-spice trng entropy -o entropy                                min-entropy against the sampling interval",
)

Card = Annotated[str | None, typer.Option(help="Device card: a packaged name or a .toml file.")]
Seed = Annotated[int | None, typer.Option(help="Seed of every random draw.", show_default="0")]
Digitiser = Annotated[
    str | None, typer.Option(help="A packaged digitiser, or the .toml file of another.", show_default="edge_toggle")
]
Interval = Annotated[str | None, typer.Option(help="From bit to bit, in relaxation times tau_eff.", show_default="5")]
Voltage = Annotated[float | None, typer.Option(help="Read voltage V_RTN in V.", show_default="the card's")]
Config = Annotated[Path | None, typer.Option(help="Settings file (TOML); see --show-settings.")]
Change = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; may be repeated.")
]
ShowSettings = Annotated[bool, typer.Option("--show-settings", help="Print the settings as TOML; no run.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars, no closing lines.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the metrics as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.add_typer(trng_app, name="trng")


@trng_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice trng generate --bits 1e6 -o bits.bin                          one stream\n\n"
    "  ftj-spice trng generate --bits 1e8 --streams 100 --combine 4 -o good.bin   four cells XORed, 5 tau_eff\n\n"
    "  ftj-spice trng generate --bits 1e8 --streams 100 --interval 18 -o slow.bin    one cell, 18 tau_eff\n\n"
    "  ftj-spice trng generate --bits 1e6 --digitiser differential --combine 3 --conditioner von_neumann\n\n"
    "  ftj-spice trng generate --restarts 1000x1000 -o restarts.bin            for trng test --restarts\n\n"
    "  ftj-spice trng generate --bits 1e6 --format ascii --streams 10 -o bits.txt    one line a stream"
)
def generate(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Bit file to write; FILE.json beside it describes it.")
    ] = Path("bits.bin"),
    bits: Annotated[str, typer.Option(help="Bits of all streams together, such as 1e8.")] = "1e6",
    streams: Annotated[str, typer.Option(help="Streams, each from cells of its own.")] = "1",
    restarts: Annotated[
        str | None, typer.Option(help="Instead: power-ups x raw bits after each, such as 1000x1000.")
    ] = None,
    digitiser: Digitiser = None,
    interval: Interval = None,
    combine: Annotated[str | None, typer.Option(help="Digitisers XORed into one bit.", show_default="1")] = None,
    conditioner: Annotated[
        str | None, typer.Option(help="none, von_neumann or hash (SHA-256).", show_default="none")
    ] = None,
    card: Card = None,
    seed: Seed = None,
    file_format: Annotated[str, typer.Option("--format", help="packed (8 bits a byte) or ascii.")] = "packed",
    jobs: Jobs = ALL,
    config: Config = None,
    change: Change = None,
    show_settings: ShowSettings = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make random bits by a digitiser that reads trap noise; the same bits for any number of workers."""
    if show_settings:
        _show_settings("trng generate")
        return
    from ftj_spice.studies.trng.generate import trng_generate

    settings = _settings(
        config, change, digitiser=digitiser, interval_relaxations=interval, combine=combine, conditioner=conditioner,
        card=card, seed=seed,
    )  # fmt: skip
    with progress_bars({"bits": "bits", "pilot": "raw bits, for the conditioner"}, quiet) as observer:
        result = trng_generate(
            out, bits=_whole(bits, "--bits"), streams=_whole(streams, "--streams"),
            restarts=None if restarts is None else _matrix(restarts), settings=settings, file_format=file_format,
            jobs=workers(jobs), force=force, observer=observer,
        )  # fmt: skip
    _tell(result, quiet, as_json)


@trng_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice trng test bits.bin                                     everything; report in ftj-trng-test/\n\n"
    "  ftj-spice trng test other.txt --streams 10 -o other              a text of 0 and 1, cut into ten streams\n\n"
    "  ftj-spice trng test raw.bin --format packed --stream-bits 1e6 --suites sp800-22 --tests frequency,runs\n\n"
    "  ftj-spice trng test bits.bin --restarts restarts.bin --entropy 0.8    with the restart tests of SP 800-90B\n\n"
    "The exit status is 1 where a test fails. Ideal bits fail some test in about 5 of 100 files: then test fresh bits."
)
def test(
    file: Annotated[Path, typer.Argument(help="Text of 0 and 1, packed binary (8 bits a byte), or .npy.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-trng-test"),
    suites: Annotated[
        str, typer.Option(help="Some of sp800-22, sp800-90b, health, diagnostics, with commas between.")
    ] = "sp800-22,sp800-90b,health,diagnostics",
    tests: Annotated[
        str | None, typer.Option(help="Tests of SP 800-22, with commas between.", show_default="all fifteen")
    ] = None,
    file_format: Annotated[str, typer.Option("--format", help="auto, ascii, packed or npy.")] = "auto",
    streams: Annotated[str | None, typer.Option(help="Streams to divide the file into.")] = None,
    stream_bits: Annotated[str | None, typer.Option(help="Bits of a stream, such as 1e6.")] = None,
    entropy: Annotated[float | None, typer.Option(help="Claimed min-entropy per bit, for the health tests.")] = None,
    restarts: Annotated[Path | None, typer.Option(help="Bits after each of many power-ups, a stream for each.")] = None,
    jobs: Jobs = ALL,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A length of an SP 800-22 test, such as block_length=20000."),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Test random bits: the fifteen tests of SP 800-22, entropy by SP 800-90B, health tests, diagnostics."""
    from ftj_spice.studies.trng.testing import load_parameters, trng_test

    names = {"entropy": "entropy estimators", "restarts": "restart tests", "streams": "tests of the streams"}
    with progress_bars(names, quiet) as observer:
        result = trng_test(
            file, out, suites=_names(suites), tests=None if tests is None else _names(tests),
            parameters=load_parameters(change or ()), file_format=file_format,
            streams=None if streams is None else _whole(streams, "--streams"),
            stream_bits=None if stream_bits is None else _whole(stream_bits, "--stream-bits"), entropy=entropy,
            restarts=restarts, jobs=workers(jobs), force=force, observer=observer,
            command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    _tell(result, quiet, as_json, *_next(out))
    if not result.passes:
        complain(f"{result.verdict}; see {out / 'report.html'}")
        raise typer.Exit(1)


@trng_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice trng digitisers -o digitisers                       all packaged ones\n\n"
    "  ftj-spice trng digitisers --digitisers edge_toggle,mine.toml --interval 10 -o two\n\n"
    "  ftj-spice trng digitisers --circuit-bits 500 --bits 1e5 -o short"
)
def digitisers(
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-trng-digitisers"),
    digitisers: Annotated[
        str | None, typer.Option(help="Names or .toml files, with commas between.", show_default="all packaged")
    ] = None,
    circuit_bits: Annotated[str | None, typer.Option(help="Bits of each in ngspice.", show_default="2000")] = None,
    bits: Annotated[str | None, typer.Option(help="Bits of each by its event rule.", show_default="1e6")] = None,
    interval: Interval = None,
    voltage: Voltage = None,
    card: Card = None,
    seed: Seed = None,
    jobs: Jobs = ALL,
    config: Config = None,
    change: Change = None,
    show_settings: ShowSettings = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure digitisers in ngspice, beside their event rules and closed forms: bias, correlation, rate, energy."""
    if show_settings:
        _show_settings("trng digitisers")
        return
    from ftj_spice.studies.trng.digitisers import trng_digitisers

    more = {"circuit_bits": circuit_bits, "bits": bits}
    settings = _settings(config, change, interval_relaxations=interval, voltage=voltage, card=card, seed=seed)
    with progress_bars({"digitisers": "digitisers (ngspice)"}, quiet) as observer:
        result = trng_digitisers(
            out, settings=settings, digitisers=_names(digitisers or ""), jobs=workers(jobs), force=force,
            observer=observer, command=["ftj-spice", *sys.argv[1:]],
            **{name: _whole(text, f"--{name.replace('_', '-')}") for name, text in more.items() if text is not None},
        )  # fmt: skip
    _tell(result, quiet, as_json, *_next(out))
    if not result.passes:
        complain(f"ngspice and the event rules differ without a reason; see {out / 'report.html'}")
        raise typer.Exit(1)


@trng_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice trng rates                                  the nominal card's edge toggle against the claims\n\n"
    "  ftj-spice trng rates --digitiser mid_level --voltage 1.6 -o rates\n\n"
    "  ftj-spice trng rates --claimed-rate 1e6 --claimed-energy 1e-9 --json"
)
def rates(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Run directory to write, with plots.", show_default="none")
    ] = None,
    digitiser: Digitiser = None,
    interval: Interval = None,
    voltage: Voltage = None,
    card: Card = None,
    claimed_rate: Annotated[float, typer.Option(help="Claim: bits per second.")] = 200e6,
    claimed_entropy: Annotated[float, typer.Option(help="Claim: min-entropy per bit.")] = 0.99,
    claimed_latency: Annotated[float, typer.Option(help="Claim: s.")] = 100e-9,
    claimed_energy: Annotated[float, typer.Option(help="Claim: J per bit.")] = 10e-12,
    config: Config = None,
    change: Change = None,
    show_settings: ShowSettings = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Work out rate, latency and energy of a digitiser, and what claims would need of the card."""
    if show_settings:
        _show_settings("trng rates")
        return
    from ftj_spice.studies.trng.rates import Claims, trng_rates

    settings = _settings(config, change, digitiser=digitiser, interval_relaxations=interval, voltage=voltage, card=card)
    claims = Claims(claimed_rate, claimed_entropy, claimed_latency, claimed_energy)
    with progress_bars({"voltages": "voltages"}, quiet) as observer:
        result = trng_rates(
            out, settings=settings, claims=claims, force=force, observer=observer,
            command=["ftj-spice", *sys.argv[1:]],
        )  # fmt: skip
    _tell(result, quiet, as_json, *_next(out))


@trng_app.command(
    epilog="Examples:\n\n"
    "  ftj-spice trng entropy -o entropy                     two digitisers, intervals from short to long\n\n"
    "  ftj-spice trng entropy --intervals 1,2,5,10 --digitisers mid_level --bits 1e6 -o short"
)
def entropy(
    out: Annotated[Path, typer.Option("-o", "--out", help="Run directory to write.")] = Path("ftj-trng-entropy"),
    intervals: Annotated[
        str | None, typer.Option(help="Relaxation times from bit to bit, with commas between.", show_default="built in")
    ] = None,
    digitisers: Annotated[
        str | None, typer.Option(help="Digitisers, with commas between.", show_default="built in")
    ] = None,
    bits: Annotated[str | None, typer.Option(help="Bits per point, such as 1e6.", show_default="1e6")] = None,
    voltage: Voltage = None,
    card: Card = None,
    seed: Seed = None,
    jobs: Jobs = ALL,
    config: Config = None,
    change: Change = None,
    show_settings: ShowSettings = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Estimate the min-entropy of raw bits by SP 800-90B against the sampling interval, beside its closed form."""
    if show_settings:
        _show_settings("trng entropy")
        return
    from ftj_spice.studies.trng.entropy import trng_entropy

    more: dict[str, Any] = {}
    if intervals is not None:
        more["intervals"] = tuple(_number(part, "--intervals") for part in _names(intervals))
    if digitisers is not None:
        more["digitisers"] = _names(digitisers)
    if bits is not None:
        more["bits"] = _whole(bits, "--bits")
    with progress_bars({"points": "points"}, quiet) as observer:
        result = trng_entropy(
            out, settings=_settings(config, change, voltage=voltage, card=card, seed=seed), jobs=workers(jobs),
            force=force, observer=observer, command=["ftj-spice", *sys.argv[1:]], **more,
        )  # fmt: skip
    _tell(result, quiet, as_json, *_next(out))
    if not result.passes:
        complain(f"an estimate departs from its closed form beyond its limit; see {out / 'report.html'}")
        raise typer.Exit(1)


def _settings(config: Path | None, change: Iterable[str] | None, **given: Any) -> Any:
    """Returns the settings of a file, changed by `--set` and by options of their own, which win."""
    from ftj_spice.studies.trng.settings import load_trng_settings

    changes = [f"{name}={_toml(value)}" for name, value in given.items() if value is not None]
    settings = load_trng_settings(config, [*(change or ()), *changes])
    if given.get("interval_relaxations") is not None and settings.interval is not None:
        raise SettingsError("--interval (in relaxation times) and the setting interval (in s) are two values for one")
    return settings


def _toml(value: Any) -> str:
    """Returns a value as the right side of a change: numbers bare, other text quoted, as TOML has it."""
    try:
        float(value)
    except ValueError:
        return "'" + str(value) + "'" if "'" not in str(value) else str(value)
    return str(value)


def _show_settings(verb: str) -> None:
    from ftj_spice.sampling.trng.settings import TrngSettings
    from ftj_spice.studies.settings import default_toml

    say(default_toml(TrngSettings, verb))


def _tell(result: Any, quiet: bool, as_json: bool, *more: str) -> None:
    from ftj_spice.results.jsontext import plain

    if as_json:
        say_json(plain(result.metrics))
    elif not quiet:
        say("\n".join([*result.summary, *more]))


def _next(out: Path | None) -> tuple[str, ...]:
    return () if out is None else (f"open {out / 'report.html'}",)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _whole(text: str, option: str) -> int:
    """Returns a whole number that may be written as 1e8.

    Raises:
        SettingsError: It is none.
    """
    try:
        number = float(text)
        if number == int(number):
            return int(text) if text.strip().lstrip("+-").isdecimal() else int(number)
    except (ValueError, OverflowError):
        pass
    raise SettingsError(f"{option} must be a whole number such as 1000000 or 1e6, got {text[:40]!r}")


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"{option} must be numbers with commas between, got {text[:40]!r}") from None


def _matrix(text: str) -> tuple[int, int]:
    rows, cross, columns = text.lower().partition("x")
    if not cross:
        raise SettingsError(f"--restarts must be power-ups x bits, such as 1000x1000, got {text[:40]!r}")
    return _whole(rows, "--restarts"), _whole(columns, "--restarts")
