"""Ctrl-C, and the signals that end a program politely: each stops the work in hand, which then cleans up."""

import signal
import time
from types import FrameType

PATIENCE = 5.0
"""Seconds in which a second signal does not disturb the cleaning up."""


class Interruption:
    """Turns SIGINT, SIGTERM and SIGHUP into `KeyboardInterrupt`, and remembers which came.

    Attributes:
        status: Exit status that belongs to the signal that came (128 + its number); `None` while none came.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self._since = 0.0

    def watch(self) -> None:
        """Takes over the signals, except those that whoever started the program chose to ignore (`nohup`)."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._came)

    def ignore(self) -> None:
        """Lets nothing come any more, while the program ends."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            signal.signal(getattr(signal, name), signal.SIG_IGN)

    def _came(self, number: int, frame: FrameType | None) -> None:
        if self.status is not None and time.monotonic() - self._since < PATIENCE:
            return
        self.status, self._since = 128 + number, time.monotonic()
        raise KeyboardInterrupt
