"""Makes a macromodel: a chain's fit, with the noise of its front end and the energy of the process's row driver."""

from dataclasses import dataclass
from pathlib import Path

from ftj_spice.common.errors import FtjSpiceError, OutputError, SettingsError
from ftj_spice.common.files import replace_file, writing
from ftj_spice.device.card import Card, load_card
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.netlist.catalogue.variant import load_variant
from ftj_spice.netlist.process.process import load_process
from ftj_spice.periphery.benches import bench
from ftj_spice.periphery.benches.driver import Row
from ftj_spice.periphery.chain import Chain, load_chain
from ftj_spice.periphery.fitting import FitPlan, fit_chain
from ftj_spice.periphery.macromodel import ConvertModel, DriveModel, Macromodel, load_macromodel
from ftj_spice.periphery.rig import Condition, Rig
from ftj_spice.studies.observer import Observer, silent
from ftj_spice.studies.settings import check_jobs

DRIVER = "word_line"
"""Row driver whose energy counts."""


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
    chain: str | Path,
    out: str | Path | None = None,
    *,
    process: str = "generic",
    corner: str = "tt",
    converter: str | Path | None = None,
    plan: FitPlan | None = None,
    jobs: int = 1,
    force: bool = False,
    observer: Observer = silent,
) -> MacromodelResult:
    """Fits a macromodel to transients of a chain.

    Args:
        chain: Name of a packaged chain, or its .toml file.
        out: The .json file to write; none writes nothing.
        process: Process of the transistors: a name or a .toml file.
        corner: Its corner.
        converter: Macromodel whose converter goes behind a chain that has an ideal one; none: none.
        plan: How many reads.
        jobs: ngspice workers side by side.
        force: Replaces an existing file.
        observer: Told about progress.

    Raises:
        FtjSpiceError: Settings, files, simulation or output; the subclass and its sentence say what.
    """
    check_jobs(jobs)
    path = None if out is None else Path(out)
    if path is not None and path.suffix != ".json":
        raise SettingsError(f"a macromodel is stored as .json, not as {path.name[:60]!r}")
    if path is not None and path.exists() and not force:
        raise OutputError(f"{path} exists; choose another -o or pass --force")
    found = load_chain(chain)
    condition = Condition(load_process(process), corner)
    card = load_card(found.card)
    behind = None if converter is None else load_macromodel(converter)
    with NgspiceEngine(jobs) as engine:
        notes: list[str] = []
        noise = _noise(found, condition, card, engine, notes)
        drive = _drive(condition, card, engine, notes)
        model = fit_chain(
            found, condition, card, engine, plan, noise=noise, progress=lambda k, n: observer("fit", k, n)
        )
    model = model.model_copy(update={"drive": drive, "notes": (*model.notes, *notes)})
    if behind is not None:
        model = with_converter(model, behind)
    if path is not None:
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, model.text().encode())
    return MacromodelResult(model, path)


def with_converter(model: Macromodel, other: Macromodel) -> Macromodel:
    """Returns a front end's macromodel with another's converter behind it.

    The converter's references lie at the ends of the front end's range, whichever is the upper one. Its comparator's
    offset and noise are voltages: in steps they grow as the steps shrink.

    Raises:
        SettingsError: The first has a converter already, or the second has none.
    """
    if model.convert is not None or model.sense is None:
        raise SettingsError(f"macromodel '{model.name}' is no front end without a converter")
    convert: ConvertModel | None = other.convert
    if convert is None:
        raise SettingsError(f"macromodel '{other.name}' has no converter")
    note = (
        f"the converter is that of '{other.process}/{other.name}', with its references at the ends of this range, and "
        "its offset and noise as voltages those fitted there; the two were not simulated together"
    )
    if other.sense is not None:
        smaller = abs(other.sense.gain * other.sense.span / (model.sense.gain * model.sense.span))
        scaled = {"offset_sigma": smaller * convert.offset_sigma, "noise": smaller * convert.noise}
        convert = convert.model_copy(update=scaled)
    kept = tuple(one for one in model.notes if not one.startswith("the chain's converter is ideal"))
    added = other.variants[1:] or other.variants
    return model.model_copy(
        update={
            "name": "_".join((model.name, *added)),
            "title": f"{model.title}, {convert.bits}-bit converter",
            "kind": "chain",
            "convert": convert,
            "variants": (*model.variants, *added),
            "notes": (*kept, note),
        }
    )


def _noise(
    chain: Chain, condition: Condition, card: Card, engine: NgspiceEngine, notes: list[str]
) -> tuple[float, str]:
    """Returns the front end's input-referred noise of one read in A, and its source, from its own bench."""
    variant = chain.variant("sense")
    if variant.bench is None:
        return 0.0, "not measured"
    one = bench(variant.bench, f"variant '{variant.name}'")
    if "noise_current" not in one.figures:
        return 0.0, "not measured"
    try:
        found = one.measure(Rig(variant, condition, card, engine, chain.parameters("sense")), ["noise_current"])
    except FtjSpiceError as error:
        notes.append(f"noise could not be measured: {error}")
        return 0.0, "not measured"
    if "noise_current" in found.figures:
        notes_of = (found.notes.get(name) for name in ("noise_charge", "noise_current"))
        return found.figures["noise_current"], next((note for note in notes_of if note), "the variant's own bench")
    notes.append("noise could not be measured: " + "; ".join(found.failures.values()))
    return 0.0, "not measured"


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
