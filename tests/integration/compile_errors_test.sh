#!/usr/bin/env bash
# Wrong programs get a message of a few lines that names the mistake, and right ones compile.
# usage: compile_errors_test.sh COMPILER SOURCE_DIR
set -euo pipefail

compiler=$1
source_dir=$(cd -P "$2" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# The places of the mistake and of the declaration, each with its line of source.
most_lines=22

fail() {
  echo "compile_errors_test: $1" >&2
  cat "$place/text" >&2
  exit 1
}

compile() {
  "$compiler" -std=c++20 -I "$place" -I "$source_dir" -fsyntax-only "$1" >"$place/text" 2>&1
}

# How long the text is, without what g++ 14 says of an option to see more, and the lines it shows
# with that.
count_lines() {
  awk '/note: use .-fdiagnostics-all-candidates/ { skip = 1; next }
       skip && /^ / { next }
       { skip = 0; ++n }
       END { print n + 0 }' "$place/text"
}

# Once for all of them.
cp "$source_dir/tessera.h" "$place/"
"$compiler" -std=c++20 -I "$source_dir" -x c++-header "$source_dir/tessera.h" \
  -o "$place/tessera.h.gch" 2>"$place/text" || fail "tessera.h does not compile"

cd "$source_dir/tests/integration/compile_errors"
compile right.cpp || fail "right.cpp does not compile"
count=0
for program in *.cpp; do
  [[ $program != right.cpp ]] || continue
  expected=$(sed -n '1s/^.. expect: //p' "$program")
  [[ -n $expected ]] || fail "$program does not say what to expect"
  ! compile "$program" || fail "$program compiles"
  grep -qE -- "$expected" "$place/text" || fail "$program: expected a line with $expected, got:"
  (($(count_lines) <= most_lines)) || fail "$program: more than $most_lines lines:"
  count=$((count + 1))
done
((count >= 10)) || fail "only $count wrong programs were found"
echo "ok"
