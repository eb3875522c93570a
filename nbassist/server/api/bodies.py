"""The bodies of requests, as OpenAI's description of the API has them, checked by pydantic.

What the description allows and this server does not have is refused by name, never ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from .field_checks import (
    check_attachments,
    check_response_format,
    check_tool,
    check_tool_choice,
    check_tool_resources,
    content_parts,
    metadata_pairs,
    missing,
    unfit,
)

Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    BeforeValidator(metadata_pairs),
]
Name = Annotated[str, StringConstraints(max_length=256)]
Instructions = Annotated[str, StringConstraints(max_length=256_000)]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(ge=0, le=1)]
# 256 is the least that the service took of the prompt; above 2 to the 53rd JSON's numbers are no longer exact.
PromptTokens = Annotated[int, Field(ge=256, le=2**53)]
CompletionTokens = Annotated[int, Field(ge=1, le=2**53)]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
ResponseFormat = Annotated[Any, BeforeValidator(check_response_format)]
ToolChoice = Annotated[Any, BeforeValidator(check_tool_choice)]
ToolResources = Annotated[Any, BeforeValidator(check_tool_resources)]


class Body(BaseModel):
    """A JSON object without unknown fields, its types not guessed."""

    # Unknown fields are refused as the service did: a misspelt one is found at once.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @property
    def given(self) -> dict[str, Any]:
        """What the client sent, by name, without what it left out."""
        # Null and left out are not the same where a body modifies: null takes a value away.
        return self.model_dump(exclude_unset=True)


class Function(Body):
    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class RankingOptions(Body):
    ranker: Literal["auto", "default_2024_08_21"] = "default_2024_08_21"
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    hybrid_search: dict[str, Any] | None = None


class FileSearchSettings(Body):
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the settings with what was left out filled in, but for the number of results, as recorded."""
        most = {} if self.max_num_results is None else {"max_num_results": self.max_num_results}
        return {**most, "ranking_options": (self.ranking_options or RankingOptions()).model_dump()}


class ToolBody(Body):
    """A function, or a tool of the hosted service; of the interpreter's settings nothing is looked at."""

    type: Literal["function", "code_interpreter", "file_search"]
    function: Function | None = None
    code_interpreter: dict[str, Any] | None = None
    file_search: FileSearchSettings | None = None

    @model_validator(mode="after")
    def _is_of_its_type(self) -> ToolBody:
        if self.type == "function" and self.function is None:
            raise missing("function")
        for name in self.model_fields_set - {"type", self.type}:
            raise unfit(name, f"it does not go with the type '{self.type}'")
        return self

    def to_wire(self) -> dict[str, Any]:
        """Return the tool with what was left out filled in, as the hosted service showed it."""
        if self.type == "file_search":
            return {"type": self.type, self.type: (self.file_search or FileSearchSettings()).to_wire()}
        if self.function is None:
            return {"type": self.type}
        function: dict[str, Any] = {"name": self.function.name}
        if self.function.description is not None:
            function["description"] = self.function.description
        empty = {"type": "object", "properties": {}}
        function["parameters"] = empty if self.function.parameters is None else self.function.parameters
        function["strict"] = bool(self.function.strict)
        return {"type": "function", "function": function}


Tools = Annotated[list[Annotated[ToolBody, BeforeValidator(check_tool)]], Field(max_length=128)]


class ImageFile(Body):
    file_id: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImageUrl(Body):
    url: Annotated[str, StringConstraints(pattern=r"^(https?://|data:image/)")]
    detail: Literal["auto", "low", "high"] = "auto"


class ContentPart(Body):
    type: Literal["text", "image_file", "image_url"]
    text: str | None = None
    image_file: ImageFile | None = None
    image_url: ImageUrl | None = None

    @model_validator(mode="after")
    def _has_what_it_says(self) -> ContentPart:
        if getattr(self, self.type) is None:
            raise missing(self.type)
        return self

    def to_wire(self) -> dict[str, Any]:
        """Return the part as a message shows it: `{"type": "text", "text": {"value", "annotations"}}` for text."""
        if self.type == "text":
            return {"type": "text", "text": {"value": self.text, "annotations": []}}
        return {"type": self.type, self.type: getattr(self, self.type).model_dump()}


class MessageCreate(Body):
    role: Literal["user", "assistant"]
    content: Annotated[list[ContentPart], Field(min_length=1), BeforeValidator(content_parts)]
    attachments: Annotated[Any, BeforeValidator(check_attachments)] = None
    metadata: Metadata | None = None


class MetadataModify(Body):
    metadata: Metadata | None = None


class AssistantModify(Body):
    model: str | None = None
    name: Name | None = None
    description: Annotated[str, StringConstraints(max_length=512)] | None = None
    instructions: Instructions | None = None
    reasoning_effort: Effort | None = None
    tools: Tools | None = None
    tool_resources: ToolResources = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat = None


class AssistantCreate(AssistantModify):
    """An `id` is an addition of ours, for programs that hold the ids of assistants they made elsewhere."""

    id: Identifier | None = None
    model: str


class ThreadCreate(Body):
    """An `id` is an addition of ours, as in `AssistantCreate`."""

    id: Identifier | None = None
    messages: list[MessageCreate] | None = None
    tool_resources: ToolResources = None
    metadata: Metadata | None = None


class ThreadModify(MetadataModify):
    tool_resources: ToolResources = None


class Truncation(Body):
    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Field(ge=1, le=2**31)] | None = None

    @model_validator(mode="after")
    def _has_a_number(self) -> Truncation:
        if self.type == "last_messages" and self.last_messages is None:
            raise missing("last_messages")
        return self


class RunSettings(Body):
    """What both ways to create a run share."""

    assistant_id: str
    model: str | None = None
    instructions: Instructions | None = None
    tools: Tools | None = None
    metadata: Metadata | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    stream: bool | None = None
    max_prompt_tokens: PromptTokens | None = None
    max_completion_tokens: CompletionTokens | None = None
    truncation_strategy: Truncation | None = None
    tool_choice: ToolChoice = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat = None
    reasoning_effort: Effort | None = None


class RunCreate(RunSettings):
    additional_instructions: Instructions | None = None
    additional_messages: list[MessageCreate] | None = None


class ThreadRunCreate(RunSettings):
    thread: ThreadCreate | None = None
    tool_resources: ToolResources = None


class ToolOutputBody(Body):
    tool_call_id: str
    # The description makes it optional: a tool that returns nothing has an answer, too.
    output: str = ""


class ToolOutputs(Body):
    tool_outputs: list[ToolOutputBody]
    stream: bool | None = None
