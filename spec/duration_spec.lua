local duration = require("weir.duration")

describe("duration.parse", function()
  it("reads numbers with units", function()
    for text, want in pairs({
      ["1us"] = 1, ["250ms"] = 250000, ["5s"] = 5000000, ["1m"] = 60000000, ["1h30m"] = 5400000000,
      ["1d"] = 86400000000, ["2w"] = 1209600000000, ["1.5s"] = 1500000, ["0.25h"] = 900000000,
      ["0s"] = 0, ["366d"] = 366 * 86400000000, ["1h1ms"] = 3600001000, ["0.000001s"] = 1,
      ["9223372036854775807us"] = math.maxinteger,
    }) do
      assert.same({ text, want }, { text, duration.parse(text) })
    end
  end)
  it("reads signs only where they are allowed", function()
    assert.equal(-300000000, duration.parse("-5m", { signed = true }))
    assert.equal(300000000, duration.parse("+5m", { signed = true }))
    assert.is_nil(duration.parse("-5m"))
  end)
  it("refuses everything else, and says why", function()
    for text, words in pairs({
      [""] = "is no duration", ["5"] = "no unit", ["m"] = "is no duration", ["5 m"] = "no unit",
      ["5min"] = "no unit `min`", ["1h 30m"] = "is no duration", ["1.s"] = "is no duration",
      [".5s"] = "is no duration", ["1.5us"] = "parts of a microsecond", ["1M"] = "no unit `M`",
      ["99999999999999999999s"] = "too long", ["106751992d"] = "too long", ["1h30"] = "no unit",
      ["106751991d5h"] = "too long", ["-5m"] = "sign", ["--5m"] = "is no duration",
      ["0.0000001s"] = "parts of a microsecond", ["1e3s"] = "no unit `e`", ["1\0s"] = "no unit",
    }) do
      local us, err = duration.parse(text, { signed = text:find("^%-%-") ~= nil })
      assert.same({ text, "W114" }, { text, us or err.code })
      assert(err.message:find(words, 1, true), err.message)
      assert.is_string(err.help)
    end
    assert.equal("did you mean `5m`?", select(2, duration.parse("5min")).help)
    assert.equal("write `5m`, without a blank", select(2, duration.parse("5 min")).help)
    assert.equal("write `1h30m`, without a blank", select(2, duration.parse("1h30 Minutes")).help)
  end)
end)

describe("duration.format", function()
  it("writes the text that reads back", function()
    for us, want in pairs({
      [0] = "0s", [5400000000] = "1h30m", [1] = "1us", [-90000000] = "-1m30s",
      [604800000000] = "1w", [86400000000 * 8] = "1w1d", [1001] = "1ms1us",
    }) do
      assert.equal(want, duration.format(us))
    end
    for _, us in ipairs({ math.maxinteger, math.mininteger + 1, 123456789012345 }) do
      assert.equal(us, duration.parse(duration.format(us), { signed = true }))
    end
    assert.matches("^%-", duration.format(math.mininteger))
  end)
end)
