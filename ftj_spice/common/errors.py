"""The base of every error that is part of the interface.

A `FtjSpiceError` carries one clear sentence for the user; the command line prints it without a traceback and exits
with `exit_code`. Everything else (a `TypeError`, an `IndexError`) is a programming error and keeps its traceback.
"""


class FtjSpiceError(Exception):
    """Something a user can put right; its text is one sentence: what is wrong, where, and what would be right."""

    exit_code = 1


class SettingsError(FtjSpiceError):
    """A setting, card or command-line value is unknown, malformed or out of range."""

    exit_code = 2


class DataError(FtjSpiceError):
    """A file's content (weights, images, conductances) is damaged or does not fit."""


class OutputError(FtjSpiceError):
    """A run directory or file can't be written."""
