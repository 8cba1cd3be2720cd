#!/bin/bash
# base.sh SERIES: prints the folder that holds the kernel and the base image of
# a kernel series (5.10, 6.1 or 6.12), after making them from Debian packages if they
# are not there yet. Everything lives under .build/vm, which git ignores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
series=${1:?usage: base.sh 5.10|6.1|6.12}
cache=$root/.build/vm
die() { echo "testdata/vm: $*" >&2; exit 1; }

need() { command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null || die "$1 is missing; install the package: apt-get install $2"; }
export PATH=$PATH:/usr/sbin:/sbin
need dpkg-deb dpkg; need busybox busybox-static; need cpio cpio; need depmod kmod; need modprobe kmod
need xz xz-utils; need gzip gzip; need ip iproute2; need tc iproute2; need ethtool ethtool; need apt-get apt
if ldd "$(command -v busybox)" >/dev/null 2>&1; then die "busybox is not static; install the package: apt-get install busybox-static"; fi

# The modules that the drivers and their tests use; what they depend on comes by
# itself. A name that the kernel has built in costs nothing.
modules="mpls_router mpls_iptunnel veth dummy 8021q ipv6 af_packet sch_ingress cls_bpf cls_flower cls_matchall cls_u32 act_mpls act_vlan act_mirred act_gact act_skbedit act_pedit act_police act_tunnel_key sch_htb"

# 6.1 is that of this machine's sources. 5.10 is that of Debian 11, 6.12 that of
# Debian 13, looked up with lists of their own: the sources stay as they are.
apt=() release=''
case $series in
5.10) release=bullseye ;;
6.12) release=trixie ;;
esac
if [ -n "$release" ]; then
	lists=$cache/apt-$release
	mkdir -p "$lists"/state/lists/partial "$lists"/cache/archives/partial
	echo "deb http://deb.debian.org/debian $release main" >"$lists/sources.list"
	apt=(-o Dir::State="$lists/state" -o Dir::Cache="$lists/cache" -o Dir::Etc::SourceList="$lists/sources.list"
		-o Dir::Etc::SourceParts=/dev/null -o Dir::State::status=/var/lib/dpkg/status)
fi

# package prints the newest package of the series that apt offers.
package() {
	apt-cache "${apt[@]}" pkgnames "linux-image-$series." 2>/dev/null |
		grep -E "^linux-image-${series//./\\.}\.[0-9][^ ]*-cloud-amd64(-unsigned)?$" | sort -V | tail -1
}
offered() {
	apt-cache "${apt[@]}" policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: //p' | grep -qv '(none)'
}

pkg=$(package) || true
if [ -z "$pkg" ] || ! offered "$pkg"; then
	[ "$(id -u)" = 0 ] && apt-get "${apt[@]}" -qq update >&2 || true
	pkg=$(package) || true
fi
dir=$cache/$series
recipe=$(cat "$0" "$here/init" | sha256sum | cut -c1-16)
if [ -n "$pkg" ] && offered "$pkg"; then want="$pkg $recipe"
elif [ -f "$dir/made" ]; then want=$(cat "$dir/made")
else die "apt offers no linux-image-$series.*-cloud-amd64${release:+ of $release}"; fi
if [ "$(cat "$dir/made" 2>/dev/null)" = "$want" ]; then echo "$dir"; exit 0; fi

work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(cd "$work" && apt-get "${apt[@]}" -o APT::Sandbox::User=root -qq download "$pkg" >&2) || die "cannot download $pkg"
dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
[ -d "$work/kernel/lib" ] || ln -s usr/lib "$work/kernel/lib" # Debian 13 packs them there.
kernel=$(ls "$work"/kernel/boot/vmlinuz-*) && version=${kernel##*/vmlinuz-}
tree=$work/tree
mkdir -p "$tree"/{bin,dev,proc,sys,run,tmp,etc,test} "$tree/lib/modules/$version"
cp "$(command -v busybox)" "$tree/bin/busybox"
# iproute2 goes along as the referee of the tests, ethtool for the lab.
for program in ip tc ethtool; do
	cp -L "$(command -v $program)" "$tree/bin/$program"
	ldd "$tree/bin/$program" | grep -o '/[^ ]*' | while read -r lib; do
		mkdir -p "$tree$(dirname "$lib")"; cp -L "$lib" "$tree$lib"
	done
done
cp "$work/kernel/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$tree/lib/modules/$version/"
depmod -b "$work/kernel" "$version"
for m in $modules; do
	modprobe -d "$work/kernel" -S "$version" --show-depends "$m" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p' || true
done | sort -u | while read -r ko; do
	to=$tree${ko#"$work/kernel"}
	mkdir -p "$(dirname "$to")"; cp "$ko" "$to"
	case $to in *.xz) xz -d "$to" ;; esac
done
[ -n "$(find "$tree/lib/modules" -name 'mpls_router.ko')" ] || die "$pkg has no mpls_router"
depmod -b "$tree" "$version"
install -m 755 "$here/init" "$tree/init"
mkdir -p "$dir"
(cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$dir/base.cpio.gz"
cp "$kernel" "$dir/vmlinuz"
echo "$version" >"$dir/version"
echo "$want" >"$dir/made"
echo "$dir"
