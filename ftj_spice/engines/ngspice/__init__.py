"""ngspice in worker processes: the reference engine."""

from ftj_spice.engines.ngspice.cosim import Resolution as Resolution
from ftj_spice.engines.ngspice.cosim import TrapPlan as TrapPlan
from ftj_spice.engines.ngspice.doctor import inspect as inspect
from ftj_spice.engines.ngspice.pool import NgspiceEngine as NgspiceEngine
from ftj_spice.engines.ngspice.pool import Open as Open
from ftj_spice.engines.ngspice.session import NgspiceSession as NgspiceSession
