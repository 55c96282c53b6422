#!/bin/sh
# compile.sh MPY_CROSS BITS: every module below backfence/ to bytecode below modules/, for any
# processor: small integers of BITS bits, no native code, no line numbers.
set -e

find backfence -name '*.py' | while read -r file; do
	mkdir -p "modules/${file%/*}"
	"$1" -O3 "-msmall-int-bits=$2" -s "$file" -o "modules/${file%.py}.mpy" "$file"
done
