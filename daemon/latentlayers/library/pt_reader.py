"""Tensors in PyTorch's .pt files without torch and without executing anything.

A .pt file (torch.save since 1.6) is a zip: `data.pkl` describes the object, `data/0`, `data/1`, ... hold the
numbers. The description is a pickle program. It is not unpickled: the few instructions that torch.save emits for
tensors in dicts and lists are interpreted here, and any other instruction or name is refused. That is also what
keeps this small enough for the front process.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latentlayers.errors import InvalidInput
from latentlayers.library.arrays import Float, FloatArray, damaged
from latentlayers.library.npy import zip_members, zip_names

_FLOAT_STORAGES: dict[str, Float] = {"HalfStorage": "f2", "FloatStorage": "f4", "DoubleStorage": "f8"}
_MAX_PROGRAM = 4 << 20


@dataclass(frozen=True)
class OtherTensor:
    """A tensor that is not floating point, or that this reader cannot hold; says which."""

    kind: str


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    kind: str
    key: str


class _Mark:
    """Where a pickle program begins to collect items."""


_TENSOR, _PARAMETER = _Global("torch._utils _rebuild_tensor_v2"), _Global("torch._utils _rebuild_parameter")
_ORDERED_DICT = _Global("collections OrderedDict")
_STORAGE = re.compile(r"torch (\w+Storage)")


def is_pt(names: list[str]) -> bool:
    """Whether a zip with these members is a .pt file."""
    return any(name.endswith("/data.pkl") for name in names)


def read_pt(data: bytes) -> Any:
    """The object in a .pt file, made of dicts, lists, tuples, texts, numbers, None, `FloatArray` and `OtherTensor`.

    Raises:
        InvalidInput: FILE_CORRUPT; FORMAT_UNSUPPORTED if the file holds anything else, which it names.
    """
    names = zip_names(data)
    root = next((name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")), None)
    if root is None:
        raise damaged("it has no data.pkl")
    program = zip_members(data, frozenset({f"{root}data.pkl", f"{root}byteorder"}))
    if len(program[f"{root}data.pkl"]) > _MAX_PROGRAM:
        raise damaged(f"its data.pkl exceeds {_MAX_PROGRAM >> 20} MiB")
    storages = zip_members(data, frozenset(name for name in names if name.startswith(f"{root}data/")))
    big_endian = program.get(f"{root}byteorder") == b"big"
    numbers = {name.removeprefix(f"{root}data/"): content for name, content in storages.items()}
    return _Interpreter(numbers, big_endian).run(program[f"{root}data.pkl"])


class _Interpreter:
    """Runs the harmless subset of pickle that describes tensors in containers."""

    def __init__(self, storages: Mapping[str, bytes], big_endian: bool) -> None:
        self._storages, self._big_endian = storages, big_endian
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, program: bytes) -> Any:
        try:
            for name, argument in _instructions(program):
                if name == "STOP":
                    return self._stack.pop()
                self._step(name, argument)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise damaged(f"its data.pkl makes no sense ({error!s:.100})") from None
        raise damaged("its data.pkl does not end")

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        match name:
            case "PROTO":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(argument)
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
            case "MARK":
                stack.append(_Mark())
            case "TUPLE":
                stack.append(tuple(self._marked()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "APPEND" | "APPENDS":
                items = self._marked() if name == "APPENDS" else [stack.pop()]
                _expect(list, stack[-1]).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._marked() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                target = _expect(dict, stack[-1])
                for key, value in zip(items[::2], items[1::2], strict=True):
                    target[key if isinstance(key, int) else _expect(str, key)] = value
            case "BUILD":
                stack.pop()  # attributes of an OrderedDict, such as a state_dict's _metadata
                _expect(dict, stack[-1])
            case "GLOBAL":
                stack.append(_Global(argument))
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE":
                arguments = _expect(tuple, stack.pop())
                stack.append(self._call(stack.pop(), arguments))
            case _:
                raise _refused(f"the pickle instruction {name}")

    def _marked(self) -> list[Any]:
        for index in range(len(self._stack) - 1, -1, -1):
            if isinstance(self._stack[index], _Mark):
                items = self._stack[index + 1 :]
                del self._stack[index:]
                return items
        raise ValueError("no mark")

    def _storage(self, identity: object) -> _Storage:
        match identity:
            case ("storage", _Global(name), str(key), str(), int()):
                if found := _STORAGE.fullmatch(name):
                    return _Storage(found[1], key)
                raise _refused(f"{name:.100}")
        raise ValueError("not a storage")

    def _call(self, function: object, arguments: tuple[Any, ...]) -> Any:
        """The three functions that a file of tensors may name."""
        if function == _ORDERED_DICT and not arguments:
            return {}
        if function == _PARAMETER:
            return arguments[0]
        if function == _TENSOR:
            return self._tensor(*arguments[:4])
        raise _refused(function.name if isinstance(function, _Global) else "a call of something that is not a function")

    def _tensor(self, storage: object, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without storage")
        dtype = _FLOAT_STORAGES.get(storage.kind)
        if dtype is None:
            return OtherTensor(storage.kind)
        for number in (offset, *_expect(tuple, shape), *_expect(tuple, strides)):
            _expect(int, number)
        return FloatArray(self._storages[storage.key], dtype, shape, strides, offset, self._big_endian)


def _instructions(program: bytes) -> Iterator[tuple[str, Any]]:
    try:
        for opcode, argument, _ in pickletools.genops(program):
            yield opcode.name, argument
    except (ValueError, UnicodeDecodeError, OverflowError) as error:
        raise damaged(f"its data.pkl cannot be read ({error!s:.100})") from None


def _expect(kind: type[Any], value: Any) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def _refused(found: str) -> InvalidInput:
    return InvalidInput(
        "FORMAT_UNSUPPORTED",
        f"The PyTorch file holds more than tensors: {found:.200}. It was not executed.",
        "Save the latent tensor alone with torch.save, or as .npz.",
    )
