"""Netlists that repeat what a bench did: each with the values that were altered and the last analysis that was run."""

from collections.abc import Sequence
from typing import Any

from ftj_spice.engines.ngspice import Open
from ftj_spice.engines.ngspice.session import NgspiceSession
from ftj_spice.engines.protocol import Analysis, Result


class NotedSession:
    """A session that keeps note of what was altered and run last; everything else is the session's own.

    Args:
        session: The session.
    """

    def __init__(self, session: NgspiceSession) -> None:
        self._session = session
        self.altered: dict[str, float] = {}
        self.command: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __enter__(self) -> "NotedSession":
        return self

    def __exit__(self, *exc: object) -> None:
        self._session.close()

    def alter(self, **values: float) -> None:
        """Alters, as the session does."""
        self._session.alter(**values)
        self.altered |= {name.lower(): float(value) for name, value in values.items()}

    def run(self, analysis: Analysis, vectors: Sequence[str]) -> Result:
        """Runs, as the session does."""
        result = self._session.run(analysis, vectors)
        self.command = analysis.command()
        return result


class Noting:
    """Opens sessions and notes, by netlist, what was run in them.

    Args:
        open_netlist: What opens them.
    """

    def __init__(self, open_netlist: Open) -> None:
        self._open = open_netlist
        self._sessions: dict[str, NotedSession] = {}

    def open(self, netlist: str) -> NotedSession:
        """Opens a session."""
        session = NotedSession(self._open(netlist))
        self._sessions[netlist] = session
        return session

    def runnable(self, netlist: str, name: str) -> str:
        """Returns a netlist that repeats its last run with a plain `ngspice -b FILE` and writes NAME.raw.

        Args:
            netlist: As it was opened; one that was not stays as it is.
            name: Identifier.
        """
        session = self._sessions.get(netlist)
        if session is None or session.command is None:
            return netlist
        alters = [f"alter {element} = {value:.12g}" for element, value in session.altered.items()]
        control = "\n".join(
            [".control", "set num_threads=1", *alters, session.command, f"write {name}.raw", "quit", ".endc"]
        )
        body, end, _ = netlist.rpartition(".end")
        return f"{body}{control}\n{end}\n"
