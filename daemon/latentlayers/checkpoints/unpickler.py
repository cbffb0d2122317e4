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

from latentlayers.checkpoints.limits import Budget, Stream
from latentlayers.checkpoints.refusals import corrupt, unsupported
from latentlayers.errors import UnsupportedCheckpoint

MAX_INSTRUCTIONS = 300_000  # a 1024 px pickle with three networks needs about 40 000

NUMBERS = frozenset({"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"})
TEXTS = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"})
BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"})
LITERALS = NUMBERS | TEXTS | BYTES


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
        # A call may copy its arguments, and a pickle may pass the same one to any number of calls.
        self._budget = Budget(2 * stream.size + MAX_INSTRUCTIONS)

    def load(self) -> Any:
        """The next pickle's value: plain Python values, `Global`s, and what the allowed functions return.

        Raises:
            UnsupportedCheckpoint: it names a global that is not allowed, or uses an instruction no checkpoint needs.
            CorruptCheckpoint: more than `MAX_INSTRUCTIONS`, or the same data used over and over.
            ValueError, TypeError, IndexError, KeyError, EOFError, RecursionError: it is not a well-formed pickle.
        """
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        instructions = pickletools.genops(cast(IO[bytes], self._stream))
        for count, (opcode, argument, _) in enumerate(instructions):
            if count > MAX_INSTRUCTIONS:
                raise corrupt(f"it has more than {MAX_INSTRUCTIONS} pickle instructions")
            if opcode.name == "STOP":
                break
            self._step(opcode.name, argument)
        if len(self._stack) != 1 or self._marks:
            raise ValueError("the pickle leaves other than one value")
        return self._stack.pop()

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
                stack.append(self._global(*argument.split(" ", 1)))
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
            case "BINPERSID" if self._persistent is not None:
                (pid,) = self._pop(1)
                self._stack.append(self._persistent(pid))
            case "PROTO" | "FRAME":
                pass
            case _:
                raise unsupported(f"it uses the pickle instruction {name}, which no checkpoint needs")

    def _pop(self, n: int) -> list[Any]:
        if len(self._stack) < n:
            raise IndexError("the pickle takes a value that is not there")
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
            raise TypeError(f"the pickle adds items to a {type(target).__name__}")

    def _set_items(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise TypeError(f"the pickle sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[plain_key(key)] = value

    def _global(self, module: Any, name: Any) -> Global:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("the pickle names a global by something other than text")
        qualified = f"{module}.{name}"
        if qualified not in self._allowed and not (self._prefix and qualified.startswith(self._prefix)):
            raise forbidden(qualified)
        return Global(qualified)

    def _make(self, target: Any, arguments: Any) -> object:
        if not isinstance(target, Global) or type(arguments) is not tuple:
            raise TypeError("the pickle calls something that is not a name")
        key = target.name
        if key not in self._allowed and self._prefix:
            key = self._prefix
        make = self._allowed[key]
        if make is None:
            raise forbidden(f"{target.name}(…)")
        self._budget.spend(1 + sum(len(a) for a in arguments if isinstance(a, Sized)))
        return make(*arguments)

    @staticmethod
    def _build(target: Any, state: Any) -> None:
        if isinstance(target, Buildable):
            target.set_state(state)
        elif type(target) is not dict:  # a dict's extra attributes, e.g. a state_dict's _metadata, are of no use
            raise TypeError(f"the pickle sets the state of a {type(target).__name__}")


def plain_key(key: Any) -> Any:
    """`key` if a file cannot choose it such that hashing or looking it up takes for ever."""
    if (type(key) is int and abs(key) < sys.hash_info.modulus) or key is None or type(key) in (str, bytes, bool):
        return key
    raise TypeError(f"the pickle uses a {type(key).__name__} as a key")


def forbidden(name: str) -> UnsupportedCheckpoint:
    return unsupported(
        f"it asks for {name:.200}, which no StyleGAN file needs and which may run code",
        "Nothing in it was run. Do not open the file with other programs unless you trust who made it.",
    )
