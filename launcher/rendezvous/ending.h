// How the generation at hand ends.
#pragma once

#include <optional>
#include <string>

#include "launcher/rendezvous/settings.h"

namespace tessera::rendezvous {

// The reason of an order to end when there is no other: all ranks have ended by themselves.
inline constexpr const char* kAllEnded = "all ranks have ended";

v1::Record::Ending ending_of(const v1::Failure& failure);
v1::Record::Ending graceful_ending(v1::Record::Ending::Kind kind, const std::string& reason);

// Invariant: an ending that has become hard stays so.
class Ending {
 public:
  explicit Ending(const Settings& settings)
      : grace_(settings.grace), bereaved_patience_(settings.bereaved) {}

  void begin(v1::Record::Ending what, Millis now);
  // Ranks that were to stop after a checkpoint are killed from now on.
  void harden(Millis now);
  // As begin, but of before the server's restart; resume() says when that was.
  void restore(const v1::Record::Ending& what) { what_ = what; }
  void resume(Millis now) { since_ = now; }
  void skip(Millis pause);

  // Some ranks have ended otherwise; the others may wait for them in vain.
  void note_bad_end(Millis now);
  // Whether the time is over that ranks get to stop by themselves.
  bool is_late(Millis now) const;
  const v1::Record::Ending& what() const { return what_; }

 private:
  Millis grace_;
  Millis bereaved_patience_;
  v1::Record::Ending what_;
  Millis since_ = 0;
  std::optional<Millis> bereaved_since_;
};

}  // namespace tessera::rendezvous
