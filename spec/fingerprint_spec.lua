-- What the plan's hash knows of a Lua function, and whether the function can be run again.
local ok, native = pcall(require, "weir.native")
local load = require("weir.load")
local loader = require("weir.loader")

if not ok then
  describe("the hash of a plan", function()
    pending("is inside the program")
  end)
  return
end

local HEAD = "local s = weir.rows('a int64, at json', { { 1, { at = 1, to = 2 } } })\n"

local function plan(text)
  loader.reset()
  local made, err = load.script({ native = native, name = "t.lua", directory = ".", text = text })
  assert(made, tostring(err))
  local data = made:plan()
  return data
end

local function hash(text)
  return plan(HEAD .. text):hash()
end

local function repeatable(text)
  local nodes = native.explain(plan(HEAD .. text)).nodes
  return nodes[#nodes].repeatable ~= false
end

describe("the hash of a plan", function()
  it("holds what a function takes from outside", function()
    local text = "local p = { min = %s } local function low(x) return x < p.min end "
      .. "s:filter(function(e) return low(e.a) end):print()"
    assert.equal(hash(text:format("1")), hash("\n-- moved\n" .. text:format("1")))
    assert.not_equal(hash(text:format("1")), hash(text:format("2")))
    local other = text:format("1"):gsub("x < p", "x > p")
    assert.not_equal(hash(text:format("1")), hash(other))
    local global = "function low(x) return x < %d end "
      .. "s:filter(function(e) return low(e.a) end):print()"
    assert.not_equal(hash(global:format(1)), hash(global:format(2)))
  end)
  it("holds the functions that strings call", function()
    local text = "weir.def('f(x int64) int64', function(x) return x + %d end) "
      .. "s:derive 'b = f(a)':print()"
    assert.equal(hash(text:format(1)), hash("\n" .. text:format(1)))
    assert.not_equal(hash(text:format(1)), hash(text:format(2)))
  end)
  it("holds the names in rows that are written out", function()
    local text = "local s = weir.rows('j json', { { { at = %d } } }) s:print()"
    assert.not_equal(plan(text:format(1)):hash(), plan(text:format(2)):hash())
  end)
end)

describe("a function that asks for the time", function()
  it("makes its stream not repeatable", function()
    assert.is_true(repeatable("s:filter(function(e) return e.a > 1 end):print()"))
    assert.is_false(repeatable("s:filter(function() return now() ~= nil end):print()"))
    assert.is_false(repeatable("local function f() return now() end "
      .. "s:derive('t timestamp', function() return f() end):print()"))
    assert.is_false(repeatable("s:flat_map('t timestamp', function(_, emit) emit(now()) end)"
      .. ":print()"))
    assert.is_false(repeatable("weir.def('f(x int64) timestamp', function(x) return now() end) "
      .. "s:derive 't = f(a)':print()"))
    assert.is_true(repeatable("local function now() return 1 end "
      .. "s:filter(function(e) return now() == e.a end):print()"))
  end)
end)
