# SPDX-License-Identifier: GPL-2.0-or-later
# zqfs: plain GNU make and pkg-config. "make help" lists the targets.

# Nothing here may depend on the user's locale or on make's built-in rules.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# "make -f elsewhere/Makefile" would look for every source in the wrong folder.
ifeq ($(wildcard include/zqfs/version.h),)
$(error please run make in the folder of the sources (make -C); BUILD=DIR puts what it makes elsewhere)
endif

VERSION := $(shell sed -n 's/^\#define ZQFS_VERSION "\(.*\)"/\1/p' include/zqfs/version.h)

# Where objects go. The default build leaves zqfs and libzqfs.a in the top folder, any other
# one keeps everything in its own.
BUILD ?= build
ifneq ($(words $(BUILD)),1)
$(error BUILD must have no spaces; the folder of the sources may)
endif
OUT := $(if $(filter build,$(BUILD)),.,$(BUILD))

# "make install" takes what the last build made: its compiler and flags stand in this file. What is
# given on the command line goes before, and makes it anew.
SETTINGS := $(BUILD)/settings
ifneq ($(filter install,$(MAKECMDGOALS)),)
-include $(SETTINGS)
endif

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := gcc-ar
endif
PKG_CONFIG ?= pkg-config
OBJCOPY ?= objcopy
INSTALL ?= install
CFLAGS ?= -O2 -g -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
# Sanitizer flags; set by "make asan" and "make tsan".
SAN ?=

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif
DEFINES := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314
# The folder of the sources does not show in what is made of them. All objects suit a shared library,
# whose functions call each other and nobody else's of the same name.
PORTABLE = '-ffile-prefix-map=$(CURDIR)=.' -fPIC -fno-semantic-interposition
BASE_CFLAGS = -std=gnu17 -pthread $(PORTABLE) $(WARNINGS) $(DEFINES) -Iinclude -Isrc $(CFLAGS) $(SAN)
BASE_LDFLAGS = -pthread $(CFLAGS) $(SAN) $(LDFLAGS)

# Asked once, and only when something is compiled: "make help" needs no library.
pkg = $(or $(shell $(PKG_CONFIG) $(1) $(2)),$(if $(shell $(PKG_CONFIG) --exists $(2) || echo no),$(error \
	$(if $(shell command -v $(PKG_CONFIG) || true),$(2) not found,$(PKG_CONFIG) is not installed); \
	"contrib/setup.sh install build test" installs it, or says what to install)))
FUSE_CFLAGS = $(eval FUSE_CFLAGS := $$(call pkg,--cflags,fuse3))$(FUSE_CFLAGS)
FUSE_LIBS = $(eval FUSE_LIBS := $$(call pkg,--libs,fuse3))$(FUSE_LIBS)
COMP_CFLAGS = $(eval COMP_CFLAGS := $$(call pkg,--cflags,libzstd zlib))$(COMP_CFLAGS)
COMP_LIBS = $(eval COMP_LIBS := $$(call pkg,--libs,libzstd zlib))$(COMP_LIBS)
CHECK_CFLAGS = $(eval CHECK_CFLAGS := $$(call pkg,--cflags,check))$(CHECK_CFLAGS)
CHECK_LIBS = $(eval CHECK_LIBS := $$(call pkg,--libs,check))$(CHECK_LIBS)

# ---- what is built from what ---------------------------------------------------------------

