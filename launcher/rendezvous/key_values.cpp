#include "launcher/rendezvous/key_values.h"

#include <fmt/format.h>

#include <algorithm>

#include "launcher/rendezvous/outputs.h"

namespace tessera::rendezvous {
namespace {

std::string trouble_with_key(const std::string& key) {
  if (!key.empty() && key.size() <= KeyValues::kMaxKeyBytes) return "";
  return fmt::format("expected a key of 1 to {} bytes, got one of {}", KeyValues::kMaxKeyBytes,
                     key.size());
}

v1::GetReply reply_of(const std::string& value) {
  v1::GetReply reply;
  reply.set_value(value);
  return reply;
}

}  // namespace

void KeyValues::put(const PutCall& call, Outputs& out) {
  const std::string& key = call.request.key();
  const std::string& value = call.request.value();
  if (std::string trouble = trouble_with_key(key); !trouble.empty()) {
    return refuse(call.call, Refused::bad_argument, trouble, out);
  }
  if (value.size() > kMaxValueBytes) {
    return refuse(call.call, Refused::bad_argument,
                  fmt::format("expected a value of at most {} bytes, got one of {}", kMaxValueBytes,
                              value.size()),
                  out);
  }
  auto old = values_.find(key);
  size_t freed = old == values_.end() ? 0 : key.size() + old->second.size();
  if (bytes_ - freed + key.size() + value.size() > kMaxBytes) {
    return refuse(call.call, Refused::exhausted,
                  fmt::format("the keys and values of a job hold at most {} bytes", kMaxBytes),
                  out);
  }
  restore(call.request);
  v1::Record record;
  *record.mutable_put() = call.request;
  persist(std::move(record), out);
  out.emplace_back(Answer{call.call, v1::PutReply()});
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (waiting.key != key) return false;
    out.emplace_back(Answer{waiting.call, reply_of(value)});
    return true;
  });
}

void KeyValues::restore(const v1::PutRequest& request) {
  auto [place, is_new] = values_.try_emplace(request.key());
  bytes_ += (is_new ? request.key().size() : 0) + request.value().size() - place->second.size();
  place->second = request.value();
}

void KeyValues::snapshot(std::vector<v1::Record>& records) const {
  for (const auto& [key, value] : values_) {
    v1::PutRequest& put = *records.emplace_back().mutable_put();
    put.set_key(key);
    put.set_value(value);
  }
}

void KeyValues::get(Millis now, const GetCall& call, Outputs& out) {
  const std::string& key = call.request.key();
  if (std::string trouble = trouble_with_key(key); !trouble.empty()) {
    return refuse(call.call, Refused::bad_argument, trouble, out);
  }
  if (auto found = values_.find(key); found != values_.end()) {
    out.emplace_back(Answer{call.call, reply_of(found->second)});
    return;
  }
  if (call.request.wait_ms() <= 0) {
    return refuse(call.call, Refused::not_found, fmt::format("no value of '{}'", key), out);
  }
  if (waiting_.size() >= kMaxWaiting) {
    return refuse(call.call, Refused::exhausted,
                  fmt::format("{} callers wait for keys already", kMaxWaiting), out);
  }
  waiting_.push_back({call.call, key, now + std::min(call.request.wait_ms(), kMaxWait)});
}

void KeyValues::abandon(CallId call) {
  std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.call == call; });
}

void KeyValues::expire(Millis now, Outputs& out) {
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    if (now < waiting.until) return false;
    refuse(waiting.call, Refused::timed_out, fmt::format("no value of '{}' came", waiting.key),
           out);
    return true;
  });
}

std::optional<Millis> KeyValues::next_deadline() const {
  std::optional<Millis> next;
  for (const Waiting& waiting : waiting_)
    next = std::min(next.value_or(waiting.until), waiting.until);
  return next;
}

}  // namespace tessera::rendezvous
