"""How requests reach an endpoint and its bytes become events, the same for all three protocols.

Begin with `requests`, which says what a backend may ask for, without IO; `transport` does it through the `openai`
package; `sse` reads the stream; `failures` turns what goes wrong into our errors.
"""
