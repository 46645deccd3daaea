#!/usr/bin/env bash
# The examples of a model, a dataset, an optimizer and a loss of one's own: short, and each gives
# the same digest on one rank, sharded over several, and with a break.
# usage: own_examples_test.sh PROGRAM_DIR MPIEXEC SOURCE_DIR
set -euo pipefail

programs=$(cd -P "$1" && pwd)
mpiexec=$2
source_dir=$(cd -P "$3" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

fail() {
  echo "own_examples_test: $1" >&2
  exit 1
}

# ranks N COMMAND...: its output, whatever its exit code is: what is wrong has no digest.
ranks() {
  local count=$1
  shift
  "$mpiexec" -np "$count" --bind-to none "$@" 2>"$place/errors" || true
}
digest_of() {
  grep -oE 'digest [0-9a-f]{64}$' <<<"$1" || {
    cat "$place/errors" >&2
    fail "there is no digest in: $1"
  }
}

for example in own_model own_dataset own_optimizer own_loss; do
  (($(wc -l <"$source_dir/examples/$example.cpp") < 60)) || fail "$example.cpp has 60 lines or more"
done

# A command: NAME METRIC, which the line of the validation has.
command_is_the_same() {
  local name=$1 metric=$2 train whole sharded rest
  train=("$programs/$name" train "$source_dir/examples/$name.yaml" run.steps=12 compute.threads=1)
  [[ $name == own_dataset ]] || train+=("data.path=$source_dir/data/fashion-mnist")
  whole=$(ranks 1 "${train[@]}" "run.dir=$place/$name-1")
  grep -qE "^validation loss [0-9.]+$metric" <<<"$whole" || fail "$name: no '$metric' in: $whole"
  sharded=$(ranks 3 "${train[@]}" "run.dir=$place/$name-3" parallel.strategy=zero3)
  [[ $(digest_of "$sharded") == "$(digest_of "$whole")" ]] || fail "$name: 3 ranks: another digest"
  [[ $(grep '^validation' <<<"$sharded") == "$(grep '^validation' <<<"$whole")" ]] ||
    fail "$name: 3 ranks measure something else"
  train+=("run.dir=$place/$name-4" parallel.strategy=zero3)
  ranks 4 "${train[@]}" run.stop_after=5 >"$place/early"
  rest=$(ranks 2 "${train[@]}" run.resume=auto)
  grep -q '^going on after step 5' <<<"$rest" || fail "$name: it does not go on: $rest"
  [[ $(digest_of "$rest") == "$(digest_of "$whole")" ]] || fail "$name: a break changes the digest"
}
command_is_the_same own_model ', accuracy [0-9.]+%, top5 [0-9.]+%, confidence [0-9.]+%$'
command_is_the_same own_dataset '$'
command_is_the_same own_optimizer ', accuracy [0-9.]+%, top5 [0-9.]+%$'

# A loop.
whole=$(ranks 1 "$programs/own_loss" "$place/loss-1" 20)
sharded=$(ranks 3 "$programs/own_loss" "$place/loss-3" 20)
[[ $sharded == "$whole" ]] || fail "own_loss: 3 ranks give something else: $sharded"
early=$(ranks 4 "$programs/own_loss" "$place/loss-4" 8)
[[ $(digest_of "$early") != "$(digest_of "$whole")" ]] || fail "own_loss: 8 steps are as 20"
[[ $(ranks 2 "$programs/own_loss" "$place/loss-4" 20) == "$whole" ]] ||
  fail "own_loss: a break changes the digest"

# They learn.
learnt=$(ranks 1 "$programs/own_dataset" train "$source_dir/examples/own_dataset.yaml" \
  "run.dir=$place/learnt" compute.threads=1)
loss=$(sed -n 's/^validation loss //p' <<<"$learnt")
awk "BEGIN { exit !($loss < 0.1) }" || fail "own_dataset ends with a loss of $loss"
off=$(ranks 1 "$programs/own_loss" "$place/learnt-loss" 200 | sed -n 's/^off by //p')
awk "BEGIN { exit !($off < 0.05) }" || fail "own_loss is off by $off"
echo "ok"
