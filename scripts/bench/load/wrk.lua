-- POSTs one JSON body; the last line of the output is the result as JSON (microseconds).
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = os.getenv("OSIRIS_BENCH_BODY")

function done(summary, latency)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"requestsPerSecond":%.1f,"p50Us":%.1f,"p99Us":%.1f,"failures":%d}\n',
    summary.requests / (summary.duration / 1e6), latency:percentile(50), latency:percentile(99), failures
  ))
end
