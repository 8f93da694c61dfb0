"""Quantities: numbers with units of pint and astropy, if these libraries are loaded.

In the memo and in results files a quantity is its number and the text of its unit, together with
what the unit is in base units, so that landing can convert one to another without either library.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from sweeps.errors import OutputError

UNITS, BASE, SCALE, OFFSET, LIBRARY = "units", "_base", "_scale", "_offset", "_library"
"""Attributes of a value that is a quantity; those with an underscore land in no file."""

_FAR = 2.0**20

_SHORT = 10

_CELSIUS = {"degC", "celsius", "degree_Celsius", "deg_C"}

_EXPONENT = re.compile(r"(?<=[A-Za-z])(?=[-+]?\d)")  # "m s-1" is "m*s**-1"


class Unit(NamedTuple):
    """A unit as text, and what a number of it is in base units: ``scale * number + offset``.

    Attributes
    ----------
    base : str
        The base units; empty where it is no such function of the number, as for decibels.
    """

    text: str
    base: str
    scale: float
    offset: float
    library: str = ""

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of values in this unit."""
        return dict(zip((UNITS, BASE, SCALE, OFFSET, LIBRARY), self, strict=True))


def is_quantity(value: Any) -> bool:
    """Whether a value is a quantity of pint or astropy."""
    return _is_pint(value) or _is_astropy(value)


def _is_pint(value: Any) -> bool:
    pint = sys.modules.get("pint")
    return pint is not None and isinstance(value, pint.Quantity)


def _is_astropy(value: Any) -> bool:
    units = sys.modules.get("astropy.units")
    return units is not None and isinstance(value, units.Quantity)


def holds_quantity(value: Any) -> bool:
    """Whether a list, or an array of objects, holds quantities."""
    if not ("pint" in sys.modules or "astropy.units" in sys.modules):
        return False
    if isinstance(value, np.ndarray):
        return value.dtype == object and any(map(is_quantity, value.flat))
    return type(value) is list and any(is_quantity(v) or holds_quantity(v) for v in value)


def number(shown: str, value: Any, wanted: str | None = None) -> tuple[Any, dict[str, Any]]:
    """Take the number out of a quantity, or of a list of them, and say its unit as attributes.

    Parameters
    ----------
    shown : str
        What errors begin with.
    wanted : str, optional
        The unit to convert to; by default its own, or that of the first one.
    """
    if is_quantity(value):
        with _refused(shown, value, wanted):
            return _number(shown, value, wanted)
    leaves = list(_leaves(value))
    others = [leaf for leaf in leaves if not is_quantity(leaf)]
    if others:
        raise OutputError(
            f"{shown} mixes {type(others[0]).__name__} with quantities: give all of them a unit"
        )
    first = leaves[0]
    with _refused(shown, first, wanted):
        _, attrs = _number(shown, first, wanted)
    unit = first.units if _is_pint(first) else first.unit

    def plain(item: Any) -> Any:
        if isinstance(item, list):
            return [plain(each) for each in item]
        with _refused(shown, item, wanted or str(unit)):
            return _number(shown, item if wanted else item.to(unit), wanted)[0]

    return plain(value.tolist() if isinstance(value, np.ndarray) else value), attrs


def _leaves(value: Any) -> Iterator[Any]:
    for item in value.tolist() if isinstance(value, np.ndarray) else value:
        if isinstance(item, list):
            yield from _leaves(item)
        else:
            yield item


@contextlib.contextmanager
def _refused(shown: str, value: Any, wanted: str | None) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # each library has its own
        why = f", which cannot be converted to {wanted!r}" if wanted else ""
        raise OutputError(f"{shown} is in {text_of(value)!r}{why}: {error}") from error


def _number(shown: str, value: Any, wanted: str | None) -> tuple[Any, dict[str, Any]]:
    if getattr(value, "mask", None) is not None:
        raise OutputError(f"{shown} is a {type(value).__name__}, whose mask would be lost")
    if wanted is not None:
        unit = read(value, wanted)
        to = {} if _is_pint(value) else {"equivalencies": _temperature()}
        value = value.to(unit, **to)
    own = unit_of(value)
    said = own._replace(text=wanted) if wanted is not None else own
    return value.magnitude if _is_pint(value) else value.value, said.attrs


def read(value: Any, text: str) -> Any:
    """Read the text of a unit as the library of a quantity understands it."""
    if _is_pint(value):
        written = "" if text == "1" else _EXPONENT.sub("**", text).replace(" ", "*")
        for each in dict.fromkeys([text, written]):
            with contextlib.suppress(Exception):
                return value._REGISTRY.Unit(each)
        return value._REGISTRY.Unit(written)
    units = sys.modules["astropy.units"]
    return units.Unit("deg_C" if text in _CELSIUS else "" if text == "1" else text)


def text_of(value: Any) -> str:
    """Text of a quantity's unit, as UDUNITS and CF write it: "m s-1"."""
    if not _is_pint(value):
        return _astropy_text(value.unit)
    registry, powers = value._REGISTRY, value.units._units.items()
    return _written([(_symbol(registry.get_symbol(name), name), p) for name, p in powers])


