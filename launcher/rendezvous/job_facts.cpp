#include "launcher/rendezvous/job_facts.h"

namespace tessera::rendezvous {

const v1::Record::Finished& JobFacts::finished() const {
  return finished_ ? *finished_ : v1::Record::Finished::default_instance();
}

void JobFacts::agree(const v1::Job& terms) {
  if (!terms_) terms_ = terms;
}

bool JobFacts::ask_to_stop(const std::string& reason) {
  if (stop_reason_ || finished_) return false;
  stop_reason_ = reason;
  return true;
}

void JobFacts::finish(int exit_code, const std::string& reason, const v1::Failure* failure) {
  if (finished_) return;
  finished_.emplace();
  finished_->set_exit_code(exit_code);
  finished_->set_reason(reason);
  if (failure) *finished_->mutable_failure() = *failure;
}

void JobFacts::restore(const v1::Record& record) {
  switch (record.what_case()) {
    case v1::Record::kBegan: began_ = record.began(); break;
    case v1::Record::kJob: terms_ = record.job(); break;
    case v1::Record::kDraining: stop_reason_ = record.draining(); break;
    case v1::Record::kFinished: finished_ = record.finished(); break;
    default: break;
  }
}

}  // namespace tessera::rendezvous
