"""What of Python and of well-known libraries an agent may not use, or only with a permission.

A name means itself and all that is in it: `socket` means `socket.create_connection` too.
"""

from dataclasses import dataclass

from hairem_core.hotplug.gatekeeper.rules import Rule


@dataclass(frozen=True)
class Refusal:
    """Why a name is refused, and what to write instead."""

    rule: Rule
    why: str
    hint: str


def _all(names: str, prefix: str = "") -> list[str]:
    return [f"{prefix}{each}" for each in names.split()]


_LOOPS = ("asyncio.get_running_loop()", "asyncio.get_event_loop()", "asyncio.new_event_loop()")

NETWORK = frozenset(
    [
        *_all("socket _socket ssl _ssl socketserver ftplib smtplib poplib imaplib"),
        *_all("http.client http.server urllib.request xmlrpc wsgiref.simple_server"),
        *_all("open_connection start_server", "asyncio."),
        *_all("aiohttp httpx requests websockets websocket urllib3 httpcore niquests pycurl"),
        *_all("paho aiomqtt gmqtt amqtt redis asyncpg psycopg psycopg2 pymysql aiomysql pymongo"),
        *_all("paramiko asyncssh zeroconf grpc zmq aiosmtplib aioimaplib aioftp tornado twisted"),
        *_all("openai anthropic boto3 botocore uvicorn fastapi flask django starlette"),
        *[
            f"{loop}.{name}"
            for loop in _LOOPS
            for name in _all("create_connection create_server create_datagram_endpoint")
        ],
    ]
)
"""What needs the permission `network`."""

PROCESSES = frozenset(
    [
        *_all("subprocess multiprocessing pty _posixsubprocess _multiprocessing"),
        *_all("fork forkpty system popen posix_spawn posix_spawnp", "os."),
        *_all("execl execle execlp execlpe execv execve execvp execvpe", "os."),
        *_all("spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe", "os."),
        *_all("create_subprocess_exec create_subprocess_shell", "asyncio."),
        "concurrent.futures.ProcessPoolExecutor",
        "concurrent.futures.process",
        *_all("sh plumbum pexpect ptyprocess"),
        *[f"{loop}.{name}" for loop in _LOOPS for name in _all("subprocess_exec subprocess_shell")],
    ]
)
"""What needs the permission `processes`."""

_DYNAMIC = Refusal(
    Rule.DYNAMIC_CODE,
    "runs code that nobody can read beforehand",
    "Write the code out; look functions up in a dict of your own.",
)
_IMPORTLIB = Refusal(
    Rule.DYNAMIC_CODE,
    "imports what nobody can tell beforehand",
    "Write `import` or `from . import`; read the bundle's files under `ctx.folder`.",
)
_INSPECT = Refusal(
    Rule.INTROSPECTION,
    "reaches into Python's own works",
    "Do without; an agent needs its own objects and `ctx` only.",
)
_NATIVE = Refusal(
    Rule.NATIVE_CODE,
    "calls machine code past every check",
    "Use a library that is named in requirements.txt.",
)
_ENDS = Refusal(
    Rule.PROCESS_CONTROL,
    "would end or signal the agent's process",
    "Return, or raise an exception; H-Core starts and stops agents.",
)
_LOADS = Refusal(
    Rule.UNSAFE_LOAD,
    "runs whatever code its input names",
    "Use json, or `ctx.state`.",
)
_EMPTY = Refusal(
    Rule.ENVIRONMENT,
    "is empty for an agent",
    "List the name under `secrets:` in the manifest and read `ctx.secrets[…]`.",
)

REFUSED: dict[str, Refusal] = {
    **dict.fromkeys(_all("eval exec compile __import__", "<builtins>."), _DYNAMIC),
    **dict.fromkeys(_all("runpy code codeop types.CodeType types.FunctionType"), _DYNAMIC),
    **dict.fromkeys(_all("importlib imp zipimport pkgutil pkg_resources"), _IMPORTLIB),
    "builtins": _INSPECT,
    "sys.path": Refusal(
        Rule.DYNAMIC_CODE,
        "changes where Python looks for modules",
        "Write a relative import, such as `from . import x`.",
    ),
    **dict.fromkeys(
        _all("modules _getframe _getframemodulename _current_frames", "sys."), _INSPECT
    ),
    **dict.fromkeys(
        _all("settrace setprofile meta_path path_hooks path_importer_cache", "sys."), _INSPECT
    ),
    **dict.fromkeys(_all("gc.get_objects gc.get_referrers gc.get_referents"), _INSPECT),
    **dict.fromkeys(_all("inspect.currentframe inspect.stack inspect.trace"), _INSPECT),
    **dict.fromkeys(_all("ctypes _ctypes cffi _cffi_backend"), _NATIVE),
    **dict.fromkeys(_all("exit _exit", "sys."), _ENDS),
    **dict.fromkeys(_all("_exit abort kill killpg", "os."), _ENDS),
    **dict.fromkeys(_all("exit quit", "<builtins>."), _ENDS),
    **dict.fromkeys(_all("signal _signal"), _ENDS),
    **dict.fromkeys(_all("load loads Unpickler", "pickle."), _LOADS),
    **dict.fromkeys(_all("load loads Unpickler", "_pickle."), _LOADS),
    **dict.fromkeys(_all("load loads", "marshal."), _LOADS),
    **dict.fromkeys(_all("load loads", "dill."), _LOADS),
    **dict.fromkeys(_all("shelve jsonpickle cloudpickle"), _LOADS),
    **dict.fromkeys(_all("environ environb getenv getenvb putenv unsetenv", "os."), _EMPTY),
}
"""What is refused, or warned of, whatever the permissions are."""

