"""Counts what was compared with the captures, and says so at the end of a test run."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many fields of how many logs came out as expected."""
    told = [
        value
        for report in terminalreporter.stats.get("passed", [])
        for name, value in getattr(report, "user_properties", [])
        if name == "fields_as_expected"
    ]
    if told:
        terminalreporter.write_line(
            f"logs of real tools: {sum(told)} fields of {len(told)} logs as expected"
        )
