#!/usr/bin/env bash
# Make this clone ready to run: uv, Python 3.14, `.venv/` as requirements.lock says, redis-server.
# Called by the other scripts. Does nothing (and takes no time) when nothing has changed. What is
# missing is named in one line with the way to get it, and the exit code is 1. Given `tests`, it
# also gets the engine of SurrealDB 3 and MariaDB, which only tests need.
#
#   HAIREM_CACHE    where uv and Python are kept when this machine has none, and that engine
#                   (~/.cache/hairem)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${HAIREM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hairem}
venv=$root/.venv
stamp=$venv/.prepared
unfinished=$venv/.unfinished
wanted="$root $(cat "$root"/{requirements.lock,pyproject.toml,scripts/_prepare.sh} | sha256sum | cut -d' ' -f1)"

say() { echo "prepare: $*" >&2; }
fail() { say "$*"; exit 1; }

# --- what only root can install ----------------------------------------------------------------

as_root=()
may_install() {
  command -v apt-get >/dev/null || return 1
  if [ "$(id -u)" = 0 ]; then return 0; fi
  command -v sudo >/dev/null && sudo -n true 2>/dev/null && as_root=(sudo -n)
}

# need COMMAND PACKAGE: install the Debian package when the command is missing and that is allowed.
# The lock's descriptor is closed for apt: a service that it starts would hold the lock for ever.
need() {
  command -v "$1" >/dev/null && return 0
  may_install || fail "$1 is missing: run  sudo apt-get install $2  and start again"
  say "installing $2 with apt-get"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
    "apt-get install -y -qq --no-install-recommends $2 || { apt-get update -qq && apt-get install -y -qq --no-install-recommends $2; }" \
    >/dev/null 2>&1 9>&- || true
  hash -r
  command -v "$1" >/dev/null || fail "$1 is missing and apt-get could not install it: run  apt-get install $2  and start again"
}

redis_is_recent() {
  local version
  version=$(redis-server --version | sed -n 's/.* v=\([0-9]*\)\..*/\1/p')
  [ "${version:-0}" -ge 7 ] || fail "redis-server $version is too old: install Redis 7 or later"
}

# --- uv ----------------------------------------------------------------------------------------

# pip of the system, wherever it is: the module, or the wheel in Debian's python3-pip-whl, which
# can be unpacked without any rights.
pip_install() {
  local target=$1 wheel work
  if python3 -m pip --version >/dev/null 2>&1; then
    python3 -m pip install -q --disable-pip-version-check --root-user-action ignore --target "$target" uv
    return
  fi
  command -v apt-get >/dev/null || return 1
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  local apt=(-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o APT::Sandbox::User= -qq)
  if apt-get "${apt[@]}" update >&2 && ( cd "$work" && apt-get "${apt[@]}" download python3-pip-whl >&2 ) &&
     dpkg -x "$work"/python3-pip-whl_*.deb "$work/tree"; then
    wheel=$(find "$work/tree" -name 'pip-*.whl' | head -n 1)
    python3 "$wheel/pip" install -q --disable-pip-version-check --root-user-action ignore --target "$target" uv || { rm -rf "$work"; return 1; }
  fi
  rm -rf "$work"
}

# A network with a certificate authority of its own has told the system about it, not uv.
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS-1} UV_NATIVE_TLS=${UV_NATIVE_TLS-1}; fi

find_uv() {
  if command -v uv >/dev/null && uv --version >/dev/null 2>&1; then UV=$(command -v uv); return; fi
  UV=$cache/uv/bin/uv
  if [ -x "$UV" ] && "$UV" --version >/dev/null 2>&1; then return; fi
  command -v python3 >/dev/null || fail "Python 3 is missing: run  sudo apt-get install python3  and start again"
  say "fetching uv"
  mkdir -p "$cache"
  rm -rf "$cache/uv" "$cache"/uv.new.*
  local fresh=$cache/uv.new.$$
  pip_install "$fresh" && [ -x "$fresh/bin/uv" ] || fail "uv is missing and could not be fetched: run  pip install uv  (or sudo apt-get install python3-pip) and start again"
  mv "$fresh" "$cache/uv"
}

# --- Python ------------------------------------------------------------------------------------

# A Python that can also compile extensions, or nothing.
usable() {
  [ -n "$1" ] && [ -x "$1" ] && "$1" -c 'import sys, sysconfig, pathlib, ssl, sqlite3
assert (3, 14, 2) <= sys.version_info < (3, 15)
headers = pathlib.Path(sysconfig.get_path("include"), "Python.h")
assert headers.exists() or pathlib.Path(sys.prefix, "include/python3.14/Python.h").exists()' 2>/dev/null
}

