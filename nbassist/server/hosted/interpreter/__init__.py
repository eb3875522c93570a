"""`code_interpreter`: Python in a sandbox for each thread. Begin with `sandbox`, which says what holds it.

`seccomp` and `probes` are what that stands on; `kernel` runs code in one, `kernels` has those of a server, `run_tool`
answers calls of a run.
"""
