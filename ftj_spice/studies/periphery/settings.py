"""What `ftj-spice periphery run` measures, and where."""

from itertools import product
from typing import Annotated

from pydantic import Field

from ftj_spice.common.settings import Strict
from ftj_spice.netlist.process.process import Process
from ftj_spice.periphery.rig import ROOM, Condition

Factor = Annotated[float, Field(ge=0.3, le=2.0)]
Kelvin = Annotated[float, Field(ge=150.0, le=500.0)]


class PeripherySettings(Strict):
    """Variants, processes and conditions of a run."""

    variants: Annotated[tuple[str, ...], Field(min_length=1)] = ("all",)
    """Names of packaged variants or .toml files; `all`: every packaged one that has a test bench."""
    processes: Annotated[tuple[str, ...], Field(min_length=1)] = ("generic",)
    """Names of packaged processes or .toml files."""
    corners: tuple[str, ...] = ()
    """Corners; none given means the typical one of each process."""
    temperatures: Annotated[tuple[Kelvin, ...], Field(min_length=1)] = (ROOM,)
    """Temperatures in K."""
    supplies: Annotated[tuple[Factor, ...], Field(min_length=1)] = (1.0,)
    """Factors of all supply voltages."""
    mc: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Monte Carlo draws of mismatch, in the nominal condition; 0: none, so no `_sigma` and no yield."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the draws."""
    card: str = "hzo_mfis_nominal"
    """Device card of the FTJ column: the name of a packaged one, or a .toml file."""
    time_limit: Annotated[float, Field(gt=0, le=1e6)] = 600.0
    """Seconds one request to ngspice may take before its worker is replaced."""


def nominal_condition(process: Process) -> Condition:
    """Returns the typical corner at 300 K and the nominal supplies."""
    return Condition(process, process.typical)


def conditions_of(settings: PeripherySettings, process: Process) -> list[Condition]:
    """Returns every corner at every temperature and supply, behind the nominal condition, each once.

    Raises:
        SettingsError: The process has no such corner.
    """
    corners = settings.corners or (process.typical,)
    for corner in corners:
        process.corner(corner)
    asked = [
        Condition(process, corner, temperature, supply)
        for corner, temperature, supply in product(corners, settings.temperatures, settings.supplies)
    ]
    found: list[Condition] = []
    for condition in [nominal_condition(process), *asked]:
        if condition not in found:
            found.append(condition)
    return found


def condition_label(corner: str, temperature: float, supply: float) -> str:
    """Returns a condition in a few characters, e.g. `ss 398 K 0.9 x`."""
    return f"{corner} {temperature:g} K {supply:g} ×"
