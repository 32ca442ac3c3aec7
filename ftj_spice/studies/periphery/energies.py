"""The section of a run's page on energy: what a read of a column takes, block by block, and published figures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ftj_spice.periphery.energy import array_energy
from ftj_spice.results.report import Cell, Report
from ftj_spice.results.units import engineering as eng
from ftj_spice.studies.energy_report import claims_table
from ftj_spice.studies.periphery.decision import JOBS, Chain, chains
from ftj_spice.studies.periphery.merits import merits
from ftj_spice.studies.periphery.results import VariantResults

if TYPE_CHECKING:
    from ftj_spice.studies.periphery.study import PeripheryResult

COLUMN = JOBS[0]
"""A sum over the cells of a column."""
ROUNDING = 1e-9
"""What the swing stays within a converter's range by."""
TEXT = (
    f"One read of a column of {COLUMN.cells} cells by each circuit that gives sums, with the largest current that lies "
    "in its range and the converter's. Array: computed, V_VMM times that current over the time of both. Drivers: "
    "transients, one pulse of a row's "
    f"driver, the one of this run that takes least, shared by {COLUMN.cells} columns. Sense: transients. Convert: "
    "transients, one conversion by the converter of this run that takes least and has the range. A multiply-accumulate "
    f"is one of {COLUMN.cells} of a read with inputs of one bit; an operation is half of it. Digital logic behind the "
    "converter, clock trees, references and programming are not counted. A dash: no such circuit in this run."
)


@dataclass(frozen=True)
class ReadEnergy:
    """Energy of one read of a column by block, in J; none where the run has no such circuit that fits.

    Attributes:
        circuit: Sense circuit, with the converter.
        process: Process.
        time: Of the read in s.
        array: In the cells.
        drivers: Of a column's share in the rows' drivers.
        sense: Of the sense circuit.
        convert: Of the converter.
        works: Whether there are no draws of the sense circuit, or some that keep its limits.
    """

    circuit: str
    process: str
    time: float
    array: float
    drivers: float | None
    sense: float
    convert: float | None
    works: bool = True

    @property
    def total(self) -> float:
        """All blocks that are known."""
        return self.array + (self.drivers or 0.0) + self.sense + (self.convert or 0.0)

    @property
    def per_mac(self) -> float | None:
        """Per multiply-accumulate in J; none without a converter, which makes no sum."""
        return None if self.convert is None else self.total / COLUMN.cells

    @property
    def tops_per_watt(self) -> float | None:
        """Two operations per multiply-accumulate over its energy, in 1e12 per J."""
        return None if self.per_mac is None else 2e-12 / self.per_mac


def read_energies(process: str, variants: Mapping[str, VariantResults], voltage: float) -> list[ReadEnergy]:
    """Returns the energy of a read for each sense circuit that has a range, with its cheapest converter.

    Args:
        process: Name of the process.
        variants: Results by variant.
        voltage: V_VMM in V.
    """
    drivers = [v.figures["energy"] for v in variants.values() if v.bench == "driver" and "energy" in v.figures]
    found = []
    for one in variants.values():
        if one.kind != "sense":
            continue
        f, time = one.figures, merits(one).time
        if time is None or not f.get("gain") or not {"energy", "range_high"} <= f.keys():
            continue
        chain, current = _cheapest(one, variants)
        time = time if chain is None else chain.time
        found.append(
            ReadEnergy(
                one.variant if chain is None else chain.name, process, time, array_energy(voltage, current * time),
                min(drivers, default=None), f["energy"], None if chain is None else chain.energy - f["energy"],
                not one.useless,
            )
        )  # fmt: skip
    return found


def _cheapest(one: VariantResults, variants: Mapping[str, VariantResults]) -> tuple[Chain | None, float]:
    """Returns the chain of a sense circuit that takes least, and the largest column current in its range in A."""
    found: list[tuple[Chain, float]] = []
    for converter in variants.values():
        g = converter.figures
        if converter.kind == "convert" and {"input_low", "input_high"} <= g.keys():
            swing = g["input_high"] - g["input_low"]
            current = min(one.figures["range_high"], (1.0 - ROUNDING) * swing / abs(one.figures["gain"]))
            pair = {one.variant: one, converter.variant: converter}
            found += [(chain, current) for chain in chains(COLUMN, pair, current / COLUMN.cells)]
    return min(found, key=lambda each: (each[0].energy, each[0].name), default=(None, one.figures["range_high"]))


def energy_section(report: Report, result: "PeripheryResult") -> None:
    """Adds the energy of reads by block, and published figures beside the run's best."""
    found = [
        one
        for process, variants in result.variants.items()
        for one in read_energies(process, variants, result.card.vmm_voltage)
    ]
    if not found:
        return
    report.section("Energy of a read", TEXT)
    blocks = ("array", "drivers", "sense", "convert", "total", "per_mac")
    rows = [
        [
            _name(one),
            one.process,
            eng(one.time, "s"),
            *(_joules(getattr(one, name)) for name in blocks),
            one.tops_per_watt,
        ]
        for one in found
    ]
    header = ["circuits", "process", "time", "array", "drivers", "sense", "convert", "together", "per MAC", "TOPS/W"]
    report.table(rows, header, "Energy of a read of a column. Crossed out: no draw of the circuit keeps its limits.")
    claims_table(report, ours(found))


def ours(found: list[ReadEnergy]) -> dict[str, str]:
    """Returns the run's best figures to stand beside published ones, by their key; of circuits that work."""
    found = [one for one in found if one.works]
    if not found:
        return {}
    best = min((one for one in found if one.per_mac is not None), key=lambda one: one.per_mac or 0.0, default=None)
    figures = {"sense": eng(min(one.sense for one in found), "J") + " per read of a column"}
    if best is not None:
        figures |= {
            "tops_per_watt": f"{best.tops_per_watt:.3g} TOPS/W", "per_mac": eng(best.per_mac or 0.0, "J") + " per MAC"
        }  # fmt: skip
        figures["convert"] = eng(min(one.convert for one in found if one.convert is not None), "J") + " per conversion"
    return figures


def _name(one: ReadEnergy) -> Any:
    return one.circuit if one.works else Cell(one.circuit, "fails", "no draw of it works and keeps its limits")


def _joules(value: float | None) -> str | None:
    return None if value is None else eng(value, "J")
