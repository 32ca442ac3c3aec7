"""What of the Verilog-A tools is on this machine, and what to do about what is missing: part of `doctor`."""

from typing import Any

from ftj_spice.engines.errors import EngineError, EngineNotFoundError
from ftj_spice.engines.vacask.compiler import MODEL, compile_model
from ftj_spice.engines.vacask.locate import (
    COMPILER_VARIABLE,
    INSTALL_HINT,
    SIMULATOR_VARIABLE,
    find_compiler,
    find_simulator,
)


def inspect() -> dict[str, Any]:
    """Returns what is found, as JSON-ready data; nothing missing makes it fail.

    Returns:
        `vacask` and `openvaf`, each with `path` and `version`; `model_compiles`, whether the Verilog-A model
        compiles or was compiled before; `problems`, a list of `{"what": ..., "hint": ...}`. Both tools are optional.
    """
    found: dict[str, Any] = {}
    problems: list[dict[str, str]] = []
    for name, find, variable in (
        ("vacask", find_simulator, SIMULATOR_VARIABLE),
        ("openvaf", find_compiler, COMPILER_VARIABLE),
    ):
        try:
            tool = find()
            found[name] = {"path": tool.path, "version": tool.version}
        except EngineNotFoundError as error:
            found[name] = {"path": None, "version": None}
            problems.append({"what": str(error), "hint": f"{INSTALL_HINT}, or set {variable} to its path"})
    found["model_compiles"] = False
    if found["openvaf"]["path"] is not None:
        try:
            compile_model()
            found["model_compiles"] = True
        except (EngineError, OSError) as error:
            problems.append({"what": f"models/{MODEL} does not compile: {error}", "hint": INSTALL_HINT})
    return found | {"problems": problems}
