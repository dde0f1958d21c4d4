"""inputs.py: the inputs of tests/faults/pipelines, the same bytes in every run."""

import gzip
import json
import os
import random
import sqlite3

ROWS = 60
USERS = ["ann", "bob", "cay", "dan"]
ITEMS = ["hat", "shoe", "none", "bag"]
PAGES = ["/", "/hats", "/cart"]


def stamp(second):
    return f"2024-03-01T10:{second // 60:02d}:{second % 60:02d}Z"


def orders(dice):
    lines = []
    for i in range(ROWS):
        behind = 25 if i % 16 == 0 else dice.randrange(9) # late, as the first of a batch
        row = {"id": f"o{i % 53}", "ts": stamp(max(0, 2 * i - behind)),
               "user": dice.choice(USERS), "item": dice.choice(ITEMS),
               "amount": dice.randrange(1, 20), "price": f"{dice.randrange(1, 9999) / 100:.2f}"}
        if i % 17 == 5:
            row["amount"] = "many"
        lines.append("{broken" if i % 29 == 11 else json.dumps(row))
    return "\n".join(lines) + "\n"


def clicks(dice, count, first):
    lines = ["user,page,ts,ms"]
    for i in range(count):
        ms = "slow" if i % 23 == 7 else dice.randrange(100)
        lines.append(f"{dice.choice(USERS)},{dice.choice(PAGES)},"
                     f"{stamp(first + 3 * i - dice.randrange(5))},{ms}")
    return "\n".join(lines) + "\n"


def payments(dice):
    lines = ["id,paid,cents"]
    for i in range(0, ROWS, 2):
        lines.append(f"o{i % 53},{stamp(2 * i + dice.randrange(12))},{dice.randrange(5000)}")
    return "\n".join(lines) + "\n"


def rates(dice, path):
    database = sqlite3.connect(path)
    database.execute("create table rates(item text, at text, rate integer)")
    database.executemany("insert into rates values (?, ?, ?)",
                         [(ITEMS[i % 4], stamp(3 * i), dice.randrange(1, 9)) for i in range(40)])
    database.commit()
    database.close()


def unique(path):
    """A table that refuses rows: one id at most, and no small amounts."""
    database = sqlite3.connect(path)
    database.execute("create table bids(id text unique, amount integer check (amount > 2))")
    database.commit()
    database.close()


def with_log(path):
    """A database whose owner has set the write-ahead log."""
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode = wal")
    database.execute("create table sums(window_start text, window_end text, item text, n integer, "
                     "sum integer, primary key(window_start, item))")
    database.commit()
    database.close()


def with_rows(path):
    """Tables that have rows already, to which more are added by an audited write."""
    database = sqlite3.connect(path)
    database.execute("create table orders(id text, user text, amount integer)")
    database.execute("insert into orders values ('old', 'eve', 1)")
    database.execute("create table users(user text primary key, n integer, total integer)")
    database.executemany("insert into users values (?, ?, ?)",
                         [("eve", 1, 1)] + [(user, 0, 0) for user in USERS])
    database.commit()
    database.close()


def noted(path):
    """A table with a column and a row of somebody else's; its owner has set a log."""
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode = wal")
    database.execute("create table items(note text default 'none', item text, user text, "
                     "n integer, last text, primary key(item, user)) without rowid")
    database.execute("insert into items values ('old', 'coat', 'eve', 1, null)")
    database.commit()
    database.close()


def gzipped(text):
    return gzip.compress(text.encode(), mtime=0)


def lay(folder):
    """Writes all inputs into a folder: {name: bytes} of those that no pipeline writes to."""
    dice = random.Random(5)
    texts = {"orders.ndjson": orders(dice).encode(), "payments.csv": payments(dice).encode(),
             "part-1.csv": clicks(dice, 30, 10).encode(),
             "part-2.csv": clicks(dice, 30, 100).encode(),
             "clicks.csv.gz": gzipped(clicks(dice, 60, 10)),
             "grown.csv": b"user,ms\nold,1\nolder,2",
             "grown.ndjson.gz": gzipped('{"page":"/old","ms":99}\n')}
    for name, data in texts.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    rates(dice, os.path.join(folder, "rates.db"))
    unique(os.path.join(folder, "unique.db"))
    with_log(os.path.join(folder, "two.db"))
    with_rows(os.path.join(folder, "kept.db"))
    noted(os.path.join(folder, "noted.db"))
    # What stands there from runs before, and goes when the new result comes.
    os.makedirs(os.path.join(folder, "items/item=hat"))
    for name, text in {"sums.csv": "old\n", "items/item=hat/part-00000.csv": "old\n",
                       "items/item=hat/part-00001.csv": "older\n"}.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


def many_keys(dice, count):
    """Rows of which few have the same keys; some keys are long."""
    lines = []
    for i in range(count):
        key = dice.randrange(count // 2)
        name = f"name {key % 97}" + " of many words" * (key % 3)
        lines.append(json.dumps({"k": key, "name": name, "price": dice.randrange(9999) / 100,
                                 "n": dice.randrange(count)}))
    return "\n".join(lines) + "\n"


def lay_for_sim(folder):
    """The same, but for rows whose fate hangs on batches (`weir help changelog`), which differ from
    life to life in `weir sim`: rows of keys that a changelog takes back."""
    lay(folder)
    with open(os.path.join(folder, "rows.ndjson"), "w", encoding="utf-8") as file:
        file.write(many_keys(random.Random(7), 900))
    database = sqlite3.connect(os.path.join(folder, "kept.db"))
    database.execute("delete from users where user <> 'eve'")
    database.commit()
    database.close()
