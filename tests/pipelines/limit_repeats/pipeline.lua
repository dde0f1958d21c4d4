-- Rows that a stage gives several times are numbered one by one: what a limit did not reach of a
-- record has not happened, in a lane and behind a merge, for any batch size.
local keys = weir.read("keys-*.csv", { schema = "k string", partitions = "each" })

local mapped = keys
  :flat_map("v string", function(e, emit)
    for _, v in ipairs { "1", "x", "2", "y", e.k, "3" } do
      emit(v)
    end
  end)
  :derive "n = int64(v)"
mapped:limit(3):write "mapped.csv"
mapped:rejects():select "source, position, detail":write "mapped_rejects.csv"

local again = keys
  :flat_map("v string", function(e, emit)
    emit(e.k)
    emit(e.k .. "2")
  end)
  :flat_map("w string", function(e, emit)
    emit(e.v)
    emit "q"
    emit "5"
  end)
  :derive "m = int64(w)"
again:limit(4):write "again.csv"
again:rejects():select "source, position, detail":write "again_rejects.csv"

local found = keys:lookup(weir.read "values.csv", { on = "k", many = true })
  :derive "n = int64(v)"
found:limit(4):write "found.csv"
found:rejects():select "source, position, detail":write "found_rejects.csv"
