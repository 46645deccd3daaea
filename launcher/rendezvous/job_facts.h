// What holds for a job as a whole: how it began, what its agents agree on, whether it is to stop,
// how it ended.
#pragma once

#include <optional>
#include <string>

#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

// Invariant: each of them comes once and stays. Whoever calls writes it to the journal.
class JobFacts {
 public:
  explicit JobFacts(v1::Record::Began began) : began_(std::move(began)) {}

  const v1::Record::Began& began() const { return began_; }
  bool has_terms() const { return terms_.has_value(); }
  // Nodes and restarts, as the first member has said it; zeros before.
  const v1::Job& terms() const { return terms_ ? *terms_ : v1::Job::default_instance(); }
  // Why the job is to stop.
  const std::optional<std::string>& stop_reason() const { return stop_reason_; }
  bool is_over() const { return finished_.has_value(); }
  // Empty while it is not over.
  const v1::Record::Finished& finished() const;

  void agree(const v1::Job& terms);
  // False: it was asked before, or is over.
  bool ask_to_stop(const std::string& reason);
  // failure: what ended it; null: none.
  void finish(int exit_code, const std::string& reason, const v1::Failure* failure);
  // Takes what a record says of the job, if it does.
  void restore(const v1::Record& record);

 private:
  v1::Record::Began began_;
  std::optional<v1::Job> terms_;
  std::optional<std::string> stop_reason_;
  std::optional<v1::Record::Finished> finished_;
};

}  // namespace tessera::rendezvous
