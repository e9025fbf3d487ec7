from .shapes import *

__all__ = ["Circle"]