HARMLESS = frozenset({"importlib.metadata", "importlib.resources"})
"""What stands inside something refused and may be used."""

HIDDEN_ATTRIBUTES = frozenset(
    _all(
        "__subclasses__ __globals__ __code__ __builtins__ __closure__ __loader__ "
        "f_globals f_builtins f_locals tb_frame gi_frame gi_code cr_frame cr_code ag_frame"
    )
)
"""Attributes that lead from any object to everything."""

PLAIN_DUNDERS = frozenset(
    _all(
        "__name__ __qualname__ __doc__ __module__ __class__ __version__ __len__ __file__ "
        "__call__ __args__ __origin__ __annotations__ __wrapped__"
    )
)
"""Names with two underscores that `getattr` may ask for."""

GUARDED_MODULES = frozenset(_all("builtins os posix sys subprocess socket asyncio signal"))
"""Modules of which `getattr` with a name made at run time could be anything."""


@dataclass(frozen=True)
class Blocking:
    """What to write instead of a call that stops the loop."""

    hint: str


_THREAD = "or hand it to a thread: `await asyncio.to_thread(…)`."
_SLEEP = Blocking("Write `await asyncio.sleep(…)`.")
_HTTP = Blocking(f"Use an asynchronous client such as aiohttp, {_THREAD}")
_PROCESS = Blocking(f"Write `await asyncio.create_subprocess_exec(…)`, {_THREAD}")
_SOCKET = Blocking(f"Write `await asyncio.open_connection(…)`, {_THREAD}")
_INPUT = Blocking("Nobody sits at an agent's keyboard; people speak through `on_utterance`.")
_LOOP = Blocking("The loop runs already: write `await`.")
_OTHER = Blocking("Hand it to a thread: `await asyncio.to_thread(…)`.")
_VERBS = "get post put patch delete head options request"

BLOCKING: dict[str, Blocking] = {
    "time.sleep": _SLEEP,
    **dict.fromkeys(_all(_VERBS, "requests."), _HTTP),
    **dict.fromkeys(_all(_VERBS, "requests.api."), _HTTP),
    **dict.fromkeys(_all(f"{_VERBS} send", "requests.Session()."), _HTTP),
    **dict.fromkeys(_all(f"{_VERBS} send", "requests.session()."), _HTTP),
    **dict.fromkeys(_all(f"{_VERBS} stream", "httpx."), _HTTP),
    **dict.fromkeys(_all(f"{_VERBS} send stream", "httpx.Client()."), _HTTP),
    **dict.fromkeys(_all("urlopen urlretrieve", "urllib.request."), _HTTP),
    **dict.fromkeys(_all("urllib3.request urllib3.PoolManager().request"), _HTTP),
    **dict.fromkeys(
        _all("request getresponse connect send", "http.client.HTTPConnection()."), _HTTP
    ),
    **dict.fromkeys(
        _all("request getresponse connect send", "http.client.HTTPSConnection()."), _HTTP
    ),
    "websockets.sync.client.connect": _SOCKET,
    **dict.fromkeys(
        _all("run call check_call check_output getoutput getstatusoutput", "subprocess."), _PROCESS
    ),
    **dict.fromkeys(_all("wait communicate", "subprocess.Popen()."), _PROCESS),
    **dict.fromkeys(_all("system popen wait waitpid wait3 wait4", "os."), _PROCESS),
    **dict.fromkeys(
        _all("create_connection getaddrinfo gethostbyname gethostbyaddr getfqdn", "socket."),
        _SOCKET,
    ),
    **dict.fromkeys(_all("FTP FTP_TLS", "ftplib."), _OTHER),
    **dict.fromkeys(_all("SMTP SMTP_SSL", "smtplib."), _OTHER),
    **dict.fromkeys(_all("IMAP4 IMAP4_SSL", "imaplib."), _OTHER),
    **dict.fromkeys(_all("POP3 POP3_SSL", "poplib."), _OTHER),
    "select.select": _OTHER,
    "<builtins>.input": _INPUT,
    **dict.fromkeys(_all("asyncio.run asyncio.Runner().run asyncio.runners.run"), _LOOP),
    **{
        f"{loop}.{name}": _LOOP
        for loop in _LOOPS
        for name in _all("run_until_complete run_forever")
    },
}
"""Calls that stop everything else in the process while they wait."""

FILE_CALLS = frozenset(
    [
        *_all("<builtins>.open io.open codecs.open os.walk os.listdir os.scandir"),
        *_all("copy copy2 copyfile copytree move rmtree make_archive unpack_archive", "shutil."),
    ]
)
"""Calls that wait for a disk."""
FILE_METHODS = frozenset(_all("read_text read_bytes write_text write_bytes"))
"""Methods of a path that wait for a disk."""

COROUTINES = frozenset(
    _all("sleep to_thread wait_for wait open_connection start_server", "asyncio.")
)
"""Functions outside the bundle that do nothing unless they are awaited."""

LOOSE_TASKS = frozenset(
    [
        *_all("asyncio.create_task asyncio.ensure_future"),
        *[f"{loop}.create_task" for loop in _LOOPS],
    ]
)
"""What starts work in the background that nobody watches."""


def entry(dotted: str, table: frozenset[str] | dict[str, Refusal]) -> str | None:
    """Return the name in `table` that `dotted` is, or is inside of."""
    name = dotted
    if name.startswith("posix."):
        name = f"os.{name.removeprefix('posix.')}"
    while name and name not in HARMLESS:
        if name in table:
            return name
        name = name.rpartition(".")[0]
    return None
