"""Registries of several kinds."""

REGISTRY = {}


def register(name):
    def decorate(function):
        REGISTRY[name] = function
        return function

    return decorate


def lifted(function):
    """Register what adds something to a function."""

    def wrapper(value):
        return function(value) + 100

    REGISTRY[function.__name__] = wrapper
    return wrapper


class Methods:
    def __init__(self):
        self.kept = {}

    def add(self, function):
        self.kept[function.__name__] = function
        return function

    def find(self, name):
        return self.kept[name]


METHODS = Methods()


def make_register():
    table = {}

    def keep(function):
        table[function.__name__] = function
        return function

    return table, keep


_closed, keep_closed = make_register()


def collected(name):
    return _closed[name]


class Plugin:
    known = {}

    def __init_subclass__(cls, bonus=0, **options):
        super().__init_subclass__(**options)
        cls.bonus = bonus
        Plugin.known[cls.__name__] = cls


class Meta(type):
    def __new__(mcs, name, bases, body):
        made = super().__new__(mcs, name, bases, body)
        Tracked_names.append(name)
        made.all_of_them[name] = made
        return made


Tracked_names = []


class Tracked(metaclass=Meta):
    all_of_them = {}


class Counted:
    weight = 0
