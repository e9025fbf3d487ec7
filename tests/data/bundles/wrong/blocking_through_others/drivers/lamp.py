"""A lamp."""

import time


class Lamp:
    def __init__(self):
        self.warm_up()

    def warm_up(self):
        _wait(3)


def _wait(seconds):
    time.sleep(seconds)
