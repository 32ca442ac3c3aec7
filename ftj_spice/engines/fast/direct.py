"""Sparse Newton on all nodes at once: slow, robust, and the reference of the relaxation."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, csr_array, diags_array, eye_array
from scipy.sparse.linalg import splu

from ftj_spice.engines.errors import ConvergenceError, SingularMatrixError
from ftj_spice.engines.fast.laws import CellState, cell_state
from ftj_spice.engines.fast.wiring import Lines, Wiring

_ITERATIONS = 200
_STEP = 1e-13  # V per volt of the largest source: a correction this small ends the iteration
_SETTLED = 1e-11  # V per volt: as far as rounding lets weakly held nodes settle
_SHORTEST = 1e-8  # of a Newton step
_LEAST = 1e-24  # S, in the Jacobian of nodes that nothing else holds
_SHORTEST_RISE = 1e-4  # of the sources
_LEAKS = (*(10.0**-k for k in range(6, 22)), 0.0)  # S from every node to ground, one after the other


@dataclass(frozen=True)
class DirectRead:
    """One read, solved.

    Attributes:
        driven: Voltage of the driven line at each cell in V, shape `(rows, columns)`.
        sensed: The same of the sensed line.
        cells: Currents of the cells and the nodes between junction and transistor.
        residual: Largest violation of Kirchhoff's current law in A.
    """

    driven: NDArray[np.float64]
    sensed: NDArray[np.float64]
    cells: CellState
    residual: float


class DirectSolver:
    """Newton's method with a sparse factorisation, for one array and one set of floating lines.

    A step is shortened until the correction that follows it, by the same factorisation, is smaller (Deuflhard's natural
    monotonicity test, in volts: nodes held by microsiemens and by femtosiemens count alike).

    The unknowns of a floating line are its first node's voltage and the differences to it, and that node's equation is
    the sum over the line: cells far weaker than the wire then lose no digits.

    Args:
        wiring: The array's lines.
    """

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        rows, columns = wiring.shape
        driven_node, self._driven_count = _numbering(wiring.driven)
        sensed_node, sensed_count = _numbering(wiring.sensed)
        nodes = self._driven_count + sensed_count
        i, j = np.divmod(np.arange(rows * columns), columns)
        line, place = (i, j) if wiring.along_rows else (j, i)
        self._plus = driven_node[line, place]
        self._minus = self._driven_count + sensed_node[j, i]
        parts = [_branches(wiring.driven, driven_node, 0), _branches(wiring.sensed, sensed_node, self._driven_count)]
        offset = np.array([0, wiring.driven.count])
        begin = np.concatenate([p[0] for p in parts])
        end = np.concatenate([p[1] for p in parts])
        self._wire = np.concatenate([p[2] for p in parts])
        self._source_of = np.concatenate(
            [np.where(p[3] >= 0, p[3] + shift, -1) for p, shift in zip(parts, offset, strict=True)]
        )
        branch = np.arange(len(begin))
        joined = end >= 0
        incidence = coo_array(
            (
                np.concatenate([np.ones(len(begin)), -np.ones(int(joined.sum()))]),
                (np.concatenate([branch, branch[joined]]), np.concatenate([begin, end[joined]])),
            ),
            shape=(len(begin), nodes),
        ).tocsr()
        fixed = np.concatenate(
            [_per_node(wiring.driven, wiring.driven.fixed), _per_node(wiring.sensed, wiring.sensed.fixed)]
        )
        self._fixed = fixed
        self._line_of = np.concatenate(
            [_line_numbers(wiring.driven), wiring.driven.count + _line_numbers(wiring.sensed)]
        )
        floating = np.concatenate([wiring.driven.floating, wiring.sensed.floating])[self._line_of]
        first = np.concatenate([[True], np.diff(self._line_of) > 0])
        free = np.flatnonzero(~fixed)
        self._level_of = self._line_of[free]
        self._is_level = ~floating[free] | first[free]
        self._basis = _basis(self._line_of, floating & ~first, free)
        self._drops = csr_array(incidence @ self._basis)
        self._drops.eliminate_zeros()
        self._linear = (self._drops.T @ diags_array(self._wire) @ self._drops).tocsc()
        cells = np.arange(rows * columns)
        ones = np.ones(rows * columns)
        self._at_plus = coo_array((ones, (cells, self._plus)), shape=(rows * columns, nodes)).tocsr() @ self._basis
        self._at_minus = coo_array((ones, (cells, self._minus)), shape=(rows * columns, nodes)).tocsr() @ self._basis
        self._difference = csr_array(self._at_plus - self._at_minus)

    def solve(self, read: int) -> DirectRead:
        """Solves one read of the drive; where Newton's method fails from afar, the sources are raised step by step.

        Raises:
            ConvergenceError: Newton's method found no solution.
            SingularMatrixError: The array has no unique solution.
        """
        wiring = self.wiring
        sources = np.concatenate([wiring.sources[read], wiring.holds])
        gate = None if wiring.gates is None else np.broadcast_to(wiring.gates[read][:, None], wiring.shape)
        try:
            return self._newton(self._start(sources), sources, gate)[1]
        except ConvergenceError:
            pass
        try:
            return self._follow(sources, gate)
        except ConvergenceError:
            return self._release(sources, gate)

    def _release(self, sources: NDArray[np.float64], gate: NDArray[np.float64] | None) -> DirectRead:
        """Holds every node at ground by a conductance and lets go step by step: lines that hardly anything holds."""
        x = np.zeros(self._basis.shape[1])
        for leak in _LEAKS:
            x, found = self._newton(x, sources, gate, leak)
        return found

    def _follow(self, sources: NDArray[np.float64], gate: NDArray[np.float64] | None) -> DirectRead:
        x = np.zeros(self._basis.shape[1])
        reached, step = 0.0, 0.125
        while True:
            try:
                x, found = self._newton(x, min(1.0, reached + step) * sources, gate)
            except ConvergenceError:
                step *= 0.25
                if step < _SHORTEST_RISE:
                    raise
                continue
            reached += step
            if reached >= 1.0:
                return found
            step *= 2.0

    def _newton(
        self,
        x: NDArray[np.float64],
        sources: NDArray[np.float64],
        gate: NDArray[np.float64] | None,
        leak: float = 0.0,
    ) -> tuple[NDArray[np.float64], DirectRead]:
        scale = max(1.0, float(np.abs(sources).max()))
        known = np.where(self._fixed, sources[self._line_of], 0.0)
        emf = np.where(self._source_of >= 0, sources[self._source_of], 0.0)
        state, residual = self._evaluate(x, known, emf, gate, leak)
        for _ in range(_ITERATIONS if len(x) else 0):
            solve = self._factorised(state, leak)
            step = -solve(residual)
            full = float(np.abs(step).max())
            length = 1.0
            while True:
                trial = x + length * step
                new_state, new_residual = self._evaluate(trial, known, emf, gate, leak)
                inside = np.isfinite(new_residual).all() and self._plausible(trial, known, sources)
                left = float(np.abs(solve(new_residual)).max()) if inside else np.inf
                if left <= (1.0 - 0.25 * length) * full or full <= _SETTLED * scale:
                    break
                length *= 0.5
                if length < _SHORTEST:
                    raise ConvergenceError("the direct solver found no solution: Newton's steps stopped helping")
            x, state, residual = trial, new_state, new_residual
            if left <= _STEP * scale or full <= _SETTLED * scale:
                break
        else:
            if len(x):
                raise ConvergenceError(f"the direct solver found no solution in {_ITERATIONS} iterations")
        plus, minus = self._voltages(x, known)
        return x, DirectRead(plus, minus, state, float(np.abs(residual).max(initial=0.0)))

    def _start(self, sources: NDArray[np.float64]) -> NDArray[np.float64]:
        """Every line at its source's voltage; floating lines between the extremes."""
        floating = np.concatenate([self.wiring.driven.floating, self.wiring.sensed.floating])
        held = sources[~floating]
        level = np.where(floating, 0.5 * (held.min() + held.max()) if len(held) else 0.0, sources)
        return np.where(self._is_level, level[self._level_of], 0.0)

    def _plausible(self, x: NDArray[np.float64], known: NDArray[np.float64], sources: NDArray[np.float64]) -> bool:
        """Whether no voltage leaves the sources' range by more than its width; solutions never leave it."""
        low, high = min(0.0, float(sources.min())), max(0.0, float(sources.max()))
        room = high - low + 1e-9
        return all(v.min() >= low - room and v.max() <= high + room for v in self._voltages(x, known))

    def _voltages(
        self, x: NDArray[np.float64], known: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        voltage = self._basis @ x + known
        return voltage[self._plus].reshape(self.wiring.shape), voltage[self._minus].reshape(self.wiring.shape)

    def _evaluate(
        self,
        x: NDArray[np.float64],
        known: NDArray[np.float64],
        emf: NDArray[np.float64],
        gate: NDArray[np.float64] | None,
        leak: float,
    ) -> tuple[CellState, NDArray[np.float64]]:
        circuit = self.wiring.circuit
        plus, minus = self._voltages(x, known)
        transistor = circuit.transistor if circuit.wiring.transistor else None
        with np.errstate(over="ignore", invalid="ignore"):
            state = cell_state(circuit.cells, transistor, gate, plus, minus)
            wires = self._wire * (self._drops @ x - emf)
            residual = self._drops.T @ wires + self._difference.T @ state.current.reshape(-1)
        if leak:
            residual = residual + leak * (self._basis.T @ (self._basis @ x + known))
        return state, residual

    def _factorised(self, state: CellState, leak: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
        driven, sensed = state.driven.reshape(-1), state.sensed.reshape(-1)
        cells = diags_array(driven) @ self._at_plus - diags_array(sensed) @ self._at_minus
        matrix = csc_array(self._linear + self._difference.T @ cells)
        if leak:
            matrix = csc_array(matrix + leak * (self._basis.T @ self._basis))
        for least in (0.0, _LEAST):
            try:
                held = csc_array(matrix + least * eye_array(matrix.shape[0])) if least else matrix
                return splu(held, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve
            except RuntimeError:  # singular, exactly: a node behind cells whose slope is no number above 0
                continue
        raise SingularMatrixError("the array has no unique solution: a node that nothing holds")


def _line_numbers(lines: Lines) -> NDArray[np.int64]:
    return np.repeat(np.arange(lines.count), 1 if lines.lumped else lines.length)


def _numbering(lines: Lines) -> tuple[NDArray[np.int64], int]:
    """Returns each cell's node, shape `(lines, length)`, and the number of nodes."""
    if lines.lumped:
        return np.broadcast_to(np.arange(lines.count)[:, None], (lines.count, lines.length)), lines.count
    total = lines.count * lines.length
    return np.arange(total).reshape(lines.count, lines.length), total


def _per_node(lines: Lines, values: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return values[_line_numbers(lines)]


def _branches(
    lines: Lines, node: NDArray[np.int64], shift: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Returns begin, end (-1: a source), conductance and source (-1: none) of terminations and wire segments."""
    node = node + shift
    parts = []
    for end, conductance in ((0, lines.first), (-1, lines.last)):
        there = np.flatnonzero((conductance > 0) & np.isfinite(conductance))
        parts.append((node[there, end], np.full(len(there), -1), conductance[there], there))
    if not lines.lumped:
        begin, end = node[:, :-1].reshape(-1), node[:, 1:].reshape(-1)
        parts.append((begin, end, np.full(len(begin), lines.segment), np.full(len(begin), -1)))
    return tuple(np.concatenate([part[k] for part in parts]) for k in range(4))  # type: ignore[return-value]


def _basis(line_of: NDArray[np.int64], follows: NDArray[np.bool_], free: NDArray[np.int64]) -> csr_array:
    """Returns the matrix from unknowns to node voltages; a floating line's nodes follow its first one."""
    nodes = len(line_of)
    position = np.full(nodes, -1)
    position[free] = np.arange(len(free))
    followers = np.flatnonzero(follows)
    leader = np.searchsorted(line_of, line_of[followers])
    row = np.concatenate([free, followers])
    column = np.concatenate([position[free], position[leader]])
    return coo_array((np.ones(len(row)), (row, column)), shape=(nodes, len(free))).tocsr()
