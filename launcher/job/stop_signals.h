// Signals that ask a run to stop.
#pragma once

namespace tessera::job {

// What a second signal does.
enum class SecondSignal {
  ends,     // ends the process at once
  ignored,  // nothing: a launcher that got the signals too decides
};

// From now on SIGINT, SIGTERM, SIGHUP (where it is not ignored, as under nohup), SIGUSR1 (which
// mpirun and Slurm pass on) and SIGXCPU (a limit on the processor's time) ask the process to stop
// when it can. A second signal counts as the first once more where is_same_request says so
// (launcher/job/stop_request.h).
void watch_stop_signals(SecondSignal second = SecondSignal::ends);
// The signal that came, or 0.
int stop_signal();

}  // namespace tessera::job
