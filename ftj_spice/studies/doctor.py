"""What of the program is on this machine, and what to do about what is missing."""

import platform
from importlib import metadata
from typing import Any

from ftj_spice.common.errors import FtjSpiceError
from ftj_spice.device.card import available_cards, load_card
from ftj_spice.engines import vacask
from ftj_spice.engines.ngspice.doctor import inspect
from ftj_spice.generative.decoder import shipped
from ftj_spice.studies.pdk.listing import process_list

_REINSTALL = "install ftj-spice again"


def examine() -> dict[str, Any]:
    """Returns what is found, as JSON-ready data; nothing missing makes it fail.

    Returns:
        `ftj_spice` and `python`: versions; what the engine's own examination gives (`library`, `command`, `pyspice`);
        `verilog_a`: the optional VACASK and its compiler; `cards`: the packaged device cards that load; `decoder`: the
        shipped decoder's sizes, or none; `processes`: folder of each transistor process's models, or none; `extras`:
        the optional packages' versions, or none; `problems`: a list of `{"what": ..., "hint": ...}`; and `ready`:
        whether `generate` can run.
    """
    engine = inspect()
    problems: list[dict[str, str]] = list(engine.pop("problems"))
    ready = engine.pop("ready")
    cards = []
    for name in available_cards():
        try:
            cards.append(load_card(name).name)
        except FtjSpiceError as error:
            problems.append({"what": str(error), "hint": _REINSTALL})
    if not cards:
        problems.append({"what": "no device card comes with this installation", "hint": _REINSTALL})
    decoder = None
    try:
        loaded = shipped()
        decoder = f"mnist: {loaded.latent_dim} latents, {' x '.join(map(str, loaded.image_shape))} pixels"
    except FtjSpiceError as error:
        problems.append({"what": str(error), "hint": _REINSTALL})
    processes: dict[str, str | None] = {}
    for listing in process_list():
        processes[listing.name] = listing.folder
        if listing.folder is None:
            what = f"the transistor models of {listing.name}, which only the periphery needs, are not installed"
            problems.append({"what": what, "hint": f"ftj-spice pdk install {listing.name}"})
    verilog_a = vacask.inspect()
    problems += verilog_a.pop("problems")
    torch = _version("torch")
    if torch is None:
        problems.append(
            {"what": "PyTorch, which only train needs, is not installed", "hint": "pip install 'ftj-spice[train]'"}
        )
    return {
        "ftj_spice": _version("ftj-spice"),
        "python": platform.python_version(),
        **engine,
        "verilog_a": verilog_a,
        "cards": cards,
        "decoder": decoder,
        "processes": processes,
        "extras": {"train": torch},
        "problems": problems,
        "ready": bool(ready and cards and decoder),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
