// Where in the user's program the calling thread is, for the messages of errors and for graph
// nodes.
#pragma once

#include <string>

#include "core/call_site.h"

namespace tessera {

// A plain value for each thread, so that an operation notes its place with a few stores. An error
// reads it when it is made; nothing is done where all goes well.
struct CallPlace {
  CallSite site{nullptr, 0};  // of the last call that was noted; a null file: not known
  // The path of the module whose call runs; null outside of every module.
  const std::string* module_path = nullptr;
  int calls = 0;     // how many noted calls are under way: without one, site is of the past
  int composed = 0;  // how many Composed are alive
};
inline constinit thread_local CallPlace call_place;

// ", in module 'blocks.0', called at net.cpp:12" while a call is under way, as far as that is
// known; otherwise empty. Errors of the library end in it.
std::string place_text();

// The place of the user's call, unless an operation that composes others runs.
inline void note_call_site(CallSite site) {
  if (call_place.composed == 0) call_place.site = site;
}

// A call of the user's that takes a while: its place counts until the end.
class NotedCall {
 public:
  explicit NotedCall(CallSite site) {
    ++call_place.calls;
    note_call_site(site);
  }
  ~NotedCall() { --call_place.calls; }
  NotedCall(const NotedCall&) = delete;
  NotedCall& operator=(const NotedCall&) = delete;
};

// At the head of an operation made of others: those keep the place of the user's call. Where no
// call was noted, the user's place is not known, and none is given.
class Composed {
 public:
  Composed() {
    if (call_place.composed++ == 0 && call_place.calls == 0) call_place.site = {nullptr, 0};
  }
  ~Composed() { --call_place.composed; }
  Composed(const Composed&) = delete;
  Composed& operator=(const Composed&) = delete;
};

// Inside a Composed, around calls of what may be the user's own code: its places count again.
class NotComposed {
 public:
  NotComposed() { --call_place.composed; }
  ~NotComposed() { ++call_place.composed; }
  NotComposed(const NotComposed&) = delete;
  NotComposed& operator=(const NotComposed&) = delete;
};

// While one lives, errors name this module. The path outlives it.
class InModule {
 public:
  explicit InModule(const std::string& path) : before_(call_place.module_path) {
    call_place.module_path = &path;
  }
  ~InModule() { call_place.module_path = before_; }
  InModule(const InModule&) = delete;
  InModule& operator=(const InModule&) = delete;

 private:
  const std::string* before_;
};

}  // namespace tessera
