"""`ftj-spice netlist`: self-contained netlists."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ftj_spice.cli.output import say

EPILOG = (
    "Kinds: cell (single junctions, I-V), crossbar, nor, 1t1f, nor1t, and (arrays, column currents), "
    "read (one read as a transient), write (one junction with its switching, under write pulses), "
    "sample, sample-comparator (noise, with trap histories).\n\n"
    "Examples:\n\n"
    "  ftj-spice netlist crossbar --rows 64 --columns 64 -o xbar.cir && ngspice -b xbar.cir\n\n"
    "  ftj-spice netlist 1t1f --drive both --driver-resistance 100 -o 1t1f.cir\n\n"
    "  ftj-spice netlist nor --conductance G.npy -o nor.cir\n\n"
    "  ftj-spice netlist write -o write.cir && ngspice -b -r write.raw write.cir\n\n"
    "  ftj-spice netlist sample --rows 16 --columns 1 --samples 20 -o noise.cir"
)


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command(epilog=EPILOG)(netlist)


def netlist(
    kind: Annotated[str, typer.Argument(help="What to write; see below.")],
    rows: Annotated[int, typer.Option(help="Word lines.")] = 8,
    columns: Annotated[int, typer.Option(help="Bit lines.")] = 8,
    card: Annotated[str, typer.Option(help="Device card: a packaged name or a .toml file.")] = "hzo_mfis_nominal",
    line_resistance: Annotated[float, typer.Option(help="Ohm per wire segment.")] = 2.0,
    driver_resistance: Annotated[float, typer.Option(help="Ohm of each driver (arrays).")] = 0.0,
    sense_resistance: Annotated[float, typer.Option(help="Ohm of each sense amplifier (arrays).")] = 0.0,
    drive: Annotated[str, typer.Option(help="Driven ends of the lines: first, last or both (arrays).")] = "first",
    sense: Annotated[str, typer.Option(help="Held ends of the columns: first, last or both (arrays).")] = "last",
    conductance: Annotated[
        Path | None,
        typer.Option(
            help="G in siemens at V_VMM: a .npy file with a matrix, which sets rows and columns; else random levels."
        ),
    ] = None,
    samples: Annotated[int, typer.Option(help="Latent samples (sample kinds).")] = 8,
    model: Annotated[
        str, typer.Option(help="Junction of a write netlist: subcircuit, or verilog-a (needs an ngspice with OSDI).")
    ] = "subcircuit",
    seed: Annotated[int, typer.Option(help="Seed of random levels and trap histories.")] = 0,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File to write; else standard output.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a netlist that plain `ngspice -b` runs."""
    from ftj_spice.studies.netlists import NetlistOrder, make_netlist, write_netlist

    order = NetlistOrder(
        rows, columns, card, line_resistance, conductance, seed, samples, model, driver_resistance, sense_resistance,
        drive, sense,
    )  # fmt: skip
    text = make_netlist(kind, order)
    if out is None:
        say(text)
        return
    write_netlist(text, out, force=force)
    say(f"{out}: {len(text.splitlines())} lines; run it with: ngspice -b {shlex.quote(str(out))}")
