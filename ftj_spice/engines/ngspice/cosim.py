"""Trap noise inside ngspice: native callbacks that give EXTERNAL sources their value at every Newton iteration.

ngspice asks for the sources' values (`_source`), reports each accepted point (`_accepted_data`, then `_synchronise`
with location 0) and each rejected step (location 1). What makes this exact:

- `_source` is a pure function of committed state and asked time: asked again, or for a step that is then rejected, it
  answers the same and changes nothing.
- State is committed in one place only, `_synchronise` at location 0, once per accepted point.
- All candidate events and acceptance draws were drawn before the run from each trap's own seed stream
  (`ftj_spice.device.traps`), so step control can't change the random numbers.

Two resolutions:

- AVERAGES: the source gives the trap's mean state over the step, so the charge of the current it modulates is exact
  for backward Euler (`.options method=gear maxord=1`) at any step. Acceptance uses the bias of the last accepted point:
  exact for a bias that is constant between breakpoints, first order in the step otherwise.
- EVENTS: the next step is cut so that it lands on every transition (and, while the bias moves, on every candidate, so
  that acceptance sees the bias of its own time); the source then steps over `edge_time`.

The callbacks share one table of array addresses, passed as ngspice's user pointer. Between noise runs `IDLE` stands
in for them: every EXTERNAL source at 0 V, no step touched.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from ftj_spice.common.compiling import CACHE
from ftj_spice.device.traps import Candidates, TrapHistory, accepts

MOVING_BIAS = 1e-4
"""A bias that changes by more than this between two accepted points counts as moving, in V."""


class Resolution(IntEnum):
    """How trap transitions meet ngspice's time steps."""

    AVERAGES = 0
    EVENTS = 1


# Slots of the address table, in the order of `_BUFFERS`.
_BUFFERS = (
    "times", "draws", "offsets", "table", "state", "cursor", "bias", "accepted_bias", "plus", "minus",
    "next_event", "asked", "answer", "clock", "integers", "history_time", "history_trap", "history_state",
    "source_name",
)  # fmt: skip
(_TIMES, _DRAWS, _OFFSETS, _TABLE, _STATE, _CURSOR, _BIAS, _ACCEPTED_BIAS, _PLUS, _MINUS,
 _NEXT, _ASKED, _ANSWER, _CLOCK, _INTEGERS, _HTIME, _HTRAP, _HSTATE, _SOURCE_NAME) = range(len(_BUFFERS))  # fmt: skip
# Entries of `clock` (seconds, volts) and `integers`.
_ACCEPTED_TIME, _EDGE_TIME, _FLOOR, _LOWEST, _HIGHEST, _STOP = range(6)
_COUNT, _MODE, _TRANSITIONS, _UNKNOWN_SOURCE, _SHARED_TRAP = range(5)
_NO_TRAP = -1  # of the last two integers
_TABLE_SIZE = len(_BUFFERS)


@intrinsic
def _pointer(typingctx, address):  # type: ignore[no-untyped-def]
    """Turns an integer address into a void pointer."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.intp), codegen


@numba.njit(inline="always")
def _floats(table, slot, shape):
    return numba.carray(_pointer(table[slot]), shape, np.float64)


@numba.njit(inline="always")
def _ints(table, slot, shape):
    return numba.carray(_pointer(table[slot]), shape, np.int64)


@numba.njit(inline="always")
def _trap_number(name):
    """Reads a source's name: the number that its last digits give (-1 where there are none), and a hash of it all."""
    text = numba.carray(name, 1024)
    number, digits, code, k = 0, 0, 5381, 0
    while text[k] != 0:
        character = np.int64(text[k])
        code = code * 33 + character
        if 48 <= character <= 57:
            number = number * 10 + character - 48 if digits else character - 48
            digits += 1
        else:
            digits = 0
        k += 1
    return (number if 0 < digits < 18 else -1), code


@numba.njit(inline="always")
def _average(times, draws, stop, table, trap, cursor, state, bias, begin, end):
    """Mean state over [begin, end] from committed state, without changing it."""
    filled, since = 0.0, begin
    k = cursor
    while k < stop and times[k] <= end:
        if accepts(table, trap, state, draws[k], bias):
            filled += state * (times[k] - since)
            since = times[k]
            state = 1 - state
        k += 1
    return (filled + state * (end - since)) / (end - begin)


