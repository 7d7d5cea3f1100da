"""The agent that every Python server of the benchmark serves: a `ResponsesAgent` that does as little as one can.

`BENCH_TRACING=off` turns mlflow's tracing off for servers that have no setting for it.
"""

import os
import uuid

import mlflow
from mlflow.pyfunc import ResponsesAgent
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse

OFF = os.environ.get("BENCH_TRACING") == "off"


class Echo(ResponsesAgent):
    def predict(self, request: ResponsesAgentRequest) -> ResponsesAgentResponse:
        global OFF
        if OFF:
            # At the first call: loading a model turns tracing on again.
            OFF = False
            mlflow.tracing.disable()
        text = f"You said: {request.input[-1].content}"
        item = self.create_text_output_item(text=text, id=str(uuid.uuid4()))
        return ResponsesAgentResponse(output=[item])


AGENT = Echo()
mlflow.models.set_model(AGENT)