find_python() {
  local debian=$cache/python-3.14
  python=$("$UV" python find --no-project --system '>=3.14.2,<3.15' 2>/dev/null || true)
  if usable "$python"; then return; fi
  python=$debian/usr/bin/python3.14
  if ! usable "$python"; then
    say "fetching Python 3.14"
    if UV_HTTP_TIMEOUT=30 "$UV" python install -q 3.14 2>/dev/null; then
      python=$("$UV" python find --no-project --managed-python 3.14)
      if usable "$python"; then return; fi
    fi
    say "uv has none to download here; taking it from Debian's packages"
    python=$(UV=$UV "$root/scripts/python314-from-debian.sh" "$debian") ||
      fail "Python 3.14.2 or later is missing: install it (https://docs.astral.sh/uv/guides/install-python/) and start again"
  fi
  export CPATH=$debian/usr/include${CPATH:+:$CPATH}
}

# --- the virtual environment -------------------------------------------------------------------

is_prepared() {
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null
}

make_venv() {
  find_uv
  find_python
  # Two of Home Assistant's requirements have no wheel for this Python.
  need gcc gcc
  need g++ g++
  if [ -e "$unfinished" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then rm -rf "$venv"; fi
  if [ ! -d "$venv" ]; then
    # Made elsewhere and moved here, the marker inside: killed at any moment, it is known as unfinished.
    local fresh=$root/.venv.new
    rm -rf "$fresh"
    "$UV" venv -q --no-project --python "$python" --relocatable "$fresh"
    : > "$fresh/.unfinished"
    mv "$fresh" "$venv"
  fi
  : > "$unfinished"
  rm -f "$stamp"
  say "installing what requirements.lock names into .venv"
  # With bytecode: where Python may not write it itself, each start would compile everything anew.
  "$UV" pip sync -q --python "$venv/bin/python" --require-hashes --compile-bytecode "$root/requirements.lock" ||
    fail "requirements.lock could not be installed: see the lines above"
  "$UV" pip install -q --python "$venv/bin/python" --no-deps --no-build-isolation --editable "$root" ||
    fail "the project itself could not be installed: see the lines above"
  echo "$wanted" > "$stamp"
  rm -f "$unfinished"
}

# --- SurrealDB 3, for the tests -----------------------------------------------------------------

# Kept by what its lock says (tests/support/surrealdb3.py looks for it there), of any clone.
surrealdb3=$root/tests/support/surrealdb3
engine3=$cache/surrealdb3/$(sha256sum < "$surrealdb3/package-lock.json" | cut -c 1-16)

make_engine3() {
  need node nodejs
  need npm npm
  say "installing what tests/support/surrealdb3/package-lock.json names"
  # Made beside and moved: killed at any moment, it is there in whole or not at all.
  local fresh=$engine3.new.$$
  mkdir -p "$fresh"
  find "$cache/surrealdb3" -maxdepth 1 -name '*.new.*' -mmin +60 -exec rm -rf {} +
  cp "$surrealdb3"/{package.json,package-lock.json,.npmrc} "$fresh"
  (cd "$fresh" && npm ci --silent >&2) || { rm -rf "$fresh"; fail "the npm packages of SurrealDB 3 could not be installed: see the lines above"; }
  # Of the eight systems that the package serves, this is one.
  find "$fresh/node_modules/@surrealdb/node/dist" -name '*.node' ! -name '*linux-*-gnu*' -delete
  mv -T "$fresh" "$engine3" 2>/dev/null || rm -rf "$fresh" # another clone was quicker
}

# --- MariaDB, for the tests ---------------------------------------------------------------------

# The programs alone: mariadb-server would also start a service, for the whole machine.
need_mariadb() {
  # Debian keeps mariadbd where only root's PATH looks.
  local PATH=$PATH:/usr/sbin:/usr/local/sbin version
  # Another database server that is here already is not to be removed for it.
  need mariadbd "--no-remove mariadb-server-core"
  need my_print_defaults "--no-remove mariadb-client-core" # mariadb-install-db calls it
  version=$(mariadbd --version | sed -n 's/.* \([0-9]*\.[0-9]*\)\..*MariaDB.*/\1/p')
  [ "$(printf '%s\n' 10.11 "${version:-0}" | sort -V | head -n 1)" = 10.11 ] ||
    fail "mariadbd ${version:-of this machine} is too old: install MariaDB 10.11 or later"
}

started=$SECONDS
need redis-server redis-server
redis_is_recent
if ! is_prepared; then
  if command -v flock >/dev/null; then exec 9<"$root"; flock 9; fi
  if ! is_prepared; then
    make_venv
    say "ready after $((SECONDS - started)) s"
  fi
fi
if [ "${1-}" = tests ]; then need_mariadb; fi
if [ "${1-}" = tests ] && [ ! -d "$engine3/node_modules" ]; then make_engine3; fi
