"""What stands before Streamlit's server: a script in each page (front.js); and the first of them opens by itself."""

import asyncio
import webbrowser
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from streamlit.runtime import get_instance
from streamlit.starlette import App

from explorer.app import loading
from explorer.background import memory

SCRIPT = b"<head><script>{" + Path(__file__).with_suffix(".js").read_bytes() + b"}</script>"
PLAIN = {b"accept-encoding", b"if-none-match", b"if-modified-since"}  # headers without which a page comes whole


class Front(BaseHTTPMiddleware):
    """Puts the script into each page, and notes that somebody asks."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """The answer to a request; where it is a page, with the script in it."""
        loading.note_question()
        if "." in request.url.path or "/_stcore/" in request.url.path:
            return await call_next(request)
        request.scope["headers"] = [(name, value) for name, value in request.scope["headers"] if name not in PLAIN]
        answer = await call_next(request)
        if not answer.headers.get("content-type", "").startswith("text/html") or not hasattr(answer, "body_iterator"):
            return answer
        page = b"".join([part async for part in answer.body_iterator])
        kept = {name: value for name, value in answer.headers.items() if name not in ("content-length", "etag")}
        return Response(page.replace(b"<head>", SCRIPT, 1), answer.status_code, kept)


@asynccontextmanager
async def opening(app: App) -> AsyncIterator[None]:
    """Once the server is up, load what pages need, and open the app in a browser unless it is to run without one."""
    memory.share_arenas()
    loading.begin()
    _loops.append(asyncio.get_running_loop())
    if not st.get_option("server.headless"):
        address = f"http://localhost:{st.get_option('server.port')}"
        asyncio.get_running_loop().call_later(0.5, webbrowser.open, address)
    yield
    _loops.clear()


_loops: list[asyncio.AbstractEventLoop] = []  # the server's, once it is up


def close(tabs: Iterable[str]) -> None:
    """End the sessions of those tabs that are closed, on the server's thread, which alone may do so; waits for it.

    Streamlit itself keeps a session, with all that its page shows, until the next tab is closed long after.
    """

    async def close_them() -> None:
        for tab in tabs:
            if not get_instance().is_active_session(tab):
                get_instance().close_session(tab)

    for loop in _loops:
        asyncio.run_coroutine_threadsafe(close_them(), loop).result()
