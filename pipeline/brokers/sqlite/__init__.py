"""An embedded durable log in one SQLite file, for several threads and processes of one machine. Alone imports sqlite3.

`broker`, `publisher` and `consumer` are the contract; `database` opens the file and makes transactions; `schema` is its
tables; `topics`, `log` and `cleaning` are what is done to them; `locks` decides which member has a partition; `failures`
translates errors. The file must be on a local disk: SQLite's write-ahead log and file locks need it.
"""
