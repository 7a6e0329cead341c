"""The lab report from a page: made on a click, in the background, and then a download."""

import io
import zipfile

import pytest
from app_test import settle, visit

from explorer.app import work


def buttons(at):
    return [each.label for each in at.button]


def made(at):
    """The files of the only report that was made."""
    *_, job = [job for key, job in work.jobs()._jobs.items() if key[0] == "report"]
    assert job.wait(300) and job.status == "done", job.error
    settle(at)
    with zipfile.ZipFile(io.BytesIO(job.result.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.slow
@pytest.mark.parametrize("page", ["prune", "model", "compress"])
def test_a_click_makes_the_report_of_the_page(page, shipped_answers):
    at = visit(page)
    at.segmented_control(key=f"report language {page}").set_value("en")
    at.button(key=f"make report {page}").click()  # before the choice has been drawn: the report is of it all the same
    settle(at)
    files = made(at)
    assert {"report-en.html", "report-en.docx", "report-en.md", "report-en.tex"} <= set(files)
    assert ("tables/scales.csv" in files) == (page == "compress")
    assert not at.exception and "Make the report" not in buttons(at)
