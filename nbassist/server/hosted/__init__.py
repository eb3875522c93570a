"""What the hosted service ran itself: files, vector stores, `file_search` and `code_interpreter`.

Imports the server's `store`, `text`, `config` and `api`, and `documents`, which reads files. `tables` has the tables;
`stores` keeps vector stores and their files and answers `/vector_stores`; `search` indexes files in the background and
finds passages; `interpreter` runs code in a sandbox. Begin with `stores.routes` for what clients ask, and with `calls`
for the tools of a run.
"""
