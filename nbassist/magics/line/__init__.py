"""The first line of a cell: flags, the parser that knows them, and the frozen `Options` that it becomes.

May import IPython and what `magics` may. Begin with `parsed_options`; what an option of a prompt is and how it is
spelled stands in `run.options`, for programs and cells alike.
"""
