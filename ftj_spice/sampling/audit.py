"""The audit of the fast sample phase: random transients of its work again in ngspice, with the same trap histories."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.seeds import generator
from ftj_spice.device.traps import TrapHistory
from ftj_spice.engines.audit import Audit
from ftj_spice.engines.ngspice import NgspiceEngine, Open
from ftj_spice.sampling.digitisers import IntegratorReadout
from ftj_spice.sampling.phase import KeptPart, SampleResult
from ftj_spice.sampling.settings import SampleSettings
from ftj_spice.sampling.transients import Outcome, Part, plan, simulate_part

LIMIT = 1e-3
"""Largest deviation of a window's mean current allowed, in parts of the converter's full scale."""
BIT_LIMIT = 0.01
"""Share of samples whose sum of comparator bits may differ: transitions within a comparator's lag of the instant."""


def draw_parts(settings: SampleSettings, columns: int, count: int, audited: int, seed: int) -> list[Part]:
    """Returns a random choice of a run's transients, at most `audited` of them, in their order.

    Args:
        settings: Settings of the phase.
        columns: Latent dimensions.
        count: Samples of the run.
        audited: How many.
        seed: The run's seed.
    """
    every = [part for group in plan(settings, columns, count) for part in group]
    chosen = generator(seed, "sample-audit").choice(len(every), size=min(audited, len(every)), replace=False)
    return [every[k] for k in sorted(chosen.tolist())]


def audit_samples(
    result: SampleResult,
    settings: SampleSettings,
    engine: NgspiceEngine,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Simulates in ngspice what the fast engine kept, and compares.

    A trap's candidate event that lies within a few parts in 1e7 of its threshold may be accepted in one engine only,
    since the cells' biases differ by that much. Windows whose histories differ are counted by the transitions that
    differ, and left out of the comparison of currents; where none is left, the audit does not pass.

    Args:
        result: Of the fast engine, with something kept.
        settings: Settings of the phase.
        engine: Where the transients run.
        progress: Called with finished and all transients.

    Raises:
        EngineError: A simulation failed.
    """

    def run(open_netlist: Open, kept: KeptPart) -> Outcome:
        return simulate_part(open_netlist, kept.part, kept.candidates, result.array, settings, result.digitiser)

    total = len(result.kept)
    return compare(result, engine.map(run, result.kept, (lambda done: progress(done, total)) if progress else None))


def compare(result: SampleResult, outcomes: Sequence[Outcome]) -> Audit:
    """Compares what the fast engine kept with the same transients in ngspice.

    Args:
        result: Of the fast engine, with something kept.
        outcomes: Of each kept part, in their order.
    """
    d = result.digitiser
    deviations, transitions, differing = [], 0, 0
    for kept, outcome in zip(result.kept, outcomes, strict=True):
        ours, theirs = _events(kept.history), _events(outcome.history)
        transitions += len(ours | theirs)
        differing += len(ours ^ theirs)
        deviation = outcome.values - kept.values
        if isinstance(d, IntegratorReadout):
            columns = list(kept.part.columns)
            deviation = deviation / (2**d.adc_bits * d.lsb[columns])
            if ours != theirs:
                deviation = deviation[_same(kept.history, outcome.history, d.period, len(deviation))]
        deviations.append(deviation.ravel())
    found = np.concatenate(deviations)
    common = {
        "reads": found.size,
        "engine": outcomes[0].engine,
        "netlists": {
            f"{kept.part.name}.cir": outcome.netlist for kept, outcome in zip(result.kept, outcomes, strict=True)
        },
        "values": {kept.part.name: outcome.values for kept, outcome in zip(result.kept, outcomes, strict=True)},
        "things": "samples",
        "transitions": transitions,
        "differing": differing,
    }
    if isinstance(d, IntegratorReadout):
        # Nothing compared is nothing shown: the audit fails where every window's histories differ.
        largest, rms = (np.nan, np.nan)
        if found.size:
            largest, rms = float(np.max(np.abs(found))), float(np.sqrt(np.mean(found**2)))
        return Audit(largest=largest, rms=rms, limit=LIMIT, scale="full scale of the converter", **common)
    # An instant's bit may differ by the comparator's lag: the share of sums that do is what counts.
    share = float(np.mean(found != 0))
    scale = "share of sums of bits that differ"
    return Audit(largest=share, rms=share, limit=BIT_LIMIT, scale=scale, share=True, **common)


def _events(history: TrapHistory) -> set[tuple[int, float]]:
    return set(zip(history.traps.tolist(), history.times.tolist(), strict=True))


def _same(ours: TrapHistory, theirs: TrapHistory, period: float, samples: int) -> NDArray[np.bool_]:
    """Returns in which samples all traps did the same in both histories, shape `(samples,)`."""
    edges = period * np.arange(samples + 1)
    same = np.ones(samples, bool)
    for trap in range(len(ours.initial)):
        difference = ours.averages(trap, edges) - theirs.averages(trap, edges)
        same &= np.abs(difference) < 1e-12
    return same
