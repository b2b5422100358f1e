#!/usr/bin/env bash
# Programs in C, C++ and Python build and run on the library as it is installed, shared and static.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 240
source "${0%/*}/lib.sh"
requires make cc pkg-config
cd "$DIR"

# what was built, sanitizer and all, in a root of its own
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u CFLAGS -u LDFLAGS -u SAN -u CC \
    make --no-print-directory -C "$TOP" BUILD="$(realpath --relative-to="$TOP" "$BUILD")" PREFIX=/usr \
    DESTDIR="$DIR/root" install >log 2>&1 || fail "$(tail -n 5 log)"
! grep -E '^ +(CC|AR|LINK) ' log || fail "something was built for installing"
export PKG_CONFIG_PATH=$DIR/root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$DIR/root
export LD_LIBRARY_PATH=$DIR/root/usr/lib
case $SANITIZED in
    asan) flags=(-g "-fsanitize=address,undefined" -fno-sanitize-recover=undefined) ;;
    tsan) flags=(-g -fsanitize=thread) ;;
    *) flags=(-O1) ;;
esac
read -ra cflags <<<"$(pkg-config --cflags libzqfs)"
read -ra libs <<<"$(pkg-config --libs libzqfs)"
read -ra static_libs <<<"$(pkg-config --static --libs libzqfs)"
strict=(-Wall -Wextra -Wpedantic -Werror)
examples=$DIR/root/usr/share/doc/zqfs/examples

# ---- C: the examples, as strictly as can be
for name in report append-verify memory-faults archive branch; do
    cc -std=c11 "${strict[@]}" "${flags[@]}" "${cflags[@]}" "$examples/$name.c" "${libs[@]}" -pthread -o "$name"
    ldd "$name" | holds "$DIR/root/usr/lib/libzqfs.so.0" || fail "$name does not use the shared library"
    [ -z "$SANITIZED" ] || continue
    cc -std=c11 "${strict[@]}" "${flags[@]}" "${cflags[@]}" "$examples/$name.c" -static "${static_libs[@]}" \
        -pthread -o "$name-static"
done
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1,zone.max_active_zones=4 a.qcow2 16M
assert_eq "$(./append-verify a.qcow2)" "2000 records written and read back" "append-verify"
[ -n "$SANITIZED" ] || assert_eq "$(env -u LD_LIBRARY_PATH ./append-verify-static a.qcow2)" \
    "2000 records written and read back" "append-verify, static"
"$ZQFS" check a.qcow2
[[ $(./memory-faults) =~ ^[1-9][0-9]+" faults, nothing lost that was promised"$ ]] || fail "memory-faults"
[ "$(./report a.qcow2 | wc -l)" -eq 15 ] || fail "report"
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 c.qcow2 4M
./report c.qcow2 1 "a line of text" >out
"$ZQFS" finish c.qcow2 1
./report c.qcow2 2 "in a zone that stays open" >out
assert_eq "$(./archive c.qcow2 small.qcow2 | sed 's/, [0-9]* bytes became [0-9]*$//')" "1 full zones
65536 bytes of data, 65536 compressed, 4063232 zeros" "archive"
"$ZQFS" compare c.qcow2 small.qcow2
"$ZQFS" check small.qcow2
expect_fail "archive: small.qcow2: " ./archive c.qcow2 small.qcow2
# An overlay that is thrown away, and one that is kept; the last zone gets a block with each.
cp c.qcow2 base.qcow2
./branch base.qcow2 over.qcow2 drop >out
holds 'over.qcow2: 4 zones' <out || fail "branch: $(cat out)"
"$ZQFS" compare c.qcow2 base.qcow2 || fail "what was dropped is in the base"
assert_eq "$(./branch base.qcow2 over.qcow2 keep | tail -n 1)" \
    "512 bytes written, 1 write pointers moved" "branch"
[ ! -e over.qcow2 ] || fail "branch leaves its overlay"
assert_eq "$("$ZQFS" report --csv base.qcow2 | tail -n 2 | cut -d, -f 1,3)" "3,closed
4,empty" "the zones after branch"
"$ZQFS" check base.qcow2
expect_fail "branch: over.qcow2: backing file: gone.qcow2: No such file" ./branch gone.qcow2 over.qcow2 keep

# ---- C++
if command -v g++ >/dev/null; then
    cat >program.cpp <<'END'
#include <cstdio>
#include <cstring>
#include <zqfs/check.h>
#include <zqfs/convert.h>
#include <zqfs/create.h>
#include <zqfs/device.h>
#include <zqfs/info.h>
#include <zqfs/version.h>

int main()
{
	zq_create_opts create{};
	zq_open_opts open{};
	zq_check_result result;
	zq_zone_info info;
	zq_writer writer{};
	zq_error err{};
	zq_device *dev = nullptr;
	zq_io *io = nullptr;
	zq_memory *mem = zq_memory_new("memory");

	create.zone_size = 1 << 20;
	if (zq_create_set(&create, "zone.conventional_zones", "2", &err) || zq_memory_io(mem, true, &io))
		return 1;
	create.size = 8 << 20;
	if (zq_create_io(io, &create, &err) || zq_open_device_io(io, &open, &dev, &err)) {
		std::puts(err.msg);
		return 1;
	}
	if (zq_append(dev, 2, &writer, 0, "text", 4, ZQ_WRITE_APPEND, nullptr) != 4 ||
	    zq_report(dev, 2, 1, &info) || std::strcmp(zq_state_name(info.state), "implicit-open"))
		return 1;
	if (zq_close_device(dev) || zq_memory_io(mem, false, &io) ||
	    zq_check_io(io, nullptr, &result, &err) || zq_version() != ZQFS_VERSION_NUM)
		return 1;
	std::printf("%llu corruptions\n", static_cast<unsigned long long>(result.corruptions));
	io->ops->close(io);
	zq_memory_free(mem);
	zq_create_opts_free(&create);
}
END
    g++ -std=c++17 "${strict[@]}" "${flags[@]}" "${cflags[@]}" program.cpp "${libs[@]}" -o program
    assert_eq "$(./program)" "0 corruptions" "the C++ program"
fi

# ---- Python; its interpreter has no sanitizer
if [ -z "$SANITIZED" ] && command -v python3 >/dev/null; then
    zoned() { python3 -B "$examples/zoned.py" "$@"; }
    "$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 b.qcow2 4M
    assert_eq "$(zoned b.qcow2 2 hello)" "0" "where Python appends"
    assert_eq "$(zoned b.qcow2 2 again)" "512" "where Python appends next"
    assert_eq "$(zoned b.qcow2)" "0 not-wp 1048576
1 empty 0
2 closed 1024
3 empty 0" "what Python reports"
    expect_fail "zone 0 (cnv/0): append of 5 bytes at 0: the zone is conventional" zoned b.qcow2 0 hello
    expect_fail "no-such: No such file or directory" zoned no-such
fi
