"""What goes with a prompt: values of the notebook filled in, variables and cells shown, images and files attached."""

from __future__ import annotations

from .attach import attach_files, attach_images
from .see import see
from .shape import Shape
from .template import fill

__all__ = ["Shape", "attach_files", "attach_images", "fill", "see"]
