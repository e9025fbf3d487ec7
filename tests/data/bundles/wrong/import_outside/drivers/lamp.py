"""A lamp."""

from ...renarde import logic

LOGIC = logic
