"""What goes with a prompt: values of the notebook filled in, variables and cells shown, images and files attached.

Imports the ground (`errors`, `core`) and `tools`, for how a value is shown. Begin with `template`, which fills `{{
expression }}` in, and `introspection`, which shows variables without changing them; `structured_output` is what a reply
is read into.
"""

from __future__ import annotations

from .attachments import attach_files, attach_images
from .introspection import Cell, look_at, see, unknown
from .structured_output import Shape
from .template import fill, fill_in

__all__ = ["Cell", "Shape", "attach_files", "attach_images", "fill", "fill_in", "look_at", "see", "unknown"]
