#!/bin/bash
# run.sh [-k SERIES] [-t SECONDS] [-x FOLDER] PACKAGE... [-- TEST-FLAGS]
# Runs the tests of Go packages inside QEMU, one guest per package, and exits
# with 0 only if all passed. PACKAGE is a path as go test takes it; -k is the
# kernel series (6.1, the default, 6.12 or 5.10); what is in FOLDER is there from
# the root of the guest on; TEST-FLAGS go to the test binary
# (-test.v, -test.run, -test.bench ...). No root and no KVM is needed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
die() { echo "testdata/vm: $*" >&2; exit 1; }
series=6.1 limit=600 extra='' packages=() flags=()
while [ $# -gt 0 ]; do
	case $1 in
	-k) series=$2; shift 2 ;;
	-t) limit=$2; shift 2 ;;
	-x) extra=$2; shift 2 ;;
	--) shift; flags=("$@"); break ;;
	-*) die "unknown flag $1; usage: run.sh [-k 5.10|6.1|6.12] [-t SECONDS] [-x FOLDER] PACKAGE... [-- TEST-FLAGS]" ;;
	*) packages+=("$1"); shift ;;
	esac
done
[ ${#packages[@]} -gt 0 ] || die "no package given"
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 is missing; install the package: apt-get install qemu-system-x86"
command -v go >/dev/null || die "go is missing; install Go 1.26 or newer"
command -v cpio >/dev/null || die "cpio is missing; install the package: apt-get install cpio"
base=$("$here/base.sh" "$series")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# guest PACKAGE: builds the test binary, boots, prints its output, returns its
# exit code.
guest() {
	local pkg=$1 job=$work/job dir rc
	rm -rf "$job" "$work"/*.out; mkdir -p "$job/test"
	dir=$(cd "$root" && go list -tags vm -f '{{.Dir}}' "$pkg")
	(cd "$root" && CGO_ENABLED=0 go test -tags vm -c -o "$job/test/t.test" "$pkg")
	[ -f "$job/test/t.test" ] || { echo "testdata/vm: $pkg has no tests" >&2; return 1; }
	[ -d "$dir/testdata" ] && cp -r "$dir/testdata" "$job/test/testdata"
	cp -r "$root/testdata/lab" "$job/test/lab"
	[ -z "$extra" ] || cp -a "$extra/." "$job/"
	printf 'cd /test && TANDEM_VM=1 ./t.test -test.timeout %ss%s\n' "$limit" "$(printf ' %q' "${flags[@]}")" >"$job/test/run"
	(cd "$job" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$work/job.gz"
	cat "$base/base.cpio.gz" "$work/job.gz" >"$work/initrd"
	# cx16=off: with it QEMU 7.2 lets kernel 6.12 crash at boot now and then.
	rc=0
	timeout $((limit + 60)) qemu-system-x86_64 -M pc -accel tcg -cpu max,cx16=off -m 768M -smp 2 \
		-nodefaults -no-user-config -nographic -no-reboot -nic none \
		-kernel "$base/vmlinuz" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on" \
		-serial file:"$work/console.out" -serial file:"$work/test.out" </dev/null || rc=$?
	touch "$work/test.out" "$work/console.out"
	tr -d '\r' <"$work/test.out" | sed '/^EXIT [0-9]*$/d'
	local code
	code=$(tr -d '\r' <"$work/test.out" | sed -n 's/^EXIT \([0-9]*\)$/\1/p')
	if [ "$code" != 0 ]; then
		echo "--- console of the guest ($series):"; tr -d '\r' <"$work/console.out" | tail -100
		[ -n "$code" ] || echo "testdata/vm: the guest ended without a result (qemu exit code $rc)"
		return 1
	fi
}

failed=0
for p in "${packages[@]}"; do
	start=$(date +%s)
	if guest "$p"; then verdict=ok; else verdict=FAIL failed=1; fi
	echo "$verdict	$p	kernel $(cat "$base/version")	$(($(date +%s) - start))s"
done
exit $failed
