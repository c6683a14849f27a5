"""Show people what a run removed, and take their decisions.

Reading order: `ledger` (rows of a ledger file), `island` (a ledger as the columns a browser reads), `html` (one offline
file), `store` (a ledger in SQLite), `app` (the same front end from a local server), `prompt` (the same questions in a
terminal).
`front/` is the front end of both: plain modules, no build step, one adapter for the file and one for the server.
"""
