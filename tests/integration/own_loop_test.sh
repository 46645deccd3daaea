#!/usr/bin/env bash
# The example of a loop of one's own: README shows it as it is, and it gives the same digest on any
# number of ranks, with a break or without.
# usage: own_loop_test.sh PROGRAM MPIEXEC SOURCE_DIR
set -euo pipefail

program=$1
mpiexec=$2
source_dir=$(cd -P "$3" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() {
  echo "own_loop_test: $1" >&2
  exit 1
}

awk '/^```cpp$/ { text = ""; inside = 1; next }
     /^```$/ && inside { inside = 0; if (text ~ /own_loop FOLDER STEPS/) printf "%s", text; next }
     inside { text = text $0 "\n" }' "$source_dir/README.md" >"$place/shown.cpp"
diff "$place/shown.cpp" "$source_dir/examples/own_loop.cpp" >&2 ||
  fail "README.md does not show examples/own_loop.cpp as it is"

# run RANKS FOLDER STEPS: what it prints.
run() {
  "$mpiexec" -np "$1" --bind-to none "$program" "$place/$2" "$3" 2>"$place/errors" || {
    cat "$place/errors" >&2
    fail "$1 ranks up to step $3 failed"
  }
}

whole=$(run 1 whole 50)
grep -qE '^step 50: digest [0-9a-f]{64}$' <<<"$whole" || fail "expected a digest, got: $whole"
[[ $(run 3 three 50) == "$whole" ]] || fail "3 ranks give another digest than 1"
early=$(run 2 broken 25)
[[ $early != "$whole" ]] || fail "25 steps give the digest of 50"
[[ $(run 4 broken 50) == "$whole" ]] || fail "25 steps on 2 ranks and 25 on 4 give another digest"
[[ -d $place/broken/step-00000050 ]] || fail "there is no checkpoint of step 50"
[[ $(grep -c '"worst"' "$place/broken/metrics.jsonl") == 50 ]] || fail "not 50 records"

# The metric goes down: the model learns.
first=$(head -1 "$place/whole/metrics.jsonl" | sed 's/.*"worst": *//; s/[,}].*//')
last=$(tail -1 "$place/whole/metrics.jsonl" | sed 's/.*"worst": *//; s/[,}].*//')
awk "BEGIN { exit !($last < $first) }" || fail "the metric went from $first to $last"

# What cannot be used is said, and ends all ranks.
mkdir "$place/file"
touch "$place/file/taken"
if "$mpiexec" -np 2 --bind-to none "$program" "$place/file/taken" 5 2>"$place/errors"; then
  fail "a file in the place of the folder was taken"
fi
grep -q 'own_loop: .*taken' "$place/errors" || fail "the folder is not named"
echo "ok"
