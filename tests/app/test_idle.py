"""A server that nobody looks at holds on to nothing, and knows when that is."""

import threading
import time
import weakref

from app_test import BUNDLED, metrics, settle, visit

from explorer.app import cache, idle, work
from explorer.app.idle import Tabs
from explorer.images import reading


def test_what_is_let_go_is_there_again_at_once(truth):
    before = metrics(visit())
    network = cache.checkpoint(BUNDLED)
    reading.load_split("fashion-mnist", "test")
    assert cache.checkpoint(BUNDLED) is network and work.jobs()._jobs
    idle.let_go()
    assert not work.jobs()._jobs and not reading._read.cache_info().currsize
    assert cache.checkpoint(BUNDLED) is not network
    assert metrics(settle(visit())) == before


def test_networks_are_let_go_though_a_closed_tab_may_still_come_back_to_them(truth):
    point = cache.checkpoint(BUNDLED)
    network = weakref.ref(point.model)
    idle.let_go()
    assert network() is None
    assert point.model is point.model and not point.model.training, "it is loaded anew"


def test_memory_is_let_go_once_the_last_tab_has_been_closed_for_a_while(monkeypatch):
    there, ended, gone = {"a", "b"}, [], threading.Event()
    monkeypatch.setattr(idle, "exists", lambda: True)
    monkeypatch.setattr(idle, "get_instance", lambda: type("Runtime", (), {"is_active_session": there.__contains__}))
    tabs = Tabs(ended.append, gone.set, closed=0.1, look=0.02)
    for tab in "ab":
        tabs.note(tab)
    time.sleep(0.3)
    assert not ended
    there.remove("a")
    end = time.monotonic() + 10
    while not ended and time.monotonic() < end:
        time.sleep(0.02)
    assert ended == [{"a"}] and not gone.is_set()
    there.clear()
    assert gone.wait(10) and ended == [{"a"}, {"b"}] and not tabs._watching
    there.add("c")
    tabs.note("c")
    assert tabs._watching
    there.clear()
