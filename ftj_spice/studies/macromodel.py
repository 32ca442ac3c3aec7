"""Makes a macromodel: of a chain or of a variant, with the energy of the process's row driver."""

import difflib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from ftj_spice.common.errors import FtjSpiceError, OutputError, SettingsError
from ftj_spice.common.files import writing
from ftj_spice.common.packaged import read_toml
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.catalogue.variant import Variant, available_variants, load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.benches.driver import Row
from ftj_spice.periphery.chain import Chain, available_chains, load_chain
from ftj_spice.periphery.fitting import FitPlan, fit_chain
from ftj_spice.periphery.identity import identity_of_chain, identity_of_variant
from ftj_spice.periphery.macromodel import DriveModel, Macromodel, load_macromodel, store_macromodel
from ftj_spice.periphery.measured import part_of
from ftj_spice.periphery.rig import Condition, Rig
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.periphery.settings import PeripherySettings
from ftj_spice.studies.settings import check_jobs
from ftj_spice.studies.variant_macromodel import DRAWS, VariantPlan, bench_chain, fit_variant

DRIVER = "word_line"
"""Row driver whose energy counts."""
LEAST_DRAWS = 3
"""Draws without which a spread says nothing."""


@dataclass(frozen=True)
class MacromodelResult:
    """A macromodel and where it stands.

    Attributes:
        model: The macromodel.
        path: Its file, where one was written.
    """

    model: Macromodel
    path: Path | None


def make_macromodel(
    circuit: str | Path,
    out: str | Path | None = None,
    *,
    process: str = "generic",
    corner: str | None = None,
    card: str | None = None,
    converter: str | Path | None = None,
    draws: int | None = None,
    plan: FitPlan | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
) -> MacromodelResult:
    """Fits a macromodel to transients of a read-out chain or of a single variant.

    Args:
        circuit: Name of a packaged chain or variant (a chain where both have it), or the .toml file of one.
        out: The .json file to write; none writes nothing.
        process: Process of the transistors: a name or a .toml file.
        corner: Its corner; none: the typical one.
        card: Card of the column of a variant; a chain names its own.
        converter: Macromodel whose converter goes behind a front end that has an ideal one; none: none.
        draws: Draws of mismatch that the spreads come from; none: 12 columns of a chain, 24 of a variant.
        plan: How many reads of a chain.
        jobs: ngspice workers side by side.
        force: Replaces an existing file.
        observer: Told about progress.

    Raises:
        FtjSpiceError: Settings, files, simulation or output; the subclass and its sentence say what.
    """
    check_jobs(jobs)
    path = None if out is None else _checked(Path(out), force)
    if draws is not None and draws < LEAST_DRAWS:
        raise SettingsError(f"spreads take {LEAST_DRAWS} draws at least, not {draws}")
    found = load_circuit(circuit)
    if isinstance(found, Chain) and card is not None:
        raise SettingsError(f"chain '{found.name}' names its card, '{found.card}': leave the card out")
    behind = None if converter is None else _converter(converter, found)
    own = load_process(process)
    condition = Condition(own, corner or own.typical)
    own.corner(condition.corner)
    if isinstance(found, Chain):
        column = load_card(found.card)
        identity = identity_of_chain(found, circuit, own, process, condition.corner)
    else:
        column = load_card(card or PeripherySettings().card)
        identity = identity_of_variant(found, own, process, condition.corner)
        part = part_of(found)
    notes: list[str] = []

    def told(done: int, total: int) -> None:
        observer("fit", done, total)

    if path is not None:
        _try_folder(path.parent)
    with NgspiceEngine(jobs) as engine:
        if isinstance(found, Variant) and part != "sense":
            amount = VariantPlan(draws or DRAWS, draws or DRAWS, (plan or FitPlan()).seed)
            model = fit_variant(found, condition, column, engine, amount, progress=told)
        else:
            chain = found if isinstance(found, Chain) else bench_chain(found, column)
            amounts = plan or FitPlan(columns=FitPlan().columns if isinstance(found, Chain) else DRAWS)
            amounts = amounts if draws is None else replace(amounts, columns=draws)
            model = fit_chain(chain, condition, column, engine, amounts, progress=told)
        drive = _drive(condition, column, engine, notes)
    model = model.model_copy(update={"identity": identity, "drive": drive, "notes": (*model.notes, *notes)})
    if behind is not None:
        model = with_converter(model, behind)
    if path is not None:
        store_macromodel(model, path)
    return MacromodelResult(model, path)


