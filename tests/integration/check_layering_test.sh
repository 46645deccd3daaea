#!/usr/bin/env bash
# The sources keep to their layers, and the check that says so notices when one does not.
# usage: check_layering_test.sh REPOSITORY
set -euo pipefail

repository=$1
check=$repository/scripts/check_layering
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# expect STATUS OUTPUT ROOT: the check on ROOT ends with that status and prints exactly that.
expect() {
  local status=0 output
  output=$("$check" "$3" 2>&1) || status=$?
  [[ $status == "$1" && $output == "$2" ]] && return
  printf 'expected status %s and output:\n%s\ngot status %s and output:\n%s\n' \
    "$1" "$2" "$status" "$output" >&2
  exit 1
}

# source_file PATH LINE...
source_file() {
  mkdir -p "$tree/$(dirname "$1")"
  printf '%s\n' "${@:2}" >"$tree/$1"
}

# wrong_line PATH LINE MESSAGE: a file of that one line gives that message. It is taken away again.
wrong_line() {
  source_file "$1" '// A comment.' "$2"
  expect 1 "$1:2: $3" "$tree"
  rm "$tree/$1"
}

expect 0 "" "$repository"
expect 2 "check_layering: found no sources in $(cd -P "$tree" && pwd)" "$tree"

source_file core/array.cpp '#include "core/array.h"' '#include <vector>' '#include "hwy/highway.h"' \
  '#include "array.h"' '// #include "nn/module.h"'
source_file distributed/comm/call.cpp '#include "distributed/comm/call.h"' '#include "core/array.h"'
source_file distributed/comm/direct/mpi.cpp '#include "distributed/comm/direct/mpi.h"' \
  '#include "distributed/comm/call.h"' '#include "core/array.h"'
source_file distributed/bucket.cpp '#include "distributed/comm/direct/mpi.h"' \
  '#include "distributed/comm/call.h"' '#include "nn/module.h"'
source_file launcher/main.cpp '#include "proto/rendezvous.pb.h"' '#include "nn/module.h"'
source_file core/signals.cpp '#include "core/signals.h"' '#include "core/error.h"'
source_file launcher/job/board.cpp '#include "launcher/job/board.h"' '#include "core/io/file_system.h"'
source_file launcher/agent/agent.cpp '#include "launcher/agent/agent.h"' '#include "core/descriptor.h"' \
  '#include "launcher/rendezvous/client.h"' '#include "launcher/job/board.h"'
source_file launcher/experiment/config/config.h '#include "launcher/job/board.h"'
source_file launcher/experiment/components/models/gpt.cpp '#include "nn/module.h"' \
  '#include "launcher/experiment/config/config.h"' \
  '#include "launcher/experiment/components/components.h"'
source_file launcher/experiment/trainer.cpp '#include "launcher/experiment/formats/gpt2.h"' \
  '#include "distributed/bucket.h"'
source_file launcher/experiment/run.cpp '#include "launcher/commands/train.h"'
source_file launcher/commands/launch.cpp '#include "launcher/agent/agent.h"' \
  '#include "launcher/experiment/trainer.h"'
source_file tests/core/array_test.cpp '#include "nn/module.h"'
source_file launcher/commands/bench.cpp '#include "launcher/bench/bench.h"'
source_file launcher/bench/bench.cpp '#include "launcher/bench/bench.h"' '#include "nn/module.h"'
expect 0 "" "$tree"

wrong_line core/bad.h '#include "nn/module.h"' 'core may not include "nn/module.h"'
wrong_line core/bad.cu '  #  include <autograd/tensor.h>' 'core may not include "autograd/tensor.h"'
wrong_line core/bad.cpp '#include "../nn/module.h"' 'core may not include "../nn/module.h"'
wrong_line nn/bad.cpp '#include "distributed/comm/call.h"' \
  'nn may not include "distributed/comm/call.h"'
wrong_line nn/bad.h '#include "tests/support/cases.h"' 'nn may not include "tests/support/cases.h"'
wrong_line distributed/comm/bad.cpp '#include "nn/module.h"' \
  'distributed/comm may not include "nn/module.h"'
wrong_line distributed/comm/bad.h '#include "distributed/bucket.h"' \
  'distributed/comm may not include "distributed/bucket.h"'
wrong_line distributed/comm/bad.h '#include "distributed/comm/direct/mpi.h"' \
  'distributed/comm may not include "distributed/comm/direct/mpi.h"'
wrong_line distributed/comm/direct/bad.h '#include "distributed/bucket.h"' \
  'distributed/comm/direct may not include "distributed/bucket.h"'
wrong_line distributed/bad.cpp '#include "proto/rendezvous.pb.h"' \
  'distributed may not include "proto/rendezvous.pb.h"'
wrong_line core/error.cpp '#include "core/array.h"' 'core/base may not include "core/array.h"'
wrong_line launcher/job/bad.h '#include "launcher/experiment/trainer.h"' \
  'launcher/job may not include "launcher/experiment/trainer.h"'
wrong_line launcher/job/bad.cpp '#include "core/array.h"' \
  'launcher/job may not include "core/array.h"'
wrong_line launcher/agent/bad.cpp '#include "launcher/experiment/config/config.h"' \
  'launcher/agent may not include "launcher/experiment/config/config.h"'
wrong_line launcher/agent/pmix_server/bad.cpp '#include "core/parallel.h"' \
  'launcher/agent may not include "core/parallel.h"'
wrong_line launcher/agent/bad.cpp '#include "launcher/bench/bench.h"' \
  'launcher/agent may not include "launcher/bench/bench.h"'
wrong_line launcher/rendezvous/bad.h '#include "launcher/agent/agent.h"' \
  'launcher/rendezvous may not include "launcher/agent/agent.h"'
wrong_line launcher/experiment/config/bad.h \
  '#include "launcher/experiment/components/components.h"' \
  'launcher/experiment/config may not include "launcher/experiment/components/components.h"'
wrong_line launcher/experiment/components/datasets/bad.cpp \
  '#include "launcher/experiment/formats/gpt2.h"' \
  'launcher/experiment/components may not include "launcher/experiment/formats/gpt2.h"'
wrong_line launcher/experiment/bad.cpp '#include "launcher/agent/agent.h"' \
  'launcher/experiment may not include "launcher/agent/agent.h"'
wrong_line launcher/experiment/bad.h '#include "launcher/commands/commands.h"' \
  'launcher/experiment may not include "launcher/commands/commands.h"'
wrong_line launcher/experiment/bad.h '#include "launcher/bench/bench.h"' \
  'launcher/experiment may not include "launcher/bench/bench.h"'
expect 0 "" "$tree"
echo "ok"
