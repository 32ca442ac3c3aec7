"""`-j` of every verb: how much runs side by side. Results never depend on it."""

from typing import Annotated

import typer

from ftj_spice.common.cores import cores

ALL = 0
"""Default: all cores that this process may use."""

Jobs = Annotated[int, typer.Option("-j", "--jobs", help="Workers side by side; 0 takes all cores.")]


def workers(jobs: int) -> int:
    """Returns how many workers `-j` means."""
    return jobs or cores()
