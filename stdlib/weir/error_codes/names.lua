--- W1: names and types.
return {
  W101 = {
    message = "unknown function `…`",
    page = "There is no function of this name. Names that other systems use are answered with "
      .. "weir's. `weir help functions` lists all; own ones are made by `weir.def`. Brackets on "
      .. "a line of their own make a call of the name before them: a comma may be missing.",
    wrong = [[:derive "label = ifnull(name, 'none')"]],
    right = [[:derive "label = coalesce(name, 'none')"]],
  },
  W102 = {
    message = "`…` takes …, got …",
    help = "its signature",
    page = "The function was called with too few or too many arguments, or with some of another "
      .. "type.",
    wrong = [[:derive "start = sub(url)"]],
    right = [[:derive "start = sub(url, 1, 20)"]],
  },
  W103 = {
    message = "unknown column `…`",
    help = "did you mean `…`?  columns: …",
    page = "A bare name is an item above it in the same list, else a column of the stream. "
      .. "Names are compared byte by byte. Locals of the script are never seen: values come in "
      .. "as parameters, `$name`.",
    wrong = [[:filter "amout > 100"]],
    right = [[:filter "amount > 100"]],
  },
  W104 = {
    message = "`…` cannot take … and …",
    page = "Nothing is converted silently: a string is no number, and a timestamp is compared "
      .. "with a timestamp. Conversion functions have the name of the type; they fail rather "
      .. "than lose.",
    wrong = [[:derive "total = amount + '10'"]],
    right = [[:derive "total = amount + 10"]],
  },
  W105 = {
    message = "duplicate name `…`",
    page = "A list, a schema or a set of parameters names each column once.",
    wrong = [[:select "user, amount, user"]],
    right = [[:select "user, amount"]],
  },
  W106 = {
    message = "no value for `$…`",
    page = "A parameter gets its value from the stage's options, or from `weir.params`, which "
      .. "takes it from `-p name=value` or its default.",
    wrong = [[:filter "amount > $min"]],
    right = [[:filter("amount > $min", { min = 100 })]],
  },
  W107 = {
    message = "a condition must be bool, this is …",
    help = "`x ~= nil`",
    page = "`filter`, `where`, `case` and `expect` take true or false; a number or a text is "
      .. "neither. Whether a column has a value is asked by `~= nil`.",
    wrong = [[:filter "country"]],
    right = [[:filter "country ~= nil"]],
  },
  W108 = {
    message = "`…` is not a method of …",
    help = "write `f(x)`",
    page = "`x:f()` is `f(x)` for functions whose first parameter is a value of this type. "
      .. "Aggregates are called as `f(x)` only.",
    wrong = [[:agg "total = amount:sum()"]],
    right = [[:agg "total = sum(amount)"]],
  },
  W109 = {
    message = "`…` is neither a key nor inside an aggregate",
    help = "`any_value(x)`",
    page = "`agg` makes one row of a group, so a column that is no key has many values there: "
      .. "an aggregate says which. The other way round, an aggregate can stand only in `agg` "
      .. "and in a `derive` behind `group_by`.",
    wrong = [[:group_by "user":agg "country, n = count()"]],
    right = [[:group_by "user":agg "country = any_value(country), n = count()"]],
  },
  W110 = {
    message = "aggregate inside an aggregate",
    help = "use a second stage",
    page = "An aggregate's argument is computed for each row, before there are groups. The "
      .. "aggregate of an aggregate is a second `agg`, or a second `derive`; so is an aggregate "
      .. "of what `lag` or `rank` give.",
    wrong = [[:agg "top = max(sum(amount))"]],
    right = ":group_by \"user\":agg \"total = sum(amount)\"\n:agg \"top = max(total)\"",
  },
  W111 = {
    message = "the result type of this function is not known",
    help = "`\"name type\"`",
    page = "The types of a Lua function's results can be left out only when it is a plain "
      .. "expression of its row. Otherwise they are written behind the names.",
    wrong = [[:derive("domain", function(e) return lookup[e.url] end)]],
    right = [[:derive("domain string", function(e) return lookup[e.url] end)]],
  },
  W112 = {
    message = "`over` takes `'1h'` or a row count, after an aggregate",
    page = "`f(x) over '1h'` covers the rows of the last hour, this one included; `over 10` "
      .. "this row and the nine before. The partition is the `group_by` above. They belong to "
      .. "`derive` behind `group_by`; without a list it makes all rows one group.",
    wrong = [[:derive "n = count() over (partition by user)"]],
    right = [[:group_by "user":derive "n = count() over '1h'"]],
  },
  W113 = {
    message = "`x:…()` on … is a field: write `…(x)`",
    page = "On json, structs and maps a name behind the value is a field of it, so functions of "
      .. "them are called as `f(x)`.",
    wrong = [[:derive "n = payload:length()"]],
    right = [[:derive "n = length(payload)"]],
  },
  W114 = {
    message = "bad literal: `…` is no …",
    page = "The text of a typed literal is read when the stage is called. Timestamps are RFC "
      .. "3339, dates are YYYY-MM-DD, durations are a number and a unit, decimals are digits "
      .. "with a point.",
    wrong = [[:filter "day == date'31.03.2024'"]],
    right = [[:filter "day == date'2024-03-31'"]],
  },
  W115 = {
    message = "bad pattern at byte …",
    page = "Patterns are Lua's for `match find gsub`, where `%` escapes, and PCRE2's for the "
      .. "functions that begin with `regex_`, where a backslash does. Constant ones are checked "
      .. "at the call.",
    wrong = [[:derive "host = url:match('([^/]+')"]],
    right = [[:derive "host = url:match('([^/]+)')"]],
  },
  W116 = {
    message = "unknown type `…`: did you mean …",
    page = "Types are bool int64 float64 decimal(p,s) string bytes timestamp date duration json "
      .. "list<T> struct<name T, …> map<K,V>. There are no shorter integers.",
    wrong = [[weir.schema "id int, price double"]],
    right = [[weir.schema "id int64, price float64"]],
  },
}
