"""The local model: which file it is, how it is fetched, and llama.cpp inside the server.

Begin with `model`, which the kernel may import; `llama_cpp` runs it.
"""
