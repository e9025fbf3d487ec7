"""A lamp."""

import shade

SHADE = shade
