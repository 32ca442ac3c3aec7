"""How long a `vmm` run may take, told before it starts.

For cores of their own; read as factors, not as digits.
"""

from dataclasses import dataclass, field

from ftj_spice.array.audit import draw_reads
from ftj_spice.array.layer import read_plan
from ftj_spice.array.settings import ReadSettings
from ftj_spice.device.card import Card
from ftj_spice.studies.readtime import (
    FAST_CELL,
    LONG,
    AuditTime,
    ReadTimes,
    Shape,
    audit_time,
    duration,
    solves_by_klu,
    tile_shapes,
)
from ftj_spice.studies.settings import RunSettings
from ftj_spice.studies.vmm_problem import Problem

PATTERNS = {"fast": 1000}
"""Input patterns of the sum error, by engine; `FEWER` for slow ones."""
FEWER = 50
BUDGET = 8
"""Products that the error budget makes beside the one asked for, about."""


@dataclass(frozen=True)
class Expected:
    """What a run has to do, and about how long it takes.

    Attributes:
        engine: Who reads.
        seconds: Of the product, its sums and its budget.
        reads: Reads of a tile by that engine, all together.
        audit: The audit.
        budget: Whether there is a budget.
        things: What is read.
    """

    engine: str
    seconds: float
    reads: int
    audit: AuditTime = field(default_factory=AuditTime)
    budget: bool = False
    things: str = "tiles"

    @property
    def long(self) -> bool:
        """Whether the user should hear of it."""
        return self.seconds + self.audit.seconds > LONG

    @property
    def sentence(self) -> str:
        """The estimate in words: whatever is a good part of it."""
        parts, least = [], 0.1 * (self.seconds + self.audit.seconds)
        if self.seconds > least:
            advice = "; --no-budget shortens it" if self.budget else ""
            name = "the fast engine" if self.engine == "fast" else self.engine
            parts.append(
                f"{name} will take about {duration(self.seconds)} for {self.reads} reads of {self.things}{advice}"
            )
        if self.audit.seconds > least:
            parts.append(
                f"the audit will take ngspice about {duration(self.audit.seconds)}; smaller tiles (read.tile_rows, "
                "read.tile_columns) or fewer reads (--audit) shorten it"
            )
        return "; ".join(parts)


def plan_of(problem: Problem, settings: ReadSettings) -> list[int]:
    """Returns the number of reads of each tile.

    Args:
        problem: What is multiplied.
        settings: Settings of the read phase.
    """
    return read_plan(
        len(problem.inputs), _shape(problem), settings, signed=problem.signed, bias=problem.bias is not None
    )


def shapes_of(problem: Problem, settings: ReadSettings) -> list[Shape]:
    """Returns the rows and columns of each tile.

    Args:
        problem: What is multiplied.
        settings: Settings of the read phase.
    """
    inputs, outputs = _shape(problem)
    return tile_shapes((inputs + (problem.bias is not None), outputs), settings)


def expect(problem: Problem, card: Card, settings: RunSettings, budget: bool, jobs: int = 1) -> Expected:
    """Returns about how long a run takes.

    Args:
        problem: What is multiplied.
        card: Device card.
        settings: Settings of the run.
        budget: Whether the error budget is made.
        jobs: Workers side by side.

    Raises:
        EngineNotFoundError: There is no ngspice, and the run needs it for long.
    """
    found = _expect(problem, card, settings, budget, jobs, klu=False)
    slow = settings.engine.read == "ngspice" and found.seconds > LONG
    if (slow or found.audit.seconds > LONG) and solves_by_klu():  # later versions of ngspice are faster
        return _expect(problem, card, settings, budget, jobs, klu=True)
    return found


def _expect(problem: Problem, card: Card, settings: RunSettings, budget: bool, jobs: int, klu: bool) -> Expected:
    engine, plan = settings.engine.read, plan_of(problem, settings.read)
    shapes = shapes_of(problem, settings.read)
    products = 1 + BUDGET * budget
    sums = (2 if settings.read.noise else 1) * (PATTERNS.get(engine, FEWER) + shapes[0][0])
    tiles = list(zip(shapes, plan, strict=True))
    if engine == "fast":
        cells = sum(float(shape[0] * shape[1]) * count for shape, count in tiles)
        seconds = FAST_CELL * (products * cells + sums * float(shapes[0][0] * shapes[0][1]))
    else:  # VACASK solves by KLU
        times = ReadTimes(card, settings.read, klu or engine == "vacask")
        seconds = products * sum(times.reads(shape, count) for shape, count in tiles) / jobs
        seconds += times.reads(shapes[0], sums) / jobs
    audit = AuditTime()
    if engine != "ngspice" and settings.audit:
        drawn = draw_reads([plan], settings.audit, settings.seed)
        audit = audit_time([shapes], drawn, settings.audit, ReadTimes(card, settings.read, klu), jobs)
    return Expected(engine, seconds, products * sum(plan) + sums, audit, budget)


def _shape(problem: Problem) -> Shape:
    return problem.weights.shape[0], problem.weights.shape[1]
