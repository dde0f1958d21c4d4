-- A column whose values are of several kinds is json: none is refused when it is read, and
-- arithmetic looks at each row.
-- test: args --rejects rejects.csv.gz
local readings = weir.read "readings.ndjson"
readings:select "sensor, temp_f, flag":write "as_read.ndjson"
readings:select "sensor, celsius = round((float64(temp_f) - 32) * 5 / 9, 1)":write "celsius.csv"
