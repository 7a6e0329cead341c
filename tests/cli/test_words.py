"""What the commands print, in words."""

from types import SimpleNamespace

import pytest

from explorer.cli import words


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        (SimpleNamespace(done=20, total=200), [(20, 200)]),
        (SimpleNamespace(done=200, total=200, progress=0.05), [(50, 1000)]),  # one order of twenty, over all images
        (SimpleNamespace(done=200, total=200, progress=None), [(200, 200)]),
        (SimpleNamespace(), []),
    ],
)
def test_a_bar_shows_the_share_of_the_work_that_is_done(monkeypatch, result, shown):
    seen = []
    monkeypatch.setattr(words.Bar, "__call__", lambda bar, done, total: seen.append((done, total)))
    assert words.last_of("a band", iter(["a note", result])) is result
    assert seen == shown
