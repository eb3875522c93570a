"""Vector stores: begin with `routes`, which answers; `stores` and `members` keep them and their files.

`filters` tells files apart, `resources` are what assistants, threads and messages bring.
"""
