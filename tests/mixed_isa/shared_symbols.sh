#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# usage: shared_symbols.sh ONE.o TWO.o    Names the weak symbols of zermelo that both objects define; there may be none,
# but for what compilers generate for the types that users store and pass: construction, destruction, assignment, and
# type information. Instances of the standard library's templates are beyond us.
set -euo pipefail

weak() { nm --defined-only --format=posix "$1" | awk '$2 ~ /^[VWu]$/ { print $1 }' | sort; }

shared=$(comm -12 <(weak "$1") <(weak "$2"))
ours=$(grep -E '^_Z(T[ISV]|GV)?Z*N[VKRO]*7zermelo' <<<"$shared" || true)
tagged=$(weak "$1" | grep -c 'isa_' || true)
((tagged > 0)) || { echo "no symbol carries the name of an instruction set: this checks nothing"; exit 1; }

generated='^_ZT[ISV]|(C[12]|D[012])E|aSE'
offenders=$(grep -vE "$generated" <<<"$ours" | grep . || true)
if [[ $offenders ]]; then
  echo "weak symbols of zermelo in both objects:"
  c++filt <<<"$offenders"
  exit 1
fi
echo "$tagged symbols carry their instruction set; $(grep -c . <<<"$ours" || true) shared ones are generated for types"
