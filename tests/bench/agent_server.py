"""MLflow's own AgentServer around `agent.py`: `agent_server.py PORT`."""

import sys

import uvicorn
from agent import AGENT
from mlflow.genai.agent_server import AgentServer, invoke
from mlflow.types.responses import ResponsesAgentRequest, ResponsesAgentResponse


@invoke()
def answer(request: ResponsesAgentRequest) -> ResponsesAgentResponse:
    return AGENT.predict(request)


uvicorn.run(AgentServer("ResponsesAgent").app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
