-- What would end a cell or a row of a Markdown table is escaped wherever it stands.
weir.rows("a string, b string", { { "\xc3\xa9|a", "\xc3\xa9\nb" }, { "\xe6\x97\xa5|\n", "|" } })
  :write("cells.md")
