#!/usr/bin/env bash
# The libraries show the functions of the public headers and no other name; a program's own names stay its own.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires cc nm readelf awk
out=$(dirname "$ZQFS")
cd "$DIR"

# what a program may call: headers, version script and both libraries agree
awk -f "$TOP/contrib/manual/headers.awk" "$TOP"/include/zqfs/*.h | sed -n 's/^export //p' | sort >headers
[ "$(wc -l <headers)" -gt 30 ] || fail "the headers were not understood"
assert_eq "$(uniq -d headers)" "" "declared twice"
sed -n 's/^\t\([a-z0-9_]*\);$/\1/p' "$TOP/src/libzqfs.map" | sort >map
diff headers map || fail "include/zqfs and src/libzqfs.map differ: run contrib/manual/symbols.sh"
diff map <(sed -n 's/^ \(zq_.*\)@LIBZQFS_0 .*/\1/p' "$TOP/contrib/debian/libzqfs0.symbols") ||
    fail "the names of the Debian package differ: run contrib/manual/symbols.sh"
shared=$(echo "$out"/libzqfs.so.?.*)
nm -D --defined-only "$shared" | awk '$2 != "A" { print $3 }' | sort >shared-names
diff <(sed 's/$/@@LIBZQFS_0/' map) shared-names || fail "the shared library shows something else"
nm -g --defined-only "$out/libzqfs.a" | awk 'NF == 3 { print $3 }' | sort >static
diff map static || fail "the static library shows something else"
assert_eq "$(readelf -d "$shared" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')" libzqfs.so.0 "soname"

# a program with functions that are called as some of the library's inside
cat >collide.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <zqfs/device.h>
int lock_change(int fd, int from, int to);
int lock_change(int fd, int from, int to)
{
	(void)fd, (void)from, (void)to;
	abort();
}
unsigned long long clock_ns(int clock);
unsigned long long clock_ns(int clock)
{
	(void)clock;
	abort();
}
int qcow2_open(void);
int qcow2_open(void)
{
	abort();
}
int main(int argc, char **argv)
{
	struct zq_open_opts opts = { .committer = true };
	struct zq_device *dev, *again;
	struct zq_error err = { "" };

	(void)argc;
	if (zq_open_device(argv[1], &opts, &dev, &err)) {
		puts(err.msg);
		return 1;
	}
	printf("%d ", zq_open_device(argv[1], &opts, &again, &err));
	printf("%zd ", zq_append(dev, 1, NULL, 0, "text", 4, ZQ_WRITE_APPEND, NULL));
	printf("%d\n", zq_close_device(dev));
	return 0;
}
END
case $SANITIZED in
    asan) flags=("-fsanitize=address,undefined") ;;
    tsan) flags=(-fsanitize=thread) ;;
    *) flags=() ;;
esac
cc "${flags[@]}" -Wall -Wextra -Werror -I "$TOP/include" collide.c "$out/libzqfs.a" -o static-program \
    -lzstd -lz -pthread
cc "${flags[@]}" -Wall -Wextra -Werror -I "$TOP/include" collide.c "$shared" -o shared-program
ln -s "$shared" libzqfs.so.0
for program in static-program shared-program; do
    "$ZQFS" create -q --force -o zone.size=1M a.qcow2 8M
    assert_eq "$(LD_LIBRARY_PATH=$DIR "./$program" a.qcow2)" "-11 4 0" "what $program does"
done
