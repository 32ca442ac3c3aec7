"""Settings of a fingerprint."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ftj_spice.common.settings import Strict


class FingerprintSettings(Strict):
    """Which chips are made, how they are asked, and what happens to them between two answers."""

    card: str = "hzo_mfis_nominal"
    """Device card: the name of a packaged one, or a .toml file."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of every random draw."""
    chips: Annotated[int, Field(ge=2, le=4096)] = 32
    """Chips that are compared."""
    rows: Annotated[int, Field(ge=2, le=512)] = 48
    """Rows of each chip's array. 48 x 48 is the size of a published FTJ fingerprint (10.1016/j.nanoen.2026.111871)."""
    columns: Annotated[int, Field(ge=2, le=512)] = 48
    """Columns, an even number: neighbours are a pair, and each pair answers one bit per challenge."""
    challenges: Annotated[int, Field(ge=2, le=100_000)] = 128
    """Challenges that every chip answers: random sets of rows, the same ones for all chips."""
    rows_on: Annotated[int, Field(ge=1)] | None = None
    """Rows that a challenge turns on; half of them by default."""
    voltage: Annotated[float, Field(gt=0, le=2.5)] | None = None
    """Read voltage in V; without it the card's V_VMM."""
    topology: Literal["crossbar", "nor", "1t1f", "nor1t", "and"] = "crossbar"
    """How the cells are wired."""
    line_resistance: Annotated[float, Field(ge=0, le=1e6)] = 2.0
    """Wire resistance per segment of rows and columns, in ohm."""
    driver_resistance: Annotated[float, Field(ge=0, le=1e9)] = 1e3
    """Output resistance of the row drivers, in ohm."""
    sense_resistance: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Input resistance of each column's integrator, in ohm."""
    integration_time: Annotated[float, Field(gt=1e-9, le=10)] | None = None
    """Time over which the column currents are integrated, in s; without it as long as a column of nominal cells needs
    to bring its capacitor to 0.5 V."""
    integration_capacitance: Annotated[float, Field(gt=1e-18, le=1e-6)] = 100e-15
    """Integration capacitor of each column, in F."""
    noise: bool = True
    """Shot noise of the cells and kT/C noise of the integrators."""
    comparator_offset: Annotated[float, Field(ge=0, le=1)] = 8e-3
    """Standard deviation in V of the comparators' offsets at the integrators' outputs, drawn once per chip and pair.
    8 mV: a dynamic comparator in 65 nm (Satapathy and Kaur, Circuits Syst. Signal Process. 42, 5108 (2023))."""
    traps: bool = True
    """Every answer meets the cells' traps in states of their own, drawn by their occupancy at the read voltage."""
    spread: Annotated[float, Field(ge=0, le=10)] = 1.0
    """Device-to-device spread of the high-resistance current, as a multiple of the card's."""
    activation_spread: Annotated[float, Field(ge=0, le=0.1)] = 0.002
    """Standard deviation from cell to cell of the high-resistance current's activation energy, in eV: an estimate of
    ours without a source, shown beside the card's own law, which has one energy for all cells."""
    temperatures: list[Annotated[float, Field(ge=200, le=450)]] = Field(
        default_factory=lambda: [253.0, 273.0, 300.0, 323.0, 353.0]
    )
    """Temperatures at which answers are compared with those at 300 K, in K."""
    cycles: list[Annotated[float, Field(ge=1, le=1e12)]] = Field(
        default_factory=lambda: [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6]
    )
    """Write cycles after which answers are compared with those of the pristine cells."""
    repeats: Annotated[int, Field(ge=2, le=1000)] = 8
    """Answers to all challenges that are repeated at 300 K."""
    attacked: Annotated[int, Field(ge=0, le=4096)] = 2
    """Chips whose answers an attacker tries to predict; 0: none."""
    attack_challenges: Annotated[int, Field(ge=64, le=100_000)] = 2048
    """Most challenges the attacker has seen; half as many more are left to predict."""
    audit: Annotated[int, Field(ge=0, le=1000)] = 4
    """Reads drawn at random that ngspice repeats; 0: no audit."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.columns % 2:
            raise ValueError(f"'columns' must be an even number, for pairs, got {self.columns}")
        if self.on >= self.rows and self.rows_on is not None:
            raise ValueError(f"'rows_on' must be below the {self.rows} rows, got {self.rows_on}")
        sets = math.comb(self.rows, self.on)
        if self.challenges > sets:
            raise ValueError(
                f"{self.rows} rows have only {sets} sets of {self.on} rows, fewer than the {self.challenges} "
                "'challenges'"
            )
        if self.attacked and self.attack_challenges + self.attack_challenges // 2 > sets:
            raise ValueError(
                f"{self.rows} rows have only {sets} sets of {self.on} rows, too few for {self.attack_challenges} "
                "'attack_challenges' and half as many to predict; set 'attacked' to 0 for no attack"
            )
        if self.attacked > self.chips:
            raise ValueError(f"'attacked' must be at most the {self.chips} 'chips', got {self.attacked}")
        return self

    @property
    def on(self) -> int:
        """Rows that a challenge turns on."""
        return self.rows // 2 if self.rows_on is None else self.rows_on

    @property
    def pairs(self) -> int:
        """Pairs of columns: bits per challenge."""
        return self.columns // 2
