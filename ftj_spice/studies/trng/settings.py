"""Settings of the random-bit verbs, from a TOML file and the command line."""

from collections.abc import Iterable
from pathlib import Path

from ftj_spice.sampling.trng.settings import TrngSettings
from ftj_spice.studies.settings import read_settings


def load_trng_settings(path: str | Path | None = None, changes: Iterable[str] = ()) -> TrngSettings:
    """Returns the settings of a TOML file (or the defaults), changed by `key=value` strings.

    Args:
        path: The file; none means the defaults.
        changes: Such as `digitiser=differential` or `parameters.lag=0.01`.

    Raises:
        SettingsError: Unreadable file, malformed TOML or change, unknown key, value out of range.
    """
    return read_settings(TrngSettings, path, changes)
