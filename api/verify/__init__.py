"""`unisson-verify`: checks a bundle of the log without a database, a key, or the rest of this project.

Needs Python and `cryptography` only. What it holds about trees, notes and headers is written here a second time, on
purpose: the two are compared by tests, and an auditor reads this folder alone.
"""
