--- `weir.nexmark`: the events of the Nexmark benchmark as three streams. Describes only; the events
--- are made in C (`conn/nexmark.h`).
local M = {}

--- The streams, in the order in which they are given.
M.STREAMS = { "bid", "auction", "person" }

--- One description a stream. They are of one family: their rows are numbered together.
local function make(c)
  local script = c.script
  script.nexmark_count = (script.nexmark_count or 0) + 1
  local specs = {}
  for i, name in ipairs(M.STREAMS) do
    specs[i] = {
      op = "read", name = script.nexmark_count == 1 and name or name .. script.nexmark_count,
      endpoint = {
        kind = "nexmark", stream = name, family = script.nexmark_count,
        options = {
          events = c.opts.events, rate = c.opts.rate, seed = c.opts.seed,
          disorder = c.opts.disorder, max_delay = c.opts.max_delay, compat = c.opts.compat,
        },
      },
      options = {},
    }
  end
  return specs
end

M.descriptor = {
  unnamed = true,
  streams = 3,
  usage = "local bid, auction, person = weir.nexmark { events = 1000000 }",
  doc = "The events of the Nexmark benchmark as three streams with event time: of 50 events 46 are "
    .. "bids, three auctions, one a person. The same seed gives the same events. `_event` is the "
    .. "number of the event, in the order of which rows of equal time stand. Columns are made "
    .. "where somebody reads them. A watermark follows the events of all three.",
  subjects = {},
  options = {
    events = { kind = "count", doc = "so many, of all three kinds", default = "endless" },
    rate = { kind = "count", min = 1, doc = "events in a second of event time, from "
      .. "2020-09-13T12:26:40Z on; they come as fast as they are taken", default = "10000" },
    seed = { kind = "count", doc = "of everything random", default = "1" },
    disorder = { kind = "count", min = 1, default = "1: none",
      doc = "events of a group that change places; the watermark knows of it" },
    max_delay = { kind = "duration", doc = "by how much the watermark lags behind",
      default = "0s" },
    compat = { kind = "choice", of = { "weir", "flink" }, default = "weir",
      doc = "`flink`: bidders have numbers 1,000 higher, which no person has, as in the "
        .. "generator for Flink" },
  },
  make = make,
}

return M
