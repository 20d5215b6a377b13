-- The script for wrk of load-test.sh. Arguments: file of keys, share of misses.
-- Each thread has one connection and a Lua state of its own, so `asked` belongs to the next answer.

local threads = {}

function setup(thread)
  thread:set("seed", #threads + 1)
  table.insert(threads, thread)
end

function init(args)
  math.randomseed(os.time() * 1000 + seed)
  miss_ratio = tonumber(args[2])
  keys = {}
  for line in io.lines(args[1]) do
    local path, expected = line:match("^([^\t]*)\t(.*)$")
    table.insert(keys, {path = path, expected = expected})
  end
  base = wrk.path:gsub("/$", "") .. "/"
  hits, misses, wrong, example = 0, 0, 0, ""
end

function request()
  if math.random() < miss_ratio then
    asked = {path = string.format("no-such-key-%08x%08x", math.random(0, 2 ^ 31 - 1), math.random(0, 2 ^ 31 - 1))}
  else
    asked = keys[math.random(#keys)]
  end
  return wrk.format("GET", base .. asked.path)
end

function response(status, headers, body)
  local right
  if asked.expected then
    hits = hits + 1
    right = status == 200 and body:find("^%s*{.*}%s*$") and body:find(asked.expected, 1, true)
  else
    misses = misses + 1
    right = status == 404 and body:find("^%s*{%s*\"code\"%s*:%s*\"not_found\".*\"message\".*}%s*$")
  end
  if not right then
    wrong = wrong + 1
    if example == "" then
      example = string.format("%s answered by %d %s", asked.path, status, body:sub(1, 200))
    end
  end
end

function done(summary, latency, requests)
  local total = {hits = 0, misses = 0, wrong = 0}
  local example = ""
  for _, thread in ipairs(threads) do
    for name, value in pairs(total) do total[name] = value + thread:get(name) end
    if example == "" then example = thread:get("example") end
  end
  local function say(...) io.stderr:write("load-test: " .. string.format(...) .. "\n") end
  local errors = summary.errors
  say("rate %.0f requests/s (%d hits, %d misses in %.1f s)", summary.requests / (summary.duration / 1e6),
      total.hits, total.misses, summary.duration / 1e6)
  say("latency p50 %.3f ms, p90 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms",
      latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000,
      latency:percentile(99.9) / 1000, latency.max / 1000)
  say("errors: %d wrong answers, %d connect, %d read, %d write, %d time-outs", total.wrong, errors.connect,
      errors.read, errors.write, errors.timeout)
  if example ~= "" then say("WRONG: %s", example) end
  local bad = total.wrong + errors.connect + errors.read + errors.write + errors.timeout
  if bad > 0 or total.hits == 0 then os.exit(1) end
end
