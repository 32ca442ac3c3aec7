"""Makes the packaged macromodels of read-outs anew, from transients of their transistors, and lists how well they fit.

    python benchmarks/periphery_models.py [--process NAME ...] [--only NAME ...] [--all] [--list] [-j N]

A macromodel whose process or circuits are no longer what it was made from is made again, as
`ftj-spice periphery macromodel` does with its defaults; `--all` makes every one again, `--list` none. A chain takes
some 180 reads through transistors, half a second to two seconds each on a core of its own.
"""

import argparse
import time
from dataclasses import dataclass

from ftj_spice.common import resources
from ftj_spice.common.errors import FtjSpiceError, SettingsError
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.chain import available_chains
from ftj_spice.periphery.identity import identity_of_variant, transistors_of
from ftj_spice.periphery.macromodel import Macromodel, load_macromodel, store_macromodel
from ftj_spice.studies.macromodel import make_macromodel

PROCESSES = ("generic", "sky130")


@dataclass(frozen=True)
class Recipe:
    """How a packaged macromodel is made.

    Attributes:
        circuit: Chain or variant.
        name: Of the macromodel.
        converter: Packaged macromodel of the same process whose converter goes behind it.
    """

    circuit: str
    name: str
    converter: str | None = None


RECIPES = (
    *(Recipe(name, name) for name in ("strongarm", "double_tail", "static_hysteresis", "rc_edge")),
    *(Recipe(name, name) for name in ("bitline_latch", "current_comparator", "clamped_latch")),
    *(Recipe(name, name) for name in ("integrator_sar", "integrator_flash", "tia_sar", "tia_reset_sar")),
    *(Recipe(name, f"{name}_sar6", "integrator_sar") for name in ("tia_folded", "conveyor")),
    *(Recipe(name, name) for name in ("integrator_fast_sar", "tia_fast_sar")),
    *(Recipe(name, name) for name in ("integrator_single_slope", "integrator_fast_single_slope")),
)
"""All of them; what others take stands before them."""


def found(recipe: Recipe, process: str) -> Macromodel | None:
    """Returns the packaged macromodel, or none."""
    try:
        return load_macromodel(f"{process}/{recipe.name}")
    except SettingsError:
        return None


def stale(model: Macromodel, recipe: Recipe, process: str) -> str | None:
    """Returns why a macromodel has to be made again, or none."""
    if model.identity is None:
        return "it does not say what it was made from"
    try:
        if recipe.circuit in available_chains():
            transistors_of(model)
        else:
            own = load_process(process)
            now = identity_of_variant(load_variant(recipe.circuit), own, process, model.corner)
            if now != model.identity:
                return "its circuit has another content now"
    except SettingsError as error:
        return str(error)
    return None


def table(processes: list[str], recipes: list[Recipe]) -> None:
    """Prints a line for each macromodel."""
    print("| macromodel | made of | card | a read | energy | area | fit error, rms / largest | draws |")
    print("|---" * 8 + "|")
    for process in processes:
        for recipe in recipes:
            model = found(recipe, process)
            if model is None:
                print(f"| {process}/{recipe.name} | not made |  |  |  |  |  |  |")
                continue
            fit = model.fit
            error = "" if fit is None else f"{fit.rms:.2g} / {fit.largest:.2g} {fit.unit} ({fit.compared})"
            print(
                f"| {process}/{model.name} | {', '.join(model.variants)} | {model.card} | {1e6 * model.time:.4g} us | "
                f"{1e12 * model.energy:.4g} pJ | {1e12 * model.area:.0f} um2 | {error} | {model.draws} |"
            )


def main() -> None:
    """Makes what is missing or no longer right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--process", nargs="*", default=PROCESSES)
    parser.add_argument("--only", nargs="*", help="Names of macromodels; all without it.")
    parser.add_argument("--all", action="store_true", help="Make those again that are right.")
    parser.add_argument("--list", action="store_true", help="Make none.")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    arguments = parser.parse_args()
    recipes = [one for one in RECIPES if arguments.only is None or one.name in arguments.only]
    failed = False
    for recipe in recipes:
        for process in arguments.process:
            name, model = f"{process}/{recipe.name}", found(recipe, process)
            why = "there is none" if model is None else stale(model, recipe, process)
            if why is None and not arguments.all:
                continue
            print(f"{name}: {why or 'made again'}", flush=True)
            if arguments.list:
                continue
            begin = time.perf_counter()
            behind = None if recipe.converter is None else f"{process}/{recipe.converter}"
            try:
                made = make_macromodel(recipe.circuit, process=process, converter=behind, jobs=arguments.jobs).model
            except FtjSpiceError as error:
                print(f"{name} could not be made: {error}", flush=True)
                failed = True
                continue
            store_macromodel(made, resources.models() / "periphery" / process / f"{made.name}.json")
            print(f"{name}: made in {time.perf_counter() - begin:.0f} s", flush=True)
    table(list(arguments.process), recipes)
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
