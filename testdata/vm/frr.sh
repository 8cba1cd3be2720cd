#!/bin/bash
# frr.sh: prints the folder of FRR's zebra with the libraries it needs, laid out
# as in the root of a guest (run.sh -x), after making it from Debian's packages
# if it is not there yet. It lives under .build/vm, which git ignores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=$(cd "$here/../.." && pwd)/.build/vm
die() { echo "testdata/vm: $*" >&2; exit 1; }
offered() { apt-cache policy frr 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -qv '(none)'; }
tree=$cache/frr
offered || { [ "$(id -u)" = 0 ] && apt-get -qq update >&2; } || true
want="$(apt-cache policy frr | sed -n 's/^ *Candidate: //p') $(sha256sum <"$0" | cut -c1-16)"
if [ -f "$tree.made" ] && { ! offered || [ "$(cat "$tree.made")" = "$want" ]; }; then echo "$tree"; exit 0; fi
offered || die "apt offers no package frr"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 777 "$work"
packages="frr $(apt-cache depends frr | sed -n 's/^ *Depends: \(libyang[^ ]*\|libjson-c[^ ]*\|libcap2\)$/\1/p' | sort -u)"
# shellcheck disable=SC2086
(cd "$work" && apt-get -qq download $packages >&2) || die "cannot download $packages"
for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$work/files"; done
rm -rf "$tree"; mkdir -p "$tree"/{etc,bin,usr/lib/frr,var/run/frr,var/lib/frr,var/tmp}
cp "$work/files/usr/lib/frr/zebra" "$tree/usr/lib/frr/"
path=$(find "$work/files" -name '*.so.*' -printf '%h\n' | sort -u | paste -sd:)
LD_LIBRARY_PATH=$path ldd "$work/files/usr/lib/frr/zebra" | grep -o '/[^ ]*' | while read -r lib; do
	to=$tree${lib#"$work/files"}
	mkdir -p "$(dirname "$to")"; cp -L "$lib" "$to"
done
echo 'root:x:0:0::/tmp:/bin/sh' >"$tree/etc/passwd"
printf 'root:x:0:root\nfrr:x:92:root\nfrrvty:x:93:root\n' >"$tree/etc/group"
echo "$want" >"$tree.made"
echo "$tree"
