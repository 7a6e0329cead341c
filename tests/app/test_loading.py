"""What is imported in the background is begun once, however many tabs come to it at the same time."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from explorer.app import loading


class Slow(threading.Thread):
    """A thread that takes a while to start, as on a busy machine, and counts how often it is asked to."""

    asked = 0

    def start(self) -> None:
        self.asked += 1
        time.sleep(0.1)
        super().start()


def test_two_tabs_at_once_start_an_import_once():
    ran = []
    thread = Slow(target=ran.append, args=(1,))
    with ThreadPoolExecutor(4) as tabs:
        list(tabs.map(loading._start, [thread] * 4))
    thread.join()
    assert ran == [1] and thread.asked == 1
