"""The OpenAI client, plain and as Databricks hands it out."""

import openai
import pytest
from conftest import ANA, BEN, CAROL, TOKENS

HELLO = [{"role": "user", "content": "What is worth seeing in Lisbon?"}]


def plain(brickyard, who):
    return openai.OpenAI(base_url=f"{brickyard.url}/serving-endpoints", api_key=TOKENS[who], max_retries=0)


def from_the_sdk(brickyard, who):
    return brickyard.client(who).serving_endpoints.get_open_ai_client()


def from_databricks_openai(brickyard, who):
    return pytest.importorskip("databricks_openai").DatabricksOpenAI(workspace_client=brickyard.client(who))


@pytest.mark.parametrize("client", [plain, from_the_sdk, from_databricks_openai])
class TestEachClient:
    def test_chats(self, brickyard, client):
        reply = client(brickyard, ANA).chat.completions.create(model="guide-model", messages=HELLO)
        assert reply.choices[0].message.content == "The guide to Lisbon has 12 chapters."
        assert reply.choices[0].finish_reason == "stop" and reply.usage.total_tokens > 0

    def test_streams_the_same_text(self, brickyard, client):
        stream = client(brickyard, ANA).chat.completions.create(model="guide-model", messages=HELLO, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
        assert text == "The guide to Lisbon has 12 chapters."

    def test_calls_a_tool_and_uses_what_it_said(self, brickyard, client):
        chat = client(brickyard, CAROL).chat.completions
        weather = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
        messages = [{"role": "user", "content": "The weather in Oslo?"}]
        tools = [{"type": "function", "function": weather}]
        asked = chat.create(model="travel-model", messages=messages, tools=tools).choices[0].message
        call = asked.tool_calls[0]
        assert (call.function.name, call.function.arguments.replace(" ", "")) == ("get_weather", '{"city":"Oslo"}')
        messages += [
            {"role": "assistant", "tool_calls": [call.model_dump()]},
            {"role": "tool", "tool_call_id": call.id, "content": "cold"},
        ]
        answer = chat.create(model="travel-model", messages=messages, tools=tools)
        assert answer.choices[0].message.content == "It is cold."

    def test_asks_an_agent(self, brickyard, client):
        reply = client(brickyard, BEN).responses.create(model="echo", input=[{"role": "user", "content": "hello"}])
        assert reply.output_text == "You said: hello"

    def test_streams_an_agent(self, brickyard, client):
        events = list(
            client(brickyard, BEN).responses.create(
                model="echo", input=[{"role": "user", "content": "hello"}], stream=True
            )
        )
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        done = [event.item for event in events if event.type == "response.output_item.done"]
        assert text == done[-1].content[0].text == "You said: hello"

    def test_embeds(self, brickyard, client):
        reply = client(brickyard, BEN).embeddings.create(model="databricks-gte-large-en", input=["one", "two"])
        assert [len(item.embedding) for item in reply.data] == [1024, 1024]


@pytest.mark.parametrize(
    ("who", "model", "text", "error"),
    [
        (BEN, "guide-model", "hello", (openai.PermissionDeniedError, openai.NotFoundError)),
        (ANA, "nobody", "hello", openai.NotFoundError),
    ],
)
def test_a_refusal_is_the_class_that_the_client_knows(brickyard, who, model, text, error):
    with pytest.raises(error):
        plain(brickyard, who).chat.completions.create(model=model, messages=[{"role": "user", "content": text}])


def test_an_agents_failure_is_an_error_streamed_or_not(brickyard):
    boom = [{"role": "user", "content": "boom"}]
    with pytest.raises(openai.InternalServerError, match="boom"):
        plain(brickyard, BEN).responses.create(model="echo", input=boom)
    with pytest.raises(openai.APIError, match="boom"):
        list(plain(brickyard, BEN).responses.create(model="echo", input=boom, stream=True))
