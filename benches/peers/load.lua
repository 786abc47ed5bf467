-- What wrk sends, one after the other: wrk -s load.lua URL -- TOKEN SCENARIO CAMPAIGNS. Prints one line of JSON.

local PATH = "/api/voice-campaigns"
local BODY = [[{"name": "Customer Survey Campaign", "description": "Automated survey for customer satisfaction",
  "status": "draft", "priority": "high", "calls_per_day": 50, "calling_hours_start": "09:00:00",
  "calling_hours_end": "17:00:00", "system_prompt": "You are a friendly customer service representative",
  "script_template": "Hello {customer_name}, this is a survey call..."}]]

local shows, list, create, scenario = {}, nil, nil, nil

function init(arguments)
  local headers = { ["Authorization"] = "Bearer " .. arguments[1] }
  scenario = arguments[2]
  for id = 1, tonumber(arguments[3]) do
    shows[id] = wrk.format("GET", PATH .. "/" .. id, headers)
  end
  list = wrk.format("GET", PATH .. "?limit=100", headers)
  headers["Content-Type"] = "application/json"
  create = wrk.format("POST", PATH, headers, BODY)
  math.randomseed(1)
end

local function show()
  return shows[math.random(#shows)]
end

function request()
  if scenario == "show" then return show() end
  if scenario == "list" then return list end
  if scenario == "create" then return create end
  local share = math.random(100)
  if share <= 80 then return show() end
  return share <= 95 and list or create
end

function done(summary, latency, _)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}\n',
    summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
