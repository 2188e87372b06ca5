#!/bin/sh
# Check a model with spin(1): first for deadlocks and assertions, then each of
# its ltl formulae under weak fairness.
#
#	run.sh MODEL.pml
set -eu

model=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
if ! command -v spin >/dev/null 2>&1; then
	echo "SKIP: model: spin is not installed (Debian package spin)"
	exit 0
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# verify NAME SPIN-FLAGS PAN-FLAGS: false and the trail if spin objects
verify() {
	spin $2 -a "$model" >spin.out || { cat spin.out; return 1; }
	${CC:-cc} -O2 -w -DNFAIR=3 $4 -o pan pan.c
	./pan $3 -m1000000 >pan.out 2>&1 || true
	if grep -q 'errors: 0$' pan.out && ! grep -q 'max search depth' pan.out
	then
		printf 'PASS: model: %s, %s states\n' "$1" \
		    "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.out)"
		return 0
	fi
	echo "FAIL: model: $1"
	cat pan.out
	return 1
}

verify 'no deadlock, no assertion' '' '' '-DSAFETY -DNOCLAIM'
for formula in $(sed -n 's/^ltl \([a-z_]*\).*/\1/p' "$model"); do
	verify "$formula" '' "-a -f -N $formula" ''
done
# The model can see a fault: the rule that was wrong once deadlocks.
if verify 'half rule' '-DPART=2' '' '-DSAFETY -DNOCLAIM' >/dev/null; then
	echo "FAIL: model: the deadlock of -DPART=2 is not found"
	exit 1
fi
echo "PASS: model: finds the deadlock of -DPART=2"
