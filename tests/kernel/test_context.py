"""What goes with a prompt and what comes back, in a real kernel: `--see`, `--as`, `--code`, `fix` and more."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.kernel
CHAT = "/chat/completions"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def say(endpoint: Any, wire: Any, *texts: str) -> None:
    endpoint.on("POST", CHAT, *(wire.answer(wire.stream(wire.delta(content=t), wire.delta("stop"))) for t in texts))


@pytest.fixture
def echo(endpoint: Any, wire: Any) -> Any:
    say(endpoint, wire, "said")
    return endpoint


def prompts(endpoint: Any) -> list[Any]:
    return [m["content"] for m in endpoint.bodies(CHAT)[-1]["messages"] if m["role"] == "user"]


def ask(kernel: Any, cell: str) -> Any:
    ran = kernel.run(cell)
    assert ran.error is None, ran.error
    return ran


def test_formats_say_how_a_value_stands_in_the_prompt(kernel: Any, echo: Any) -> None:
    kernel.run("import pandas as pd; df = pd.DataFrame({'a': range(100), 'b': ['x'] * 100})")
    fields = ("df | head 2", "df.head(1) | json", "df.head(1) | markdown")
    ask(kernel, "%%assistant\n" + "\n".join(f"{{{{ {field} }}}}" for field in fields))
    (prompt,) = prompts(echo)
    assert "[the first 2 of 100 rows]" in prompt
    assert '[{"a": 0, "b": "x"}]' in prompt
    assert "|  | a | b |" in prompt


def test_braces_in_code_are_left_alone_and_a_wrong_format_is_one_line(kernel: Any, echo: Any) -> None:
    ask(kernel, "%%assistant\nf'{{orders!r}}' and {{ a b }} and {x: {1: 2}}")
    assert prompts(echo) == ["f'{{orders!r}}' and {{ a b }} and {x: {1: 2}}"]
    assert "did you mean head?" in kernel.run("%%assistant\n{{ orders | haed 5 }}").error["evalue"]
    assert "did you mean orders?" in kernel.run("%%assistant\n{{ oders }}").error["evalue"]


def test_see_shows_variables_and_later_only_what_changed(kernel: Any, echo: Any) -> None:
    ask(kernel, "%%assistant --see orders,row_count\nHow many?")
    (first,) = prompts(echo)
    assert "The variable orders, of type list, is:\n[0, 1, 2," in first
    assert first.endswith("How many?")
    ask(kernel, "%%assistant --see orders,row_count\nAnd now?")
    assert prompts(echo)[-1] == "And now?", "nothing changed, and nothing is told again"
    kernel.run("orders.append('new')")
    ask(kernel, "%%assistant --see orders,row_count\nAnd now?")
    assert prompts(echo)[-1].startswith("Now the variable orders")
    assert "row_count" not in prompts(echo)[-1]
    assert "did you mean orders?" in kernel.run("%%assistant --see oders\nHow many?").error["evalue"]


def test_see_shows_a_tables_types_and_a_few_rows(kernel: Any, echo: Any) -> None:
    kernel.run("import pandas as pd; df = pd.DataFrame({'price': [1.5] * 1000})")
    ask(kernel, "%%assistant --see df\nWhat is this?")
    (prompt,) = prompts(echo)
    assert "1,000 rows × 1 columns: price float64" in prompt
    assert len(prompt) < 3000


def test_see_cells_shows_the_earlier_cells_with_what_they_gave(kernel: Any, echo: Any) -> None:
    kernel.run("total = sum(orders)\ntotal")
    ask(kernel, "%%assistant --see cells\nWhat did I do?")
    (prompt,) = prompts(echo)
    assert "total = sum(orders)\ntotal\nIt gave:\n66" in prompt
    kernel.run("people")
    ask(kernel, "%%assistant --see cells\nAnd then?")
    assert "people" in prompts(echo)[-1]
    assert "sum(orders)" not in prompts(echo)[-1]


def test_an_image_goes_with_the_prompt_as_figure_path_or_result(kernel: Any, echo: Any, tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(PNG)
    kernel.run("%matplotlib inline\nimport matplotlib.pyplot as plt\nfig, ax = plt.subplots(); plt.close()")
    kernel.run(f"{PNG!r}")
    ask(kernel, "%%assistant -m gpt-4o --image fig --image dot.png --image Out[3]\nWhat is this?")
    kinds = [part["type"] for part in prompts(echo)[0]]
    assert kinds.count("image_url") == 3
    dot = [p["image_url"]["url"] for p in prompts(echo)[0] if p["type"] == "image_url"][1]
    assert base64.b64decode(dot.partition(",")[2]) == PNG


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--image nothing.png", "there is no file nothing.png"),
        ("--image oders", "did you mean orders?"),
        ("--image orders", "orders is no image"),
        ("--file nothing.txt", "can't be read: No such file"),
        ("--as Invoic", "'Invoic' is not defined"),
        ("--to 3x", "can't be a variable's name"),
        ("--append --turn 2", "contradict"),
        ("--turn 9", "no turn 9"),
    ],
)
def test_what_can_not_be_had_is_one_line_and_nothing_is_asked(kernel: Any, echo: Any, flags: str, words: str) -> None:
    ran = kernel.run(f"%%assistant {flags}\nWhat is this?")
    assert words in ran.error["evalue"]
    assert len(ran.error["traceback"]) == 1
    assert echo.bodies(CHAT) == []


def test_a_text_file_goes_with_the_prompt_as_text(kernel: Any, echo: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Späße\n", encoding="utf-8")
    ask(kernel, "%%assistant --file notes.md\nSum up.")
    assert "The file notes.md:\n# Späße" in prompts(echo)[0]


def test_as_gives_a_validated_object_of_the_notebooks_own_type(kernel: Any, endpoint: Any, wire: Any) -> None:
    kernel.run("from pydantic import BaseModel\nclass Invoice(BaseModel):\n    total: float\n    items: list[str]")
    say(endpoint, wire, '```json\n{"total": 12.5, "items": ["a"]}\n```')
    ask(kernel, "%%assistant --as Invoice --no-tools --to answer\nRead it.")
    assert kernel.run("answer.value, type(answer.value) is Invoice").result == (
        "(Invoice(total=12.5, items=['a']), True)"
    )
    (body,) = endpoint.bodies(CHAT)
    assert body["response_format"]["json_schema"]["name"] == "Invoice"


def test_as_tries_once_more_on_a_mistake_and_says_so(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "There are twelve.", '{"count": 12}')
    kernel.run("from dataclasses import dataclass\n@dataclass\nclass Answer:\n    count: int")
    ran = ask(kernel, "%%assistant --as Answer --to answer\nHow many?")
    assert kernel.run("answer.value").result == "Answer(count=12)"
    assert "asked for again" in ran.plain
    assert "can't be used as it is" in prompts(endpoint)[-1]


def test_as_that_fails_twice_keeps_the_text_and_says_what_is_wrong(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "no", '{"a": 1}', "no")
    ran = kernel.run("%%assistant --as list[int] --to answer\nHow many?")
    assert "the shape that was asked for" in ran.error["evalue"]
    assert kernel.run("answer.value, answer.text, answer.finish").result == "(None, '{\"a\": 1}', 'incomplete')"
    assert "Input should be a valid array" in ran.plain


def test_as_json_takes_any_json(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, 'Here it is: {"a": [1, 2]} as you asked.')
    ask(kernel, "%%assistant --as json\nGive me JSON.")
    assert kernel.run("_.value").result == "{'a': [1, 2]}"


def payloads(kernel: Any, code: str) -> list[dict[str, Any]]:
    asked = kernel.client.execute(code)
    while True:
        reply = kernel.client.get_shell_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == asked:
            return reply["content"]["payload"]


def test_code_puts_the_replys_code_into_a_cell_below(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "Try this:\n\n```python\nx = 1\n```\nand\n\n```bash\nls\n```\n\n```py\ny = 2\n```\n")
    (payload,) = payloads(kernel, "%%assistant --code\nWrite code.")
    assert (payload["source"], payload["text"], payload["replace"]) == ("set_next_input", "x = 1\n\ny = 2", False)


def test_fix_takes_the_last_traceback_with_the_cell_that_raised_it(kernel: Any, endpoint: Any, wire: Any) -> None:
    say(endpoint, wire, "A typo.\n\n```python\nlen(orders)\n```\n")
    kernel.run("width = 3\nlen(f'{{orders}}') / len(oders)")
    kernel.run("1 + 1")
    (payload,) = payloads(kernel, "%assistant fix --code please be brief")
    assert payload["text"] == "len(orders)"
    (prompt,) = prompts(endpoint)
    assert "width = 3\nlen(f'{{orders}}') / len(oders)" in prompt
    assert "NameError: name 'oders' is not defined" in prompt
    assert "IPython" not in prompt
    assert prompt.endswith("please be brief")


def test_fix_without_an_error_is_one_line(kernel: Any) -> None:
    assert "nothing failed" in kernel.run("%assistant fix").error["evalue"]


def test_explain_shows_the_model_what_the_name_is(kernel: Any, echo: Any) -> None:
    ask(kernel, "%assistant explain row_count")
    (prompt,) = prompts(echo)
    assert "Count the rows of a table." in prompt
    assert "what row_count is" in prompt
    assert "did you mean row_count?" in kernel.run("%assistant explain row_cont").error["evalue"]


def test_explain_may_be_written_as_a_question(kernel: Any, echo: Any) -> None:
    ask(kernel, "%assistant explain row_count?")
    assert "what row_count is" in prompts(echo)[0]


def test_secrets_in_what_is_shown_are_replaced(kernel: Any, echo: Any) -> None:
    kernel.run("import os; settings = {'key': os.environ['NBASSIST_API_KEY']}")
    ask(kernel, "%%assistant --see settings\nWhat is this? {{ settings }}")
    assert "sk-very-secret" not in json.dumps(echo.bodies(CHAT))
    assert "[NBASSIST_API_KEY]" in prompts(echo)[0]


def complete(kernel: Any, code: str) -> list[str]:
    asked = kernel.client.complete(code, len(code))
    while True:
        reply = kernel.client.get_shell_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == asked:
            return reply["content"]["matches"]


@pytest.mark.since("ipython", "8.6")
def test_tab_completes_the_first_line(kernel: Any, echo: Any) -> None:
    echo.json("GET", "/models", {"data": [{"id": "llama-small"}, {"id": "llama-large"}]})
    kernel.run("%assistant new ideas")
    assert "--tools" in complete(kernel, "%%assistant --to")
    assert complete(kernel, "%%assistant -t id") == ["ideas"]
    assert complete(kernel, "%%assistant --tools row") == ["row_count"]
    assert "llama-large" in complete(kernel, "%%assistant -m llama-l")
    assert complete(kernel, "%%assistant --profile olla") == ["ollama"]
    assert complete(kernel, "%%assistant --reasoning m") == ["minimal", "medium", "max"]
    assert complete(kernel, "%%assistant --see orders,peo") == ["people"], "IPython takes what follows the comma"
    assert "history" in complete(kernel, "%assistant hi")
    assert "ideas" in complete(kernel, "%assistant use ")


def test_help_explains_every_flag(kernel: Any) -> None:
    from nbassist.magics.line.flags import parser

    (page,) = payloads(kernel, "%%assistant?")
    shown = page["data"]["text/plain"]
    for action in parser()._actions:
        assert action.option_strings[-1] in shown
        assert action.help


def test_help_lists_every_command(kernel: Any) -> None:
    from nbassist.magics.commands import COMMANDS

    shown = kernel.run("%assistant help").result
    assert all(name in shown for name in COMMANDS)


def test_older_turns_that_do_not_fit_are_left_out_and_that_is_said(kernel: Any, echo: Any) -> None:
    kernel.run("%config NbAssist.window = 1000")
    long = "word " * 400
    for number in range(3):
        ran = ask(kernel, f"%%assistant --no-tools\n{number} {long}")
    assert "left out of this request" in ran.plain
    assert [p[0] for p in prompts(echo)] == ["2"]
    assert "3" in kernel.run("%assistant threads").result, "the thread itself keeps them"


def test_a_history_that_the_endpoint_refuses_as_too_long_is_sent_shorter_once(
    kernel: Any, endpoint: Any, wire: Any
) -> None:
    refusal = {"error": {"message": "This model's maximum context length is 600 tokens.", "code": "context_length"}}
    said = wire.answer(wire.stream(wire.delta(content="said"), wire.delta("stop")))
    refused = wire.answer([json.dumps(refusal).encode()], 400, "application/json")
    endpoint.on("POST", CHAT, said, refused, said)
    ask(kernel, "%%assistant --no-tools\n" + "word " * 500)
    ran = ask(kernel, "%%assistant --no-tools\nAnd now?")
    assert prompts(endpoint) == ["And now?"]
    assert "left out of this request" in ran.plain


def test_a_kernel_of_another_type_of_backend_gets_the_same(start_kernel: Callable[..., Any], endpoint: Any) -> None:
    """A flag is refused before anything is asked, whatever the backend."""
    kernel = start_kernel(NBASSIST_BACKEND="assistants", NBASSIST_MODEL="m")
    assert "did you mean orders?" in kernel.run("%%assistant --see oders\nHow many?").error["evalue"]
    assert endpoint.asked == []
