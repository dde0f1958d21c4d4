-- Typed values: reading, text forms, comparison.
local value = require("weir.value")

describe("a timestamp", function()
  it("reads RFC 3339 in its forms", function()
    for text, us in pairs({
      ["1970-01-01T00:00:00Z"] = 0, ["1970-01-01 00:00"] = 0, ["1970-01-01"] = 0,
      ["1970-01-01T00:00:00.5Z"] = 500000, ["1970-01-01T00:00:00.000001z"] = 1,
      ["1970-01-01T02:00:00+02:00"] = 0, ["1969-12-31T23:59:59.999999Z"] = -1,
      ["2024-02-29T12:30:00-0530"] = 1709229600000000,
    }) do
      assert.equal(us, value.parse_timestamp(text).v, text)
    end
  end)
  it("refuses what is none", function()
    for _, text in ipairs({ "", "2024-13-01", "2023-02-29", "2024-01-01T24:00:00Z", "2024-1-1",
      "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00+2", "2024-01-01T00:60:00Z", "now" }) do
      assert.is_nil(value.parse_timestamp(text), text)
    end
  end)
  it("writes 0, 3 or 6 digits of a second", function()
    assert.equal("1970-01-01T00:00:00Z", value.text(value.timestamp(0)))
    assert.equal("1970-01-01T00:00:00.500Z", value.text(value.timestamp(500000)))
    assert.equal("1969-12-31T23:59:59.999999Z", value.text(value.timestamp(-1)))
  end)
  it("every day of 400 years reads back", function()
    for days = -146097 // 2, 146097 // 2, 97 do
      local text = value.text(value.date(days))
      assert.equal(days, value.parse_date(text).v, text)
    end
  end)
end)

describe("text of values", function()
  it("durations are ISO 8601", function()
    for us, text in pairs({ [0] = "PT0S", [90000000] = "PT1M30S", [86400000000] = "P1D",
      [-5400000000] = "-PT1H30M", [86401500000] = "P1DT1.5S", [1] = "PT0.000001S" }) do
      assert.equal(text, value.text(value.duration(us)))
    end
  end)
  it("floats are the shortest that read back", function()
    assert.equal("0.1", value.text(0.1))
    assert.equal("0.30000000000000004", value.text(0.1 + 0.2))
    assert.equal("nan", value.text(0 / 0))
    assert.equal("-inf", value.text(-math.huge))
  end)
end)

describe("typed values", function()
  it("are equal by type and value", function()
    assert.is_true(value.date(1) == value.date(1))
    assert.is_false(value.date(1) == value.timestamp(1))
  end)
  it("are ordered within their type only", function()
    assert.is_true(value.date(1) < value.date(2))
    assert.is_true(value.date(2) >= value.date(2))
    assert.has_error(function()
      return value.date(1) < value.timestamp(2)
    end)
    assert.has_error(function()
      return value.date(1) < 2
    end)
  end)
end)
