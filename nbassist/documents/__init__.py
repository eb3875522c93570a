"""From a file to its text, cut into chunks, and found: for the server's vector stores, and for a notebook's own files.

Imports the ground alone. Begin with `reader`, which reads a file in a process with limits (`child`, which calls one of
the `parsers`); `chunking` cuts text, `terms` has the words of a question, and `file_index` is a notebook's.
"""
