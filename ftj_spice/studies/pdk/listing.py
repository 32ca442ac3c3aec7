"""Which transistor processes there are, and where their models were found."""

from dataclasses import dataclass

from ftj_spice.netlist.process.models import ProcessError, place, process_notes
from ftj_spice.netlist.process.process import available_processes, load_process


@dataclass(frozen=True)
class Listing:
    """One packaged process.

    Attributes:
        name: Identifier.
        title: What people call it.
        licence: Licence of its models.
        version: Version of the package that was tried; none where nothing is installed.
        corners: What each of its corners stands for, by name.
        devices: Roles of its transistors.
        supplies: Nominal supply voltages in V by name.
        folder: Where its models were found; none where they are not here.
        notes: What somebody who uses them should know; what to do where they are not here.
    """

    name: str
    title: str
    licence: str
    version: str | None
    corners: dict[str, str]
    devices: tuple[str, ...]
    supplies: dict[str, float]
    folder: str | None
    notes: tuple[str, ...]


def process_list() -> list[Listing]:
    """Returns the packaged processes."""
    listings = []
    for name in available_processes():
        process = load_process(name)
        folder: str | None = None
        try:
            folder = str(place(process))
            notes = process_notes(process, process.typical)
        except ProcessError as error:
            notes = [str(error)]
        listings.append(
            Listing(
                name,
                process.title,
                process.licence,
                process.models.version,
                {corner: one.title for corner, one in process.corners.items()},
                tuple(process.devices),
                {str(key): volts for key, volts in process.supplies.items()},
                folder,
                tuple(notes),
            )
        )
    return listings
