"""Help."""


def greet():
    return "hello"
