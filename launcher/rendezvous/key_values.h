// The job's key-value store.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

class KeyValues {
 public:
  static constexpr size_t kMaxKeyBytes = 1024;
  static constexpr size_t kMaxValueBytes = size_t{1} << 20;
  static constexpr size_t kMaxBytes = size_t{64} << 20;
  static constexpr size_t kMaxWaiting = 4096;
  static constexpr Millis kMaxWait = 3'600'000;

  void put(const PutCall& call, Outputs& out);
  void get(Millis now, const GetCall& call, Outputs& out);
  void abandon(CallId call);
  // Answers those who have waited long enough.
  void expire(Millis now, Outputs& out);
  // When expire has something to do.
  std::optional<Millis> next_deadline() const;

  // Takes a value from the journal.
  void restore(const v1::PutRequest& request);
  // Appends what restore() needs to be told.
  void snapshot(std::vector<v1::Record>& records) const;

 private:
  struct Waiting {
    CallId call;
    std::string key;
    Millis until;
  };

  std::map<std::string, std::string> values_;
  std::vector<Waiting> waiting_;
  size_t bytes_ = 0;
};

}  // namespace tessera::rendezvous
