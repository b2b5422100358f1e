# SPDX-License-Identifier: GPL-2.0-or-later
# zqfs: plain GNU make and pkg-config. "make help" lists the targets.

# Nothing here may depend on the user's locale or on make's built-in rules.
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := $(shell sed -n 's/^\#define ZQFS_VERSION "\(.*\)"/\1/p' include/zqfs/version.h)

# Where objects go. The default build leaves zqfs and libzqfs.a in the top folder, any other
# one keeps everything in its own.
BUILD ?= build
OUT := $(if $(filter build,$(BUILD)),.,$(BUILD))

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := gcc-ar
endif
PKG_CONFIG ?= pkg-config
INSTALL ?= install
CFLAGS ?= -O2 -g -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
# Sanitizer flags; set by "make asan" and "make tsan".
SAN ?=

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif
DEFINES := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314
BASE_CFLAGS = -std=gnu17 -pthread $(WARNINGS) $(DEFINES) -Iinclude -Isrc $(CFLAGS) $(SAN)
BASE_LDFLAGS = -pthread $(CFLAGS) $(SAN) $(LDFLAGS)

# Asked once, and only when something is compiled: "make help" needs no library.
pkg = $(or $(shell $(PKG_CONFIG) $(1) $(2)),$(if $(shell $(PKG_CONFIG) --exists $(2) || echo no),$(error \
	$(2) not found; on Debian run: contrib/setup.sh build test)))
FUSE_CFLAGS = $(eval FUSE_CFLAGS := $$(call pkg,--cflags,fuse3))$(FUSE_CFLAGS)
FUSE_LIBS = $(eval FUSE_LIBS := $$(call pkg,--libs,fuse3))$(FUSE_LIBS)
COMP_CFLAGS = $(eval COMP_CFLAGS := $$(call pkg,--cflags,libzstd zlib))$(COMP_CFLAGS)
COMP_LIBS = $(eval COMP_LIBS := $$(call pkg,--libs,libzstd zlib))$(COMP_LIBS)
CHECK_CFLAGS = $(eval CHECK_CFLAGS := $$(call pkg,--cflags,check))$(CHECK_CFLAGS)
CHECK_LIBS = $(eval CHECK_LIBS := $$(call pkg,--libs,check))$(CHECK_LIBS)

# ---- what is built from what ---------------------------------------------------------------

LIB_SRC := $(sort $(wildcard src/util/*.c src/io/*.c src/qcow2/*.c src/zone/*.c))
FS_SRC := $(sort $(wildcard src/fs/*.c))
CLI_SRC := $(sort $(wildcard src/cli/*.c))
TEST_SRC := $(sort $(wildcard tests/unit/test_*.c))
HELPER_SRC := $(filter-out $(TEST_SRC),$(sort $(wildcard tests/unit/*.c)))
TOOL_SRC := $(sort $(wildcard tests/tools/*.c))
PUBLIC_HEADERS := $(sort $(wildcard include/zqfs/*.h))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB_OBJ := $(call obj,$(LIB_SRC))
PROG_OBJ := $(call obj,$(FS_SRC) $(CLI_SRC))
HELPER_OBJ := $(call obj,$(HELPER_SRC))
ALL_OBJ := $(LIB_OBJ) $(PROG_OBJ) $(HELPER_OBJ) $(call obj,$(TEST_SRC) $(TOOL_SRC))

LIB := $(OUT)/libzqfs.a
PROG := $(OUT)/zqfs
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(TEST_SRC))
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(TOOL_SRC))

.PHONY: all
all: $(LIB) $(PROG)

.PHONY: unit
unit: $(UNIT) $(TOOLS)

EXTRA_CFLAGS =
$(call obj,$(LIB_SRC)): EXTRA_CFLAGS = $(COMP_CFLAGS)
$(call obj,$(FS_SRC)): EXTRA_CFLAGS = $(FUSE_CFLAGS)
$(call obj,$(TEST_SRC) $(HELPER_SRC)): EXTRA_CFLAGS = $(CHECK_CFLAGS) $(COMP_CFLAGS) -Itests/unit
$(call obj,$(TOOL_SRC)): EXTRA_CFLAGS = $(COMP_CFLAGS)

# Holds the flags of the last build; what was compiled with other flags is compiled again.
FLAGS_STAMP := $(BUILD)/flags
FLAGS_TEXT = $(CC) $(BASE_CFLAGS) | $(BASE_LDFLAGS)
.PHONY: force
$(FLAGS_STAMP): force
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' | cmp -s - $@ || \
		printf '%s\n' '$(subst ','\'',$(FLAGS_TEXT))' > $@

# Lists of sources; a file that is added or removed relinks what it belongs to.
$(BUILD)/lib.list: force
	@mkdir -p $(@D)
	@printf '%s\n' $(LIB_OBJ) | cmp -s - $@ || printf '%s\n' $(LIB_OBJ) > $@
$(BUILD)/prog.list: force
	@mkdir -p $(@D)
	@printf '%s\n' $(PROG_OBJ) | cmp -s - $@ || printf '%s\n' $(PROG_OBJ) > $@

$(ALL_OBJ): $(BUILD)/obj/%.o: %.c $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ) $(BUILD)/lib.list
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

$(PROG): $(PROG_OBJ) $(LIB) $(BUILD)/prog.list
	$(CC) $(BASE_LDFLAGS) -o $@ $(PROG_OBJ) $(LIB) $(FUSE_LIBS) $(COMP_LIBS)

$(UNIT): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(HELPER_OBJ) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(BASE_LDFLAGS) -o $@ $< $(HELPER_OBJ) $(LIB) $(CHECK_LIBS) $(COMP_LIBS)

$(TOOLS): $(BUILD)/tests/tools/%: $(BUILD)/obj/tests/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(BASE_LDFLAGS) -o $@ $< $(LIB) $(COMP_LIBS)

-include $(ALL_OBJ:.o=.d)
