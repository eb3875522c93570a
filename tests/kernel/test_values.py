"""Values in prompts: numbers are numbers, every format is bounded before it converts, braces of others stay."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def answered(model: Any) -> None:
    model("fine")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("np.int64(5)", "5"),
        ("np.float64(0.5)", "0.5"),
        ("np.bool_(True)", "True"),
        ("np.array(7)", "7"),
        ("df.price.mean()", "1.5"),
        ("df.price.sum()", "3"),
        ("[np.int64(1), 2]", "[1, 2]"),
        ("{'a': np.float64(1.5)}", "{'a': 1.5}"),
        ("df.iloc[0]['price']", "1"),
    ],
)
def test_a_number_of_numpy_is_a_number(kernel: Any, said: Any, value: str, text: str) -> None:
    kernel.run("import numpy as np, pandas as pd\ndf = pd.DataFrame({'price': [1, 2]})")
    kernel.run(f"%%assistant\nit is {{{{ {value} }}}}.")
    assert said() == f"it is {text}."


BIG = {
    "pandas": "pd.DataFrame({c: np.arange(3_000_000) for c in 'abc'})",
    "column": "pd.Series(np.arange(3_000_000))",
    "array": "np.arange(3_000_000)",
    "wide array": "np.arange(3_000_000).reshape(1, -1)",
    "arrow": "pa.table({'a': np.arange(3_000_000)})",
    "list": "list(range(3_000_000))",
    "records": "[{'a': 1}] * 3_000_000",
    "set": "set(range(3_000_000))",
    "mapping": "dict.fromkeys(range(3_000_000))",
    "line": "'q' * 3_000_000",
    "lines": "'q\\n' * 1_000_000",
}


@pytest.mark.parametrize("made", BIG.values(), ids=BIG)
def test_every_format_is_bounded_before_it_converts(kernel: Any, said: Any, made: str) -> None:
    kernel.run(f"import numpy as np, pandas as pd, pyarrow as pa, tracemalloc\nx = {made}")
    for how in ("", " | head 5", " | json", " | markdown", " | repr"):
        kernel.run("tracemalloc.start()")
        ran = kernel.run(f"%%assistant\n{{{{ x{how} }}}}")
        peak = kernel.run("peak = tracemalloc.get_traced_memory()[1]; tracemalloc.stop(); peak").result
        if ran.error is None:
            assert len(said()) < 50_000
        else:
            assert "takes a table" in ran.error["evalue"]
        assert int(peak) < 20_000_000, how


def test_what_is_cut_says_so(kernel: Any, said: Any) -> None:
    kernel.run("x = 'q' * 3_000_000\ny = list(range(1_000_000))")
    kernel.run("%%assistant\n{{ x | head 5 }}")
    assert "of 3,000,000 characters left out" in said()
    kernel.run("%%assistant\n{{ y }}")
    assert "1,000,000 items in all" in said()
    kernel.run("%%assistant\n{{ y | json }}")
    assert "more of 1,000,000" in said()


def test_addresses_are_left_out_so_that_a_recorded_reply_is_found_again(
    start_kernel: Any, endpoint: Any, tmp_path: Any
) -> None:
    replies = str(tmp_path / "replies.jsonl")
    texts = []
    for mode, before in (("auto", 0), ("replay", 5_000)):
        kernel = start_kernel(NBASSIST_MODEL="m", NBASSIST_REPLIES=replies, NBASSIST_CACHE=mode)
        kernel.run(f"before = [object() for _ in range({before})]\nclass Thing: pass\nx, many = Thing(), [Thing()]")
        ran = kernel.run("%%assistant\n{{ x }} {{ many }}")
        assert ran.error is None
        texts.append(ran.plain.partition("\n")[0])
    assert texts[0] == texts[1]
    assert len(endpoint.bodies("/chat/completions")) == 1


def test_braces_are_sent_as_they_are_where_a_person_says_so(kernel: Any, said: Any) -> None:
    kernel.run("i = 7")
    kernel.run("%%assistant\n\\{{ i }} is {{ i }}")
    assert said() == "{{ i }} is 7"
    kernel.run("%%assistant --raw\n{{ i }} \\{{ i }} {{ alt: 'a' | 'b' }}")
    assert said() == "{{ i }} \\{{ i }} {{ alt: 'a' | 'b' }}"
    kernel.run("%%assistant --raw --vary temperature=0\n{{ i }} \\{{ i }}")
    assert said() == "{{ i }} \\{{ i }}"
    kernel.run("%config NbAssist.template = False")
    kernel.run("%%assistant\n{{ i }}")
    assert said() == "{{ i }}"


FOREIGN = [
    "run: echo ${{ github.ref }}",
    "{% for user in users %}{{ user.name | title }}{% endfor %}",
    r"\frac{{a}}{{b}}",
    "```python\nprint(f'{{x}}')\n```",
    'the line print(f"{{x}}: {y}") fails',
    "write `{{ cookiecutter.name }}` in it",
    "<p>{{ user.name }}</p>",
]


@pytest.mark.parametrize("text", FOREIGN)
def test_a_template_of_another_language_is_left_and_said_once(kernel: Any, said: Any, text: str) -> None:
    kernel.run("i = 7")
    ran = kernel.run(f"%%assistant\n{text} {{{{ i }}}}")
    assert ran.error is None
    assert said() == f"{text} 7"
    assert ran.plain.count("left as it is, since it names nothing of this notebook") == 1


def test_a_name_that_is_misspelt_is_an_error_with_what_to_do(kernel: Any) -> None:
    ran = kernel.run("total = 1\n"), kernel.run("%%assistant\n{{ totl }}")
    assert "did you mean total?" in ran[1].error["evalue"]
    assert "--raw" in ran[1].error["evalue"]
    assert ran[1].error["ename"] == "UsageError"


def test_what_was_filled_in_is_shown_on_request(kernel: Any) -> None:
    kernel.run("i, rows = 7, [1, 2]")
    ran = kernel.run("%%assistant --show-prompt --see rows\nSay {{ i }}.")
    assert "The variable rows, of type list, is:\n[1, 2]\n\nSay 7.\n" in ran.stdout
