"""What makes a run what it is: its settings, and what the files of its circuits say."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import Card
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.process.process import Process
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.periphery.subjects import Subject

Prints = Mapping[tuple[str, str], str]
"""Hash of each variant in each process, by their names."""
EDITED = "its files were changed during the run"


def prints_of(subjects: Sequence[Subject], processes: Mapping[str, Process]) -> Prints:
    """Returns the hash of each variant's settings and of its transistors with their models."""
    return {(process.name, one.name): _print(one, process) for one in subjects for process in processes.values()}


def changed(one: Subject, process: Process, prints: Prints) -> bool:
    """Returns whether a circuit's files say something else than when the run began.

    Templates, and variants within variants, are read anew for each measurement.
    """
    return _print(one, process) != prints[process.name, one.name]


def identity_of(settings: PeripherySettings, card: Card, prints: Prints) -> dict[str, Any]:
    """Returns what a resumed run must have in common with the one before."""
    return settings.model_dump(mode="json") | {
        "program version": metadata.version("ftj-spice"),
        "content of card": _hash(card.model_dump_json(exclude={"provenance"})),
        "content of variant": {f"{name} in {process}": digest for (process, name), digest in prints.items()},
    }


def _print(one: Subject, process: Process) -> str:
    if one.variant is None or one.fault is not None:
        return _hash(one.fault or "")
    try:
        deck = Deck(process, process.typical)
        deck.block("dut", one.variant)
        text = deck.text()
    except FtjSpiceError as error:
        text = str(error)
    return _hash(one.variant.model_dump_json() + text)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
