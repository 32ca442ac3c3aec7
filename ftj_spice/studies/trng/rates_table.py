"""The rates table in words, for the command line."""

from typing import TYPE_CHECKING, Any

from ftj_spice.results.units import engineering as eng
from ftj_spice.results.units import grouped

if TYPE_CHECKING:
    from ftj_spice.studies.trng.rates import RatesResult


def rates_lines(result: "RatesResult", m: dict[str, Any]) -> list[str]:
    """Returns the table, line by line.

    Args:
        result: Operating point and claims.
        m: Its metrics.
    """
    point, claims, need = result.point, result.claims, m["for_the_claims"]
    at, name = m["at_claimed_entropy"], result.design.variant.name
    range_note = "" if point.in_range else " (outside the range that the card's noise is meant for)"
    lines = [
        f"{name} on {m['card']} at {point.voltage:g} V{range_note}: tau_c {eng(point.capture_time, 's')}, tau_e "
        f"{eng(point.emission_time, 's')}, tau_eff {eng(point.relaxation_time, 's')}, filled {point.occupancy:.1%}",
        f"  one digitiser, {point.interval / point.relaxation_time:.3g} tau_eff per bit: {eng(point.rate, 'b/s')}, "
        f"{_bits(point.entropy)}, first bit after {eng(point.first_bit, 's')}, each next {eng(point.interval, 's')}, "
        f"a free-running one {eng(point.free_running, 's')}",
        f"  energy per bit: cells {eng(point.cell_energy, 'J')}, digitiser {eng(point.periphery_energy, 'J')} "
        "(what its TOML file counts; no amplifier before the comparator)",
        f"claims ({m['claims']['source']}): {eng(claims.rate, 'b/s')}, {claims.entropy:g} bit/bit, latency under "
        f"{eng(claims.latency, 's')}, {eng(1e6 * claims.energy, 'J')} per 1e6 bits",
    ]
    if m["reaches_claimed_entropy"]:
        lines.append(f"  {claims.entropy:g} bit/bit takes {at['relaxations']:.2f} tau_eff, {eng(at['interval'], 's')}")
    else:
        lines.append(
            f"  {claims.entropy:g} bit/bit: not shown to be reached by these raw bits at any interval; below, the "
            f"settings' own interval ({_bits(at['entropy'])})"
        )
    lines += [
        f"  rate: {grouped(need['cells'])} cells side by side, {eng(need['area_m2'] * 1e6, 'mm²')} of cells alone, "
        f"{eng(need['power_W'], 'W')}; or one digitiser with tau_eff "
        f"{eng(need['relaxation_time_of_one_digitiser_s'], 's')}",
        f"  latency: the first bit needs tau_eff {eng(need['relaxation_time_for_latency_of_first_bit_s'], 's')} with "
        f"its settling, each bit {eng(need['relaxation_time_for_latency_of_each_bit_s'], 's')}; "
        + (
            "both are there"
            if need["meets"]["latency_of_first_bit"]
            else "here only a free-running bit is there in time"
        ),
        f"  energy: {eng(at['energy'], 'J')} per bit, "
        + ("within" if need["meets"]["energy"] else "above")
        + f" the claim, which allows intervals up to {eng(need['longest_interval_for_energy_s'], 's')}",
        "digitisers   tau_eff needed   voltage   filled   bit/bit   energy/bit   power",
    ]
    for row in m["arrays"]:
        head = f"{row['digitisers']:>10,}   {eng(row['relaxation_time_s'], 's'):>14}"
        if "entropy" not in row:
            lines.append(f"{head}   no read voltage reaches it")
            continue
        mark = "" if row["in_range"] else "   extrapolated"
        entropy = "–" if row["entropy"] is None else f"{row['entropy']:.3f}"
        lines.append(
            f"{head}   {row['voltage_V']:5.2f} V   {row['occupancy']:5.0%}   {entropy:>7}   "
            f"{eng(row['energy_J'], 'J'):>10}   {eng(row['power_W'], 'W')}{mark}"
        )
    lines.append(
        f"cells for {eng(claims.rate, 'b/s')} with tau_c = tau_e and {m['reference_relaxations']:g} tau_eff per bit, "
        "any card: " + ", ".join(f"{grouped(row['cells'])} at {eng(row['time_s'], 's')}" for row in m["reference"])
    )
    return lines


def _bits(entropy: float | None) -> str:
    return "no closed form of its entropy" if entropy is None else f"{entropy:.4f} bit/bit"
