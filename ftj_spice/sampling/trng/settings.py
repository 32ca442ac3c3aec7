"""Settings of a source of random bits."""

from typing import Annotated, Literal

from pydantic import Field

from ftj_spice.common.settings import Strict


class TrngSettings(Strict):
    """Which digitiser reads which cells, and when."""

    card: str = "hzo_mfis_nominal"
    """Device card: the name of a packaged one, or a .toml file."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of every random draw."""
    digitiser: str = "edge_toggle"
    """Digitiser: the name of a packaged variant, or the .toml file of another, its template beside it."""
    voltage: Annotated[float, Field(gt=0, le=2.5)] | None = None
    """Read voltage V_RTN in V; without it the card's. It sets the traps' times, and how long they are filled."""
    interval: Annotated[float, Field(gt=1e-12, le=1e6)] | None = None
    """Time from bit to bit in s; without it `interval_relaxations` times the card's relaxation time at the voltage."""
    interval_relaxations: Annotated[float, Field(ge=1e-6, le=1e6)] = 5.0
    """Time from bit to bit in relaxation times tau_eff of a nominal cell, where `interval` does not give it."""
    combine: Annotated[int, Field(ge=1, le=64)] = 1
    """Digitisers, each with cells of its own, whose bits are XORed into one."""
    conditioner: Literal["none", "von_neumann", "hash"] = "none"
    """What the bits pass through afterwards."""
    settling: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """Time from power-up to the begin of the first bit's interval, in relaxation times; without it the variant's."""
    comparator_offset: Annotated[float, Field(ge=-10, le=10)] = 0.0
    """Offset of every comparator or converter, in parts of a nominal cell's current swing."""
    time_constant_spread: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Cell-to-cell spread of the time constants, as a multiple of the card's."""
    amplitude_spread: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Cell-to-cell spread of the trap amplitudes, as a multiple of the card's."""
    current_spread: Annotated[float, Field(ge=0, le=5)] = 0.0
    """Cell-to-cell spread of the currents, as a multiple of the card's (high-resistance state)."""
    parameters: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = Field(default_factory=dict)
    """Values of the variant's parameters that differ from its defaults, in the variant's units."""
