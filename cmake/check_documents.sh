#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Programs shown in the documents are files that are compiled, word for word. Before such a program stands the line
# <!-- file: examples/quickstart.cpp -->; the file's licence line need not be shown.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
shopt -s nullglob

shown=0 wrong=0
complain() { printf '%s\n' "$*" >&2; wrong=1; }

for document in README.md docs/*.md; do
  [[ -e $document ]] || continue
  file='' program='' inside=0 number=0
  while IFS= read -r line || [[ $line ]]; do
    number=$((number + 1))
    if ((inside)); then
      if [[ $line == '```' ]]; then
        inside=0 shown=$((shown + 1))
        if [[ ! -e $file ]]; then
          complain "$document:$number: shows $file, which does not exist"
        elif ! difference=$(diff <(sed '1{/^\/\/ SPDX/d}' "$file" | sed '1{/^$/d}') <(printf %s "$program")); then
          complain "$document:$number: does not show $file as it is (<) but this (>):"$'\n'"$difference"
        elif ! grep -q "$(basename "$file")" "$(dirname "$file")/CMakeLists.txt"; then
          complain "$document:$number: shows $file, which $(dirname "$file")/CMakeLists.txt does not compile"
        fi
        file=''
      else
        program+=$line$'\n'
      fi
    elif [[ $line =~ ^'<!-- file: '([^ ]+)' -->'$ ]]; then
      file=${BASH_REMATCH[1]}
    elif [[ $line == '```cpp' && $file ]]; then
      inside=1 program=''
    elif [[ $line && $file ]]; then
      complain "$document:$number: a \`\`\`cpp block should follow the line that names $file"
      file=''
    fi
  done <"$document"
  ((!inside)) || complain "$document: a code block is not closed"
done
((!wrong)) && printf 'documents: %d programs are shown as they are compiled\n' "$shown"
