#include "distributed/comm/direct/mpi_transport.h"

#include <sched.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <thread>

#include "core/signals.h"

namespace tessera {
namespace {

constexpr int kTagBits = 16;
static_assert(Transport::kMaxTag == (1 << kTagBits) - 1);
// The highest tag of context 0: no communicator uses it.
constexpr int kFailureTag = Transport::kMaxTag;
// Below Open MPI's eager limit in shared memory (4 KiB): sent without waiting for the receiver.
constexpr size_t kMaxFailureBytes = 2048;

}  // namespace

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw_error(fmt::format("{} failed: {}", call, std::string(text, static_cast<size_t>(length))));
}

class MpiMessage : public Message {
 public:
  // `request` was started under the transport's mutex.
  MpiMessage(std::shared_ptr<MpiTransport> transport, MPI_Request request, bool receives,
             size_t bytes, std::shared_ptr<const void> owner)
      : transport_(std::move(transport)),
        request_(request),
        receives_(receives),
        bytes_(bytes),
        owner_(std::move(owner)) {
    transport_->count_messages(1);
  }

  ~MpiMessage() override {
    if (request_ == MPI_REQUEST_NULL) return;
    std::lock_guard lock(transport_->mutex_);
    transport_->count_messages(-1);
    if (transport_->closed_) return;
    if (receives_) MPI_Cancel(&request_);
    int done = 0;
    MPI_Test(&request_, &done, MPI_STATUS_IGNORE);
    if (done) return;
    // MPI has begun with it and may go on at any time.
    MPI_Request_free(&request_);
    transport_->given_up_.push_back(std::move(owner_));
  }

  bool done() override {
    if (request_ == MPI_REQUEST_NULL) return true;
    std::lock_guard lock(transport_->mutex_);
    int done = 0;
    MPI_Status status;
    check_mpi(MPI_Test(&request_, &done, &status), "MPI_Test");
    if (!done) return false;
    transport_->count_messages(-1);
    if (receives_) {
      int count = 0;
      check_mpi(MPI_Get_count(&status, MPI_BYTE, &count), "MPI_Get_count");
      TESSERA_CHECK(static_cast<size_t>(count) == bytes_,
                    "{} bytes were sent where {} were to be received", count, bytes_);
    }
    return true;
  }

 private:
  std::shared_ptr<MpiTransport> transport_;
  MPI_Request request_;
  bool receives_;
  size_t bytes_;
  std::shared_ptr<const void> owner_;
};

MpiTransport::MpiTransport(MPI_Comm comm, bool shares_memory) : comm_(comm) {
  check_mpi(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
  int* bound = nullptr;
  int found = 0;
  // An attribute of this communicator alone.
  check_mpi(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &bound, &found), "MPI_Comm_get_attr");
  TESSERA_CHECK(found, "[mpi] MPI does not tell its highest tag");
  max_tag_ = *bound;
  if (shares_memory && size_ > 1) meet_neighbours();
  std::vector<int> everyone(static_cast<size_t>(size_));
  std::iota(everyone.begin(), everyone.end(), 0);
  needs_mover_ = size_ > 1 && !(windows_ && windows_->all_met(everyone));
}

void MpiTransport::start_mover() {
  if (needs_mover_) mover_ = std::thread([this] { keep_moving(); });
}

MpiTransport::~MpiTransport() { close(); }

void MpiTransport::leave_to_mpi() {
  if (!sent_failures_.empty()) static_cast<void>(new auto(std::move(sent_failures_)));
  if (!given_up_.empty()) static_cast<void>(new auto(std::move(given_up_)));
}

void MpiTransport::count_messages(int more) {
  under_way_ += more;
  if (more > 0 && under_way_ == more) wake_.notify_one();
}

void MpiTransport::keep_moving() {
  SignalsBlocked blocked;
  constexpr std::chrono::microseconds kNap(50);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return closed_ || under_way_ > 0; });
    if (closed_) return;
    int found = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, kFailureTag, comm_, &found, MPI_STATUS_IGNORE);
    lock.unlock();
    std::this_thread::sleep_for(kNap);
    lock.lock();
  }
}

void MpiTransport::meet_neighbours() {
  SharedWindows::Card own;
  try {
    windows_ = std::make_unique<SharedWindows>(rank_, size_);
    own = windows_->card();
  } catch (const Error&) {
    // As under a limit on the size of files. An empty card meets nobody, and messages do it all.
  }
  std::vector<SharedWindows::Card> cards(static_cast<size_t>(size_));
  check_mpi(MPI_Allgather(&own, sizeof own, MPI_BYTE, cards.data(), sizeof own, MPI_BYTE, comm_),
            "MPI_Allgather");
  std::vector<uint8_t> met(static_cast<size_t>(size_));
  if (windows_) met = windows_->meet(cards);
  std::vector<uint8_t> all(met.size() * met.size());
  check_mpi(MPI_Allgather(met.data(), size_, MPI_BYTE, all.data(), size_, MPI_BYTE, comm_),
            "MPI_Allgather");
  if (windows_) windows_->settle(std::move(all));
}

