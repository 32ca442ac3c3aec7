"""One engine for the circuits of a module."""

import pytest

from ftj_spice.engines.errors import EngineNotFoundError
from ftj_spice.engines.ngspice import NgspiceEngine
from ftj_spice.engines.ngspice.locate import find_library


@pytest.fixture(scope="module")
def ngspice():
    try:
        find_library()
    except EngineNotFoundError:
        pytest.skip("libngspice is not installed")
    with NgspiceEngine(time_limit=240.0) as engine:
        yield engine
