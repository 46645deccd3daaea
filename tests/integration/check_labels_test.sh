#!/usr/bin/env bash
# The tests of a build are labelled, and the check that says so notices when one is not.
# usage: check_labels_test.sh REPOSITORY BUILD_DIR ON|OFF      whether there are emulated CUDA tests
set -euo pipefail

check=$1/scripts/check_labels
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# expect STATUS OUTPUT BUILD_DIR: the check ends with that status and prints exactly that.
expect() {
  local status=0 output
  output=$("$check" "$3" 2>&1) || status=$?
  [[ $status == "$1" && $output == "$2" ]] && return
  printf 'expected status %s and output:\n%s\ngot status %s and output:\n%s\n' \
    "$1" "$2" "$status" "$output" >&2
  exit 1
}

# labelled NAME LABELS: a test of the tree.
labelled() {
  {
    echo "add_test($1 true)"
    [[ -z $2 ]] || echo "set_tests_properties($1 PROPERTIES LABELS \"$2\")"
  } >>"$tree/CTestTestfile.cmake"
}
# wrong_test LABELS MESSAGE: beside good ones, a test with these labels gives that message.
wrong_test() {
  cp "$tree/CTestTestfile.cmake" "$tree/good"
  labelled Bad "$1"
  expect 1 "Bad: $2" "$tree"
  mv "$tree/good" "$tree/CTestTestfile.cmake"
}

expect 0 "" "$2"
# A list of labels that is taken apart on its way to ctest loses the second one.
printf 'subdirs("%s")\n' "$2" >"$tree/CTestTestfile.cmake"
if [[ $3 == ON ]] && ctest --test-dir "$tree" -N -L '^cuda$' | grep -q '^Total Tests: 0$'; then
  echo "no test is labelled cuda" >&2
  exit 1
fi
: >"$tree/CTestTestfile.cmake"
expect 2 "check_labels: found no tests in $(cd -P "$tree" && pwd)" "$tree"

labelled Good unit
labelled Better "mpi;long"
labelled Best "unit;cuda"
labelled test_x_NOT_BUILT ""
expect 0 "" "$tree"

wrong_test "" "has none of the labels unit process mpi fault fuzz"
wrong_test "long" "has none of the labels unit process mpi fault fuzz"
wrong_test "process;mpi" "is labelled both process and mpi"
wrong_test "unit;cuda;slow" "has the unknown label slow"
expect 0 "" "$tree"
echo "ok"
