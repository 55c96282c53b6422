"""What all tests share: the portable tests' collector and the strictness of CI."""

import os
import tempfile

import hypothesis
import pytest

pytest_plugins = ["portable"]

# Found examples are kept by the developer's machine; CI must give the same verdict each time.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("developer", deadline=None)
# What fleets leave outside their directories (bootstrap/operator/witness.py) is not for this user's home.
_STATE = tempfile.TemporaryDirectory(prefix="backfence-state-")
os.environ["XDG_STATE_HOME"] = _STATE.name
CI = os.environ.get("CI") == "true"
hypothesis.settings.load_profile("ci" if CI else "developer")


class FailuresAtOnce:
    """Writes each failure with its reason when it happens: pytest's own report is minutes away."""

    def __init__(self, reporter):
        self.reporter = reporter

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.reporter.write_line(f"\n{report.when} failed: {report.nodeid}\n{report.longreprtext.rstrip()}")


def pytest_addoption(parser):
    """The option of those who wait for a long run as CI does."""
    parser.addoption("--at-once", action="store_true", help="tell failures when they happen, as in CI")


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """In CI failures are told at once."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if (CI or config.getoption("at_once")) and reporter is not None:
        config.pluginmanager.register(FailuresAtOnce(reporter))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """In CI a skipped test fails the run: what was not tried is not known to work."""
    if not CI or exitstatus != 0:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI: skipped tests count as failures")
        session.exitstatus = 1