_source_signature = types.int32(
    types.CPointer(types.float64), types.float64, types.CPointer(types.uint8), types.int32, types.CPointer(types.int64)
)


@numba.cfunc(_source_signature, cache=CACHE)
def _source(value, time, name, ident, user):  # pragma: no cover - compiled
    address = numba.carray(user, _TABLE_SIZE)
    integers = _ints(address, _INTEGERS, 5)
    count = integers[_COUNT]
    trap, code = _trap_number(name)
    out = numba.carray(value, 1)
    if trap < 0 or trap >= count:
        integers[_UNKNOWN_SOURCE] = max(trap, 0)
        out[0] = 0.0
        return 0
    source_name = _ints(address, _SOURCE_NAME, count)
    if source_name[trap] != code:
        if source_name[trap] != 0:
            integers[_SHARED_TRAP] = trap
        source_name[trap] = code
    state = _ints(address, _STATE, count)
    clock = _floats(address, _CLOCK, 6)
    begin = clock[_ACCEPTED_TIME]
    if integers[_MODE] == 1 or time <= begin:
        out[0] = state[trap]
        return 0
    asked = _floats(address, _ASKED, count)
    answer = _floats(address, _ANSWER, count)
    if asked[trap] != time:
        offsets = _ints(address, _OFFSETS, count + 1)
        total = offsets[count]
        cursor = _ints(address, _CURSOR, count)
        bias = _floats(address, _ACCEPTED_BIAS, count)
        answer[trap] = _average(
            _floats(address, _TIMES, total),
            _floats(address, _DRAWS, total),
            offsets[trap + 1],
            _floats(address, _TABLE, (count, 6)),
            trap,
            cursor[trap],
            state[trap],
            bias[trap],
            begin,
            time,
        )
        asked[trap] = time
    out[0] = answer[trap]
    return 0


_data_signature = types.int32(types.CPointer(types.int64), types.int32, types.int32, types.CPointer(types.int64))


@numba.cfunc(_data_signature, cache=CACHE)
def _accepted_data(data, count_, ident, user):  # pragma: no cover - compiled
    """Copies the bias of every trap from the accepted point's saved vectors (struct vecvaluesall)."""
    address = numba.carray(user, _TABLE_SIZE)
    integers = _ints(address, _INTEGERS, 5)
    count = integers[_COUNT]
    head = numba.carray(data, 2)  # {int veccount; int vecindex}, pvecvalues *vecsa
    vectors = head[0] & 0xFFFFFFFF
    values = numba.carray(_pointer(head[1]), vectors, np.int64)
    plus, minus = _ints(address, _PLUS, count), _ints(address, _MINUS, count)
    bias = _floats(address, _BIAS, count)
    clock = _floats(address, _CLOCK, 6)
    for trap in range(count):
        voltage = 0.0
        if plus[trap] >= 0:
            voltage += numba.carray(_pointer(values[plus[trap]]), 2, np.float64)[1]  # {char *name; double creal; ...}
        if minus[trap] >= 0:
            voltage -= numba.carray(_pointer(values[minus[trap]]), 2, np.float64)[1]
        bias[trap] = voltage
        clock[_LOWEST] = min(clock[_LOWEST], voltage)
        clock[_HIGHEST] = max(clock[_HIGHEST], voltage)
    return 0


_sync_signature = types.int32(
    types.float64,
    types.CPointer(types.float64),
    types.float64,
    types.int32,
    types.int32,
    types.int32,
    types.CPointer(types.int64),
)


