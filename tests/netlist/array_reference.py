"""Arrays solved from the description of the wiring alone: dense Newton, residuals in extended precision.

It shares no code with the package's templates and engines; only the laws' formulas are repeated.
"""

from itertools import pairwise

import numpy as np

WIDE = np.longdouble


def softplus(u):
    return np.logaddexp(WIDE(0), u)


def transistor(t, gate, drain, source):
    """Returns current, its slope by drain, and minus its slope by source."""
    pinch = (WIDE(gate) - WIDE(t.threshold)) / WIDE(t.slope_factor)
    double = 2 * WIDE(t.thermal_voltage)
    u, w = (pinch - source) / double, (pinch - drain) / double
    scale = WIDE(t.specific_current)
    slope = [2 * softplus(x) / (1 + np.exp(-x)) / double * scale for x in (w, u)]
    return scale * (softplus(u) ** 2 - softplus(w) ** 2), *slope


def junction(cells, i, j, voltage):
    strength, scale = WIDE(cells.strength[i, j]), WIDE(cells.scale)
    if cells.law == "linear":
        return strength * voltage, strength
    if cells.law == "physical":
        step = WIDE(1e-7)
        flow, low, high = (
            strength * physical(cells.physical, WIDE(cells.share[i, j]), voltage + s) for s in (0, -step, step)
        )
        return flow, (high - low) / (2 * step)
    assert cells.law == "sinh"
    return strength * np.sinh(voltage / scale), strength / scale * np.cosh(voltage / scale)


def physical(p, share, voltage):
    """The two states' currents over the ferroelectric's voltage, mixed, times that voltage."""
    v = WIDE(p.divider) * voltage
    c = (1 + (v / p.clamp) ** 8) ** WIDE(-0.125)
    a, b = p.barrier_first + v * c / 2, p.barrier_second - v * c / 2
    r = np.sqrt(a) + np.sqrt(b)
    y = WIDE(0.75) * p.height * v * c / r
    s = np.sinh(y) / y if abs(y) > 1e-6 else 1 + y * y / 6
    tall = (a + np.sqrt(a * b) + b) / r
    off = p.direct * np.exp(-p.height * tall) * r**2 * s * WIDE(0.75) * p.height * c / r
    off += p.emission * abs(v) * np.exp(-p.emission_slope / np.sqrt(v**2 + WIDE(p.flat_voltage) ** 2))
    root = (v**2 + WIDE(p.low_field) ** 2) ** WIDE(0.25)
    on = off + p.frenkel * np.exp((p.frenkel_slope * root - p.trap_depth) / p.thermal)
    return v * (off ** (1 - share) * on**share if p.logarithmic else (1 - share) * off + share * on)


class Net:
    """Nodes by name; ("fixed", volts) are held."""

    def __init__(self):
        self.numbers, self.wires = {}, []

    def node(self, name):
        if isinstance(name, float):
            return name
        return self.numbers.setdefault(name, len(self.numbers))

    def wire(self, a, b, ohm):
        self.wires.append((self.node(a), self.node(b), 1 / WIDE(ohm)))


def line(net, names, resistance, voltage, ends, terminal):
    """Joins the cells of a line, and the ends that are held through `terminal` ohm; returns each cell's node."""
    first, last = ends in ("first", "both"), ends in ("last", "both")
    if resistance == 0:
        if voltage is None:
            return [names[0]] * len(names)
        if terminal == 0:
            return [voltage] * len(names)
        for _ in range(first + last):
            net.wire(names[0], voltage, terminal)
        return [names[0]] * len(names)
    for a, b in pairwise(names):
        net.wire(a, b, resistance)
    if voltage is not None:
        for held, cell in ((first, names[0]), (last, names[-1])):
            if held:
                net.wire(cell, voltage, resistance + terminal)
    return names


def solve(circuit, drive, read=0):
    """Returns the column currents of one read, in A."""
    rows, columns = circuit.shape
    along_rows = circuit.topology != "and"
    net = Net()
    w, b = {}, {}
    lines = rows if along_rows else columns
    for k in range(lines):
        cells = [(k, p) if along_rows else (p, k) for p in range(columns if along_rows else rows)]
        floating = drive.floating_lines is not None and drive.floating_lines[k]
        volts = None if floating else float(drive.lines[read, k])
        ends = line(net, [("w", *c) for c in cells], circuit.driven_line.resistance, volts, circuit.drive,
                    circuit.driver_resistance)  # fmt: skip
        w |= dict(zip(cells, ends, strict=True))
    for j in range(columns):
        cells = [(i, j) for i in range(rows)]
        floating = drive.floating_columns is not None and drive.floating_columns[j]
        volts = None if floating else float(0.0 if drive.sense is None else drive.sense[j])
        ends = line(net, [("b", *c) for c in cells], circuit.sensed_line.resistance, volts, circuit.sense,
                    circuit.sense_resistance)  # fmt: skip
        b |= dict(zip(cells, ends, strict=True))
    with_transistor = circuit.topology in ("1t1f", "nor1t", "and")
    branches = []  # (node, node, kind, cell)
    for cell in w:
        top, bottom = net.node(w[cell]), net.node(b[cell])
        if with_transistor:
            middle = net.node(("m", *cell))
            branches += [(top, middle, "junction", cell), (middle, bottom, "transistor", cell)]
        else:
            branches.append((top, bottom, "junction", cell))
    x = np.zeros(len(net.numbers), WIDE)

    def at(node):
        return WIDE(node) if isinstance(node, float) else x[node]

    def parts(kind, cell, a, c):
        if kind == "junction":
            flow, slope = junction(circuit.cells, *cell, at(a) - at(c))
            return flow, slope, slope
        return transistor(circuit.transistor, drive.gates[read, cell[0]], at(a), at(c))

    for leak in [*10.0 ** np.arange(-3, -18, -3), 0.0]:  # conductance from each node to ground, ever smaller
        best = np.inf
        for iteration in range(100 if len(x) else 0):
            residual = leak * x
            matrix = np.diag(np.full(len(x), leak))
            for a, c, g in net.wires:
                stamp(residual, matrix, a, c, g * (at(a) - at(c)), g, g)
            for a, c, kind, cell in branches:
                stamp(residual, matrix, a, c, *parts(kind, cell, a, c))
            root = np.sqrt(np.diag(matrix)) + 1e-150
            step = np.linalg.solve(matrix / root[:, None] / root, np.asarray(residual / root, float)) / root
            x -= np.clip(step, -0.2, 0.2)
            size = np.abs(step).max()
            if size < 1e-6 and (leak > 0 or (iteration > 3 and size >= best)):
                break
            best = size
    currents = np.zeros(columns, WIDE)
    for a, c, kind, cell in branches:
        if kind == "junction":
            currents[cell[1]] += parts(kind, cell, a, c)[0]
    if drive.floating_columns is not None:
        currents[drive.floating_columns] = 0
    return np.asarray(currents, float)


def stamp(residual, matrix, a, c, flow, by_a, by_c):
    """Adds a branch from a to c to the nodal equations."""
    for near, far, sign, own, other in ((a, c, 1, by_a, by_c), (c, a, -1, by_c, by_a)):
        if not isinstance(near, float):
            residual[near] += sign * flow
            matrix[near, near] += own
            if not isinstance(far, float):
                matrix[near, far] -= other