def _checked(path: Path, force: bool) -> Path:
    """Returns the file to write, refused where it may not be written."""
    if path.suffix != ".json":
        raise SettingsError(f"a macromodel is stored as .json, not as {path.name[:60]!r}")
    if path.exists() and not force:
        raise OutputError(f"{path} exists; choose another -o or pass --force")
    return path


def _converter(name: str | Path, front: Chain | Variant) -> Macromodel:
    """Returns the macromodel whose converter goes behind a front end."""
    behind = load_macromodel(name)
    if behind.convert is None:
        raise SettingsError(f"macromodel '{behind.name}' has no converter")
    if isinstance(front, Chain):
        if front.convert is not None:
            raise SettingsError(f"chain '{front.name}' has a converter of its own: leave the converter out")
    elif part_of(front) != "sense":
        raise SettingsError(f"a converter goes behind a front end, which '{front.name}' is not")
    return behind


def _try_folder(folder: Path) -> None:
    """Finds out before long work whether a folder can be written."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def load_circuit(circuit: str | Path) -> Chain | Variant:
    """Returns the chain or the variant of a packaged name or a .toml file; a chain where both have the name.

    Raises:
        SettingsError: There is none, or the file is malformed.
    """
    if Path(circuit).suffix == ".toml":
        return load_variant(circuit) if "kind" in read_toml(Path(circuit)) else load_chain(circuit)
    chains, variants = available_chains(), available_variants()
    if str(circuit) in chains:
        return load_chain(circuit)
    if str(circuit) in variants:
        return load_variant(circuit)
    near = difflib.get_close_matches(str(circuit), [*chains, *variants], n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"chains: {', '.join(chains)}; variants: {', '.join(variants)}"
    raise SettingsError(f"no read-out chain or variant named {str(circuit)[:60]!r}; {hint}")


def with_converter(model: Macromodel, other: Macromodel) -> Macromodel:
    """Returns a front end's macromodel with another's converter behind it.

    The converter's references lie at the ends of the front end's range, whichever is the upper one. Its comparator's
    offset and noise are voltages: in steps they grow as the steps shrink.

    Raises:
        SettingsError: The first has a converter already, or the second has none.
    """
    if model.convert is not None or model.sense is None:
        raise SettingsError(f"macromodel '{model.name}' is no front end without a converter")
    convert, sense = other.convert, model.sense
    if convert is None:
        raise SettingsError(f"macromodel '{other.name}' has no converter")
    notes = [
        f"the converter is that of '{other.process}/{other.name}', with its references at the ends of this range, and "
        "its offset and noise as voltages those fitted there; the two were not simulated together"
    ]
    step = abs(sense.gain) * sense.span / (2**convert.bits - 1)
    if convert.step > 0:
        scaled = {name: getattr(convert, name) * convert.step / step for name in ("offset_sigma", "noise")}
        convert = convert.model_copy(update=scaled | {"step": step})
    else:
        notes.append("the width of the converter's steps is not known: its offset and noise stand as they are in steps")
    if not convert.area > 0:
        notes.append("the converter's area is not known, and not in the sum")
    kept = tuple(one for one in model.notes if not one.startswith("the chain's converter is ideal"))
    added = other.variants[1:] or other.variants
    return model.model_copy(
        update={
            "name": "_".join((model.name, *added)),
            "title": f"{model.title}, {convert.bits}-bit converter",
            "kind": "chain",
            "convert": convert,
            "area": model.area + convert.area,
            "variants": (*model.variants, *added),
            "identity": None,
            "notes": (*kept, *notes),
        }
    )


def _drive(condition: Condition, card: Card, engine: NgspiceEngine, notes: list[str]) -> DriveModel | None:
    """Returns the row driver's energy per pulse to V_VMM, from its own bench."""
    variant = load_variant(DRIVER)
    try:
        found = bench(variant.bench or "", DRIVER).measure(Rig(variant, condition, card, engine), ["energy"])
    except FtjSpiceError as error:
        notes.append(f"the row driver could not be measured: {error}")
        return None
    energy = {
        name.removeprefix("energy_"): value for name, value in found.figures.items() if name.startswith("energy_")
    }
    row = Row.model_validate({k: v for k, v in variant.settings.items() if k in Row.model_fields})
    load = row.columns * (row.segment_capacitance + card.capacitance)
    return DriveModel(variant=DRIVER, load=load, energy=energy) if energy else None