def _astropy_text(unit: Any) -> str:
    if not hasattr(unit, "bases"):  # of magnitudes and decibels
        return str(unit)
    scale = [(f"{unit.scale:g}", 1)] if unit.scale != 1 else []
    names = [each.to_string() for each in unit.bases]
    return _written([*scale, *zip((_symbol(n, n) for n in names), unit.powers, strict=True)])


def _written(powers: Iterable[tuple[str, Any]]) -> str:
    ordered = sorted(powers, key=lambda pair: pair[1] < 0)
    return " ".join(f"{name}{'' if p == 1 else f'{float(p):g}'}" for name, p in ordered) or "1"


def _symbol(symbol: str, name: str) -> str:
    plain = symbol.replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u")
    if plain in _CELSIUS or name in _CELSIUS:
        return "degree_Celsius"
    return plain if plain.isascii() else name


def unit_of(value: Any) -> Unit:
    """Say what a quantity's unit is."""
    if _is_pint(value):
        return _pint_unit(value._REGISTRY, value.units)
    return _astropy_unit(value.unit)


@functools.lru_cache(maxsize=256)
def declared(text: str, library: str) -> Unit | None:
    """Return what the text of a unit means to a library; None if there is no such unit."""
    try:
        if library == "pint":
            registry: Any = importlib.import_module("pint").application_registry
            one = registry.Quantity(1.0, read(registry.Quantity(1.0), text))
        else:
            units = importlib.import_module("astropy.units")
            one = units.Quantity(1.0, read(units.Quantity(1.0), text))
        return unit_of(one)._replace(text=text)
    except Exception:  # each library has its own
        return None


@functools.lru_cache(maxsize=256)
def _pint_unit(registry: Any, unit: Any) -> Unit:
    text = text_of(registry.Quantity(1.0, unit))
    try:
        with np.errstate(all="ignore"):  # a logarithm overflows
            made = registry.Quantity(np.array([0.0, 1.0, _FAR]), unit).to_base_units()
        base = text_of(made) + (" (difference)" if "delta_" in str(unit) else "")
        return _linear(text, base, made.magnitude, "pint")
    except Exception:  # of an offset within a product
        return Unit(text, "", 1.0, 0.0, "pint")


@functools.lru_cache(maxsize=256)
def _astropy_unit(unit: Any) -> Unit:
    units = sys.modules["astropy.units"]
    text = _astropy_text(unit)
    try:
        plain = unit.decompose()
        base = units.K if text in _CELSIUS else units.CompositeUnit(1, plain.bases, plain.powers)
        made = unit.to(base, np.array([0.0, 1.0, _FAR]), equivalencies=_temperature())
        return _linear(text, text_of(units.Quantity(1.0, base)), made, "astropy")
    except Exception:  # of magnitudes and decibels
        return Unit(text, "", 1.0, 0.0, "astropy")


def _temperature() -> Any:
    return sys.modules["astropy.units"].temperature()


def _linear(text: str, base: str, of: Any, library: str) -> Unit:
    """Make a unit of what 0, 1 and many of it are in base units."""
    offset, one, far = map(float, of)
    scale = one if offset == 0 else (far - offset) / _FAR
    short = f"{scale:.15g}"  # 1, where there was rounding
    scale = float(short) if len(short) < _SHORT else scale
    if scale and np.isfinite([offset, one, far]).all() and np.isclose(one - offset, scale, 1e-6):
        return Unit(text, " ".join(sorted(base.split())), scale, offset, library)
    return Unit(text, "", 1.0, 0.0, library)


def plain(value: Any) -> Any:
    """The number of a quantity, in its own unit; other values as they are."""
    if not is_quantity(value):
        return value
    found = value.magnitude if _is_pint(value) else value.value
    return found.item() if isinstance(found, (np.ndarray, np.generic)) else found


def each(like: Any, numbers: Iterable[float]) -> list[Any]:
    """Make quantities of numbers, in the unit of another one."""
    if _is_pint(like):
        return [like._REGISTRY.Quantity(number, like.units) for number in numbers]
    return [sys.modules["astropy.units"].Quantity(number, like.unit) for number in numbers]


def joined(column: Any) -> Any:
    """Make one quantity of a column of them in one unit; other columns stay as they are."""
    if isinstance(column, np.ndarray) or not any(map(is_quantity, column[:1])):
        return column
    (like,), numbers = column[:1], np.array([plain(value) for value in column])
    if _is_pint(like):
        return like._REGISTRY.Quantity(numbers, like.units)
    return sys.modules["astropy.units"].Quantity(numbers, like.unit)


@contextlib.contextmanager
def registry_of(values: Iterable[Any]) -> Iterator[None]:
    """Have pint unpickle quantities into the registry of others, with which alone they mix."""
    pint: Any = sys.modules.get("pint")
    registries = [value._REGISTRY for value in values if _is_pint(value)] if pint else []
    if not registries:
        yield
        return
    before = pint.application_registry.get()
    pint.set_application_registry(registries[0])
    try:
        yield
    finally:
        pint.set_application_registry(before)
