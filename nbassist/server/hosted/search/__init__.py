"""Finding passages. Begin with `service`, which has all; `indexer` reads files in the background, `passages` searches.

`chunking` cuts text, `fulltext_index` and `vectors` are the two ways to find a chunk, `run_tool` and `citations` are
for runs.
"""
