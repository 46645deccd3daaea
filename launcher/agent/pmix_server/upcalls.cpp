#include "launcher/agent/pmix_server/upcalls.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include "launcher/agent/pmix_server/pmix_info.h"
#include "launcher/agent/pmix_server/system_error.h"

namespace tessera::agent {
namespace {

// libpmix's module is plain functions without an argument of ours.
EventQueue* the_queue = nullptr;

void free_data(void* data) { std::free(data); }

pmix_status_t on_connected(const pmix_proc_t* client, void*, pmix_info_t[], size_t,
                           pmix_op_cbfunc_t, void*) {
  the_queue->push(ClientConnected{client->rank});
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t on_finalized(const pmix_proc_t* client, void*, pmix_op_cbfunc_t, void*) {
  the_queue->push(ClientFinalized{client->rank});
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t on_abort(const pmix_proc_t* client, void*, int status, const char message[],
                       pmix_proc_t[], size_t, pmix_op_cbfunc_t, void*) {
  the_queue->push(ClientAborted{client->rank, status, message ? message : ""});
  return PMIX_OPERATION_SUCCEEDED;
}

pmix_status_t on_fence(const pmix_proc_t members[], size_t num_members, const pmix_info_t info[],
                       size_t num_info, char* data, size_t num_bytes, pmix_modex_cbfunc_t callback,
                       void* cookie) {
  pmix_status_t local_status = PMIX_SUCCESS;
  for (size_t i = 0; i < num_info; ++i) {
    if (PMIX_CHECK_KEY(&info[i], PMIX_LOCAL_COLLECTIVE_STATUS)) {
      local_status = info[i].value.data.status;
    }
  }
  the_queue->push(FenceCalled{{members, members + num_members},
                              local_status,
                              data ? std::string(data, num_bytes) : std::string(),
                              {callback, cookie}});
  // The header says that libpmix keeps it; 4.2 hands it over and never frees it.
  std::free(data);
  return PMIX_SUCCESS;
}

pmix_status_t on_modex(const pmix_proc_t* owner, const pmix_info_t[], size_t,
                       pmix_modex_cbfunc_t callback, void* cookie) {
  the_queue->push(ModexWanted{*owner, {callback, cookie}});
  return PMIX_SUCCESS;
}

pmix_status_t on_spawn(const pmix_proc_t* parent, const pmix_info_t[], size_t, const pmix_app_t[],
                       size_t, pmix_spawn_cbfunc_t, void*) {
  the_queue->push(ServiceWanted{parent->rank, "MPI_Comm_spawn"});
  return PMIX_ERR_NOT_SUPPORTED;
}

// Open MPI's ranks meet under a port's name with one of these after it. Published names without
// them are a single rank's own: it alone gets the error.
void note_meeting(const pmix_proc_t* client, std::string_view key) {
  if (key.ends_with(":accept") || key.ends_with(":connect")) {
    the_queue->push(ServiceWanted{client->rank, "MPI_Comm_accept or MPI_Comm_connect"});
  }
}

pmix_status_t on_publish(const pmix_proc_t* client, const pmix_info_t info[], size_t num_info,
                         pmix_op_cbfunc_t, void*) {
  for (size_t i = 0; i < num_info; ++i) note_meeting(client, info[i].key);
  return PMIX_ERR_NOT_SUPPORTED;
}

pmix_status_t on_lookup(const pmix_proc_t* client, char** keys, const pmix_info_t[], size_t,
                        pmix_lookup_cbfunc_t, void*) {
  for (char** key = keys; key && *key; ++key) note_meeting(client, *key);
  return PMIX_ERR_NOT_SUPPORTED;
}

struct LookUp {
  std::string id;
  int64_t asking_node;
  EventQueue* queue;
};

void on_found(pmix_status_t status, char* data, size_t num_bytes, void* cookie) {
  std::unique_ptr<LookUp> asked(static_cast<LookUp*>(cookie));
  asked->queue->push(ModexFound{std::move(asked->id), asked->asking_node, status,
                                data ? std::string(data, num_bytes) : std::string()});
}

pmix_server_module_t make_module() {
  pmix_server_module_t module{};
  module.client_connected2 = on_connected;
  module.client_finalized = on_finalized;
  module.abort = on_abort;
  module.fence_nb = on_fence;
  module.direct_modex = on_modex;
  module.spawn = on_spawn;
  module.publish = on_publish;
  module.lookup = on_lookup;
  return module;
}

}  // namespace

void Completion::operator()(pmix_status_t status, const std::string& data) const {
  if (data.empty()) return callback(status, nullptr, 0, cookie, nullptr, nullptr);
  auto* copy = static_cast<char*>(std::malloc(data.size()));
  if (!copy) throw std::bad_alloc();
  std::copy(data.begin(), data.end(), copy);
  callback(status, copy, data.size(), cookie, free_data, copy);
}

EventQueue::EventQueue() : wake_up_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_up_.get() < 0) throw_system_error("make an eventfd");
}

void EventQueue::push(Event event) {
  std::lock_guard lock(mutex_);
  events_.push_back(std::move(event));
  eventfd_write(wake_up_.get(), 1);
}

std::vector<Event> EventQueue::take() {
  std::lock_guard lock(mutex_);
  eventfd_t count = 0;
  eventfd_read(wake_up_.get(), &count);
  return std::exchange(events_, {});
}

void start_pmix(const std::string& session_dir, const std::string& hostname, EventQueue& queue) {
  the_queue = &queue;
  // libpmix keeps the pointer.
  static pmix_server_module_t module = make_module();
  InfoList info;
  info.add_text(PMIX_SERVER_TMPDIR, session_dir);
  info.add_text(PMIX_SYSTEM_TMPDIR, session_dir);
  info.add_text(PMIX_HOSTNAME, hostname);
  info.add_text(PMIX_SERVER_NSPACE, "tessera-pmix");
  info.add_rank(PMIX_SERVER_RANK, 0);
  check_pmix(PMIx_server_init(&module, info.data(), info.size()), "PMIx_server_init");
}

void look_up_modex(const pmix_proc_t& owner, std::string id, int64_t asking_node,
                   EventQueue& queue) {
  auto asked = std::make_unique<LookUp>(LookUp{std::move(id), asking_node, &queue});
  pmix_status_t status = PMIx_server_dmodex_request(&owner, on_found, asked.get());
  // From here on_found owns it, unless there will be no call.
  LookUp* cookie = asked.release();
  if (status != PMIX_SUCCESS) on_found(status, nullptr, 0, cookie);
}

}  // namespace tessera::agent
