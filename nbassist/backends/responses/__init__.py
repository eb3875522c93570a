"""Responses, the protocol of the hosted service: request builder, decoder, and the items of its input and output.

Begin with `backend`; `decoder` dispatches `response.*` events, `output` and `hosted_tools` hold the items of a
reply, `history` makes those of a request.
"""
