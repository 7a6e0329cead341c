"""Who may change the server: everybody, or, where EXPLORER_PASSWORD is set, who has given it in this tab.

Training, deleting, downloading, importing and renaming ask here, looking does not: a class may look, but not touch.
"""

import hmac
import os
import threading
import time

import streamlit as st

from explorer.language.saying import again, say

VARIABLE = "EXPLORER_PASSWORD"
MOST_WRONG, PERIOD = 5, 60.0  # so many wrong passwords from one address in so many seconds
UNLOCKED, SAID = "the password was given", "what was said of the password"


class Tries:
    """Wrong passwords by address: once there were too many of late, no further one is looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[str, list[float]] = {}  # the times, of those that still count

    def are_right(self, address: str, given: str, password: str) -> bool | None:
        """Whether the password given from an address is right; None where that is not looked at for now."""
        with self._lock:
            now = time.monotonic()
            recent = {each: [at for at in times if now - at < PERIOD] for each, times in self._wrong.items()}
            self._wrong = {each: times for each, times in recent.items() if times}
            if len(self._wrong.get(address, ())) >= MOST_WRONG:
                return None
            if hmac.compare_digest(given.encode(errors="replace"), password.encode(errors="replace")):
                return True
            self._wrong.setdefault(address, []).append(now)
            return False


@st.cache_resource
def _tries() -> Tries:
    """Those of this process."""
    return Tries()


def _address() -> str:
    """Where this tab is; on this machine there is no address."""
    return st.context.ip_address or "here"


def is_locked() -> bool:
    """Whether this tab may look, but not touch."""
    return bool(os.environ.get(VARIABLE)) and not st.session_state.get(UNLOCKED, False)


def check() -> None:
    """ValueError where this tab may not change the server."""
    if is_locked():
        raise ValueError(say("this server is changed with its password only; give it first"))


def ask_password(what: str, key: str) -> bool:
    """Whether this tab may not do `what`; if so, with a field for the password."""
    if not is_locked():
        return False
    words = say("{what} needs this server's password. Looking needs none.", what=what)
    st.caption(f":material/lock: {words}")
    with st.form(f"unlock {key}", border=False):
        st.text_input(say("Password"), type="password", key=f"password {key}")
        st.form_submit_button(say("Unlock"), icon=":material/lock_open:", on_click=_unlock, args=(key,))
    with st.container():
        if said := st.session_state.get(SAID, {}).get(key):
            st.error(again(said), icon=":material/lock:")
    return True


def _unlock(key: str) -> None:
    given, st.session_state[f"password {key}"] = st.session_state[f"password {key}"], ""
    right = _tries().are_right(_address(), given, os.environ.get(VARIABLE, ""))
    if right:
        st.session_state[UNLOCKED] = True
    elif right is None:
        st.session_state[SAID] = {key: say("Too many wrong passwords: try again in {seconds:.0f} s.", seconds=PERIOD)}
    else:
        st.session_state[SAID] = {key: say("That is not the password.")}
