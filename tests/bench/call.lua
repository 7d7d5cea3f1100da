-- One request for wrk, from the environment; prints what was measured as one line of JSON.
-- With BENCH_ENDPOINTS the request is another one each time: any endpoint, a user who may query it, one of their tokens.
local endpoints = tonumber(os.getenv("BENCH_ENDPOINTS") or "")
local grants = tonumber(os.getenv("BENCH_GRANTS") or "1")
local users = tonumber(os.getenv("BENCH_USERS") or "1")
local tokens = tonumber(os.getenv("BENCH_TOKENS") or "1")
local body = os.getenv("BENCH_BODY")
local headers = {
  ["Content-Type"] = os.getenv("BENCH_TYPE") or "application/json",
  ["Authorization"] = os.getenv("BENCH_AUTHORIZATION"),
}

wrk.method = "POST"
wrk.body = body
for name, value in pairs(headers) do
  wrk.headers[name] = value
end

if endpoints then
  local random, format = math.random, string.format
  request = function()
    local endpoint = random(0, endpoints - 1)
    local user = (endpoint * grants + random(0, grants - 1)) % users
    local token = user + users * random(0, tokens / users - 1)
    headers["Authorization"] = format("Bearer dapi%032x", token)
    return wrk.format("POST", format("/serving-endpoints/e%d/invocations", endpoint), headers, body)
  end
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_us": %.1f, "p99_us": %.1f, "status": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout
  ))
end
