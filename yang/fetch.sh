#!/bin/sh
# Fetches the standard YANG modules that Tandem serves or imports into
# yang/standard/, out of the pinned pyang wheel, and verifies their checksums.
#
#   yang/fetch.sh            fetch what is missing or differs
#   yang/fetch.sh --check    only verify what is there
#
# Where the modules come from, first match wins:
#   TANDEM_YANG_MODULES   a share/yang/modules directory of pyang 2.7.1
#   TANDEM_PYANG_WHEEL    a pyang-2.7.1 wheel on disk
#   TANDEM_VENV           a virtual environment with pyang 2.7.1 installed
#   otherwise             python3 -m pip download --no-deps pyang==2.7.1
set -eu

version=2.7.1
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dest=$here/standard
sums=$dest/SHA256SUMS

verify() { (cd "$1" && sha256sum --check --quiet --strict "$sums") >&2; }

if (verify "$dest") 2>/dev/null; then
	exit 0
fi
if [ "${1:-}" = --check ]; then
	echo "yang/standard does not match yang/standard/SHA256SUMS: run yang/fetch.sh" >&2
	exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# download puts the wheel into $work; a machine whose python3 has no pip gets
# one in a throw-away virtual environment.
download() {
	if ! command -v python3 >/dev/null; then
		echo "yang/fetch.sh: python3 is missing: install the package python3" >&2
		exit 1
	fi
	py=python3
	if ! python3 -m pip --version >/dev/null 2>&1; then
		if ! python3 -m venv "$work/venv" >/dev/null 2>&1; then
			echo "yang/fetch.sh: python3 has neither pip nor venv: install the packages python3-pip or python3-venv" >&2
			exit 1
		fi
		py=$work/venv/bin/python
	fi
	"$py" -m pip --disable-pip-version-check download --quiet --no-deps --dest "$work" "pyang==$version" >&2
}

unpack() {
	python3 -m zipfile -e "$1" "$work/wheel"
	echo "$work/wheel/pyang-$version.data/data/share/yang/modules"
}

if [ -n "${TANDEM_YANG_MODULES:-}" ]; then
	source=$TANDEM_YANG_MODULES
elif [ -n "${TANDEM_PYANG_WHEEL:-}" ]; then
	source=$(unpack "$TANDEM_PYANG_WHEEL")
elif [ -n "${TANDEM_VENV:-}" ] && [ -d "$TANDEM_VENV/share/yang/modules" ]; then
	source=$TANDEM_VENV/share/yang/modules
else
	download
	source=$(unpack "$work"/pyang-"$version"-*.whl)
fi

mkdir "$work/out"
while read -r _ file; do
	found=
	for dir in "$source"/ietf "$source"/iana "$source"; do
		if [ -f "$dir/$file" ]; then
			found=$dir/$file
			break
		fi
	done
	if [ -z "$found" ]; then
		echo "yang/fetch.sh: $file is not in $source" >&2
		exit 1
	fi
	cp "$found" "$work/out/$file"
done <"$sums"
verify "$work/out"
cp "$work"/out/*.yang "$dest/"
