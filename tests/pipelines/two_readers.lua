-- Two readers of rejects, of which one rejects rows itself: those are counted and read by nobody.
weir.generate { rows = 3000, columns = "x = i" }:filter "x // 0 == 1":write "blackhole:"
weir.rejects():derive "z = int64(reason)":write "none.csv"
weir.rejects():agg "n = count(), last = last(position)":write "count.csv"