LIB_SRC := $(sort $(wildcard src/util/*.c src/io/*.c src/qcow2/*/*.c src/zone/*.c src/offline/*.c src/convert/*.c))
FS_SRC := $(sort $(wildcard src/fs/*.c))
CLI_SRC := $(sort $(wildcard src/cli/*.c))
TEST_SRC := $(sort $(wildcard tests/unit/test_*.c))
HELPER_SRC := $(filter-out $(TEST_SRC),$(sort $(wildcard tests/unit/*.c)))
TOOL_SRC := $(sort $(wildcard tests/tools/*.c))
PRELOAD_SRC := $(sort $(wildcard tests/tools/preload/*.c))
# fuzz_NAME.c are targets, seeds.c makes their corpus; mutate.c is for libFuzzer alone.
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_AUX := tests/fuzz/harness.c tests/fuzz/main.c tests/fuzz/seeds.c tests/fuzz/mutate.c
# Every name that a program may use; nothing else is visible in what is installed.
SYMBOLS := src/libzqfs.map
PUBLIC_HEADERS := $(sort $(wildcard include/zqfs/*.h))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB_OBJ := $(call obj,$(LIB_SRC))
PROG_OBJ := $(call obj,$(FS_SRC) $(CLI_SRC))
HELPER_OBJ := $(call obj,$(HELPER_SRC))
FUZZ_OBJ := $(call obj,$(FUZZ_SRC) $(FUZZ_AUX))
ALL_OBJ := $(LIB_OBJ) $(PROG_OBJ) $(HELPER_OBJ) $(FUZZ_OBJ) $(call obj,$(TEST_SRC) $(TOOL_SRC))

# RAW has every name, for the program and the tests; LIB and SHARED are what is installed. The
# number of the ABI goes up when a program that was built before would no longer run.
RAW := $(BUILD)/libzqfs-raw.a
LIB := $(OUT)/libzqfs.a
ABI := 0
SHARED := $(OUT)/libzqfs.so.$(VERSION)
PROG := $(OUT)/zqfs
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(TEST_SRC))
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(TOOL_SRC))
PRELOADS := $(patsubst tests/tools/preload/%.c,$(BUILD)/tests/tools/%.so,$(PRELOAD_SRC))

.PHONY: all
all: $(LIB) $(SHARED) $(PROG)

FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(FUZZ_SRC))
FUZZ_SEEDS := $(BUILD)/tests/fuzz/seeds

.PHONY: unit
unit: $(UNIT) $(TOOLS) $(PRELOADS) $(FUZZ) $(FUZZ_SEEDS)

EXTRA_CFLAGS =
$(call obj,$(LIB_SRC)): EXTRA_CFLAGS = $(COMP_CFLAGS)
$(call obj,$(FS_SRC)): EXTRA_CFLAGS = $(FUSE_CFLAGS)
$(call obj,$(TEST_SRC) $(HELPER_SRC)): EXTRA_CFLAGS = $(CHECK_CFLAGS) $(COMP_CFLAGS) -Itests/unit
$(call obj,$(TOOL_SRC)): EXTRA_CFLAGS = $(COMP_CFLAGS)
$(FUZZ_OBJ): EXTRA_CFLAGS = $(COMP_CFLAGS) -Itests/unit -Itests/fuzz

# The sections of the manual, which "zqfs help" shows.
TOPICS := $(BUILD)/gen/topics.inc
$(TOPICS): zqfs.1 src/cli/topics.awk
	@mkdir -p $(@D)
	@LC_ALL=C awk -f src/cli/topics.awk zqfs.1 > $@
$(call obj,src/cli/topics.c): $(TOPICS)
$(call obj,src/cli/topics.c): EXTRA_CFLAGS = -I$(BUILD)/gen

# "make V=1" shows whole commands.
Q := $(if $(V),,@)
say = $(if $(V),@:,@printf "  %-5s %s\n" $(1) $(patsubst $(CURDIR)/%,%,$(2)))

# Holds the flags of the last build; what was compiled with other flags is compiled again.
FLAGS_STAMP := $(BUILD)/flags
SETTINGS_NAMES := CC AR OBJCOPY PKG_CONFIG CFLAGS LDFLAGS SAN WERROR
FLAGS_TEXT = $(CC) $(BASE_CFLAGS) | $(BASE_LDFLAGS)
.PHONY: force
$(FLAGS_STAMP): force
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' > $@
	@printf '%s\n' $(foreach n,$(SETTINGS_NAMES),'$(n) := $(subst ','\'',$(subst $$,$$$$,$($(n))))') \
		> $(SETTINGS)

# Lists of sources; a file that is added or removed relinks what it belongs to.
$(BUILD)/lib.list: force
	@mkdir -p $(@D)
	@printf '%s\n' $(LIB_OBJ) | cmp -s - $@ || printf '%s\n' $(LIB_OBJ) > $@
$(BUILD)/prog.list: force
	@mkdir -p $(@D)
	@printf '%s\n' $(PROG_OBJ) | cmp -s - $@ || printf '%s\n' $(PROG_OBJ) > $@

$(ALL_OBJ): $(BUILD)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(BASE_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

$(RAW): $(LIB_OBJ) $(BUILD)/lib.list
	@mkdir -p $(@D)
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcs $@ $(LIB_OBJ)

# One object, in which only the public names are left for the linker to find.
$(LIB): $(LIB_OBJ) $(BUILD)/lib.list $(SYMBOLS)
	@mkdir -p $(@D)
	$(call say,AR,$@)
	@rm -f $@
	@sed -n 's/^\t*\(zq_[a-z0-9_]*\);$$/\1/p' $(SYMBOLS) > $(BUILD)/public.list
	$(Q)$(CC) $(CFLAGS) $(if $(findstring -flto,$(CFLAGS)),-flinker-output=nolto-rel) -r -nostdlib \
		-o $(BUILD)/libzqfs.o $(LIB_OBJ)
	$(Q)$(OBJCOPY) --keep-global-symbols=$(BUILD)/public.list $(BUILD)/libzqfs.o
	$(Q)$(AR) rcs $@ $(BUILD)/libzqfs.o

$(SHARED): $(LIB_OBJ) $(BUILD)/lib.list $(SYMBOLS)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_LDFLAGS) -shared -Wl,-soname,libzqfs.so.$(ABI) \
		-Wl,--version-script=$(SYMBOLS) -o $@ $(LIB_OBJ) $(COMP_LIBS)

$(PROG): $(PROG_OBJ) $(RAW) $(BUILD)/prog.list
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_LDFLAGS) -o $@ $(PROG_OBJ) $(RAW) $(FUSE_LIBS) $(COMP_LIBS)

$(UNIT): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(HELPER_OBJ) $(RAW)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_LDFLAGS) -o $@ $< $(HELPER_OBJ) $(RAW) $(CHECK_LIBS) $(COMP_LIBS)

$(TOOLS): $(BUILD)/tests/tools/%: $(BUILD)/obj/tests/tools/%.o $(RAW)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_LDFLAGS) -o $@ $< $(RAW) $(COMP_LIBS)

# No sanitizer in these: its library would have to come before them.
$(PRELOADS): $(BUILD)/tests/tools/%.so: tests/tools/preload/%.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -fsanitize%,$(BASE_CFLAGS)) -fPIC -shared -o $@ $< -ldl

# A target replays files; with LIBFUZZER=1 (see "fuzz-built" below) it is a fuzzer.
FUZZ_MAIN = $(call obj,$(if $(LIBFUZZER),tests/fuzz/mutate.c,tests/fuzz/main.c))
FUZZ_SHARED := $(call obj,tests/fuzz/harness.c tests/unit/memio.c tests/unit/memio_cache.c \
	tests/unit/memio_io.c tests/unit/image_file.c)
$(FUZZ): $(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(FUZZ_MAIN) $(FUZZ_SHARED) $(RAW)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_LDFLAGS) $(if $(LIBFUZZER),-fsanitize=fuzzer) -o $@ $< $(FUZZ_MAIN) $(FUZZ_SHARED) \
		$(RAW) $(COMP_LIBS)

$(FUZZ_SEEDS): $(call obj,tests/fuzz/seeds.c) $(FUZZ_SHARED) $(RAW)
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(BASE_LDFLAGS) -o $@ $< $(FUZZ_SHARED) $(RAW) $(COMP_LIBS)

-include $(ALL_OBJ:.o=.d)

# ---- tests ---------------------------------------------------------------------------------

# "make check TESTS='append reset'" runs the tests whose names contain one of the words.
TESTS ?=
JOBS ?= 2
# Two jobs unless this make was given a number itself.
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))
RUN_TESTS = BUILD='$(abspath $(BUILD))' ZQFS='$(abspath $(PROG))' JOBS='$(JOBS)' \
	tests/run $(foreach t,$(TESTS),-t '$(t)')

# The packages come first, in a make of their own: pkg-config is asked after they are there.
.PHONY: check
check:
	@contrib/setup.sh install build test
	+@$(SUBMAKE) check-built

.PHONY: check-built
check-built: all unit
	@$(RUN_TESTS)

# The library and the unit tests on i386 and s390x, where compilers and qemu-user are installed.
.PHONY: check-foreign
check-foreign:
	+@$(SUBMAKE) --quiet unit
	@JOBS='$(JOBS)' FOREIGN_ROOT='$(FOREIGN_ROOT)' tests/foreign $(MACHINES)

# A long run of the random tests: make stress STRESS_SECONDS=1800 [SEED=N], so long for each of them.
STRESS_SECONDS ?= 600
.PHONY: stress
stress:
	@contrib/setup.sh install build test
	+@$(SUBMAKE) --quiet all unit
	@STRESS_SECONDS='$(STRESS_SECONDS)' BUILD='$(abspath $(BUILD))' ZQFS='$(abspath $(PROG))' \
		tests/run -v -j 1 -t stress

# All tests that mount once more, through io_uring; needs root, and Linux 6.14.
.PHONY: check-rings
check-rings:
	@contrib/setup.sh install build test
	+@$(SUBMAKE) --quiet all unit
	@JOBS='$(JOBS)' BUILD='$(abspath $(BUILD))' ZQFS='$(abspath $(PROG))' tests/rings-suite $(TESTS)

# RocksDB on ZenFS on a mount: make zenfs ZENFS=SOURCES ROCKSDB=SOURCES, see tests/zenfs/run.
.PHONY: zenfs
zenfs:
	+@$(SUBMAKE) --quiet all
	@BUILD='$(abspath $(BUILD))' ZQFS='$(abspath $(PROG))' tests/zenfs/run $(ZENFS) $(ROCKSDB)

.PHONY: demo
demo:
	@contrib/setup.sh install build demo
	+@$(SUBMAKE) --quiet all
	@ZQFS='$(abspath $(PROG))' contrib/demo.sh

# Leaks are not looked for in tsan; a report of either sanitizer makes the program fail.
.PHONY: asan tsan
asan:
	+@ASAN_OPTIONS=abort_on_error=0:exitcode=99:detect_stack_use_after_return=1:$(ASAN_OPTIONS) \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:$(UBSAN_OPTIONS) CK_TIMEOUT_MULTIPLIER=4 TEST_SLOWER=4 \
	$(SUBMAKE) check-built BUILD=build/asan CFLAGS='-O1 -g' \
		SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer'
tsan:
	+@TSAN_OPTIONS=exitcode=99:$(TSAN_OPTIONS) CK_TIMEOUT_MULTIPLIER=4 TEST_SLOWER=4 \
	$(SUBMAKE) check-built BUILD=build/tsan CFLAGS='-O1 -g' \
		SAN='-fsanitize=thread -fno-omit-frame-pointer'

# ---- the long forms of what "make check" does in a minute ------------------------------------

# More workloads, each cut at more points; a printed seed replays one.
CRASH_SEEDS ?= 20
CRASH_OPS ?= 400
CRASH_JOBS ?= $(shell nproc)
.PHONY: crash
crash:
	+@$(SUBMAKE) --quiet unit
	@BUILD=$(BUILD) ZQ_CRASH_OPS=$(CRASH_OPS) tests/crash-long $${ZQ_CRASH_SEED:-1} $(CRASH_SEEDS) $(CRASH_JOBS)

# Everything whose name tells of faults, without a limit of time that a busy machine meets. One
# fault is one run of a workload in which an operation failed or a disk was full.
FAULTS_MIN ?= 50000
.PHONY: faults
faults:
	+@TEST_SLOWER=20 CK_TIMEOUT_MULTIPLIER=20 ZQ_FULL_RUNS=$${ZQ_FULL_RUNS:-3} \
		ZQ_FAULT_SEEDS=$${ZQ_FAULT_SEEDS:-120} ZQ_CRASH_SEEDS=$${ZQ_CRASH_SEEDS:-20} \
		$(SUBMAKE) check TESTS='fault full kill crash growth room flush'
	@sed -n 's/.* \([0-9]*\) faults injected, nothing lost$$/\1/p' $(BUILD)/logs/*.log | \
		awk '{ n += $$1 } END { print "make faults: " n " faults injected, nothing lost"; \
		exit n < $(FAULTS_MIN) }'

# Each target for so many seconds, from the corpus that earlier runs left in build/fuzz.
# FUZZ_PLAIN=1: five to ten times as many images, whose promises are held without a sanitizer.
FUZZ_SECONDS ?= 600
FUZZ_BUILD = build/fuzz$(if $(FUZZ_PLAIN),-plain)
FUZZ_SAN = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_SAN_PLAIN = -fsanitize=fuzzer-no-link
.PHONY: fuzz fuzz-built
fuzz:
	@FUZZ_SECONDS='$(FUZZ_SECONDS)' FUZZ_PLAIN='$(FUZZ_PLAIN)' MAKE='$(MAKE)' tests/fuzz/run
fuzz-built:
	+@$(SUBMAKE) --quiet BUILD=$(FUZZ_BUILD) CC=clang CFLAGS='-O1 -g' LIBFUZZER=1 \
		SAN='$(if $(FUZZ_PLAIN),$(FUZZ_SAN_PLAIN),$(FUZZ_SAN))' \
		$(patsubst tests/fuzz/%.c,$(FUZZ_BUILD)/tests/fuzz/%,$(FUZZ_SRC)) \
		$(FUZZ_BUILD)/tests/fuzz/seeds

.PHONY: bench
bench:
	@contrib/setup.sh install build bench
	+@$(SUBMAKE) --quiet all unit
	@test -x tests/bench/run || { echo 'tests/bench/run is missing: nothing to measure with'; exit 1; }
	@BUILD='$(abspath $(BUILD))' ZQFS='$(abspath $(PROG))' tests/bench/run $(BENCH_ARGS)

# ---- style ---------------------------------------------------------------------------------

C_FILES = $(sort $(wildcard src/*/*.[ch] src/*/*/*.[ch] include/zqfs/*.h tests/unit/*.[ch] tests/tools/*.[ch] tests/tools/*/*.[ch] \
	tests/fuzz/*.[ch] tests/bench/*.[ch] contrib/*/*.[ch]))
