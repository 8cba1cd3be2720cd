#!/bin/bash
# run.sh [-k SERIES] [-t SECONDS] [-m MIB] [-x FOLDER] PACKAGE... [-- TEST-FLAGS]
# Runs the tests of Go packages inside QEMU, one guest per package, and exits
# with 0 only if all passed; what a guest prints comes as it is printed. PACKAGE is
# a path as go test takes it; -k is the kernel series (6.1, the default, 6.12 or
# 5.10), -t what the test may take, -m the memory of the guest (768); what is in
# FOLDER is there from the root of the guest on; TEST-FLAGS go to the test binary
# (-test.v, -test.run, -test.bench ...). No root and no KVM is needed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
die() { echo "testdata/vm: $*" >&2; exit 1; }
series=6.1 limit=600 memory=768 extra='' packages=() flags=()
while [ $# -gt 0 ]; do
	case $1 in
	-k) series=$2; shift 2 ;;
	-t) limit=$2; shift 2 ;;
	-m) memory=$2; shift 2 ;;
	-x) extra=$2; shift 2 ;;
	--) shift; flags=("$@"); break ;;
	-*) die "unknown flag $1; usage: run.sh [-k 5.10|6.1|6.12] [-t SECONDS] [-m MIB] [-x FOLDER] PACKAGE... [-- TEST-FLAGS]" ;;
	*) packages+=("$1"); shift ;;
	esac
done
[ ${#packages[@]} -gt 0 ] || die "no package given"
[ -z "$extra" ] || [ -d "$extra" ] || die "-x $extra: no such folder"
command -v qemu-system-x86_64 >/dev/null || die "qemu-system-x86_64 is missing; install the package: apt-get install qemu-system-x86"
command -v go >/dev/null || die "go is missing; install Go 1.26 or newer"
command -v cpio >/dev/null || die "cpio is missing; install the package: apt-get install cpio"
base=$("$here/base.sh" "$series")
work=$(mktemp -d)
qemu=''
trap '[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || :; rm -rf "$work"' EXIT
# The guest has booted when it writes READY; on a quiet machine that
# is after 4 s.
boot_limit=120

# guest PACKAGE: builds the test binary, boots, prints its output; returns 0 where
# the tests passed, 2 where the kernel never came as far as to run them, else 1.
guest() {
	local pkg=$1 job=$work/job dir rc=0 began=$SECONDS why='' code=''
	rm -rf "$job" "$work"/*.out; mkdir -p "$job/test"
	dir=$(cd "$root" && go list -tags vm -f '{{.Dir}}' "$pkg")
	(cd "$root" && CGO_ENABLED=0 go test -tags vm -c -o "$job/test/t.test" "$pkg")
	[ -f "$job/test/t.test" ] || { echo "testdata/vm: $pkg has no tests" >&2; return 1; }
	[ -d "$dir/testdata" ] && cp -r "$dir/testdata" "$job/test/testdata"
	cp -r "$root/testdata/lab" "$job/test/lab"
	[ -z "$extra" ] || cp -a "$extra/." "$job/"
	# A clsact that stays: the first one to come and the last one to go patch the
	# kernel's receive path, and a CPU of the emulator that is in it at that moment can
	# trap on the old instruction for ever (seen: int3 in __netif_receive_skb_core).
	printf 'echo READY\n/bin/tc qdisc add dev lo clsact || exit\ncd /test && TANDEM_VM=1 ./t.test -test.timeout %ss%s\n' "$limit" "$(printf ' %q' "${flags[@]}")" >"$job/test/run"
	(cd "$job" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$work/job.gz"
	cat "$base/base.cpio.gz" "$work/job.gz" >"$work/initrd"
	: >"$work/test.out"; : >"$work/console.out"
	# no_timer_check: an emulator that waits for a CPU looks like a broken timer.
	# cx16: with it QEMU 7.2 lets kernel 6.12 crash at boot now and then. erms, fsrm:
	# with them the kernel clears pages by an instruction that QEMU runs octet by octet.
	timeout $((limit + boot_limit)) qemu-system-x86_64 -M pc -accel tcg -cpu max,cx16=off,erms=off,fsrm=off -m "${memory}M" -smp 2 \
		-nodefaults -no-user-config -nographic -no-reboot -nic none \
		-kernel "$base/vmlinuz" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on no_timer_check" \
		-serial file:"$work/console.out" -serial file:"$work/test.out" </dev/null 2>"$work/qemu.out" &
	qemu=$!
	tail -n +1 -s 0.2 -f --pid="$qemu" "$work/test.out" | sed -u 's/\r$//; /^READY$/d; /^EXIT [0-9]*$/d' &
	local printer=$!
	while kill -0 "$qemu" 2>/dev/null && ! grep -q '^READY' "$work/test.out"; do
		if [ $((SECONDS - began)) -gt $boot_limit ]; then
			why="did not boot within $boot_limit s"
			kill "$qemu"
		fi
		sleep 0.1
	done
	wait "$qemu" || rc=$?
	qemu=''
	wait "$printer" || :
	code=$(tr -d '\r' <"$work/test.out" | sed -n 's/^EXIT \([0-9]*\)$/\1/p')
	[ "$code" = 0 ] && return 0
	echo "--- console of the guest ($series):"; tr -d '\r' <"$work/console.out" | tail -100
	[ -n "$code" ] && return 1
	if [ -z "$why" ]; then
		case $rc in
		0) why="ended without a result: its kernel panicked, or power was cut" ;;
		124) why="had not ended $((limit + boot_limit)) s after its start" ;;
		137) why="was killed: this machine may be out of memory (-m $memory)" ;;
		*) why="ended with QEMU's exit code $rc" ;;
		esac
		grep -q '^READY' "$work/test.out" || why+="; it had not booted"
	fi
	if grep -qiE 'initramfs unpacking failed|out of memory|No working init' "$work/console.out"; then
		why+="; the console tells of too little memory for the image of $(($(stat -c %s "$work/initrd") >> 20)) MiB packed: -m MIB gives more"
	fi
	echo "testdata/vm: the guest $why"
	cat "$work/qemu.out"
	grep -q '^READY' "$work/test.out" || return 2
	return 1
}

failed=0
for p in "${packages[@]}"; do
	start=$(date +%s)
	rc=0; guest "$p" || rc=$?
	if [ $rc = 2 ]; then
		echo "testdata/vm: no test of $p has run; booting once more"
		rc=0; guest "$p" || rc=$?
	fi
	if [ $rc = 0 ]; then verdict=ok; else verdict=FAIL failed=1; fi
	echo "$verdict	$p	kernel $(cat "$base/version")	$(($(date +%s) - start))s"
done
exit $failed
