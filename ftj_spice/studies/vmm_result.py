"""What a product on arrays gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftj_spice.array.budget import Budget
from ftj_spice.array.layer import KeptRead, LayerResult
from ftj_spice.array.sums import SumError
from ftj_spice.device.card import Card
from ftj_spice.engines.audit import Audit
from ftj_spice.periphery.energy import EnergyAccount
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.studies.settings import RunSettings
from ftj_spice.studies.vmm_problem import Problem


@dataclass(frozen=True)
class VmmResult:
    """What a product gives.

    Attributes:
        problem: What was multiplied.
        layer: The product.
        budget: Its error budget; none where it was not asked for.
        sums: Errors of the first tile's column sums against its cells read one by one, through its wires
            (`circuit`) and with the noise of the read-out on top (`with_noise`).
        audit: Comparison of some of the reads with ngspice, where another engine made them.
        kept: Reads that were audited, or whose netlists are kept.
        netlists: Their netlists by file name.
        metrics: Figures of the run, as in `metrics.json`.
        card: The device card.
        settings: Settings of the run.
        path: The run directory, where one was written.
        periphery: The circuits that read the columns, where they were asked for.
        energy: What they and the arrays took.
    """

    problem: Problem
    layer: LayerResult
    budget: Budget | None
    sums: dict[str, SumError]
    audit: Audit | None
    kept: tuple[KeptRead, ...]
    netlists: dict[str, str]
    metrics: dict[str, Any]
    card: Card
    settings: RunSettings
    path: Path | None = None
    periphery: Macromodel | None = None
    energy: EnergyAccount | None = None

    @property
    def outputs(self) -> NDArray[np.float64]:
        """The product through the arrays, shape `(batch, outputs)`."""
        return self.layer.outputs

    @property
    def exact(self) -> NDArray[np.float64]:
        """The exact product, same shape."""
        return self.layer.exact

    @property
    def passes(self) -> bool:
        """Whether the audit, if there was one, is within its limit."""
        return self.audit is None or self.audit.passes
