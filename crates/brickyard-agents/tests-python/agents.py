"""Agents of every kind that mlflow knows, in one file: `AGENT_KIND` in the model's config says which is meant.

They know nothing of brickyard. What they are asked for tells them which client to build.
"""

import uuid

import mlflow
from mlflow.models import ModelConfig, set_model
from mlflow.pyfunc import ChatAgent, ChatModel, PythonModel, ResponsesAgent

kind = ModelConfig(development_config={"AGENT_KIND": "responses"}).get("AGENT_KIND")


def bearer(client):
    return client.config.authenticate()["Authorization"]


def act(text):
    from databricks.sdk import WorkspaceClient

    if text == "user, by ai-bridge":
        from databricks_ai_bridge import ModelServingUserCredentials

        return bearer(WorkspaceClient(credentials_strategy=ModelServingUserCredentials()))
    if text == "user, by the sdk":
        from databricks.sdk.credentials_provider import ModelServingUserCredentials

        return bearer(WorkspaceClient(credentials_strategy=ModelServingUserCredentials()))
    if text == "system, by the sdk":
        return bearer(WorkspaceClient())
    if text == "system, by mlflow":
        from mlflow.utils.databricks_utils import get_databricks_host_creds

        return get_databricks_host_creds("databricks").token
    if text == "chance":
        import numpy

        return str(numpy.random.random())
    if text == "raise":
        raise ValueError("the agent's own words")
    return "you said " + text


if kind == "outside":
    from databricks.sdk import WorkspaceClient
    from databricks_ai_bridge import ModelServingUserCredentials

    early = WorkspaceClient(credentials_strategy=ModelServingUserCredentials())


class Responses(ResponsesAgent):
    def predict(self, request):
        from mlflow.types.responses import ResponsesAgentResponse

        text = request.input[-1].content
        item = self.create_text_output_item(text=act(text), id="msg-1")
        return ResponsesAgentResponse(output=[item], custom_outputs=request.custom_inputs)

    def predict_stream(self, request):
        from mlflow.types.responses import ResponsesAgentStreamEvent

        text = act(request.input[-1].content)
        for word in text.split():
            yield ResponsesAgentStreamEvent(**self.create_text_delta(delta=word, item_id="msg-1"))
        if request.input[-1].content == "raise half way":
            raise ValueError("the agent's own words, half way")
        item = self.create_text_output_item(text=text, id="msg-1")
        yield ResponsesAgentStreamEvent(type="response.output_item.done", item=item)


class Chat(ChatAgent):
    def predict(self, messages, context=None, custom_inputs=None):
        from mlflow.types.agent import ChatAgentMessage, ChatAgentResponse

        text = act(messages[-1].content)
        return ChatAgentResponse(messages=[ChatAgentMessage(role="assistant", content=text, id=str(uuid.uuid4()))])

    def predict_stream(self, messages, context=None, custom_inputs=None):
        from mlflow.types.agent import ChatAgentChunk, ChatAgentMessage

        for word in act(messages[-1].content).split():
            yield ChatAgentChunk(delta=ChatAgentMessage(role="assistant", content=word, id="one"))


class OldChat(ChatModel):
    def predict(self, context, messages, params):
        from mlflow.types.llm import ChatCompletionResponse

        text = act(messages[-1].content)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return ChatCompletionResponse.from_dict({"choices": [choice], "model": "m", "created": 1, "id": "1"})


class Plain(PythonModel):
    def predict(self, context, model_input, params=None):
        return [{"type": type(model_input).__name__, "rows": len(model_input), "params": params}]

    def predict_stream(self, context, model_input, params=None):
        yield {"first": 1}
        yield "second"


class Silent(PythonModel):
    def predict(self, context, model_input, params=None):
        import numpy

        return numpy.arange(3)


set_model({"responses": Responses, "outside": Responses, "chat": Chat, "old chat": OldChat, "plain": Plain, "silent": Silent}[kind]())
