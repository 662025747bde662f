"""What every test is to leave alone: the private folders of whoever runs it."""

import os
import signal

import pytest

from fedstats.federations.keys import HOME_VARIABLE

# a shell starts background jobs with Ctrl-C ignored, and what they start would ignore it too
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def home_of_this_session(tmp_path_factory):
    """Keys and outboxes of all places go into a folder of this session, not into the user's own."""
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(tmp_path_factory.mktemp("home"))
    yield
    os.environ.pop(HOME_VARIABLE)
    if before is not None:
        os.environ[HOME_VARIABLE] = before
