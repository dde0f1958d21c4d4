-- Files without a quote character, and a value that begins with a byte order mark where the file
-- begins: it reads back as it was.
local plain = weir.csv { header = false, delimiter = ";", quote = "" }
weir.read("in.csv", { schema = "s string, t string", format = plain })
  :write("out.csv", { format = plain })
