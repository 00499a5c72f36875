#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The bug museum. Every exhibit is a bug that libraries of this field have had, put into a copy of our code by replacing
# one line; a visit shows that the test it names fails with it, and passes without.
#
#   visit.sh SOURCE BUILD [EXHIBIT...]     by their names; all if none is named
#
# An exhibit is a text: what went wrong and where, then the fields file, was (once in that file), becomes, program, test.
set -euo pipefail

source=$1 build=$2
shift 2
exhibits=$source/tests/museum
copy=$build/source tree=$build/tree jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
(($#)) || set -- $(cd "$exhibits" && printf '%s\n' *.txt | sed 's/\.txt$//')

rm -rf "$copy"
mkdir -p "$copy"
(cd "$source" && tar -c --exclude=./build --exclude=./.git .) | tar -x -C "$copy"

field() { sed -n "s/^$1: *//p" "$exhibits/$2.txt"; }

# Builds the program and runs the test; its output goes to a log.
outcome() {
  local name=$1
  cmake --build "$tree" -j "$jobs" --target "$(field program "$name")" >"$build/$name.log" 2>&1 || { echo broken; return; }
  if (cd "$tree" && ctest --no-tests=error -R "^$(field test "$name")\$" >>"$build/$name.log" 2>&1); then
    echo passes
  else
    echo fails
  fi
}

cmake -S "$copy" -B "$tree" -G Ninja -DCMAKE_BUILD_TYPE=Release -DZERMELO_BUILD_TESTS=ON -DZERMELO_BUILD_EXAMPLES=OFF \
  -DZERMELO_BUILD_BENCHMARKS=OFF >"$build/configure.log"

escaped=0
for name in "$@"; do
  [[ -e $exhibits/$name.txt ]] || { echo "no exhibit is called $name" >&2; exit 1; }
  file=$(field file "$name") was=$(field was "$name") becomes=$(field becomes "$name")
  text=$(cat "$copy/$file"; echo x)
  text=${text%x} rest=${text#*"$was"}
  if [[ $rest == "$text" || $rest == *"$was"* ]]; then
    printf '%-28s outdated: what it replaces does not stand once in %s\n' "$name" "$file"
    escaped=1
    continue
  fi
  before=$(outcome "$name")
  printf '%s%s%s' "${text%%"$was"*}" "$becomes" "$rest" >"$copy/$file"
  after=$(outcome "$name")
  printf '%s' "$text" >"$copy/$file"
  if [[ $before == passes && $after == fails ]]; then
    printf '%-28s killed by %s\n' "$name" "$(field test "$name")"
  else
    printf '%-28s ESCAPED: %s %s as it is, %s with the bug (%s)\n' "$name" "$(field test "$name")" "$before" "$after" \
      "$build/$name.log"
    escaped=1
  fi
done
exit "$escaped"
