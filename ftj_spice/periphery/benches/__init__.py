"""Test benches: one module per kind of circuit, each an instance of `Bench`; found by name with `bench`."""

import importlib
import pkgutil
from functools import cache

from ftj_spice.common.errors import SettingsError
from ftj_spice.periphery.bench import Bench


@cache
def benches() -> dict[str, Bench]:
    """Returns all benches by name: every module of this package has one, called `BENCH`."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    found = [module.BENCH for module in modules if hasattr(module, "BENCH")]
    return {bench.name: bench for bench in found}


def bench(name: str, where: str) -> Bench:
    """Returns a bench.

    Args:
        name: Its name.
        where: What asks for it; opens the error's sentence.

    Raises:
        SettingsError: There is none.
    """
    if name not in benches():
        raise SettingsError(f"{where}: no test bench named '{name}'; known: {', '.join(sorted(benches()))}")
    return benches()[name]
