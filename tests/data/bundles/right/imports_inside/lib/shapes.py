"""Shapes."""

from __future__ import annotations

from .. import VERSION
from ..drivers import lamp


class Circle:
    parts = (VERSION, lamp)
