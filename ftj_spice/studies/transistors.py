"""Transistors in the simulated array: columns read by a chain in ngspice, code by code, and the audit by them.

A column is its cells, lumped on a bit line with the wire's capacitance: wires' resistance is left out. Where the
macromodel fits a circuit to small currents by a longer time, the transistors keep their own time, and the cells carry
so much more instead: the charge of a read is the same.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.layer import KeptRead
from ftj_spice.common.errors import SettingsError
from ftj_spice.common.seeds import generator
from ftj_spice.device.card import Card
from ftj_spice.engines.arrays import Progress, ReadResult
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.circuit import ArrayCircuit, Drive
from ftj_spice.netlist.process.process import Process
from ftj_spice.periphery.chain import Chain, available_chains, load_chain
from ftj_spice.periphery.identity import transistors_of
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.periphery.readout import read_columns
from ftj_spice.periphery.rig import Condition
from ftj_spice.results.manifest import sha256_text
from ftj_spice.studies.observer import Observer, part_of
from ftj_spice.studies.readtime import duration

PER_READ = 1.0
"""Seconds of ngspice per read of a column through an integrator and a SAR, on a core of its own, about."""
LONGEST = 2 * 3600.0
"""Seconds that reads through transistors may take by estimate."""
READS_PER_AUDIT = 4
"""Audited reads for which one is repeated through transistors."""
COLUMNS = 4
"""Columns of it, at random."""
LIMIT = 1.0
"""Largest deviation of a code allowed, in steps: next to a transition the macromodel may take the other side."""


def transistor_chain(model: Macromodel) -> tuple[Chain, Process]:
    """Returns the chain that a macromodel was made from, and its process, their content unchanged since then.

    Raises:
        SettingsError: It has none with a converter of transistors, they are not found, or say something else by now.
        FtjSpiceError: The process's models are missing.
    """
    if model.convert is None or not has_transistors(model):
        raise SettingsError(
            f"periphery '{model.name}' has no chain of transistors from the bit line to the code; packaged ones: "
            f"{', '.join(name for name in available_chains() if load_chain(name).convert is not None)}; --engine fast "
            "takes its macromodel"
        )
    return transistors_of(model)


def check_transistors(model: Macromodel | None) -> None:
    """Refuses a macromodel whose transistors an audit will not find as they were, before anything runs.

    Raises:
        FtjSpiceError: See `transistor_chain`; a macromodel without a chain has no audit, and passes.
    """
    if model is not None and model.convert is not None and has_transistors(model):
        transistor_chain(model)


def has_transistors(model: Macromodel) -> bool:
    """Returns whether a macromodel says which chain of transistors it was made from."""
    return model.identity is not None and model.identity.chain is not None


def check_time(reads: int, jobs: int, fewer: str = "fewer and smaller products") -> None:
    """Refuses what would take transistors too long.

    Args:
        reads: Reads of single columns.
        jobs: Workers side by side.
        fewer: What would take less.

    Raises:
        SettingsError: It would; the sentence gives the estimate.
    """
    seconds = reads * PER_READ / jobs
    if seconds > LONGEST:
        raise SettingsError(
            f"reading {reads} columns through transistors would take ngspice about {duration(seconds)}, more than the "
            f"{duration(LONGEST)} allowed: take --engine fast, whose macromodel is audited by transistors, or {fewer}"
        )


def refuse_transistors(model: Macromodel, reads: int) -> NoReturn:
    """Says what reading a decoder through transistors would take, and what is feasible instead.

    Raises:
        SettingsError: Always.
    """
    transistor_chain(model)
    raise SettingsError(
        f"reading the decoder's {reads} columns through transistors would take ngspice about "
        f"{duration(reads * PER_READ)}: take --engine fast, where the macromodel of '{model.name}' reads and "
        "transistors audit it, with --set engine.sample=transistors if they are to read the sampling array; "
        "'ftj-spice vmm --engine ngspice' reads small products through transistors"
    )


class TransistorReader:
    """Reads arrays through transistors: currents are codes times the step.

    Args:
        model: The macromodel of the chain: process, corner, the scale of its codes.
        card: Card of the cells.
        engine: Its workers read side by side.
        scale: What the circuit's range is scaled by.
        seed: Of the mismatch; every array has circuits of its own.
    """

    name = "ngspice"

    def __init__(self, model: Macromodel, card: Card, engine: NgspiceEngine, scale: float, seed: int) -> None:
        self._model, self._card, self._engine, self._scale, self._seed = model, card, engine, scale, seed
        self._chain, self._process = transistor_chain(model)
        self._known: list[NDArray[np.float64]] = []

    def __enter__(self) -> "TransistorReader":
        return self

    def __exit__(self, *exc: Any) -> None:
        pass

    def read(self, circuit: ArrayCircuit, drive: Drive, progress: Progress | None = None) -> ReadResult:
        """Reads all columns; rows are on or off.

        Raises:
            SettingsError: The array has transistors of its own.
            EngineError: A simulation failed.
        """
        if circuit.wiring.transistor:
            raise SettingsError("columns are read through transistors in arrays without select transistors only")
        conductance = _conductance(circuit, self._card)
        condition = _condition(self._model, self._process, (self._seed, self._number(conductance)))
        found = read_columns(
            self._chain, condition, self._card, conductance / self._scale, np.asarray(drive.lines), self._engine,
            progress=progress,
        )  # fmt: skip
        step = self._scale * self._chain.lsb
        name = f"ngspice, {self._model.process} transistors"
        return ReadResult(
            found.codes * step, name, (sha256_text(found.netlist),), "ok", {"transistors": found.codes.size}
        )

    def _number(self, conductance: NDArray[np.float64]) -> int:
        """Returns a number for each array, so that its circuits stay the same from read to read."""
        for k, known in enumerate(self._known):
            if np.array_equal(known, conductance):
                return k
        self._known.append(conductance)
        return len(self._known) - 1


def audit_periphery(
    model: Macromodel,
    kept: Sequence[KeptRead],
    scales: Sequence[float],
    card: Card,
    engine: NgspiceEngine,
    *,
    seed: int,
    observer: Observer,
) -> Audit | None:
    """Reads a few random columns through transistors of nominal devices, and compares codes with the macromodel's.

    Args:
        model: The macromodel; one without a chain of transistors has no audit.
        kept: Reads to choose from, in any order.
        scales: The circuit's scale of each of them.
        card: Card of the cells.
        engine: Its workers read side by side.
        seed: The run's seed.
        observer: Told about progress.

    Raises:
        SettingsError: The transistors are not those that the macromodel was made from.
        EngineError: A simulation failed.
    """
    loud = [k for k, read in enumerate(kept) if np.any(read.drive.lines)]
    if not loud or model.convert is None or not has_transistors(model):
        return None
    chain, process = transistor_chain(model)
    condition = _condition(model, process, None)
    rng = generator(seed, "periphery-audit")
    told = part_of(observer, "audit of periphery")
    count = -(-len(loud) // READS_PER_AUDIT)
    deviations = []
    for k in range(count):
        read, scale = kept[loud[k]], scales[loud[k]]
        g = _conductance(read.circuit, card)
        chosen = rng.choice(g.shape[1], min(COLUMNS, g.shape[1]), replace=False)
        columns, lines = g[:, np.sort(chosen)] / scale, np.asarray(read.drive.lines)
        found = read_columns(chain, condition, card, columns, lines, engine)
        deviations.append((found.codes - model.codes(lines @ columns)).ravel())
        told(k + 1, count)
    error = np.concatenate(deviations).astype(float)
    return Audit(
        reads=error.size,
        largest=float(np.max(np.abs(error))),
        rms=float(np.sqrt(np.mean(error**2))),
        limit=LIMIT,
        engine=f"ngspice, {model.process} transistors",
        scale="steps of the converter",
        things="columns through transistors",
    )


def _conductance(circuit: ArrayCircuit, card: Card) -> NDArray[np.float64]:
    """Returns the cells' conductances in S at V_VMM, shape `(rows, columns)`."""
    return circuit.cells.current(np.full(circuit.cells.shape, card.vmm_voltage)) / card.vmm_voltage


def _condition(model: Macromodel, process: Process, mismatch: tuple[int, int] | None) -> Condition:
    return Condition(process, model.corner, model.temperature, mismatch=mismatch)
