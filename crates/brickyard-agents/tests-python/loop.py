"""`predict` of a logged model, called in a loop inside one process: what the worker pool is measured against."""

import json
import os
import sys
import time

# Tracing as in serving: without this mlflow would write each trace to a file store.
os.environ.setdefault("IS_IN_DB_MODEL_SERVING_ENV", "true")
os.environ.setdefault("IS_IN_DATABRICKS_MODEL_SERVING_ENV", "true")

import mlflow  # noqa: E402
from mlflow.pyfunc.context import Context, set_prediction_context  # noqa: E402

model = mlflow.pyfunc.load_model(sys.argv[1])
body = '{"input":[{"role":"user","content":"hello"}]}'


def once(number):
    with set_prediction_context(Context(request_id=str(number))):
        return model.predict(json.loads(body))


for number in range(200):
    once(number)
for round in range(3):
    start = time.perf_counter()
    for number in range(2000):
        once(number)
    print(f"round {round}: {2000 / (time.perf_counter() - start):.0f} calls/s")
