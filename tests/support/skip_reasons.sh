#!/usr/bin/env bash
# Prints the reasons that tests gave for being skipped, each once with its tests, by ctest's log of a
# run. ctest calls it at the end of every run (CTEST_CUSTOM_POST_TEST), as its own list has no reasons.
# usage: skip_reasons.sh BUILD_DIR
set -euo pipefail

# Complete by then, but not yet under its final name, which an earlier run's log may have.
log=$1/Testing/Temporary/LastTest.log
[[ ! -e $log.tmp ]] || log=$log.tmp
[[ -e $log ]] || exit 0

awk '
  function keep() {
    gsub(/[ \t\r]+$/, "", reason)
    if (reason == "") reason = "no reason was given"
    if (!((reason, name) in seen)) {
      if (!(reason in count)) order[++num_reasons] = reason
      seen[reason, name] = 1
      if (++count[reason] <= 3) names[reason] = names[reason] (names[reason] ? ", " : "") name
    }
    reading = 0
  }
  # Under mpirun tests find a terminal, and colour their words.
  { gsub(/\033\[[0-9;]*m|\r/, "") }
  /^[0-9]+\/[0-9]+ Test: / { name = $3 }
  reading && (/^\[/ || /^<end of output>/) { keep() }
  # GoogleTest: FILE:LINE: Skipped, then the reason, then [  SKIPPED ].
  /:[0-9]+: Skipped$/ { reading = 1; reason = ""; next }
  reading && !/^$/ { reason = reason (reason ? " " : "") $0 }
  END {
    if (num_reasons) print "\nSkipped, with the reasons that the tests gave:"
    for (i = 1; i <= num_reasons; ++i) {
      more = count[order[i]] - 3
      print "  " order[i] ": " names[order[i]] (more > 0 ? " and " more " more" : "")
    }
  }
' "$log"
