local suggest = require("weir.suggest")

describe("suggest.distance", function()
  it("counts inserts, deletes, replacements and swaps", function()
    for _, case in ipairs({
      { "amount", "amount", 0 }, { "amout", "amount", 1 }, { "amuont", "amount", 1 },
      { "amounts", "amount", 1 }, { "amoumt", "amount", 1 }, { "", "abc", 3 }, { "ca", "abc", 3 },
      { "kitten", "sitting", 3 },
    }) do
      assert.equal(case[3], suggest.distance(case[1], case[2], 5))
      assert.equal(case[3], suggest.distance(case[2], case[1], 5))
    end
  end)
  it("stops beyond its limit", function()
    assert.equal(3, suggest.distance("kitten", "sitting", 2))
    assert.equal(2, suggest.distance("a", "abcdef", 1))
  end)
end)

describe("suggest.nearest", function()
  local columns = { "user", "url", "amount", "country", "ts", "user_id", "Total Amount", "items" }
  it("finds what was mistyped", function()
    for word, want in pairs({
      amout = "amount", amuont = "amount", AMOUNT = "amount", contry = "country", usr = "user",
      userId = "user_id", ["user-id"] = "user_id", item = "items", uesr = "user",
      total_amount = "Total Amount", coun = "country", amounts = "amount", tss = "ts",
    }) do
      assert.same({ word, want }, { word, suggest.nearest(word, columns) })
    end
  end)
  it("finds nothing where nothing is near", function()
    for _, word in ipairs({ "price", "x", "zz", "", "discount_rate" }) do
      assert.is_nil(suggest.nearest(word, columns), word)
    end
    assert.is_nil(suggest.nearest("amount", {}))
    assert.is_nil(suggest.nearest("amount", { "amount" }))
  end)
  it("stays fast for long names and many of them", function()
    local names = {}
    for i = 1, 3000 do
      names[i] = ("n"):rep(1000) .. i
    end
    local started = os.clock()
    suggest.nearest(("m"):rep(1000), names)
    assert.is_true(os.clock() - started < 2)
  end)
end)
