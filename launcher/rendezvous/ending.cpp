#include "launcher/rendezvous/ending.h"

#include <utility>

#include "launcher/rendezvous/failures.h"

namespace tessera::rendezvous {

v1::Record::Ending ending_of(const v1::Failure& failure) {
  v1::Record::Ending ending;
  ending.set_kind(v1::Record::Ending::KIND_FAILURE);
  *ending.mutable_failure() = failure;
  ending.set_reason(text_of(failure));
  return ending;
}

v1::Record::Ending graceful_ending(v1::Record::Ending::Kind kind, const std::string& reason) {
  v1::Record::Ending ending;
  ending.set_kind(kind);
  ending.set_graceful(true);
  ending.set_reason(reason);
  return ending;
}

void Ending::begin(v1::Record::Ending what, Millis now) {
  what_ = std::move(what);
  since_ = now;
  bereaved_since_.reset();
}

void Ending::harden(Millis now) {
  what_.set_graceful(false);
  since_ = now;
  bereaved_since_.reset();
}

void Ending::skip(Millis pause) {
  since_ += pause;
  if (bereaved_since_) *bereaved_since_ += pause;
}

void Ending::note_bad_end(Millis now) {
  if (!bereaved_since_) bereaved_since_ = now;
}

bool Ending::is_late(Millis now) const {
  return now - since_ > grace_ || (bereaved_since_ && now - *bereaved_since_ > bereaved_patience_);
}

}  // namespace tessera::rendezvous
