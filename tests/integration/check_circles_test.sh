#!/usr/bin/env bash
# The rooms of the folders that hold to it include each other in no circle, and the check that says
# so notices one.
# usage: check_circles_test.sh REPOSITORY
set -euo pipefail

repository=$1
check=$repository/scripts/check_circles
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# expect STATUS OUTPUT [FOLDER...]: the check of the tree ends with that status and prints that.
expect() {
  local status=0 output
  output=$("$check" --root "$tree" "${@:3}" 2>&1) || status=$?
  [[ $status == "$1" && $output == "$2" ]] && return
  printf 'expected status %s and output:\n%s\ngot status %s and output:\n%s\n' \
    "$1" "$2" "$status" "$output" >&2
  exit 1
}

# source_file PATH INCLUDED...
source_file() {
  mkdir -p "$tree/$(dirname "$1")"
  printf '#include "%s"\n' "${@:2}" >"$tree/$1"
}

"$check"
expect 2 "check_circles: found no sources in $(cd -P "$tree" && pwd)/core" core

source_file core/array.h core/dims.h vector
source_file core/array.cpp core/array.h core/kernels.h
source_file core/kernels.h core/dims.h
source_file core/dims.h core/error.h nn/module.h
source_file core/cpu/copy.cpp core/array.h
expect 0 "" core

# A header and its source are one room.
source_file core/kernels.cpp core/array.h
expect 1 "core/array.cpp:2: core/array and core/kernels are on a circle, or between two
core/kernels.cpp:1: core/kernels and core/array are on a circle, or between two" core
rm "$tree/core/kernels.cpp"

# So are the other parts of it, and a longer way is a circle too.
source_file core/dims-inl.h core/cpu/copy.h
source_file core/cpu/copy.h core/array.h
expect 1 "core/array.cpp:2: core/array and core/kernels are on a circle, or between two
core/array.h:1: core/array and core/dims are on a circle, or between two
core/cpu/copy.cpp:1: core/cpu/copy and core/array are on a circle, or between two
core/dims-inl.h:1: core/dims and core/cpu/copy are on a circle, or between two
core/kernels.h:1: core/kernels and core/dims are on a circle, or between two" core
