#!/usr/bin/env bash
# The tessera command with a fault in it, for the controls of its fuzzer. Not while that prepares.
# usage: PLANTED_FAULT=Crash|Lie|HalfAFile PLANTED_COMMAND=PROGRAM planted_command.sh ARGS...
if [[ ! -e case.yaml ]]; then
  exec "$PLANTED_COMMAND" "$@"
fi
case $PLANTED_FAULT in
  Crash)
    [[ ${1:-} != plan ]] || kill -SEGV $$
    exec "$PLANTED_COMMAND" "$@"
    ;;
  Lie)
    "$PLANTED_COMMAND" "$@"
    exit 0
    ;;
  HalfAFile)
    : >out.partial
    exec "$PLANTED_COMMAND" "$@"
    ;;
esac
