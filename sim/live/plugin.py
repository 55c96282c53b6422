"""The pytest plugin: an operator's own tests run its workloads on an emulated fleet (docs/processors.md).

pytest loads this file wherever Backfence is installed, so it imports nothing of it
before a fixture is asked for.
"""

import contextlib
import importlib.util

import pytest


@contextlib.contextmanager
def told():
    """What a person can put right fails the test with its one line, without our traceback."""
    from backfence.bootstrap.operator.errors import OperatorError
    from backfence.firmware_pkg.build import BuildError
    from backfence.sim.live.interpreters import Missing

    try:
        yield
    except OperatorError as error:
        words = f"{error.message}. {error.hint}" if error.hint else error.message
        raise pytest.fail.Exception(words, pytrace=False) from None
    except (Missing, BuildError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    except ModuleNotFoundError as error:
        words = f"Python's package {error.name} is missing: run `pip install 'backfence[live]'`"
        raise pytest.fail.Exception(words, pytrace=False) from None


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """"host:port" of an MQTT broker on loopback.  Override it by your own to use another."""
    from backfence.bootstrap.operator.broker import Broker

    with told():
        # It runs in a process of its own, which could only say so in its log.
        if importlib.util.find_spec("amqtt") is None:
            raise ModuleNotFoundError(name="amqtt")
        started = Broker.start(str(tmp_path_factory.mktemp("broker") / "broker.log"))
    yield str(started)
    started.stop()


@pytest.fixture(scope="module")
def fleet(broker, tmp_path_factory):
    """fleet(arch="mips", nodes=8) starts a fleet and returns it (fleet.LiveFleet) when its boxes know each other.

    arch: a processor, or several in a list, which the nodes take in turn; or
    "micropython", the machine's own.  More arguments are LiveFleet's: doors, settings.
    Fleets end with the module.
    """
    from backfence.sim.live.fleet import LiveFleet

    def start(arch="micropython", nodes=4, **more):
        names = [arch] if isinstance(arch, str) else list(arch)
        one = LiveFleet(
            tmp_path_factory.mktemp("fleet"), broker, [names[number % len(names)] for number in range(nodes)], **more
        )
        with told():
            return ending.enter_context(one)

    with contextlib.ExitStack() as ending:
        yield start


@pytest.fixture(scope="session")
def push():
    """push(fleet, "words.wasm", [input, ...], replicas=2, quorum=2) returns the settled results (fleet.Done).

    More arguments are LiveFleet.push's.
    """
    def settled(fleet, program, inputs, **options):
        with told():
            return fleet.push(program, inputs, **options)

    return settled
