"""Which variants a run measures: each with its bench, its figures and its limits, or the reason why it can't be."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ftj_spice.common.errors import FtjSpiceError, SettingsError
from ftj_spice.netlist.catalogue.variant import Variant, available_variants, load_variant
from ftj_spice.periphery.bench import Bench
from ftj_spice.periphery.benches import bench
from ftj_spice.results.manifest import without_places
from ftj_spice.studies.periphery.limits import Bound, bounds_of, wanted_figures

ALL = "all"


@dataclass(frozen=True)
class Subject:
    """One variant to measure.

    Attributes:
        name: Name of the variant; of the file where it can't be read.
        variant: The variant, where it can be read.
        bench: Its test bench, where there is nothing wrong.
        figures: Figures to measure.
        bounds: Limits in SI units.
        fault: Why it can't be measured, in one sentence.
    """

    name: str
    variant: Variant | None = None
    bench: Bench | None = None
    figures: tuple[str, ...] = ()
    bounds: dict[str, Bound] = field(default_factory=dict)
    fault: str | None = None

    @property
    def drawn(self) -> tuple[str, ...]:
        """Figures that are measured for every Monte Carlo draw."""
        return () if self.bench is None else tuple(name for name in self.bench.drawn if name in self.figures)


def subject(variant: str | Path) -> Subject:
    """Returns one variant with its bench; what is wrong with its files becomes its `fault`.

    Raises:
        SettingsError: There is no packaged variant of that name.
    """
    packaged = Path(variant).suffix != ".toml"
    loaded = None
    try:
        loaded = load_variant(variant)
        if loaded.bench is None:
            raise SettingsError(f"variant '{loaded.name}' is a building block of others: it names no test bench")
        where = f"variant '{loaded.name}'"
        its = bench(loaded.bench, where)
        its.settings.parse(dict(loaded.settings), f"{where}, settings")
        return Subject(loaded.name, loaded, its, wanted_figures(loaded, its), bounds_of(loaded, its))
    except FtjSpiceError as error:
        if packaged and str(variant) not in available_variants():
            raise
        return Subject(Path(variant).stem if loaded is None else loaded.name, loaded, fault=without_places(str(error)))


def choose(variants: Sequence[str]) -> list[Subject]:
    """Returns the variants of a run.

    Args:
        variants: Names, .toml files, `all` for every packaged one that has a bench.

    Raises:
        SettingsError: No packaged variant of that name, or two of one name.
    """
    chosen: list[Subject] = []
    for name in variants:
        if name == ALL:
            packaged = [subject(one) for one in available_variants()]
            chosen += [one for one in packaged if one.variant is None or one.variant.bench is not None]
        else:
            chosen.append(subject(name))
    names = [one.name for one in chosen]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"two of the variants are called '{name}'; give each its own name")
    return chosen
