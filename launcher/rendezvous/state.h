// Where a job stands.
#pragma once

namespace tessera::rendezvous {

// gathering: no generation is at work, its first or next one is to be formed; preparing: nodes get
// ready for its ranks; running; ending: its ranks are stopping or dying; finished: the job is over.
enum class State { gathering, preparing, running, ending, finished };

constexpr const char* name_of(State state) {
  switch (state) {
    case State::gathering: return "gathering";
    case State::preparing: return "preparing";
    case State::running: return "running";
    case State::ending: return "ending";
    case State::finished: return "finished";
  }
  return "";
}

// Whether a generation has ranks, or may have.
constexpr bool is_at_work(State state) {
  return state == State::preparing || state == State::running || state == State::ending;
}

}  // namespace tessera::rendezvous
