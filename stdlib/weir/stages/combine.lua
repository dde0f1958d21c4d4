--- Stages that join streams: lookup.
local stream = require("weir.stream")

return {
  lookup = {
    usage = ':lookup(weir.read "planes.csv", { on = "tailnum" })',
    doc = "Adds the columns of the row of another stream that has the same key; that stream is "
      .. "read whole first. A second row for a key is an error (W607) unless `many`. "
      .. "Keys of two number types are compared exactly.",
    subjects = { { kind = "stream" } },
    options = {
      on = { kind = "list", unnamed = true,
        doc = "`k`, or `l == r`: left of `==` is over the stream, right over the other one" },
      how = { kind = "choice", of = { "left", "inner", "semi", "anti" }, default = "left",
        doc = "`left` keeps rows that find nothing, `inner` drops them; `semi` and `anti` add no "
          .. "columns: they keep the rows that find one, or none" },
      prefix = { kind = "text", doc = "put before the name of every column of the other stream" },
      many = { kind = "boolean", default = "false",
        doc = "a key may have many rows: one row each" },
      reload = { later = true, kind = "any" }, cache = { later = true, kind = "any" },
      timeout = { later = true, kind = "any" }, ordered = { later = true, kind = "any" },
    },
    make = function(c, input)
      local right = c[1]
      if not c.opts.on then
        c:fail("W203", "option `on` of `lookup` must be a list of keys, got nil",
          "`{ on = \"id\" }`, or with two names `{ on = \"id == key\" }`")
      elseif c.opts.on.fn then
        c:fail("W203", "option `on` of `lookup` must be a list in a string", nil, "on")
      elseif stream.data(right).pending then
        c:fail("W207", ("%s of the other stream waits for its consumer"):format(
          stream.pending_text(stream.data(right).pending)), "end it with `agg` first")
      end
      require("weir.advice").check_sides(c, c.opts.on.ast, stream.columns(input),
        stream.columns(right))
      stream.use(right)
      return {
        op = "lookup", inputs = { stream.data(input).id, stream.data(right).id },
        on = c.opts.on.ast, how = c.opts.how or "left", prefix = c.opts.prefix,
        many = c.opts.many or false,
      }
    end,
  },
}
