"""The shape of a test bench."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ftj_spice.common.settings import Strict
from ftj_spice.periphery.rig import Rig
from ftj_spice.periphery.waveform import Waveforms


@dataclass(frozen=True)
class Curve:
    """A transfer curve or any other line, for plots.

    Attributes:
        x: Shape `(points,)`.
        y: Shape `(points,)`.
        x_label: With unit.
        y_label: With unit.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Measurement:
    """What a bench found.

    Attributes:
        figures: Values in SI units by the figures' names.
        operation: Waveforms of one typical operation, where the nominal circuit was measured.
        curves: Transfer curves by title.
        failures: Figures that could not be had, and why in one sentence.
        notes: Declarations: the source of a noise figure, what is ideal, ...
        netlists: Netlists that were run, by a short name.
    """

    figures: Mapping[str, float]
    operation: Waveforms | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    netlists: Mapping[str, str] = field(default_factory=dict)


class Bench(Protocol):
    """One kind of test bench."""

    name: str
    """Identifier; variants name it."""
    figures: tuple[str, ...]
    """Figures it can measure; `energy_SUPPLY` comes with `energy`."""
    drawn: tuple[str, ...]
    """Those that are measured again for every Monte Carlo draw."""
    settings: type[Strict]
    """Model of the variant's `settings`."""

    def measure(self, rig: Rig, figures: Collection[str]) -> Measurement:
        """Measures some figures of a circuit under one condition.

        A figure that can't be had goes to `failures`; it does not stop the others.

        Raises:
            FtjSpiceError: Nothing at all can be measured: the template is wrong, the netlist does not converge.
        """
        ...
