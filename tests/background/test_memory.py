"""Memory is handed back, and what stays in it is no leak."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.background.memory import without


@pytest.mark.slow
def test_what_stays_in_memory_is_let_go_at_the_end_without_a_complaint():
    """Libraries bound by nanobind call every object a leak that is still there when Python ends."""
    code = "import torch._dynamo; from explorer.background import memory; memory.settle(); memory.give_back()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout + ended.stderr == ""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere nothing is to be done")
def test_what_threads_have_freed_goes_back_while_they_are_still_there():
    """As the server has it: threads share arenas, and glibc's malloc_trim leaves the ends of all but the first."""
    code = """if True:
        import re, threading
        from pathlib import Path
        from explorer.background import memory

        def megabytes():
            return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

        def work():
            blocks = [bytearray(2**20) for _ in range(50)]
            del blocks
            freed.wait()
            end.wait()

        freed, end = threading.Barrier(4), threading.Event()
        threading.Thread(target=end.wait).start()  # it has an arena of its own, as the server's first threads have
        memory.share_arenas()
        before = megabytes()
        for _ in range(3):
            threading.Thread(target=work).start()
        freed.wait()
        memory.give_back()
        memory.give_back_ends()
        print(megabytes() - before)
        end.set()"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ended.stdout) < 5, "MB, of 150"


def test_a_package_is_not_there_within_and_is_there_again_after_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with without("wave"), pytest.raises(ImportError):
        import wave
    import wave

    with without("wave"):  # which is there already, and stays
        import wave as again
    assert again is wave is sys.modules["wave"]


@pytest.mark.slow
def test_weighing_a_network_takes_no_compiler_into_memory():
    code = """if True:
        import sys, torch
        from explorer.answers import compressing
        from explorer.compression.counting import count
        assert count(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), torch.zeros(1, 3, 8, 8)).macs == 3 * 4 * 9 * 36
        print([name for name in ("torch._dynamo", "triton", "timm") if name in sys.modules])"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


HUGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is freed is handed back by glibc's rules")
@pytest.mark.skipif(HUGE.exists() and "[always]" in HUGE.read_text(), reason="pages of 2 MB are few")
def test_what_a_process_keeps_it_need_not_ask_for_again():
    code = """if True:
        import resource, sys
        from explorer.background.memory import keep_freed
        if sys.argv[1] == "keep":
            keep_freed()
        for _ in range(10):
            b"x" * 2**26  # 16,384 pages
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)"""
    usual, kept = (
        int(subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, check=True).stdout)
        for how in ("usual", "keep")
    )
    assert usual > 10 * 2**14 and kept < 3 * 2**14
