"""What stands before the server ends the sessions of closed tabs."""

import asyncio
import threading

import pytest

from explorer.app import front


class Runtime:
    """Streamlit's, as far as it is asked here: of the tabs a and b, b is open."""

    def __init__(self):
        self.closed = []

    def is_active_session(self, tab):
        return tab == "b"

    def close_session(self, tab):
        self.closed.append((tab, threading.current_thread()))


@pytest.fixture
def server(monkeypatch):
    """The thread of a server's event loop, which the app knows."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setattr(front, "_loops", [loop])
    yield thread
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_sessions_of_closed_tabs_are_ended_on_the_servers_thread_and_those_of_open_ones_go_on(monkeypatch, server):
    runtime = Runtime()
    monkeypatch.setattr(front, "get_instance", lambda: runtime)
    front.close({"a", "b"})
    assert runtime.closed == [("a", server)]


def test_without_a_server_there_is_nothing_to_close():
    front.close({"a"})
