-- `weir -e ':stages' FILES`: how several files are read together.
local program = require("spec.support.program")

describe("-e over several files", function()
  if not program.is_here then
    pending("needs the program: weir test")
    return
  end
  local at
  before_each(function()
    at = program.folder()
    at.put("a.csv", "a,b\n1,x\n")
    at.put("b.csv", "b,a,c\ny,2.5,true\n")
    at.put("c.ndjson", '{"a":1}\n')
  end)
  after_each(function()
    at.remove()
  end)

  local function refused(code, said, ...)
    local got, _, err = at.weir("-e", ":write '@out.ndjson'", ...)
    assert.equal(code, got, err)
    assert.truthy(err:find(said, 1, true), err)
  end

  it("reads them by header name, with the types that hold all of them, in their order", function()
    local code, _, err = at.weir("-e", ":write '@out.ndjson'", "@b.csv", "@a.csv")
    assert.equal(0, code, err)
    assert.equal('{"b":"y","a":2.5,"c":true}\n{"b":"x","a":1.0,"c":null}\n', at.get("out.ndjson"))
  end)
  it("reads a file twice that is named twice", function()
    local code, _, err = at.weir("-e", ":agg 'n = count()':write '@out.ndjson'", "@a.csv", "@a.csv")
    assert.equal(0, code, err)
    assert.equal('{"n":2}\n', at.get("out.ndjson"))
  end)
  it("names the file that does not go with the others", function()
    refused(3, "`b` is missing in `c.ndjson`", "@a.csv", "@c.ndjson")
    refused(3, "`b` of `a.csv` is missing in `c.ndjson`", "@c.ndjson", "@a.csv")
  end)
  it("names the file that is not there", function()
    refused(6, "no such file: `d.csv`", "@a.csv", "@d.csv")
  end)
  it("does not write over any of them", function()
    local code, _, err = at.weir("-e", ":write '@b.csv'", "@a.csv", "@b.csv")
    assert.equal(3, code)
    assert.truthy(err:find("W410", 1, true), err)
    assert.equal("b,a,c\ny,2.5,true\n", at.get("b.csv"))
  end)
end)
