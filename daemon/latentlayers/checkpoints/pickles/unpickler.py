"""A pickle reader that cannot run anything.

Python's own unpickler calls whatever the file names. This one interprets the instructions itself
(https://github.com/python/cpython/blob/main/Lib/pickletools.py documents them): a global is only ever a
`Global`, a name; "calling" one hands its arguments to the pure function that `Allowed` lists for that name; an
object's state goes to `Buildable.set_state` of objects that these functions made. There is no import, no attribute
look-up and no call of anything else.
"""

from __future__ import annotations

import pickletools
import sys
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast, runtime_checkable

from latentlayers.checkpoints.pickles.limits import Blob, Stream
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.errors import UnsupportedCheckpoint

MAX_TEXT_BYTES = 16 << 20
ENTRY_BYTES = 100  # of a dict or set

OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"})
# Instruction -> how many bytes say how long its text, or its run of bytes, is.
TEXTS = {"SHORT_BINUNICODE": 1, "BINUNICODE": 4, "BINUNICODE8": 8, "SHORT_BINSTRING": 1, "BINSTRING": 4}
BYTES = {"SHORT_BINBYTES": 1, "BINBYTES": 4, "BINBYTES8": 8, "BYTEARRAY8": 8}
OTHERS = {
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("EMPTY_LIST", "APPEND", "APPENDS", "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS"),
    *("GLOBAL", "STACK_GLOBAL", "INST", "REDUCE", "NEWOBJ", "BUILD", "BINPERSID"),
}
LITERALS = NUMBERS | TEXTS.keys() | BYTES.keys()
INSTRUCTIONS = LITERALS | OTHERS


@dataclass(frozen=True)
class Global:
    """A class or function that the file names. Never imported, never called."""

    name: str


@runtime_checkable
class Buildable(Protocol):
    """An inert object that accepts the state a pickle gives it."""

    def set_state(self, state: Any) -> None: ...


# Qualified name -> what to make of a call's arguments; None: may be named but not called.
Allowed = Mapping[str, Callable[..., object] | None]


