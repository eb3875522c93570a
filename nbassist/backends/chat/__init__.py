"""Chat Completions, which every compatible engine speaks: request builder, decoder, and the calls in a stream.

Begin with `backend`; each habit of a server is in `decoder`, `calls` and `delta_content`, with a test that holds its
bytes. `history` is what any strict server takes, `opaque_state` what one of them wants back.
"""
