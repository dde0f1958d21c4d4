local size = require("weir.size")

describe("size", function()
  it("reads bytes with units, of 1024 each", function()
    for text, want in pairs({
      ["64MB"] = 64 << 20, ["1.5GB"] = 1610612736, ["512"] = 512, ["10 KB"] = 10240, ["7b"] = 7,
      ["2TiB"] = 2 << 40, ["1k"] = 1024, ["0"] = 0, ["0.5mb"] = 524288,
    }) do
      assert.same({ text, want }, { text, size.parse(text) })
    end
  end)
  it("refuses everything else", function()
    local wrong = { "", "MB", "64 M B", "-1MB", "1.5B", "64XB", "1e3", "9999999999TB", "1." }
    for _, text in ipairs(wrong) do
      local bytes, err = size.parse(text)
      assert.same({ text, "W203" }, { text, bytes or err.code })
      assert.matches("no size", err.message)
    end
  end)
  it("writes sizes for people", function()
    for bytes, want in pairs({ [0] = "0B", [1023] = "1023B", [1024] = "1KB", [1572864] = "1.5MB",
      [64 << 20] = "64MB", [3 << 40] = "3TB" }) do
      assert.equal(want, size.format(bytes))
    end
  end)
end)
