"""What a macromodel was made from: hashes of the process and of the circuits, and whether they are still the same.

The hashes are of what is simulated: numbers, models, rendered templates, wiring and clocks. Titles and comments don't
count.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ftj_spice.common.errors import SettingsError
from ftj_spice.netlist.catalogue.deck import Deck
from ftj_spice.netlist.catalogue.variant import Variant
from ftj_spice.netlist.process.places import digest, model_files, parameter_files
from ftj_spice.netlist.process.process import Process, load_process
from ftj_spice.periphery.chain import Chain, load_chain
from ftj_spice.periphery.macromodel import Macromodel
from ftj_spice.periphery.parts import Identity

_WORDS = {"name", "title", "description"}
_WIRING = {"ports", "supplies", "biases", "bench", "settings"}
"""What a fit takes from a variant beside its netlist; benches and their settings give noise, averaging and energies."""


def identity_of_chain(
    chain: Chain, place: str | Path, process: Process, process_place: str | Path, corner: str
) -> Identity:
    """Returns the identity of a chain in a process.

    Args:
        chain: The chain.
        place: What it was loaded by: a packaged name or a file.
        process: The process.
        process_place: What that was loaded by.
        corner: Name of the corner.

    Raises:
        FtjSpiceError: A variant does not fit the chain, a template is wrong, models are missing.
    """
    deck = Deck(process, corner)
    wiring: dict[str, Any] = {"chain": chain.model_dump(mode="json", exclude=_WORDS)}
    for kind in chain.blocks:
        variant = chain.variant(kind)
        deck.block(kind, variant, **chain.parameters(kind))
        wiring[kind] = variant.model_dump(mode="json", include=_WIRING)
    return Identity(
        process=str(process_place),
        process_sha256=_process_hash(process, corner, deck),
        chain=str(place),
        circuits_sha256=_hash(wiring, deck.text()),
    )


def identity_of_variant(variant: Variant, process: Process, process_place: str | Path, corner: str) -> Identity:
    """Returns the identity of a variant by itself; see `identity_of_chain`."""
    deck = Deck(process, corner)
    deck.block("dut", variant)
    wiring = variant.model_dump(mode="json", include=_WIRING)
    return Identity(
        process=str(process_place),
        process_sha256=_process_hash(process, corner, deck),
        circuits_sha256=_hash(wiring, deck.text()),
    )


def transistors_of(model: Macromodel) -> tuple[Chain, Process]:
    """Returns the chain and the process that a macromodel was made from, as they were then.

    Raises:
        SettingsError: It has none, they can't be found, or their content is another one by now.
        FtjSpiceError: The process's models are missing.
    """
    identity, again = model.identity, "make it anew with 'ftj-spice periphery macromodel'"
    if identity is None or identity.chain is None:
        raise SettingsError(
            f"periphery '{model.name}' has no chain of transistors that it was made from; --engine fast takes its "
            "macromodel"
        )
    try:
        process, chain = load_process(identity.process), load_chain(identity.chain)
    except SettingsError as error:
        raise SettingsError(f"the transistors of periphery '{model.name}' are not where they were: {error}") from None
    now = identity_of_chain(chain, identity.chain, process, identity.process, model.corner)
    for what, before, after in (
        (f"process '{process.name}'", identity.process_sha256, now.process_sha256),
        (f"chain '{chain.name}'", identity.circuits_sha256, now.circuits_sha256),
    ):
        if before != after:
            raise SettingsError(
                f"{what} has another content than when the macromodel of periphery '{model.name}' was made from it: "
                f"{again}, or take the files of then"
            )
    return chain, process


def _process_hash(process: Process, corner: str, deck: Deck) -> str:
    """Returns the hash of a process's numbers, and of the model files of the transistors in a deck."""
    numbers = {
        "corner": process.corner(corner).model_dump(mode="json", exclude={"title"}),
        "supplies": process.supplies,
        "passives": process.passives.model_dump(mode="json", exclude={"source"}),
        "layout_factor": process.layout_factor,
        "kind": process.models.kind,
        "options": process.models.options,
    }
    roles = sorted({part.kind for part in deck.parts} & set(process.devices))
    files = []
    for role in roles:
        device = process.device(role)
        numbers[role] = device.model_dump(mode="json")
        paths = [*model_files(process, device, corner), *parameter_files(process, device, corner)]
        files += [f"{path.name} {digest(path)}" for path in paths]
    return _hash(numbers, "\n".join(dict.fromkeys(files)))


def _hash(data: dict[str, Any], text: str) -> str:
    return hashlib.sha256((json.dumps(data, sort_keys=True) + "\n" + text).encode()).hexdigest()
