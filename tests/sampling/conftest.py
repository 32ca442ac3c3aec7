import pytest

from ftj_spice.engines.ngspice import NgspiceEngine


@pytest.fixture(scope="session")
def engine():
    """One ngspice worker for all tests of this room."""
    with NgspiceEngine() as one:
        yield one
