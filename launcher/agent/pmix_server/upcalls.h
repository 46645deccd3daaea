// What libpmix calls the server for, turned into events for the main thread. libpmix's calls come
// on its own thread, which must never wait.
#pragma once

#include <pmix_server.h>

#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "core/descriptor.h"

namespace tessera::agent {

// How libpmix wants to hear of an operation's end.
struct Completion {
  pmix_modex_cbfunc_t callback = nullptr;
  void* cookie = nullptr;

  // To be called once. libpmix has its own copy of the data afterwards or takes them later.
  void operator()(pmix_status_t status, const std::string& data) const;
};

struct ClientConnected {
  pmix_rank_t rank;
};
struct ClientFinalized {
  pmix_rank_t rank;
};
struct ClientAborted {
  pmix_rank_t rank;
  int status;
  std::string message;
};
// All local members of a fence are in it.
struct FenceCalled {
  std::vector<pmix_proc_t> members;
  pmix_status_t local_status;
  std::string data;
  Completion completion;
};
// A local rank needs what a rank of another node has published.
struct ModexWanted {
  pmix_proc_t owner;
  Completion completion;
};
// A rank needs what is not served, in a call that others of its job are in too and would never come
// back from.
struct ServiceWanted {
  pmix_rank_t rank;
  std::string call;  // of MPI
};
// The answer to look_up_modex.
struct ModexFound {
  std::string id;
  int64_t asking_node;
  pmix_status_t status;
  std::string data;
};
using Event = std::variant<ClientConnected, ClientFinalized, ClientAborted, FenceCalled,
                           ModexWanted, ServiceWanted, ModexFound>;

// First in, first out; any thread pushes.
class EventQueue {
 public:
  // Throws Error.
  EventQueue();

  void push(Event event);
  // All events until now.
  std::vector<Event> take();
  // Readable while there are events.
  int descriptor() const { return wake_up_.get(); }

 private:
  std::mutex mutex_;
  std::vector<Event> events_;
  Descriptor wake_up_;
};

// Starts libpmix's server with its files in `session_dir`. Its events go to the queue, which must
// stay until the process ends. To be called once. Throws Error.
void start_pmix(const std::string& session_dir, const std::string& hostname, EventQueue& queue);

// Asks for what a local rank has published, or will; a ModexFound with the same id and node
// follows.
void look_up_modex(const pmix_proc_t& owner, std::string id, int64_t asking_node,
                   EventQueue& queue);

}  // namespace tessera::agent