SCRIPTS = $(sort .ci/run tests/run tests/rings-suite tests/foreign tests/crash-long tests/fuzz/run $(wildcard tests/*.sh tests/*.bash tests/*/*.sh tests/bench/run tests/bench/threads contrib/*.sh \
	contrib/*/*.sh))
TIDY_FILES = $(LIB_SRC) $(FS_SRC) $(CLI_SRC) $(TEST_SRC) $(HELPER_SRC) $(TOOL_SRC)
LINT_JOBS ?= 2

.PHONY: format
format:
	clang-format -i $(C_FILES)

.PHONY: lint lint-format lint-tidy lint-cppcheck lint-shell
lint: lint-format lint-shell lint-cppcheck lint-tidy
lint-format:
	clang-format --dry-run -Werror $(C_FILES)
lint-shell:
	shellcheck -x $(SCRIPTS)
lint-cppcheck:
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --suppress=memleak --suppress=legacyUninitvar \
		--suppress=internalAstError \
		--error-exitcode=1 -j $(LINT_JOBS) \
		-D_GNU_SOURCE -D__linux__ -Iinclude -Isrc -Itests/unit $(TIDY_FILES)
lint-tidy:
	printf '%s\n' $(TIDY_FILES) | xargs -P $(LINT_JOBS) -n 4 sh -c 'clang-tidy --quiet "$$@" -- \
		-std=gnu17 $(DEFINES) -Iinclude -Isrc -Itests/unit $(FUSE_CFLAGS) $(COMP_CFLAGS) \
		$(CHECK_CFLAGS) 2>$(BUILD)/tidy.$$$$ || { cat $(BUILD)/tidy.$$$$; exit 1; }; \
		rm -f $(BUILD)/tidy.$$$$' tidy

