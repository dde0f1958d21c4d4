--- Stages that run Lua over rows: map, flat_map, and pipe, which applies a function to the stream.
local call = require("weir.call")
local diag = require("weir.diag")
local stream = require("weir.stream")

local ROW_FUNCTION = { kind = "callable", what = "a function of a row" }

return {
  map = {
    usage = ':map("user string, n int64", function(e) return e.user, e.n + 1 end)',
    doc = "Replaces each row by what the function returns, in the order of the schema.",
    subjects = { { kind = "schema" }, ROW_FUNCTION },
    make = function(c)
      -- A select whose columns are what the function gives.
      return { op = "select", name = "map", fn = c.script:function_spec(c[2], c[1], c) }
    end,
  },
  flat_map = {
    usage = ':flat_map("word string", function(e, emit) emit(e.text) end)',
    doc = "Replaces each row by the rows that the function emits: none, one or many.",
    subjects = { { kind = "schema" }, ROW_FUNCTION },
    make = function(c)
      return { op = "flat_map", fn = c.script:function_spec(c[2], c[1], c), schema = c[1] }
    end,
  },
  pipe = {
    transparent = true, unnamed = true,
    usage = ":pipe(clean, \"EUR\")",
    doc = "`s:pipe(f, …)` is `f(s, …)`: a function that takes a stream and gives one.",
    raw = true,
    make = function(c, input)
      if type(c[1]) ~= "function" then
        c:wrong("1", "a function of a stream", c[1], "`s:pipe(f, …)` is `f(s, …)`")
      end
      local result = c[1](input, table.unpack(c, 2, c.count))
      if not stream.is(result) then
        diag.raise(c, {
          code = "W212", message = ("the function gave no stream to `pipe`, but %s"):format(
            call.describe(result)), arg = "1",
          help = "end it with `return stream:…`",
        })
      end
      return nil, result
    end,
  },
}
