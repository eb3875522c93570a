"""One module for each wire protocol: a request builder and a decoder, both without IO.

`transport` sends what a builder made, sync or async, and gives a decoder what comes back.
"""