class Unpickler:
    """Reads pickles, one per `load`, from a stream.

    Args:
        allowed: every global that the file may name.
        allowed_prefix: names under this prefix are also allowed; `allowed[allowed_prefix]` builds them.
        persistent: what to make of the id of an object stored outside the pickle; None: there may be none.
    """

    def __init__(
        self,
        stream: Stream,
        allowed: Allowed,
        *,
        allowed_prefix: str | None = None,
        persistent: Callable[[Any], object] | None = None,
    ) -> None:
        self._stream, self._allowed, self._prefix, self._persistent = stream, allowed, allowed_prefix, persistent

    def load(self) -> Any:
        """The next pickle's value: plain Python values, `Global`s, `Blob`s, and what the allowed functions return.

        Raises:
            UnsupportedCheckpoint: it names a global that is not allowed, or uses an instruction no checkpoint needs.
            CorruptCheckpoint: it is not a well-formed pickle, or one that costs too much to read.
            ValueError, IndexError, KeyError, EOFError, ...: likewise; `decoding` turns them into CorruptCheckpoint.
        """
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        while (opcode := self._opcode()).name != "STOP":
            self._step(opcode.name, self._argument(opcode))
        if len(self._stack) != 1 or self._marks:
            raise corrupt("its pickle leaves other than one value")
        return self._stack.pop()

    def _opcode(self) -> pickletools.OpcodeInfo:
        self._stream.costs.instructions.spend(1)
        code = self._stream.read(1)
        if code not in OPCODES:
            raise corrupt(f"it has a pickle instruction {code.hex()}, which does not exist")
        if OPCODES[code].name not in INSTRUCTIONS:
            raise unsupported(f"it uses the pickle instruction {OPCODES[code].name}, which no checkpoint needs")
        return OPCODES[code]

    def _argument(self, opcode: pickletools.OpcodeInfo) -> Any:
        """What stands behind an instruction; runs of bytes stay in the file."""
        if opcode.arg is None:
            return None
        if opcode.name in BYTES:
            return self._stream.take(self._length(BYTES[opcode.name]))
        if opcode.name in TEXTS:
            size = self._length(TEXTS[opcode.name])
            if size > MAX_TEXT_BYTES:
                raise corrupt(f"it has a text of {size} bytes")
            encoding = "latin-1" if opcode.name.endswith("STRING") else "utf-8"
            text = self._stream.read(size).decode(encoding, errors="replace")
            self._stream.costs.copies.spend(sys.getsizeof(text))  # one rare character quadruples a text
            return text
        if opcode.name in ("GLOBAL", "INST"):
            return self._line(), self._line()
        return opcode.arg.reader(cast(IO[bytes], self._stream))

    def _line(self) -> str:
        line = self._stream.readline()
        if not line.endswith(b"\n"):
            raise corrupt("its pickle has a name without an end")
        return line[:-1].decode("utf-8", errors="replace")

    def _length(self, size: int) -> int:
        return int.from_bytes(self._stream.read(size), "little")

    def _step(self, name: str, argument: Any) -> None:
        stack, memo = self._stack, self._memo
        match name:
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case _ if name in LITERALS:
                stack.append(argument)
            case "NONE":
                stack.append(None)
            case "NEWTRUE":
                stack.append(True)
            case "NEWFALSE":
                stack.append(False)
            case "MARK":
                self._marks.append(stack)
                self._stack = []
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._pop(int(name[-1]))))
            case "TUPLE":
                items = self._pop_to_mark()
                self._stack.append(tuple(items))
            case "EMPTY_LIST":
                stack.append([])
            case "APPEND":
                self._extend(self._pop(1))
            case "APPENDS" | "ADDITEMS":
                self._extend(self._pop_to_mark())
            case "EMPTY_DICT":
                stack.append({})
            case "SETITEM":
                self._set_items(self._pop(2))
            case "SETITEMS":
                self._set_items(self._pop_to_mark())
            case "EMPTY_SET":
                stack.append(set())
            case "POP":
                self._pop(1)
            case "GLOBAL" | "INST":
                stack.append(self._global(*argument))
                if name == "INST":
                    raise unsupported("it uses the pickle instruction INST, which no checkpoint needs")
            case "STACK_GLOBAL":
                stack.append(self._global(*self._pop(2)))
            case "REDUCE" | "NEWOBJ":
                target, arguments = self._pop(2)
                self._stack.append(self._make(target, arguments))
            case "BUILD":
                (state,) = self._pop(1)
                self._build(self._stack[-1], state)
            case "BINPERSID":
                if self._persistent is None:
                    raise unsupported("it refers to objects outside its pickle")
                (pid,) = self._pop(1)
                self._stack.append(self._persistent(pid))

    def _pop(self, n: int) -> list[Any]:
        if len(self._stack) < n:
            raise corrupt("its pickle takes a value that is not there")
        values = self._stack[-n:]
        del self._stack[-n:]
        return values

    def _pop_to_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is list:
            target.extend(items)
        elif type(target) is set:
            target.update(map(plain_key, items))
        else:
            raise corrupt(f"its pickle adds items to a {type(target).__name__}")

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise corrupt(f"its pickle sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[plain_key(key)] = value

    def _global(self, module: Any, name: Any) -> Global:
        if not isinstance(module, str) or not isinstance(name, str):
            raise corrupt("its pickle names a global by something other than text")
        qualified = f"{module}.{name}"
        if qualified not in self._allowed and not (self._prefix and qualified.startswith(self._prefix)):
            raise forbidden(qualified)
        return Global(qualified)

    def _make(self, target: Any, arguments: Any) -> object:
        if not isinstance(target, Global) or type(arguments) is not tuple:
            raise corrupt("its pickle calls something that is not a name")
        key = target.name
        if key not in self._allowed and self._prefix:
            key = self._prefix
        make = self._allowed[key]
        if make is None:
            raise forbidden(f"{target.name}(…)")
        # A call may copy its arguments, and a pickle may pass the same one to any number of calls.
        self._stream.costs.copies.spend(sum(map(copy_bytes, arguments)))
        made = make(*arguments)
        return Blob.of(made, self._stream.costs) if type(made) is bytes else made

    @staticmethod
    def _build(target: Any, state: Any) -> None:
        if isinstance(target, Buildable):
            target.set_state(state)
        elif type(target) is not dict:  # a dict's extra attributes, e.g. a state_dict's _metadata, are of no use
            raise corrupt(f"its pickle sets the state of a {type(target).__name__}")


def copy_bytes(value: Any) -> int:
    """About how much memory a copy of `value`, but not of what it holds, may take."""
    if isinstance(value, (str, Blob)):
        return len(value)
    return ENTRY_BYTES * len(value) if isinstance(value, Sized) else 0


def plain_key(key: Any) -> Any:
    """`key` if a file cannot choose it such that hashing or looking it up takes for ever."""
    if (type(key) is int and abs(key) < sys.hash_info.modulus) or key is None or type(key) in (str, bytes, bool):
        return key
    raise corrupt(f"its pickle uses a {type(key).__name__} as a key")


def forbidden(name: str) -> UnsupportedCheckpoint:
    return unsupported(
        f"it asks for {name:.200}, which no StyleGAN file needs and which may run code",
        "Nothing in it was run. Do not open the file with other programs unless you trust who made it.",
    )
