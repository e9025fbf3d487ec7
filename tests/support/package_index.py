"""A package index on the loopback. It stands for PyPI, and speaks its API (PEP 503, 691, 658)."""

import base64
import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class PackageIndex:
    """Serves tiny packages that are made on the spot; a context manager.

    With `user` and `password`, it answers to nobody else.
    """

    def __init__(self, *, user: str | None = None, password: str | None = None) -> None:
        self.requests: list[str] = []
        """The paths that were asked for."""
        self.hold = threading.Event()
        """While cleared, a download of a file is begun and not ended."""
        self.hold.set()
        self._files: dict[str, dict[str, bytes]] = {}
        self._login = (
            base64.b64encode(f"{user}:{password}".encode()).decode() if user is not None else None
        )
        self._credentials = f"{user}:{password}@" if user is not None else ""
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index._answer(self)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

            def log_error(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.hold.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The index's address, with its login if it has one."""
        return f"http://{self._credentials}127.0.0.1:{self._server.server_port}/simple"

    def add(
        self,
        name: str,
        version: str = "1.0",
        files: Mapping[str, str | bytes] | None = None,
        *,
        requires: Sequence[str] = (),
        tag: str = "py3-none-any",
    ) -> None:
        """Offer a wheel. Its module `name` has VERSION, unless `files` says what is in it."""
        if files is None:
            files = {f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n"}
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        metadata = "\n".join([*lines, *(f"Requires-Dist: {each}" for each in requires)]) + "\n"
        stem = f"{name.replace('-', '_')}-{version}"
        offered = self._files.setdefault(name, {})
        offered[f"{stem}-{tag}.whl"] = _wheel(stem, files, metadata, tag)
        offered[f"{stem}-{tag}.whl.metadata"] = metadata.encode()

    def add_sdist(self, name: str, version: str = "1.0", setup: str = "") -> None:
        """Offer sources only, whose `setup.py` is run by whoever builds them."""
        folder = f"{name.replace('-', '_')}-{version}"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w:gz") as archive:
            for file, text in (("PKG-INFO", metadata), ("setup.py", setup)):
                member = tarfile.TarInfo(f"{folder}/{file}")
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
        self._files.setdefault(name, {})[f"{folder}.tar.gz"] = memory.getvalue()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(request.path)
        if self._login and request.headers.get("Authorization") != f"Basic {self._login}":
            request.send_response(HTTPStatus.UNAUTHORIZED)
            request.send_header("WWW-Authenticate", 'Basic realm="index"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        match request.path.strip("/").split("/"):
            case ["simple", name] if name in self._files:
                listing = json.dumps(self._listing(name)).encode()
                self._send(request, listing, "application/vnd.pypi.simple.v1+json")
            case ["files", name, file] if file in self._files.get(name, {}):
                slow = not file.endswith(".metadata")
                self._send(request, self._files[name][file], "application/octet-stream", slow=slow)
            case _:
                request.send_error(HTTPStatus.NOT_FOUND)

    def _listing(self, name: str) -> dict[str, object]:
        offered = self._files[name]
        return {
            "meta": {"api-version": "1.0"},
            "name": name,
            "files": [
                {
                    "filename": file,
                    "url": f"/files/{name}/{file}",
                    "hashes": {"sha256": hashlib.sha256(content).hexdigest()},
                    "size": len(content),
                    "core-metadata": f"{file}.metadata" in offered,
                }
                for file, content in offered.items()
                if not file.endswith(".metadata")
            ],
        }

    def _send(
        self, request: BaseHTTPRequestHandler, body: bytes, kind: str, *, slow: bool = False
    ) -> None:
        request.send_response(HTTPStatus.OK)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        try:
            request.wfile.write(body[:64])
            request.wfile.flush()
            if slow:
                self.hold.wait(30)
            request.wfile.write(body[64:])
        except ConnectionError:
            return  # the client was killed, or has seen enough


def _wheel(stem: str, files: Mapping[str, str | bytes], metadata: str, tag: str) -> bytes:
    info = f"{stem}.dist-info"
    wheel = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n"
    everything = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
    record = f"{info}/RECORD"
    everything[record] = "".join(f"{path},,\n" for path in (*everything, record))
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in everything.items():
            archive.writestr(path, content)
    return memory.getvalue()
