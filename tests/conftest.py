"""What all tests share: the portable tests' collector and the strictness of CI."""

import os

import hypothesis
import pytest

pytest_plugins = ["portable"]

# Found examples are kept by the developer's machine; CI must give the same verdict each time.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("developer", deadline=None)
CI = os.environ.get("CI") == "true"
hypothesis.settings.load_profile("ci" if CI else "developer")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """In CI a skipped test fails the run: what was not tried is not known to work."""
    if not CI or exitstatus != 0:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("CI: skipped tests count as failures")
        session.exitstatus = 1
