"""The finished reply keeps its conveniences: pictures on a click, languages, copies, drawings; reopened, too."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

pytestmark = pytest.mark.browser
PICTURE = "https://pictures.example/map.png"
TEXT = f"""Here is a plan.

```mermaid
graph TD
  A[Count] --> B[Rate]
```

```mermaid
graph TD
  A@{{ img: "{PICTURE}?stolen" }}
```

```python
print(1)
```

![A map]({PICTURE})
"""
SOURCE = f"""
from nbassist.core.events import *
from nbassist.display.static.reply import bundle
from IPython.display import display
text = {TEXT!r}
events = [RunStarted("some-model"), TurnStarted(), ReasoningDelta("Hm."), TextDelta(text),
          TurnEnded("stop", Usage(100, 50, known=True)),
          RunEnded("completed", Usage(100, 50, known=True), seconds=14.2, writing=2.0, thoughts=(12.0,))]
display(bundle(events), raw=True)
"""
PIXEL = base64.b64decode("R0lGODlhAQABAIAAAP///wAAACwAAAAAAQABAAACAkQBADs=")
COPIED = """() => {
  window.copied = [];
  Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => window.copied.push(text) } });
}"""


def test_a_finished_reply_keeps_its_conveniences_and_nothing_is_broken_where_it_is_not_trusted(
    lab: Any, page: Any, shots: Any
) -> None:
    asked: list[str] = []

    def give(route: Any) -> None:
        asked.append(route.request.url)
        route.fulfill(body=PIXEL, content_type="image/gif")

    page.context.route("**pictures.example**", give)
    name = lab.write("finished.ipynb", SOURCE)
    lab.open(page, name)
    lab.run_all(page)
    for trusted in (True, False):
        page.wait_for_selector(".nbassist .nba-footer >> text=25 tokens/s")
        assert page.is_visible(".nbassist summary >> text=Thought for 12.0 s")
        assert [e.inner_text() for e in page.query_selector_all(".nba-lang") if e.is_visible()][-1] == "python"
        page.wait_for_selector(".nbassist img.nba-drawing")
        assert page.evaluate("document.querySelector('.nba-drawing').naturalWidth") > 50
        assert page.locator("img.nba-drawing").count() == 1, "a diagram that would load something stays code"
        assert page.is_visible(".nbassist pre >> text=stolen")
        assert asked == [], "nothing is asked for before it is clicked on"
        page.click(".nbassist a.nba-image")
        page.wait_for_selector(".nbassist img[alt^='A map']")
        page.wait_for_function('[...document.querySelectorAll(".nbassist img")].every(e => e.complete)')
        assert asked == [PICTURE]
        asked.clear()
        page.evaluate(COPIED)
        page.hover(".nbassist .nba-footer")
        page.click(".nbassist > .nba-copy")
        page.wait_for_function("window.copied.length === 1")
        (copied,) = page.evaluate("window.copied")
        assert copied.startswith("Here is a plan.")
        assert "python" not in copied, "what stands over code is not part of the reply"
        shots(page, f"finished-{'trusted' if trusted else 'other'}")
        if trusted:
            lab.save(page)
            page.wait_for_function("!document.querySelector('.jp-mod-dirty')")
            saved = json.dumps(lab.read(name))
            assert "nba-drawing" not in saved
            lab.shut_down()
            other = lab.folder / "finished-by-another.ipynb"
            other.write_text(saved.replace("Here is a plan", "Here is a plan"))
            lab.open(page, other.name, kernel=False, load=True)
