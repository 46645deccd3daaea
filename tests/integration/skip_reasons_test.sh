#!/usr/bin/env bash
# ctest's output has the reason of every skip, and its exit code stays as it was.
# usage: skip_reasons_test.sh SOURCE_DIR
set -euo pipefail

source_dir=$(cd -P "$1" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
project="$place/a project"
mkdir "$project"

# Tests that speak as GoogleTest does, in a folder whose name has a space.
cat >"$project/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(skips NONE)
enable_testing()
function(speaking name text)
  add_test(NAME ${name} COMMAND printf ${text})
  set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
endfunction()
foreach(name One Two Three Four)
  speaking(${name} "[ RUN      ] a\nfile.cpp:71: Skipped\nneeds a moon\n\n[  SKIPPED ] a (0 ms)\n")
endforeach()
speaking(Wordy "file.cpp:7: Skipped\ntwo\nlines\n[  SKIPPED ] b\n")
speaking(Silent "file.cpp:7: Skipped\n\n[  SKIPPED ] c\n")
speaking(Coloured "file.cpp:7: Skipped\nneeds a sun\n\n\\033[0;32m[  SKIPPED ] \\033[md\r\n\\033[0;32m[ RUN      ] \\033[me\n")
speaking(Good "[       OK ] d\nneeds nothing\n")
# Within a program of several tests, under mpirun, one is skipped on every rank.
add_test(NAME Ranks COMMAND printf "f.cpp:1: Skipped\nneeds peers\n[  SKIPPED ] e\nf.cpp:1: Skipped\nneeds peers\n")
file(CONFIGURE OUTPUT CTestCustom.cmake @ONLY CONTENT
     "set(CTEST_CUSTOM_POST_TEST \"\\\"@SCRIPT@\\\" \\\"@CMAKE_BINARY_DIR@\\\"\")\n")
END

fail() {
  printf 'skip_reasons_test: %s in:\n%s\n' "$1" "$output" >&2
  exit 1
}
# has LINE: exactly once in the output.
has() { [[ $(grep -cxF -- "$1" <<<"$output") == 1 ]] || fail "expected the line '$1'"; }
has_not() { ! grep -qF -- "$1" <<<"$output" || fail "expected no '$1'"; }

cmake -G Ninja -S "$project" -B "$project/build" -DSCRIPT="$source_dir/tests/support/skip_reasons.sh" \
  >"$place/log" || {
  cat "$place/log" >&2
  exit 1
}

output=$(ctest --test-dir "$project/build" --output-on-failure) || fail "expected success"
has "  needs a moon: One, Two, Three and 1 more"
has "  two lines: Wordy"
has "  needs a sun: Coloured"
has "  no reason was given: Silent"
has "  needs peers: Ranks"
has_not "needs nothing"

# A run in which nothing was skipped, although the log of the one before is there.
output=$(ctest --test-dir "$project/build" -R Good) || fail "expected success"
has_not "reasons"
echo "ok"
