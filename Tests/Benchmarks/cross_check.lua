-- wrk's script for the cross-check: the same request that load.c sends. The URL carries the path.
-- usage: wrk ... -s cross_check.lua URL -- BODY_FILE "Name: value"...
function init(args)
   local file = assert(io.open(args[1], "rb"))
   wrk.method = "POST"
   wrk.body = file:read("*a")
   file:close()
   wrk.headers["Content-Type"] = "application/json"
   wrk.headers["Authorization"] = "Bearer sk-client-0123456789"
   for i = 2, #args do
      local name, value = args[i]:match("^([^:]+):%s*(.*)$")
      wrk.headers[name] = value
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format('\nJSON {"requests":%d,"seconds":%.4f,"bytes":%d,"broken":%d}\n',
      summary.requests, summary.duration / 1e6, summary.bytes,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