void MpiTransport::leave(int context) {
  if (windows_) windows_->leave(context);
}

int MpiTransport::mpi_tag(const Route& route) const {
  int64_t tag = (int64_t{route.context} << kTagBits) + route.tag;
  TESSERA_CHECK(tag <= max_tag_,
                "[mpi] communicator {} of this process is one too many: MPI has tags up to {}",
                route.context, max_tag_);
  return static_cast<int>(tag);
}

std::unique_ptr<Message> MpiTransport::send(Route route, std::span<const std::byte> bytes,
                                            std::shared_ptr<const void> owner) {
  MPI_Request request = MPI_REQUEST_NULL;
  std::lock_guard lock(mutex_);
  check_mpi(MPI_Isend(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, route.peer,
                      mpi_tag(route), comm_, &request),
            "MPI_Isend");
  return std::make_unique<MpiMessage>(shared_from_this(), request, false, bytes.size(),
                                      std::move(owner));
}

std::unique_ptr<Message> MpiTransport::receive(Route route, std::span<std::byte> bytes,
                                               std::shared_ptr<const void> owner) {
  MPI_Request request = MPI_REQUEST_NULL;
  std::lock_guard lock(mutex_);
  check_mpi(MPI_Irecv(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, route.peer,
                      mpi_tag(route), comm_, &request),
            "MPI_Irecv");
  return std::make_unique<MpiMessage>(shared_from_this(), request, true, bytes.size(),
                                      std::move(owner));
}

// The context as 4 bytes, then the text.
void MpiTransport::fail(int context, std::span<const int> members, const std::string& message) {
  std::lock_guard lock(mutex_);
  if (closed_ || !failures_.try_emplace(context, Failure{rank_, message}).second) return;
  any_failure_.store(true, std::memory_order_release);
  size_t text_bytes = std::min(message.size(), kMaxFailureBytes);
  auto note = std::make_unique<std::vector<std::byte>>(sizeof context + text_bytes);
  std::memcpy(note->data(), &context, sizeof context);
  std::memcpy(note->data() + sizeof context, message.data(), text_bytes);
  for (int member : members) {
    if (member == rank_) continue;
    MPI_Request request = MPI_REQUEST_NULL;
    // A peer that cannot be told finds out by its own timeout.
    if (MPI_Isend(note->data(), static_cast<int>(note->size()), MPI_BYTE, member, kFailureTag,
                  comm_, &request) == MPI_SUCCESS) {
      MPI_Request_free(&request);
    }
  }
  sent_failures_.push_back(std::move(note));
}

std::optional<Failure> MpiTransport::failure(int context) {
  if (!any_failure_.load(std::memory_order_acquire)) return std::nullopt;
  std::lock_guard lock(mutex_);
  auto found = failures_.find(context);
  if (found == failures_.end()) return std::nullopt;
  return found->second;
}

void MpiTransport::look_for_failures() {
  std::lock_guard lock(mutex_);
  while (true) {
    int found = 0;
    MPI_Status status;
    check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kFailureTag, comm_, &found, &status), "MPI_Iprobe");
    if (!found) return;
    int bytes = 0;
    check_mpi(MPI_Get_count(&status, MPI_BYTE, &bytes), "MPI_Get_count");
    std::string note(static_cast<size_t>(bytes), '\0');
    check_mpi(MPI_Recv(note.data(), bytes, MPI_BYTE, status.MPI_SOURCE, kFailureTag, comm_,
                       MPI_STATUS_IGNORE),
              "MPI_Recv");
    int context = 0;
    TESSERA_ASSERT(note.size() >= sizeof context);
    std::memcpy(&context, note.data(), sizeof context);
    failures_.try_emplace(context, Failure{status.MPI_SOURCE, note.substr(sizeof context)});
    any_failure_.store(true, std::memory_order_release);
  }
}

// MPI moves on only when it is called, so a sleep is short; but ranks that share a core need it.
void MpiTransport::idle(int round) {
  constexpr int kSpins = 50;
  constexpr int kYields = 2000;
  if (round % 16 == 15) look_for_failures();
  if (round < kSpins) return;
  if (round < kYields) sched_yield();
  else std::this_thread::sleep_for(std::chrono::microseconds(50));
}

int MpiTransport::take_world() {
  std::lock_guard lock(mutex_);
  return num_worlds_++;
}

int MpiTransport::next_split() {
  std::lock_guard lock(mutex_);
  return next_split_;
}

void MpiTransport::take_split(int number) {
  std::lock_guard lock(mutex_);
  next_split_ = std::max(next_split_, number + 1);
}

void MpiTransport::close() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    wake_.notify_one();
  }
  if (mover_.joinable()) mover_.join();
}

}  // namespace tessera
