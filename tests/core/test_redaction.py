"""Secrets of the environment reach neither the model nor a display."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from html import escape
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from nbassist import Assistant
from nbassist.core.events import (
    CitationAdded,
    Event,
    ReasoningDelta,
    TextDelta,
    ToolFinished,
    TurnEnded,
    TurnStarted,
    Warned,
)
from nbassist.core.redaction import Redactor
from nbassist.errors import NbassistError

ENVIRON = {
    "OPENAI_API_KEY": "sk-abcdefgh",
    "HF_TOKEN": "hf_12345678",
    "MY_DB_PASSWORD": "correct horse",
    "LONGER_SECRET": "sk-abcdefgh-and-more",
    "KEYBOARD": "qwertyuiop",
    "SHORT_TOKEN": "abc",
}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-abcdefgh.", "key [OPENAI_API_KEY]."),
        ("sk-abcdefgh-and-more", "[LONGER_SECRET]"),
        ("correct horse, hf_12345678", "[MY_DB_PASSWORD], [HF_TOKEN]"),
        ("qwertyuiop abc", "qwertyuiop abc"),
    ],
)
def test_values_of_key_variables_are_replaced_by_their_names(text: str, shown: str) -> None:
    assert Redactor(ENVIRON).text(text) == shown


def test_every_part_of_a_tools_result_is_searched() -> None:
    secret = "hf_12345678"
    bundle: Any = {"text/html": f"<b>{secret}</b>", "application/json": {"a": [secret, 1]}}
    event = Redactor(ENVIRON).event(ToolFinished("1", "f", secret, secret, 0.1, (bundle,), f"Traceback {secret}"))
    assert secret not in repr(event)
    assert event.display[0]["application/json"] == {"a": ["[HF_TOKEN]", 1]}


def test_neither_the_prompt_nor_a_tools_output_carries_a_key_to_the_model(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "very-secret-value")

    def environment() -> str:
        """Show the environment."""
        return "SERVICE_API_KEY=very-secret-value"

    call = wire.stream(wire.call("a", "environment", "{}"), wire.delta("tool_calls"))
    answer = wire.stream(wire.delta(content="ok"), wire.delta("stop"))
    endpoint.on("POST", "/chat/completions", wire.answer(call), wire.answer(answer))
    assistant = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[environment])
    reply = assistant.ask("Is very-secret-value my key?")
    assert "very-secret-value" not in str(endpoint.bodies("/chat/completions"))
    assert "very-secret-value" not in repr(reply.events)
    assert "[SERVICE_API_KEY]" in reply.tool_calls[0].output


def test_a_secret_in_arguments_that_a_person_edits_is_put_back() -> None:
    redactor = Redactor({"SHOP_TOKEN": "tok-secret-value", "OTHER_KEY": "another-secret"})
    original = '{"token": "tok-secret-value", "count": 500}'
    edited = redactor.text(original).replace("500", "5").replace("5}", '5, "note": "[OTHER_KEY]"}')
    assert redactor.restored(edited, original) == '{"token": "tok-secret-value", "count": 5, "note": "[OTHER_KEY]"}'


KNOWN = """
PGPASSWORD PGPWD MYSQL_PWD DB_PASS DBPASS SSHPASS GITHUB_PAT GH_PAT_READ HTTP_BASIC_AUTH AUTH_HEADER
PROXY_AUTHORIZATION KEY_PASSPHRASE GPG_PASSPHRASE AWS_SECRET_ACCESS_KEY STRIPE_SECRET GITHUB_TOKEN
SLACK_WEBHOOK_URL AZURE_ACCOUNT_KEY dbPassword apiKey SESSION_COOKIE SERVICE_JWT CREDENTIALS
DB_PASS2 DB_PASS_1 MYSQL_PWD_2 OPENAI_KEY_2 GITHUB_PAT2 ROOT_PW DB_CREDS AWS_CRED ADMIN_PASSCODE DB_PASS_WORD
"""


@pytest.mark.parametrize("name", KNOWN.split())
def test_the_names_that_people_use_are_known(name: str) -> None:
    assert Redactor({name: "a-value-of-some-length"}).text("is a-value-of-some-length") == f"is [{name}]"


ALIKE = """
PWD OLDPWD SSH_AUTH_SOCK AUTHOR GIT_AUTHOR_NAME TOKENIZERS_PARALLELISM PGPASSFILE KEYBOARD_LAYOUT BYPASS_CACHE
PATH HOME PATTERN COMPATIBLE PASSAGE CREDIT SACRED PWDEBUG PASS_THROUGH LESSKEY
"""


@pytest.mark.parametrize("name", ALIKE.split())
def test_names_that_only_look_alike_are_not(name: str) -> None:
    assert Redactor({name: "/srv/someone/work"}).text("in /srv/someone/work") == "in /srv/someone/work"


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("postgres://app:urlpass-QQ77@db.example/x", "urlpass-QQ77"),
        ("https://:only-a-password@host.example/", "only-a-password"),
        ("amqp://user:p%40ss%2Fword1@mq:5672/", "p%40ss%2Fword1"),
        ("amqp://user:p%40ss%2Fword1@mq:5672/", "p@ss/word1"),
        ("host=db user=app password=pair-pass-1 dbname=x", "pair-pass-1"),
        ("AccountName=a;AccountKey=abcd1234efgh5678==;Suffix=core", "abcd1234efgh5678=="),
        ("https://host.example/?q=1&api_key=in-the-query-1", "in-the-query-1"),
        ("redis://:abc@host/0", ":abc@"),
        ("postgres://app:p@ssw0rd99@db.example/x", "p@ssw0rd99"),
        ("postgres://app:pa/ss#w0rd99@db/x", "pa/ss#w0rd99"),
        ("https://host.example/?x=1&access_token=in-the-query-1", "in-the-query-1"),
        ("https://host.example/?client_secret=in-the-query-1&x=1", "in-the-query-1"),
        ("redis://host?passphrase=in-the-query-1", "in-the-query-1"),
        ("host=db password='two words in quotes' dbname=x", "two words in quotes"),
        ("Driver=x;Pwd={br;aced-1};Server=y", "br;aced-1"),
        ('{"user": "app", "password": "in-json-123"}', "in-json-123"),
        ('{"private_key": "line-one-of-it-1234\\nline-two-of-it-5678"}', "line-two-of-it-5678"),
        ("{'api_key': 'in-repr-123'}", "in-repr-123"),
        ("x-api-key=in-a-header-1,b=c", "in-a-header-1"),
        ("Authorization: Bearer in-a-header-1", "in-a-header-1"),
        ("--user app --password as-an-option-1 db", "as-an-option-1"),
        ("-h db --db-password='as an option' -p 1", "as an option"),
        ("run --token=as-an-option-1", "as-an-option-1"),
        ("jdbc:oracle:thin:scott/tiger-tiger@//db.example:1521/x", "tiger-tiger"),
        ("authorization=Basic%20aW4tYS1oZWFkZXItMQ==", "aW4tYS1oZWFkZXItMQ=="),
    ],
)
def test_passwords_inside_urls_and_connection_strings_are_found_under_any_name(value: str, secret: str) -> None:
    redactor = Redactor({"SOME_SETTING": value})
    shown = redactor.text(f"connecting to {value} and {secret} alone")
    assert secret not in shown
    assert "[SOME_SETTING]" in shown
    if "@db.example" in value and "@ss" not in value:
        assert "postgres://app:[SOME_SETTING]@db.example/x" in shown, "the rest of the address may be read"


@pytest.mark.parametrize(
    "value",
    [
        "http://localhost:8080/home/work@2x.png",
        "https://host.example:443/a?b=c@example.org",
        "auth=required to go on",
        "--password-file /run/secrets/of-the-db --token $TOKEN_OF_MINE --password --interactive",
        "psql --no-password -h db; pg_dump --no-password the_database",
        "run --pwd /srv/of-mine -pwd=/srv/of-mine",
        'login --password "$PASSWORD_OF_MINE"',
        "registry/image:a-long-tag@sha256:0123456789abcdef",
    ],
)
def test_ports_paths_and_words_are_no_passwords(value: str) -> None:
    assert Redactor({"SOME_SETTING": value}).text(f"see {value}") == f"see {value}"


@pytest.mark.parametrize("name", ["GIT_ASKPASS", "SSH_ASKPASS"])
def test_a_program_that_asks_for_a_password_is_none(name: str) -> None:
    assert Redactor({name: "/usr/lib/askpass.sh"}).text("runs /usr/lib/askpass.sh") == "runs /usr/lib/askpass.sh"


def test_what_may_be_an_oracle_address_is_read_as_far_as_names_go() -> None:
    far = "x" * 10_000
    for value in (f"oracle:thin:{far}/tiger-tiger@db", f"oracle:thin:scott/{far}@db"):
        assert Redactor({"SOME_SETTING": value}).text(value) == value


FORMS: list[Any] = [
    str,
    json.dumps,
    lambda value: json.dumps({"v": value}, ensure_ascii=False, indent=2),
    lambda value: json.dumps(json.dumps([value])),
    repr,
    lambda value: repr({"a": [value]}),
    lambda value: quote(value),
    lambda value: quote(value, safe=""),
    lambda value: urlencode({"q": value}),
    # As JavaScript encodes a part of an address, and a whole one; as others do in small letters.
    lambda value: quote(value, safe="!'()*"),
    lambda value: quote(value, safe="!'()*;,/?:@&=+$#"),
    lambda value: re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quote(value, safe="")),
    ascii,
    lambda value: repr(value.encode()),
    lambda value: repr(json.dumps({"v": value})),
    lambda value: json.dumps(repr({"v": value})),
    lambda value: repr(repr(value)),
    # PHP, and Go.
    lambda value: json.dumps(value).replace("/", "\\/"),
    lambda value: json.dumps(value).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"),
    escape,
    # Jinja.
    lambda value: escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    lambda value: base64.b64encode(value.encode()).decode(),
    lambda value: "Basic " + base64.b64encode(f"user:{value}".encode()).decode(),
    lambda value: base64.urlsafe_b64encode(f"a:{value}:b".encode()).decode(),
]


@pytest.mark.parametrize("form", range(len(FORMS)))
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=12, max_size=40))
@settings(max_examples=40, deadline=None)
def test_a_secret_is_found_in_each_form_in_which_programs_write_it(form: int, secret: str) -> None:
    if len(secret.strip()) < 12:
        return
    written = FORMS[form](secret)
    shown = Redactor({"A_TOKEN": secret}).text(f"<<{written}>>")
    assert "[A_TOKEN]" in shown
    assert written not in shown


@pytest.mark.parametrize("form", range(len(FORMS)))
def test_marks_of_every_kind_are_escaped_in_a_known_way(form: int) -> None:
    for secret in ("p&w<d>/é'x\"!(z)*~\\ab", 'double"only&/9é', "single'only</é", "C:\\pass/é\\word", "a%b+c d?e=f#gh"):
        assert "[A_TOKEN]" in Redactor({"A_TOKEN": secret}).text(f"<<{FORMS[form](secret)}>>"), secret


def test_looking_for_many_odd_secrets_costs_in_proportion_to_the_text() -> None:
    redactor = Redactor({f"K{n}_TOKEN": f"p&w<d>/é'x\"{n}!(z)*~ab" for n in range(20)})
    text = "a plain & simple p of words <b> " * 100
    looked = 0

    class Counted(str):
        def replace(self, *args: Any, **named: Any) -> str:
            nonlocal looked
            looked += 1
            return str.replace(self, *args, **named)

    assert redactor.text(Counted(text)) == text
    assert looked == 0, "of a text in which none begins none is looked for whole"
    assert len(redactor._begin) < 400


def test_a_secret_of_several_lines_is_found_whole_escaped_and_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nEFAASCBKcwggSjAgEAAoIBAQDa\n-----END KEY-----\n"
    redactor = Redactor({"SIGNING_KEY": key})
    for written in (key, json.dumps({"v": key}), repr(key), "line 2: MIIEvQIBADANBgkqhkiG9w0BAQ", key.rstrip()):
        shown = redactor.text(written)
        assert "MIIEvQ" not in shown
        assert "SjAgEAAo" not in shown


SECRET = "correct-horse-battery"


def written(pieces: list[str], kind: Any = TextDelta) -> str:
    redactor = Redactor({"SHOP_TOKEN": SECRET})
    events = redactor.turn(iter([TurnStarted(), *map(kind, pieces), TurnEnded("stop")]))
    return "".join(event.text for event in events if isinstance(event, kind))


@given(st.lists(st.integers(1, len(SECRET) - 1), max_size=6), st.sampled_from([TextDelta, ReasoningDelta]))
def test_what_the_model_writes_is_searched_however_it_is_cut(cuts: list[int], kind: Any) -> None:
    text = f"the cc {SECRET}correct-horse-c {SECRET[:-1]} corr"
    at = sorted({0, *(8 + cut for cut in cuts), len(text)})
    pieces = [text[begin:end] for begin, end in pairwise(at)]
    assert written(pieces, kind) == f"the cc [SHOP_TOKEN]correct-horse-c {SECRET[:-1]} corr"


def test_what_may_be_the_beginning_of_a_secret_is_kept_when_the_stream_breaks() -> None:
    def broken() -> Iterator[Event]:
        yield TurnStarted()
        yield TextDelta("it is corr")
        raise KeyboardInterrupt

    said: list[Event] = []
    with suppress(KeyboardInterrupt):
        for event in Redactor({"SHOP_TOKEN": SECRET}).turn(broken()):
            said.append(event)
    assert "".join(event.text for event in said if isinstance(event, TextDelta)) == "it is corr"


def test_what_may_be_the_beginning_of_a_secret_is_kept_when_a_run_on_a_loop_is_cancelled() -> None:
    said: list[Event] = []

    async def waits() -> AsyncIterator[Event]:
        yield TextDelta("it is corr")
        await asyncio.Event().wait()

    async def take() -> None:
        async for event in Redactor({"SHOP_TOKEN": SECRET}).aturn(waits()):
            said.append(event)

    async def cancelled() -> None:
        task = asyncio.create_task(take())
        while not said:
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    asyncio.run(cancelled())
    assert "".join(event.text for event in said if isinstance(event, TextDelta)) == "it is corr"


def test_a_call_runs_with_what_the_model_wrote_and_is_kept_with_the_mark(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    got: list[str] = []

    def login(token: str) -> str:
        """Log in."""
        got.append(token)
        return f"logged in with {token}"

    arguments = json.dumps({"token": SECRET})
    call = wire.stream(wire.call("a", "login", arguments), wire.delta("tool_calls"))
    answer = wire.stream(wire.delta(content=f"used {SECRET[:7]}"), wire.delta(content=SECRET[7:]), wire.delta("stop"))
    endpoint.on("POST", "/chat/completions", wire.answer(call), wire.answer(answer))
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[login]).ask("log in")
    assert got == [SECRET]
    assert reply.text == "used [SHOP_TOKEN]"
    assert SECRET not in repr(reply.events)
    assert SECRET not in json.dumps(endpoint.bodies("/chat/completions"))
    assert json.loads(endpoint.bodies("/chat/completions")[1]["messages"][-2]["tool_calls"][0]["function"]["arguments"])


def test_a_line_of_a_key_is_secret_by_itself_from_sixteen_characters_and_its_frame_is_not() -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nabcdefghijklmnop\nqrstuvwxyz12345\n-----END OPENSSH PRIVATE KEY-----"
    redactor = Redactor({"DEPLOY_KEY": key})
    assert "abcdefghijklmnop" not in redactor.text("see abcdefghijklmnop")
    assert redactor.text("see qrstuvwxyz12345") == "see qrstuvwxyz12345"
    assert redactor.text("-----BEGIN OPENSSH PRIVATE KEY-----") == "-----BEGIN OPENSSH PRIVATE KEY-----"


def test_a_source_shows_no_secret_and_a_file_that_holds_one_does_not_come() -> None:
    redact = Redactor({"MY_TOKEN": "s3cr3t-value-1234"})
    source = CitationAdded("a.md", passage="It is s3cr3t-value-1234.", data=b"x s3cr3t-value-1234")
    changed = redact.event(source)
    assert isinstance(changed, CitationAdded)
    assert "s3cr3t" not in changed.passage
    assert changed.data == b""
    assert redact.event(CitationAdded("a.md", data=b"\xff plain")) == CitationAdded("a.md", data=b"\xff plain")


def test_a_passage_that_is_cut_within_a_secret_shows_no_half_of_it_and_no_letter_hides_one() -> None:
    redact = Redactor({"OPENAI_API_KEY": "schlüssel-1234"})
    data = "the key: schlüssel-1234".encode()
    for whole in (data, b"\xff" + data):
        changed = redact.event(CitationAdded("a.md", passage="the key: schlüssel", data=whole))
        assert (changed.passage, changed.data) == ("the key: ", b"")


def test_a_warning_names_no_secret() -> None:
    redact = Redactor(ENVIRON)
    assert redact.event(Warned("sk-abcdefgh.csv stays at the endpoint")).text.startswith("[OPENAI_API_KEY].csv")


@pytest.mark.parametrize("before", [0, 40, 170, 185, 240])
def test_what_an_endpoint_says_of_a_failure_shows_no_secret_and_no_half_of_one(
    before: int, endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    words = "x" * before + f" {SECRET} " + "and so on " * 30
    refused = wire.answer([json.dumps({"error": {"message": words}}).encode()], 400, "application/json")
    broken = wire.stream(wire.delta(content="Half "), {"error": {"message": f"no {SECRET}"}}, done=False)
    endpoint.on("POST", "/chat/completions", refused, wire.answer(broken))
    made = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[])
    with pytest.raises(NbassistError) as caught:
        made.ask("go")
    assert not any(SECRET[at : at + 8] in str(caught.value) for at in range(len(SECRET) - 8))
    reply = made.ask("go")
    assert reply.detail == "the endpoint reports: no [SHOP_TOKEN]"
    assert SECRET not in repr(reply.events)


class Login(BaseModel):
    user: str
    token: str


def test_a_reply_that_holds_a_mark_is_still_read_into_its_shape(
    endpoint: Any, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'qu"ote\\back-slash-12'
    monkeypatch.setenv("SHOP_TOKEN", secret)
    said = json.dumps({"user": "ada", "token": secret})
    pieces = [wire.delta(content=said[at : at + 5]) for at in range(0, len(said), 5)]
    endpoint.on("POST", "/chat/completions", wire.answer(wire.stream(*pieces, wire.delta("stop"))))
    reply = Assistant(backend="chat", base_url=endpoint.url, model="m", tools=[]).ask("who?", as_=Login)
    assert reply.finish == "completed"
    assert reply.value == Login(user="ada", token="[SHOP_TOKEN]")
    assert len(endpoint.asked) == 1, "it was right the first time"
