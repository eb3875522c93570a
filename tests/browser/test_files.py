"""Files in a real JupyterLab: the bar while vectors are made, and a file of a reply that is saved from its link."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

pytestmark = pytest.mark.browser
# The second passage waits for a file that the test writes.
BAR = """
import os, time
%load_ext nbassist
from nbassist.magics.batteries import search_files

def embed(texts):
    while any("cows" in text for text in texts) and not os.path.exists({go!r}):
        time.sleep(0.05)
    return [[1.0, 0.0] for text in texts]

search_files.embed = embed
os.makedirs({folder!r})
for name in ("bees", "cows"):
    open(os.path.join({folder!r}, name + ".md"), "w").write(name + " of {token}")
"""
REPLY = """
from nbassist.core.events import CitationAdded, RunEnded, TextDelta
from nbassist.display.static.reply import bundle_of
from nbassist.display.transcript import Transcript
from IPython.display import display

wrote = CitationAdded("table.csv", "", "sandbox:/mnt/data/table.csv", "a,b", data=b"a,b")
said = TextDelta("See [the table](sandbox:/mnt/data/table.csv).")
display(bundle_of(Transcript.of([said, wrote, RunEnded("completed")])), raw=True)
"""


def test_the_bar_of_added_files_goes_on_until_all_can_be_found_by_meaning_and_its_last_word_is_saved(
    lab: Any, page: Any, shots: Any
) -> None:
    token = uuid.uuid4().hex
    folder, go = lab.folder / token, lab.folder / f"{token}.go"
    setup = BAR.format(go=str(go), folder=str(folder), token=token)
    name = lab.write("files-bar.ipynb", setup, f"%assistant files add {folder}")
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector(":text('1 of 2 passages can be found by meaning')")
    assert "▰▱" in page.inner_text(".jp-OutputArea-output:has-text('1 of 2 passages')")
    shots(page, "files-bar")
    go.touch()
    page.wait_for_selector(":text('all 2 passages can be found by meaning, too')")
    assert not page.is_visible(":text('1 of 2 passages')")
    lab.save(page)
    assert "all 2 passages can be found by meaning, too" in str(lab.read(name)["cells"][1]["outputs"])


def test_a_file_of_a_reply_is_saved_from_its_link(lab: Any, page: Any) -> None:
    name = lab.write("files-saved.ipynb", REPLY)
    lab.open(page, name)
    lab.start(page)
    with page.expect_download() as saving:
        page.click("a[download='table.csv']")
    assert saving.value.suggested_filename == "table.csv"
    with open(saving.value.path(), "rb") as file:
        assert file.read() == b"a,b"


def test_a_file_of_a_reply_is_only_named_in_a_notebook_that_is_not_trusted(lab: Any, page: Any, shots: Any) -> None:
    name = lab.write("files-own.ipynb", REPLY)
    lab.open(page, name)
    lab.start(page)
    page.wait_for_selector("a[download='table.csv']")
    lab.save(page)
    lab.shut_down()
    (lab.folder / "files-of-another.ipynb").write_text((lab.folder / name).read_text().replace("said", "told"))
    lab.open(page, "files-of-another.ipynb", kernel=False)
    page.wait_for_selector(".nbassist >> text=table.csv")
    shots(page, "files-untrusted")
    assert page.locator(".nbassist a[href], .nbassist a[download]").count() == 0
    assert page.inner_text(".nba-sources").splitlines()[-1].strip() == "↓ table.csv, 3 bytes"
