// Signals that ask a run to stop.
#pragma once

namespace tessera::experiment {

// From now on SIGINT, SIGTERM and SIGUSR1 (which mpirun and Slurm pass on) ask the process to stop
// when it can; a second one ends it at once.
void watch_stop_signals();
// The signal that came, or 0.
int stop_signal();

}  // namespace tessera::experiment
