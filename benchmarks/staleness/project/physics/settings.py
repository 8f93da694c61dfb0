"""What others change."""

TABLE = {"x": 1, "nested": {"y": 0}}
LIST = [1]
CHANGED = 1


class Config:
    rate = 1


class Instance:
    def __init__(self):
        self.level = 1

    def raise_to(self, level):
        self.level = level


instance = Instance()


def compute(value):
    return value


def set_changed(value):
    global CHANGED
    CHANGED = value
