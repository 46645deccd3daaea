#include "core/cuda/content_errors.h"

#include "core/call_place.h"
#include "core/cuda/pinned.h"

namespace tessera::cuda {

ContentChecks::ContentChecks()
    : error_(std::static_pointer_cast<ContentError>(pinned(sizeof(ContentError)))) {
  *error_ = {};
}

Report ContentChecks::add(Text text) {
  std::lock_guard lock(mutex_);
  open_[++added_] = {std::move(text), place_text()};
  return {error_.get(), added_};
}

uint64_t ContentChecks::added() const {
  std::lock_guard lock(mutex_);
  return added_;
}

size_t ContentChecks::open() const {
  std::lock_guard lock(mutex_);
  return open_.size();
}

bool ContentChecks::any(uint64_t count) {
  std::lock_guard lock(mutex_);
  uint64_t found = error_->check;
  if (found != 0 && found <= count) return true;
  open_.erase(open_.begin(), open_.upper_bound(count));
  return false;
}

std::optional<std::string> ContentChecks::take(uint64_t count) {
  std::lock_guard lock(mutex_);
  std::optional<std::string> text;
  uint64_t found = error_->check;
  if (auto check = open_.find(found); found <= count && check != open_.end()) {
    text = check->second.text(error_->position, error_->value) + check->second.place;
    error_->check = 0;
  }
  open_.erase(open_.begin(), open_.upper_bound(count));
  return text;
}

}  // namespace tessera::cuda
