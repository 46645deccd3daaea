// Where a run begins: in which folder, and from what.
#pragma once

#include <string>
#include <vector>

#include "launcher/experiment/config/config.h"
#include "launcher/experiment/run_lock.h"
#include "launcher/job/launched_job.h"

namespace tessera::experiment {

struct StartPlan {
  std::string directory;   // the run's
  bool continues = false;  // whether there is a run in it that goes on; else it is to be made
  // To be tried in this order; none: the run starts from the beginning.
  std::vector<std::string> checkpoints;
  // Whether one that is damaged may be passed over for the next (run.resume: auto).
  bool may_pass_over = false;
};

// What run.resume and run.dir mean now:
//   none   a new run; an Error where run.dir holds one already
//   auto   the run in run.dir goes on, or without run.dir the newest one of run.name, from its
//   newest
//          checkpoint; a new run where there is none
//   PATH   from that checkpoint, or the newest one of that run: in the same folder where run.dir
//          is its run's, else as a new run
// Where the launcher has restarted the ranks of a job, the run that its earlier ranks began goes
// on, whatever run.resume says.
//
// `lock` becomes that of the folder: what is found in it stays as it is. An Error where another job
// is at work there.
StartPlan plan_start(const RunConfig& config, const job::LaunchedJob& job, RunLock& lock);

// The checkpoint that a PATH of run.resume stands for; an Error if it is none.
std::string checkpoint_to_resume(const std::string& path);

// As text without zero bytes, and back, for other ranks.
std::string to_text(const StartPlan& plan);
StartPlan start_plan_of(const std::string& text);

}  // namespace tessera::experiment
