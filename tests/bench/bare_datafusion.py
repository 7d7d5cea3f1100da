"""DataFusion's own Python package over Parquet files: a query a line in, its time and rows out. See src/bare_datafusion.rs."""

import json
import sys
import time

from datafusion import RuntimeEnvBuilder, SessionContext

runtime = RuntimeEnvBuilder().with_greedy_memory_pool(int(sys.argv[1]) << 20)
context = SessionContext(runtime=runtime)
for table in sys.argv[2:]:
    name, folder = table.split("=", 1)
    context.register_parquet(name, folder)
print("ready", flush=True)
for query in sys.stdin:
    begin = time.perf_counter()
    try:
        batches = context.sql(query).collect()
    except Exception as error:
        print(json.dumps({"error": str(error)}), flush=True)
        continue
    took = (time.perf_counter() - begin) * 1e3
    rows = [[str(cell) for cell in row.values()] for batch in batches for row in batch.to_pylist()]
    print(json.dumps({"ms": took, "rows": rows}), flush=True)
