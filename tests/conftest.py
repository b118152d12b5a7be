"""What the tests of all lessons' checks share."""

import pytest

from fcnlib import checks


@pytest.fixture
def said(capsys):
    """Run a check as a student does and return the one line that it printed."""

    def run(name, answer):
        assert getattr(checks, name)(answer) is None
        (line,) = capsys.readouterr().out.splitlines()
        return line

    return run
