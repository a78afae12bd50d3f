-- GETs whose tokens take turns. Argument after "--": a file with one token a line.
-- Prints the line of JSON that wrk.lua prints.

dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "wrk.lua")

local requests = {}
local at = 0

function init(args)
  for token in io.lines(args[1]) do
    wrk.headers["Authorization"] = "Bearer " .. token
    requests[#requests + 1] = wrk.format()
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end
