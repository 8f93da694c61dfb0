"""Names that are made when asked for."""

ANSWER = 42


def __getattr__(name):
    if name == "anything":
        return ANSWER + 1
    raise AttributeError(name)
