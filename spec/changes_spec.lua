local changes = require("weir.changes")

local function told(...)
  local list = { state = "d", checkpoint = 7, loses = 0, refused = 0 }
  for i, change in ipairs({ ... }) do
    list[i] = change
    list.loses = list.loses + (change.loses and 1 or 0)
    list.refused = list.refused + (change.what == "refused" and 1 or 0)
  end
  return list
end

local SOURCE = { what = "kept", kind = "source", stage = "read", address = "file in.csv",
  place = "a.lua:1:1", reason = "as it was", loses = false }
local AGG = { what = "rebuilt", kind = "stage", stage = "agg", place = "a.lua:2:1",
  reason = "it is not the same in its groups", loses = true }
local SINK = { what = "refused", kind = "sink", stage = "write", name = "out", loses = false,
  address = "file out.csv", place = "a.lua:3:1", reason = "rows of two forms" }

describe("changes.text", function()
  it("has a line for each thing, and what is next", function()
    assert.equal("state d, checkpoint 7: 1 kept, 1 rebuilt\n"
      .. "  kept      source  in.csv (a.lua:1:1): as it was\n"
      .. "  rebuilt   stage   agg (a.lua:2:1): it is not the same in its groups\n"
      .. "`weir run` refuses this without --allow-rebuild\n", changes.text(told(SOURCE, AGG)))
  end)
  it("says that what is refused cannot be allowed", function()
    local text = changes.text(told(AGG, SINK))
    assert.truthy(text:find("refused   sink    out (a.lua:3:1)", 1, true))
    assert.falsy(text:find("allow-rebuild", 1, true))
  end)
  it("has no line of more than 80 columns, and breaks no path", function()
    local long = { what = "rebuilt", kind = "sink", stage = "write", loses = true,
      address = "file a b/c d e f.csv", place = "my scripts/a.lua:3:1",
      reason = ("what was written to it stays, "):rep(6) .. "é" }
    local text = changes.text(told(SOURCE, long))
    for line in text:gmatch("[^\n]+") do
      assert.truthy(assert(utf8.len(line)) <= 80, line)
    end
    assert.truthy(text:find("  rebuilt   sink    a b/c d e f.csv (my scripts/a.lua:3:1): what", 1,
      true), text)
    assert.truthy(text:find("\n" .. (" "):rep(20) .. "it stays, what was", 1, true), text)
  end)
  it("says nothing of a state without a checkpoint but that", function()
    local none = told()
    none.checkpoint = 0
    assert.equal("state d: no checkpoint yet; everything begins\n", changes.text(none))
  end)
end)

describe("changes.note", function()
  it("is silent where all is as it was", function()
    assert.equal("", changes.note(told(SOURCE), false))
  end)
  it("says whether the run goes on", function()
    assert.truthy(changes.note(told(SOURCE, AGG), false):find("^weir: this script does not go on"))
    assert.truthy(changes.note(told(SOURCE, AGG), true):find("^note: another script goes on"))
    assert.truthy(changes.note(told(SINK), true):find("^weir: this script does not go on"))
  end)
  it("leaves out what is kept", function()
    assert.falsy(changes.note(told(SOURCE, AGG), true):find("in.csv", 1, true))
  end)
end)

describe("changes.json", function()
  it("says what a machine asks for", function()
    local text = changes.json(told(SOURCE, AGG))
    assert.truthy(text:find('"goes_on": false', 1, true))
    assert.truthy(text:find('"needs_allow_rebuild": true', 1, true))
    assert.truthy(changes.json(told(AGG, SINK)):find('"needs_allow_rebuild": false', 1, true))
  end)
end)
