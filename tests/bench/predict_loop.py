"""`predict` of the logged model in a loop inside one process: what one worker of brickyard is measured against.

Reads a number of seconds from each line of its input, calls for that long, and prints calls a second. The process
runs in the same environment as a worker of brickyard, and calls within the same prediction context, so that tracing
does the same work.
"""

import json
import os
import sys
import time

os.environ["IS_IN_DB_MODEL_SERVING_ENV"] = os.environ["IS_IN_DATABRICKS_MODEL_SERVING_ENV"] = "true"

import mlflow  # noqa: E402
from mlflow.pyfunc.context import Context, set_prediction_context  # noqa: E402

model = mlflow.pyfunc.load_model(sys.argv[1])
traced = os.environ.get("ENABLE_MLFLOW_TRACING") == "true"
body = sys.argv[2]
number = 0


def once():
    global number
    number += 1
    with set_prediction_context(Context(request_id=str(number))):
        answer = model.predict(json.loads(body))
    if traced:
        from mlflow.tracing.export.inference_table import pop_trace

        # As a server does: a trace that nobody takes would pile up.
        pop_trace(str(number))
    return answer


print(json.dumps(once()), flush=True)
for line in sys.stdin:
    seconds = float(line)
    calls, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        once()
        calls += 1
    print(calls / (time.perf_counter() - begin), flush=True)
