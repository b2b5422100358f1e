#!/usr/bin/env bash
# Random work on a growing and shrinking pile of overlays gives what the same gives on a flat image.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 240
# SEED=N replays a run, ROUNDS=N makes it longer.
source "${0%/*}/lib.sh"
requires_tool zdev
zdev=$TOOLS/zdev
cd "$DIR"
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
ROUNDS=${ROUNDS:-24}
echo "SEED=$SEED"
RANDOM=$SEED

layouts=(zone.layout=44 zone.layout=56 zone.layout=48b zone.layout=44,extended_l2=on
    zone.layout=48,zone.wp_order=little)
options() { echo "${layouts[RANDOM % 5]},cluster_size=$((16 << RANDOM % 4))K"; }

# One operation; lengths are whole blocks, as all layouts hold them.
operation()
{
    local zone=$((2 + RANDOM % 6)) byte=$((RANDOM % 256)) len=$(((1 + RANDOM % 300) * 512))
    case $((RANDOM % 10)) in
        0) echo "reset:$zone" ;;
        1) echo "finish:$zone" ;;
        2) echo "write:$((RANDOM % 1500 * 1024)):$len:$byte" ;;
        3) echo "zero:$((RANDOM % 1500 * 1024)):$len" ;;
        4) echo again ;;
        5) echo sync ;;
        *) echo "append:$zone:$len:$byte" ;;
    esac
}

common=zone.size=1M,zone.capacity=896K,zone.conventional_zones=2,zone.max_active_zones=4
"$ZQFS" create -q -o "$common,$(options)" layer0 7936K 2>made
"$ZQFS" create -q -o "$common" flat 7936K 2>made
depth=0 commits=0 pushes=0
for ((round = 1; round <= ROUNDS; round++)); do
    what="SEED=$SEED, round $round of $ROUNDS, $((depth + 1)) files"
    ops=()
    for ((i = 0; i < 8; i++)); do ops+=("$(operation)"); done
    assert_eq "$("$zdev" "layer$depth" "${ops[@]}")" "$("$zdev" flat "${ops[@]}")" "$what: ${ops[*]}"
    case $((RANDOM % 4)) in
        0 | 1)
            if [ $depth -lt 4 ]; then
                "$ZQFS" create -q -b "layer$depth" -F qcow2 -o "$(options)" "layer$((depth + 1))" 2>made
                depth=$((depth + 1)) pushes=$((pushes + 1))
            fi
            ;;
        2)
            if [ $depth -gt 0 ]; then
                "$ZQFS" commit -q "layer$depth"
                commits=$((commits + 1))
                if [ $((RANDOM % 2)) = 0 ]; then
                    rm "layer$depth"
                    depth=$((depth - 1))
                fi
            fi
            ;;
    esac
    "$ZQFS" compare "layer$depth" flat >out || fail "$what: $(head -n 3 out)"
    "$ZQFS" check "layer$depth" >out || fail "$what: check: $(head -n 3 out)"
done
while [ $depth -gt 0 ]; do
    "$ZQFS" commit -q "layer$depth"
    depth=$((depth - 1)) commits=$((commits + 1))
    "$ZQFS" compare "layer$depth" flat >out || fail "SEED=$SEED, down to layer$depth: $(head -n 3 out)"
    "$ZQFS" check "layer$depth" >out || fail "SEED=$SEED, down to layer$depth: $(head -n 3 out)"
done
echo "$ROUNDS rounds, $pushes overlays, $commits commits"
