"""What is imported in the background is begun once, however many tabs come to it at the same time."""

import subprocess
import sys
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


def test_what_is_imported_later_leaves_nothing_heavy_to_a_first_click():
    code = "from explorer.app import loading; loading.PATIENCE = 0; loading._import_rest()"
    code = f"import sys; {code}; print(*sys.modules)"
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"torch", "torch_pruning", "torchvision.datasets", "matplotlib.backends.backend_agg", "pydantic"} <= {*there}
    assert "torch._dynamo" not in there
