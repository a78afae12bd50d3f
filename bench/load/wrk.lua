-- Arguments after "--": method, bytes of request body. Prints one line of JSON at the end.

function init(args)
  wrk.method = args[1]
  local length = tonumber(args[2])
  if length > 0 then
    wrk.body = string.rep("x", length)
    wrk.headers["Content-Type"] = "application/octet-stream"
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"failed":%d,"durationUs":%d,"p50Us":%.1f,"p99Us":%.1f}\n',
    summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout,
    summary.duration,
    latency:percentile(50),
    latency:percentile(99)
  ))
end
