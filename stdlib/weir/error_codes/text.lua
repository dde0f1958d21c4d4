--- W0: what is wrong with a text, before any column is looked at.
return {
  W001 = {
    message = "unexpected `…`, expected …",
    page = "The text does not follow the grammar: reading came as far as the caret, where only "
      .. "the listed things can follow. For a Lua script the message is Lua's own.",
    wrong = [[:filter "amount > "]],
    right = [[:filter "amount > 100"]],
  },
  W002 = {
    message = "`!=` is written `~=`",
    page = "Expressions have Lua's operators, and Lua's `not equal` is `~=`. `<>` is the same "
      .. "mistake.",
    wrong = [[:filter "country != 'DE'"]],
    right = [[:filter "country ~= 'DE'"]],
  },
  W003 = {
    message = "`&&`, `||`, `!` are written `and`, `or`, `not`",
    page = "Expressions have Lua's operators, which are words. Texts are joined by `..`, where "
      .. "SQL has `||`.",
    wrong = [[:filter "amount > 100 && country == 'DE'"]],
    right = [[:filter "amount > 100 and country == 'DE'"]],
  },
  W004 = {
    message = "`null` is written `nil`",
    page = "A missing value is Lua's nil. It equals only nil, so it is compared by `==` and "
      .. "`~=`; there is no `is null`. A column that has such a name is written between "
      .. "backticks.",
    wrong = [[:filter "country is not null"]],
    right = [[:filter "country ~= nil"]],
  },
  W005 = {
    message = "`=` compares nowhere: write `==`",
    page = "In a list `name = expression` names a column; inside an expression `=` means "
      .. "nothing. Values are compared by `==`.",
    wrong = [[:filter "country = 'DE'"]],
    right = [[:filter "country == 'DE'"]],
  },
  W006 = {
    message = "number … does not fit int64",
    help = "write a float or `decimal'…'`",
    page = "Integers have 64 bits. A larger one is not made a float silently, because it would "
      .. "lose digits: say which of the two is meant.",
    wrong = [[:filter "id == 99999999999999999999"]],
    right = [[:filter "id == decimal'99999999999999999999'"]],
  },
  W007 = {
    message = "string is not closed",
    page = "A string ends with the quote that it began with, on the same line; a long one with "
      .. "as many `=` between its brackets. The same holds for a name between backticks.",
    wrong = [[:filter "country == 'DE"]],
    right = [[:filter "country == 'DE'"]],
  },
  W008 = {
    message = "empty list",
    page = "The stage takes a list of items and this one has none. Only `group_by()` and "
      .. "`distinct()` may be called without a list, and then without a string.",
    wrong = [[:select ""]],
    right = [[:select "user, amount"]],
  },
  W009 = {
    message = "this item needs a name: `name = …`",
    page = "Columns never get names by themselves, because such names change when a schema "
      .. "grows. Only a bare column, or a path, which is named by its last step, needs none.",
    wrong = [[:agg "count()"]],
    right = [[:agg "n = count()"]],
  },
  W010 = {
    message = "expected `,` or a new line `name =` before `…`",
    page = "Items of a list are separated by commas. Before `name =` a new line is enough; a "
      .. "bare column needs the comma. There is no `;`.",
    wrong = [[:derive "a = 1; b = 2"]],
    right = [[:derive "a = 1, b = 2"]],
  },
  W011 = {
    message = "`…` is a Lua keyword: write `` `…` ``",
    page = "Lua's reserved words cannot be names as they are; between backticks every name can "
      .. "be written. In a Lua function such a column is `e[\"end\"]`.",
    wrong = [[:filter "end > 100"]],
    right = [[:filter "`end` > 100"]],
  },
  W012 = {
    message = "comparisons do not chain",
    help = "`a < b and b < c`; `x not in (…)`",
    page = "A comparison gives true or false, so a second one behind it would compare that. "
      .. "`not` binds tighter than a comparison: `not x in (…)` would be `(not x) in (…)`.",
    wrong = [[:filter "10 < amount < 100"]],
    right = [[:filter "10 < amount and amount < 100"]],
  },
  W013 = {
    message = "`c ? a : b` is written `case(c, a, b)`",
    page = "`if` and `case when` are written the same way. `case(c1, v1, c2, v2, else)` takes "
      .. "the value of the first condition that is true; without an `else` it gives nil.",
    wrong = [[:derive "tier = amount > 1000 ? 'big' : 'small'"]],
    right = [[:derive "tier = case(amount > 1000, 'big', 'small')"]],
  },
  W014 = {
    message = "duration `…` is written `duration'…'`",
    page = "A number with a unit is no token of Lua. Durations are typed literals, as "
      .. "timestamps and dates are; their units are us ms s m h d w.",
    wrong = [[:filter "ts - started > 5m"]],
    right = [[:filter "ts - started > duration'5m'"]],
  },
}
