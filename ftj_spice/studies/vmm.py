"""Any vector-matrix product on arrays, with its error budget."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ftj_spice.device.card import load_card
from ftj_spice.periphery.macromodel import macromodel_path
from ftj_spice.results.manifest import Stopwatch
from ftj_spice.results.rundir import RunDirectory
from ftj_spice.studies.circuits import load_periphery
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.settings import RunSettings, check_jobs
from ftj_spice.studies.transistors import PER_READ, check_time, transistor_chain
from ftj_spice.studies.vmm_estimate import Expected, expect, plan_of, shapes_of
from ftj_spice.studies.vmm_files import write_vmm
from ftj_spice.studies.vmm_problem import load_problem
from ftj_spice.studies.vmm_product import multiply
from ftj_spice.studies.vmm_result import VmmResult

VECTORS = 64
"""Random input vectors where no file gives them."""


def vmm(
    weights: str | Path,
    inputs: str | Path | None = None,
    out: str | Path | None = None,
    *,
    bias: str | Path | None = None,
    settings: RunSettings | None = None,
    vectors: int = VECTORS,
    budget: bool = True,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
    command: Sequence[str] = (),
    notice: Callable[[Expected], None] | None = None,
) -> VmmResult:
    """Multiplies on arrays and says where the error comes from.

    An audit beyond its limit is not an error: the result, `metrics.json` and the report say so (`passes`). Converters'
    ranges, calibration and the full scale that errors are relative to come from typical inputs drawn from the seed, of
    the same scale and sign as `inputs` but none of them (`vmm_problem.like`; for a decoder's layer activations).

    Args:
        weights: A .npy file of shape `(inputs, outputs)`, or `DECODER:LAYER`, such as `mnist:2`.
        inputs: A .npy file of shape `(batch, inputs)`; without it random latents, for a decoder's layer its own
            activations.
        out: Run directory to write; none writes nothing.
        bias: A .npy file of shape `(outputs,)`.
        settings: Settings of the run; `card`, `seed`, `periphery`, `audit`, `read` and `engine` count here.
        vectors: Random input vectors where no file gives them.
        budget: Whether the error budget is made, some eight products more.
        jobs: Workers of ngspice or VACASK side by side.
        force: Replaces an existing run directory.
        observer: Told about progress.
        command: The command line, for the manifest.
        notice: Told how long it may take, before it starts.

    Raises:
        FtjSpiceError: Settings, files, simulation or output; the subclass and its sentence say what.
    """
    settings = settings or RunSettings()
    check_jobs(jobs)
    card = load_card(settings.card)
    periphery = load_periphery(settings, sampled=False)
    problem = load_problem(
        str(weights),
        None if inputs is None else Path(inputs),
        None if bias is None else Path(bias),
        vectors,
        settings.seed,
        settings.read,
        settings.engine.read,
    )
    if periphery is not None and settings.engine.read == "ngspice":
        transistor_chain(periphery)
        reads = plan_of(problem, settings.read)[0] * sum(shape[1] for shape in shapes_of(problem, settings.read))
        check_time(reads, jobs)
        expected = Expected("ngspice, by transistors,", reads * PER_READ / jobs, reads, things="columns")
    else:
        expected = expect(problem, card, settings, budget, jobs)
    expected.audit.check(settings.engine.time_limit)
    if notice is not None:
        notice(expected)
    watch = Stopwatch()
    if out is None:
        return multiply(problem, card, settings, budget, jobs, observer, watch, periphery)
    read = [Path(file) for file in (weights, inputs, bias) if file is not None]
    if settings.periphery is not None:
        read.append(macromodel_path(settings.periphery))
    with RunDirectory(Path(out), force=force, inputs=read) as run:
        result = multiply(problem, card, settings, budget, jobs, observer, watch, periphery)
        with watch("report"):
            write_vmm(run, result, watch, command)
    return replace(result, path=Path(out))