@intrinsic
def _as_floats(typingctx, pointer):  # type: ignore[no-untyped-def]
    """Turns a pointer to integers into one to floats."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.float64)(pointer), codegen


@numba.njit(inline="always")
def _end_at(stop, time, delta):
    """Shortens a step that would pass the end; left to ngspice, it would stop 1.1e-11 steps short of it."""
    step = numba.carray(delta, 1)
    if time + step[0] > stop and time < stop:
        step[0] = stop - time
        while time + step[0] > stop:
            step[0] *= 1.0 - 1.2e-16


@numba.cfunc(_sync_signature, cache=CACHE)
def _synchronise(time, delta, old_delta, redo, ident, location, user):  # pragma: no cover - compiled
    address = numba.carray(user, _TABLE_SIZE)
    if location != 0:
        _end_at(_floats(address, _CLOCK, 6)[_STOP], time, delta)
        return 0
    integers = _ints(address, _INTEGERS, 5)
    count, mode = integers[_COUNT], integers[_MODE]
    clock = _floats(address, _CLOCK, 6)
    offsets = _ints(address, _OFFSETS, count + 1)
    total = offsets[count]
    times, draws = _floats(address, _TIMES, total), _floats(address, _DRAWS, total)
    table = _floats(address, _TABLE, (count, 6))
    state, cursor = _ints(address, _STATE, count), _ints(address, _CURSOR, count)
    bias, accepted = _floats(address, _BIAS, count), _floats(address, _ACCEPTED_BIAS, count)
    history_time = _floats(address, _HTIME, total)
    history_trap, history_state = _ints(address, _HTRAP, total), _ints(address, _HSTATE, total)
    due = time if mode == 0 else time + clock[_FLOOR]
    toggled = False
    earliest = np.inf
    next_event = _floats(address, _NEXT, count)
    for trap in range(count):
        stop = offsets[trap + 1]
        moved = abs(bias[trap] - accepted[trap]) > MOVING_BIAS
        k = cursor[trap]
        while k < stop and times[k] <= due:
            # A candidate landed on (events) sees the bias of its own time; one inside the step, that of its begin.
            landed = mode == 1 and times[k] >= time - clock[_FLOOR]
            if accepts(table, trap, state[trap], draws[k], bias[trap] if landed else accepted[trap]):
                state[trap] = 1 - state[trap]
                n = integers[_TRANSITIONS]
                history_time[n], history_trap[n], history_state[n] = times[k], trap, state[trap]
                integers[_TRANSITIONS] = n + 1
                toggled = True
                moved = True  # forces a new look-ahead below
            k += 1
        advanced = k != cursor[trap]
        cursor[trap] = k
        if mode == 1:
            if moved or advanced or next_event[trap] <= due or bias[trap] != accepted[trap]:
                if abs(bias[trap] - accepted[trap]) <= MOVING_BIAS:
                    while k < stop and not accepts(table, trap, state[trap], draws[k], bias[trap]):
                        k += 1
                next_event[trap] = times[k] if k < stop else np.inf
            earliest = min(earliest, next_event[trap])
        accepted[trap] = bias[trap]
    clock[_ACCEPTED_TIME] = time
    if mode == 1:
        step = numba.carray(delta, 1)
        if toggled:
            step[0] = min(step[0], clock[_EDGE_TIME])
        step[0] = min(step[0], max(earliest - time, clock[_FLOOR]))
    return 0


@numba.cfunc(_source_signature, cache=CACHE)
def _idle_source(value, time, name, ident, user):  # pragma: no cover - compiled
    numba.carray(value, 1)[0] = 0.0
    return 0


@numba.cfunc(_data_signature, cache=CACHE)
def _idle_data(data, count_, ident, user):  # pragma: no cover - compiled
    return 0


@numba.cfunc(_sync_signature, cache=CACHE)
def _idle_synchronise(time, delta, old_delta, redo, ident, location, user):  # pragma: no cover - compiled
    if location != 0:
        _end_at(numba.carray(_as_floats(user), 1)[0], time, delta)
    return 0


class _Idle:
    """Callbacks between noise runs."""

    source = _idle_source
    accepted_data = _idle_data
    synchronise = _idle_synchronise

    def __init__(self) -> None:
        self._stop = np.zeros(1)

    @property
    def address(self) -> int:
        """Address of the end of the transient, the user pointer of the callbacks."""
        return int(self._stop.ctypes.data)

    def end_at(self, stop: float) -> None:
        """Tells the callbacks where the next transient ends."""
        self._stop[0] = stop


IDLE = _Idle()


@dataclass(frozen=True)
class TrapPlan:
    """What a netlist's traps need for one transient.

    Trap number i drives the EXTERNAL source whose name ends in the digits i: each trap exactly one source.

    Attributes:
        candidates: Pre-drawn events, from `ftj_spice.device.traps.draw_candidates`.
        plus: Node at the plus side of each trap's cell, shape `(traps,)`; `"0"` is ground.
        minus: Node at its minus side.
        resolution: How transitions meet time steps.
        edge_time: Rise time of a transition with `EVENTS`, in s.
    """

    candidates: Candidates
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    resolution: Resolution = Resolution.AVERAGES
    edge_time: float = 1e-9

    @property
    def nodes(self) -> list[str]:
        """The nodes whose voltages must be saved, sorted, ground left out."""
        return sorted({*self.plus, *self.minus} - {"0"})


class CoSimulation:
    """The buffers behind the callbacks during one transient; keep it alive while ngspice runs."""

    source = _source
    accepted_data = _accepted_data
    synchronise = _synchronise

    def __init__(self, plan: TrapPlan) -> None:
        c = plan.candidates
        count, total = len(c.initial), len(c.times)
        clock = np.array([0.0, plan.edge_time, 1e-12, np.inf, -np.inf, 0.0])
        self._plan = plan
        self._buffers: dict[str, NDArray[Any]] = {
            "times": np.ascontiguousarray(c.times),
            "draws": np.ascontiguousarray(c.draws),
            "offsets": np.ascontiguousarray(c.offsets, np.int64),
            "table": np.ascontiguousarray(c.table),
            "state": c.initial.astype(np.int64).copy(),
            "cursor": c.offsets[:-1].astype(np.int64).copy(),
            "bias": np.zeros(count),
            "accepted_bias": np.zeros(count),
            "plus": np.full(count, -1, np.int64),
            "minus": np.full(count, -1, np.int64),
            "next_event": np.zeros(count),
            "asked": np.full(count, -1.0),
            "answer": np.zeros(count),
            "clock": clock,
            "integers": np.array([count, int(plan.resolution), 0, _NO_TRAP, _NO_TRAP], np.int64),
            "history_time": np.empty(total),
            "history_trap": np.empty(total, np.int64),
            "history_state": np.empty(total, np.int64),
            "source_name": np.zeros(count, np.int64),
        }
        self._addresses = np.array([self._buffers[name].ctypes.data for name in _BUFFERS], np.int64)

    @property
    def address(self) -> int:
        """Address of the table, the user pointer of the callbacks."""
        return int(self._addresses.ctypes.data)

    def end_at(self, stop: float) -> None:
        """Tells the callbacks where the transient ends."""
        self._buffers["clock"][_STOP] = stop

    def bind(self, vectors: list[str]) -> None:
        """Tells the callbacks at which position of the saved vectors each node's voltage comes.

        Raises:
            KeyError: A node of the plan is not among the saved vectors.
        """
        position = {name.lower().removeprefix("v(").removesuffix(")"): i for i, name in enumerate(vectors)}
        for side, nodes in (("plus", self._plan.plus), ("minus", self._plan.minus)):
            self._buffers[side][:] = [-1 if node == "0" else position[node.lower()] for node in nodes]

    @property
    def bias_range(self) -> tuple[float, float]:
        """Lowest and highest bias that a cell had at an accepted point, in V."""
        lowest, highest = self._buffers["clock"][[_LOWEST, _HIGHEST]]
        return float(lowest), float(highest)

    @property
    def misfit(self) -> str | None:
        """What does not fit between the plan's traps and the netlist's EXTERNAL sources."""
        integers = self._buffers["integers"]
        count = integers[_COUNT]
        if integers[_UNKNOWN_SOURCE] != _NO_TRAP:
            number = f"number {integers[_UNKNOWN_SOURCE]}" if integers[_UNKNOWN_SOURCE] else "without a number"
            return f"the netlist has an EXTERNAL source {number}, but the trap plan holds traps 0 to {count - 1}"
        if integers[_SHARED_TRAP] != _NO_TRAP:
            return f"two EXTERNAL sources of the netlist have the number of trap {integers[_SHARED_TRAP]}"
        idle = np.flatnonzero(self._buffers["source_name"] == 0)
        if len(idle):
            return f"the netlist has no EXTERNAL source for trap {idle[0]}"
        return None

    def finish(self, time: float) -> None:
        """Commits the last accepted step: ngspice does not synchronise after the final point."""
        delta = np.array([np.inf])
        self.synchronise.ctypes(time, delta.ctypes.data_as(self.synchronise.ctypes.argtypes[1]), 0.0, 0, 0, 0,
                                self._addresses.ctypes.data_as(self.synchronise.ctypes.argtypes[6]))  # fmt: skip

    def history(self) -> TrapHistory:
        """Returns what the traps did, in the order it happened."""
        n = int(self._buffers["integers"][_TRANSITIONS])
        b = self._buffers
        order = np.argsort(b["history_time"][:n], kind="stable")
        return TrapHistory(
            self._plan.candidates.initial.copy(),
            b["history_time"][:n][order],
            b["history_trap"][:n][order],
            b["history_state"][:n][order],
            self._plan.candidates.duration,
        )
