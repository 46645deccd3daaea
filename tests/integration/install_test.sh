#!/usr/bin/env bash
# What `cmake --install` leaves is enough for a user's own project.
# usage: install_test.sh SOURCE_DIR BUILD_DIR
set -euo pipefail

source_dir=$(cd -P "$1" && pwd)
build_dir=$(cd -P "$2" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
prefix=$place/prefix
project=$place/project

# expect PATTERN COMMAND...: the command succeeds and prints a line that matches.
expect() {
  local pattern=$1 output
  shift
  output=$("$@") || {
    echo "install_test: failed: $*" >&2
    exit 1
  }
  grep -qE -- "$pattern" <<<"$output" && return
  printf 'expected a line with %s from %s, got:\n%s\n' "$pattern" "$*" "$output" >&2
  exit 1
}

cmake --install "$build_dir" --prefix "$prefix" >"$place/log"
expect '^tessera [0-9]+\.[0-9]+\.[0-9]+$' "$prefix/bin/tessera" --version
expect '^ops.add_8 ' "$prefix/bin/tessera" bench ops.add_8 --quick

# Headers find all of ours that they include.
missing=$(cd "$prefix/include/tessera" &&
  grep -rhoE '^#include "[a-z_]+/[^"]+"' . | sed 's/.* "//; s/"$//' | sort -u |
  while read -r header; do [[ -f $header ]] || echo "$header"; done)
[[ -z $missing ]] || {
  printf 'install_test: headers that are not installed, but included:\n%s\n' "$missing" >&2
  exit 1
}

# A copy, so that no path of this repository helps.
cp -r "$source_dir/tests/integration/install_test" "$project"
cp "$source_dir"/examples/* "$project"
# With the build's own generator: CMake's usual one takes make, which nothing else here needs.
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build_dir/CMakeCache.txt"; }
cmake -S "$project" -B "$project/build" -G "$(cached CMAKE_GENERATOR)" \
  -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE="$(cached CMAKE_BUILD_TYPE)" >"$place/log" || {
  cat "$place/log" >&2
  exit 1
}
cmake --build "$project/build" >"$place/log" || {
  cat "$place/log" >&2
  exit 1
}

expect '^loss [0-9.]+, then [0-9.]+$' "$project/build/my_program"
expect '^f32 \(2, 2\): min -2.85833, max 4.05583,' "$project/build/my_tensors"
expect "^\[anomaly\] .* of 'sqrt' .* called at .*tensors.cpp:21$" "$project/build/my_tensors"
expect '^step 3: digest [0-9a-f]{64}$' "$project/build/own_loop" "$place/loop" 3
expect '^ *train  ' "$project/build/own_model" --help
expect '^Usage: [^ ]*own_model ' "$project/build/own_model" --help
expect '^ *launch  ' "$project/build/own_model" --help
expect '^instructions ' "$project/build/own_model" doctor
# What starts other programs is the installed command.
expect '^\[1\] hello$' "$project/build/own_model" launch -n 2 -- echo hello
expect '^ops.add_8 ' "$project/build/own_model" bench ops.add_8 --quick
expect '^ *model net: two layers$' "$project/build/own_model" train --explain
expect '^digest [0-9a-f]{64}$' "$project/build/own_model" train "$project/own_model.yaml" \
  run.steps=3 "run.dir=$place/run" "data.path=$source_dir/data/fashion-mnist"
expect '^digest [0-9a-f]{64}$' "$project/build/own_dataset" train "$project/own_dataset.yaml" \
  run.steps=3 "run.dir=$place/dataset"
expect '^ *optim signum: steps by signs$' "$project/build/own_optimizer" train --explain
expect '^step 3: digest [0-9a-f]{64}$' "$project/build/own_loss" "$place/loss" 3
echo "ok"