# ---- installing ----------------------------------------------------------------------------

PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
libdir ?= $(PREFIX)/lib
includedir ?= $(PREFIX)/include
datadir ?= $(PREFIX)/share
mandir ?= $(datadir)/man
docdir ?= $(datadir)/doc/zqfs
unitdir ?= $(PREFIX)/lib/systemd/system
bashdir ?= $(datadir)/bash-completion/completions
zshdir ?= $(datadir)/zsh/site-functions
fishdir ?= $(datadir)/fish/vendor_completions.d
# mount(8) looks for its helpers in /sbin only.
helperdir ?= $(if $(filter /usr/local,$(PREFIX)),/sbin,$(PREFIX)/sbin)

# Each function's manual is that of all.
FUNCTIONS = $(eval FUNCTIONS := $$(shell awk -f contrib/manual/headers.awk $(PUBLIC_HEADERS) | cut -d ' ' -f 2 | \
	sort -u))$(FUNCTIONS)

# MODE:SOURCE:DESTINATION, for install and uninstall alike; "link" makes a symbolic link.
# What is not there is left out.
entry = $(foreach f,$(wildcard $(2)),$(1):$(f):$(3)/$(or $(4),$(notdir $(f))))
ifneq ($(words $(bindir) $(libdir) $(includedir) $(mandir) $(docdir)),5)
$(error PREFIX and the folders to install to must have no spaces; DESTDIR may)
endif
MANIFEST = \
	0755:$(PROG):$(bindir)/zqfs \
	link:$(bindir)/zqfs:$(helperdir)/mount.zqfs \
	link:$(bindir)/zqfs:$(helperdir)/mount.fuse.zqfs \
	0644:$(LIB):$(libdir)/libzqfs.a \
	0644:$(SHARED):$(libdir)/libzqfs.so.$(VERSION) \
	link:libzqfs.so.$(VERSION):$(libdir)/libzqfs.so.$(ABI) \
	link:libzqfs.so.$(ABI):$(libdir)/libzqfs.so \
	0644:$(BUILD)/libzqfs.pc:$(libdir)/pkgconfig/libzqfs.pc \
	0644:$(BUILD)/zqfs@.service:$(unitdir)/zqfs@.service \
	$(call entry,0644,$(PUBLIC_HEADERS),$(includedir)/zqfs) \
	$(call entry,0644,zqfs.1,$(mandir)/man1) \
	$(call entry,0644,libzqfs.3,$(mandir)/man3) \
	$(foreach f,$(FUNCTIONS),link:libzqfs.3:$(mandir)/man3/$f.3) \
	$(call entry,0644,contrib/mount.zqfs.8,$(mandir)/man8) \
	link:mount.zqfs.8:$(mandir)/man8/mount.fuse.zqfs.8 \
	$(call entry,0644,contrib/completions/zqfs.bash,$(bashdir),zqfs) \
	$(call entry,0644,contrib/completions/_zqfs,$(zshdir)) \
	$(call entry,0644,contrib/completions/zqfs.fish,$(fishdir)) \
	$(call entry,0644,README,$(docdir)) \
	$(call entry,0644,contrib/systemd/srv-disk.mount,$(docdir)/examples) \
	$(call entry,0644,contrib/examples/*.c,$(docdir)/examples) \
	$(call entry,0755,contrib/examples/*.sh contrib/examples/*.py,$(docdir)/examples)

fill = sed -e 's|@VERSION@|$(VERSION)|' -e 's|@PREFIX@|$(PREFIX)|' -e 's|@bindir@|$(bindir)|' \
	-e 's|@libdir@|$(libdir)|' -e 's|@includedir@|$(includedir)|' $< > $@
$(BUILD)/libzqfs.pc: contrib/libzqfs.pc.in include/zqfs/version.h force
	@mkdir -p $(@D)
	@$(fill)
$(BUILD)/zqfs@.service: contrib/systemd/zqfs@.service.in force
	@mkdir -p $(@D)
	@$(fill)

.PHONY: install uninstall
install: all $(BUILD)/libzqfs.pc $(BUILD)/zqfs@.service
	@set -e; for e in $(MANIFEST); do \
		mode=$${e%%:*}; e=$${e#*:}; src=$${e%%:*}; to='$(DESTDIR)'$${e#*:}; \
		echo "install $$to"; \
		if [ "$$mode" = link ]; then \
			mkdir -p "$${to%/*}"; ln -sf "$$src" "$$to"; \
		else \
			$(INSTALL) -D -m "$$mode" "$$src" "$$to"; \
		fi; \
	done

uninstall:
	@set -e; for e in $(MANIFEST); do \
		e=$${e#*:}; to='$(DESTDIR)'$${e#*:}; \
		echo "remove $$to"; \
		rm -f "$$to"; \
	done
	@for d in '$(includedir)/zqfs' '$(docdir)/examples' '$(docdir)'; do \
		rmdir "$(DESTDIR)$$d" 2>/dev/null || true; \
	done

# ---- releases ------------------------------------------------------------------------------

# In a checkout what git knows, outside of one what the tarball's own list says.
DIST := zqfs-$(VERSION)
DISTDIR ?= .
SOURCE_DATE = $(shell if [ -e .git ]; then git log -1 --format=%ct; else stat -c %Y MANIFEST 2>/dev/null; fi)
.PHONY: dist
dist:
	@if [ -e .git ]; then git ls-files --error-unmatch Makefile >/dev/null || \
		{ echo 'make dist: git must tell what belongs to a release, and it does not work here' >&2; exit 1; }; \
	else [ -s MANIFEST ] || \
		{ echo 'make dist: works in a clone with git, or in a release, which has a MANIFEST' >&2; exit 1; }; fi
	@rm -rf '$(BUILD)/dist' && mkdir -p '$(BUILD)/dist/$(DIST)' '$(DISTDIR)'
	@[ ! -e .git ] || git ls-files -o --exclude-standard | sed 's/^/not in it, for git does not know it: /' >&2
	@if [ -e .git ]; then git ls-files; else cat MANIFEST; fi | grep -vx MANIFEST | sort \
		> '$(BUILD)/dist/list'
	@tar -cf - -T '$(BUILD)/dist/list' | tar -xf - -C '$(BUILD)/dist/$(DIST)'
	@{ cat '$(BUILD)/dist/list'; echo MANIFEST; } > '$(BUILD)/dist/$(DIST)/MANIFEST'
	@tar -C '$(BUILD)/dist' --sort=name --owner=0 --group=0 --numeric-owner \
		--mtime='@$(SOURCE_DATE)' -cf - '$(DIST)' | gzip -n9 > '$(DISTDIR)/$(DIST).tar.gz'
	@rm -rf '$(BUILD)/dist'
	@echo '$(DISTDIR)/$(DIST).tar.gz'

# Debian packages in $(BUILD)/deb. The changelog is written here, for the version stands in
# version.h only; whoever uploads them puts a name and a text of his own.
DEBFULLNAME ?= zqfs maintainers
DEBEMAIL ?= zqfs@zqfs.example.org
DEB_FLAGS ?= -us -uc -b
.PHONY: deb
deb:
	@command -v dpkg-buildpackage dh >/dev/null || \
		{ echo 'please install first: apt-get install dpkg-dev debhelper'; exit 1; }
	@rm -rf '$(BUILD)/deb'
	+@$(MAKE) --no-print-directory dist DISTDIR='$(BUILD)/deb'
	@cd '$(BUILD)/deb' && tar -xzf '$(DIST).tar.gz' && cp -r '$(DIST)/contrib/debian' '$(DIST)/debian'
	@printf '%s\n' 'zqfs ($(VERSION)) unstable; urgency=medium' '' \
		'  * Packaged from the release with its own contrib/debian.' '' \
		" -- $(DEBFULLNAME) <$(DEBEMAIL)>  $$(LC_ALL=C date -uRd '@$(SOURCE_DATE)')" \
		> '$(BUILD)/deb/$(DIST)/debian/changelog'
	@sed -i 's/^Maintainer: .*/Maintainer: $(DEBFULLNAME) <$(DEBEMAIL)>/' \
		'$(BUILD)/deb/$(DIST)/debian/control'
	@cd '$(BUILD)/deb/$(DIST)' && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD -u CFLAGS \
		-u LDFLAGS -u SAN dpkg-buildpackage $(DEB_FLAGS)

.PHONY: clean
clean:
	rm -rf build '$(BUILD)'
	rm -f zqfs libzqfs.a libzqfs.so.* zqfs-*.tar.gz

.PHONY: help
help:
	@printf '%s\n' \
	'make                  zqfs, libzqfs.a and libzqfs.so.$(ABI)' \
	'make demo             builds and shows what zqfs does, step by step' \
	'make check            all tests; TESTS="word ..." for some, JOBS=N at once (2)' \
	'make check-rings      all that mounts, through io_uring (root, Linux 6.14)' \
	'make check-foreign    the unit tests on i386 and s390x; FOREIGN_ROOT=DIR, see tests/foreign' \
	'make zenfs            RocksDB on ZenFS; ZENFS=SOURCES ROCKSDB=SOURCES, see tests/zenfs/run' \
	'make stress           the random tests, STRESS_SECONDS=600 each' \
	'make asan, make tsan  all tests under the address+undefined or the thread sanitizer' \
	'make crash            replays power failures at length; CRASH_SEEDS=N CRASH_OPS=N' \
	'make faults           failing reads, writes and flushes, full disks, kill -9' \
	'make fuzz             hostile images, FUZZ_SECONDS=N for each target (600), FUZZ_PLAIN=1' \
	'make bench            measures and compares' \
	'make lint             clang-format, shellcheck, cppcheck, clang-tidy' \
	'make format           clang-format on all sources' \
	'make install          to $$(DESTDIR)$$(PREFIX), default /usr/local; make uninstall' \
	'make dist             zqfs-$(VERSION).tar.gz; make deb: Debian packages of it, in $(BUILD)/deb' \
	'make clean            removes what was built' \
	'Variables: CC CFLAGS LDFLAGS BUILD PREFIX DESTDIR WERROR=1 V=1 PKG_CONFIG'
