"""Moving in and out: assistants, threads, messages, runs, steps and files, with their ids, times and metadata.

Begin with `importing`; `reading` finds the objects in what people exported, `rows` makes rows of
them, and `order` says which was first.
"""
