"""Transport: talks to the daemon from a thread of its own, and reports by Qt signals in the GUI thread.

daemon      what the rest of the plugin uses: the connection's state, and calls
call        one call: its events, its end
session     the connection as the worker thread sees it: found, started, checked, watched
connection  one open channel
thread      the worker thread and the way back from it
address     where the daemon listens, and what it takes to talk to it
launch      starting it
errors      what went wrong, as a code, a sentence and a remedy
messages    the contract's messages and methods
"""

from . import messages
from .call import Call
from .daemon import Daemon
from .errors import CallError
from .session import ConnectionState

__all__ = ["Call", "CallError", "ConnectionState", "Daemon", "messages"]
