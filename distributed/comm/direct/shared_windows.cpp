#include "distributed/comm/direct/shared_windows.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <new>
#include <random>

#include "core/allocator.h"

namespace tessera {
namespace {

constexpr size_t kContexts = 32768;
constexpr size_t kWindows = 4096;
// Addresses, not memory: pages are taken as they are touched.
constexpr size_t kHomeBytes = size_t{512} << 20;
constexpr size_t kArenaBytes = size_t{1} << 30;
constexpr int64_t kLeft = -1;

int64_t load(const int64_t& word) {
  return std::atomic_ref(const_cast<int64_t&>(word)).load(std::memory_order_acquire);
}
void store(int64_t& word, int64_t value) {
  std::atomic_ref(word).store(value, std::memory_order_release);
}

// Process ids mean the same in one process namespace of one boot; empty where that is not known.
std::string this_node() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::array<char, 64> space{};
  ssize_t size = readlink("/proc/self/ns/pid", space.data(), space.size() - 1);
  return boot.empty() || size <= 0 ? "" : boot + " " + space.data();
}

[[noreturn]] void refuse(const char* what, int error) {
  throw_error(fmt::format("[shared_windows] {}: {}", what, std::strerror(error)));
}

size_t whole_pages(size_t bytes) {
  constexpr size_t kPage = 4096;
  return (bytes + kPage - 1) / kPage * kPage;
}

}  // namespace

// Plain words, of which zero is a value, so that nobody has to write them first; read and written
// as atomics.
struct SharedWindows::Home {
  struct Entry {
    int64_t bytes;  // 0: no such window yet
    int64_t fd;
  };
  uint64_t secret;
  int64_t lines[kContexts];  // offset in the home, 0 before there are any, kLeft after
  Entry windows[kWindows];   // Place::window - 1
};

// Windows that storage is cut from, first fit. What is let go of keeps its pages for the next.
struct SharedWindows::Arenas {
  struct Arena {
    std::unique_ptr<Window> window;
    std::map<size_t, size_t> free;  // offset and bytes
  };
  std::mutex mutex;
  std::vector<Arena> arenas;

  // Index and offset; nothing when no arena has room.
  std::optional<std::pair<size_t, size_t>> take(size_t bytes) {
    std::lock_guard lock(mutex);
    for (size_t i = 0; i < arenas.size(); ++i) {
      for (auto [offset, size] : arenas[i].free) {
        if (size < bytes) continue;
        arenas[i].free.erase(offset);
        if (size > bytes) arenas[i].free.emplace(offset + bytes, size - bytes);
        return std::pair(i, offset);
      }
    }
    return std::nullopt;
  }
  void give_back(size_t index, size_t offset, size_t bytes) {
    std::lock_guard lock(mutex);
    auto& free = arenas[index].free;
    auto next = free.lower_bound(offset);
    if (next != free.end() && offset + bytes == next->first) {
      bytes += next->second;
      next = free.erase(next);
    }
    if (next != free.begin()) {
      auto before = std::prev(next);
      if (before->first + before->second == offset) {
        before->second += bytes;
        return;
      }
    }
    free.emplace(offset, bytes);
  }
};

Window::Window(int fd, size_t bytes, int owner) : fd_(fd), bytes_(bytes) {
  constexpr size_t kSkew = 17 * 4096;
  constexpr int kSkews = 61;
  size_t skew = static_cast<size_t>(owner % kSkews) * kSkew;
  reserved_bytes_ = bytes + kSkews * kSkew;
  reserved_ =
      mmap(nullptr, reserved_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  void* data = MAP_FAILED;
  if (reserved_ != MAP_FAILED) {
    data = mmap(static_cast<std::byte*>(reserved_) + skew, bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
  }
  if (data == MAP_FAILED) {
    int error = errno;
    if (reserved_ != MAP_FAILED) munmap(reserved_, reserved_bytes_);
    close(fd);
    refuse("cannot map shared memory", error);
  }
  data_ = static_cast<std::byte*>(data);
}

Window::~Window() {
  munmap(reserved_, reserved_bytes_);
  close(fd_);
}

std::unique_ptr<Window> Window::make(size_t bytes, int owner) {
  // The system would answer a size beyond the limit with a signal that ends the process.
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes > limit.rlim_cur) {
    refuse("cannot make shared memory", EFBIG);
  }
  int fd = memfd_create("tessera", MFD_CLOEXEC);
  if (fd < 0) refuse("cannot make shared memory", errno);
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    int error = errno;
    close(fd);
    refuse("cannot make shared memory", error);
  }
  return std::unique_ptr<Window>(new Window(fd, bytes, owner));
}

std::unique_ptr<Window> Window::open(int64_t process, int fd, size_t bytes, int owner) {
  std::string path = fmt::format("/proc/{}/fd/{}", process, fd);
  int own = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (own < 0) refuse(path.c_str(), errno);
  struct stat status {};
  // Beyond its end a mapping would be a bus error.
  if (fstat(own, &status) != 0 || !S_ISREG(status.st_mode) ||
      static_cast<size_t>(status.st_size) < bytes) {
    close(own);
    refuse(path.c_str(), EINVAL);
  }
  return std::unique_ptr<Window>(new Window(own, bytes, owner));
}

SharedWindows::Home& SharedWindows::home_of(const Window& window) {
  static_assert(sizeof(Home) < kHomeBytes);
  return *std::launder(reinterpret_cast<Home*>(window.data()));
}

SharedWindows::SharedWindows(int rank, int num_ranks)
    : rank_(rank),
      home_(Window::make(kHomeBytes, rank)),
      peers_(static_cast<size_t>(num_ranks)),
      lines_end_(static_cast<int64_t>(whole_pages(sizeof(Home)))),
      arenas_(std::make_shared<Arenas>()) {
  std::random_device random;
  home_of(*home_).secret = (uint64_t{random()} << 32) | random();
}

SharedWindows::~SharedWindows() = default;

SharedWindows::Card SharedWindows::card() const {
  Card card;
  std::string node = this_node();
  std::copy_n(node.data(), std::min(node.size(), card.node.size() - 1), card.node.data());
  card.process = getpid();
  card.home = home_->fd();
  card.secret = home_of(*home_).secret;
  return card;
}

std::vector<uint8_t> SharedWindows::meet(std::span<const Card> cards) {
  std::vector<uint8_t> met(peers_.size());
  const Card own = card();
  for (size_t p = 0; p < peers_.size(); ++p) {
    bool near = own.node[0] != '\0' && cards[p].node == own.node;
    if (p == static_cast<size_t>(rank_) || !near) continue;
    try {
      auto home = Window::open(cards[p].process, static_cast<int>(cards[p].home), kHomeBytes,
                               static_cast<int>(p));
      if (home_of(*home).secret != cards[p].secret) continue;
      peers_[p].process = cards[p].process;
      peers_[p].home = std::move(home);
      met[p] = 1;
    } catch (const Error&) {
      // Another user's, or a process that may not be looked into: messages reach it all the same.
    }
  }
  return met;
}

void SharedWindows::settle(std::vector<uint8_t> met) {
  met_ = std::move(met);
  for (size_t p = 0; p < peers_.size(); ++p) {
    if (!met_[p * peers_.size() + static_cast<size_t>(rank_)]) peers_[p].home.reset();
  }
}

bool SharedWindows::all_met(std::span<const int> members) const {
  for (int a : members) {
    for (int b : members) {
      bool met = met_[static_cast<size_t>(a) * peers_.size() + static_cast<size_t>(b)] != 0;
      if (a != b && !met) return false;
    }
  }
  return true;
}

bool SharedWindows::has(int peer) const {
  return peers_[static_cast<size_t>(peer)].home != nullptr;
}

std::shared_ptr<Storage> SharedWindows::allocate(size_t bytes) {
  size_t size = whole_pages(std::max<size_t>(bytes, 1));
  auto place = arenas_->take(size);
  if (!place && add_arena(std::max(size, kArenaBytes))) place = arenas_->take(size);
  if (!place && add_arena(size)) place = arenas_->take(size);
  if (!place) return Storage::allocate(bytes, Device{});
  auto [index, offset] = *place;
  allocator::count_foreign(static_cast<int64_t>(size));
  return Storage::wrap(arenas_->arenas[index].window->data() + offset, bytes, Device{},
                       [arenas = arenas_, index = index, offset = offset, size] {
                         arenas->give_back(index, offset, size);
                         allocator::count_foreign(-static_cast<int64_t>(size));
                       });
}

// False where there may be no such window.
bool SharedWindows::add_arena(size_t bytes) {
  size_t index = arenas_->arenas.size();
  if (index >= kWindows) return false;
  std::unique_ptr<Window> window;
  try {
    window = Window::make(bytes, rank_);
  } catch (const Error&) {
    return false;
  }
  Home::Entry& entry = home_of(*home_).windows[index];
  store(entry.fd, window->fd());
  store(entry.bytes, static_cast<int64_t>(bytes));
  std::lock_guard lock(arenas_->mutex);
  arenas_->arenas.push_back({std::move(window), {{0, bytes}}});
  return true;
}

Place SharedWindows::place_of(const std::byte* begin, size_t bytes) {
  for (size_t i = 0; i < arenas_->arenas.size(); ++i) {
    const Window& window = *arenas_->arenas[i].window;
    if (begin >= window.data() && begin + bytes <= window.data() + window.bytes()) {
      return {static_cast<int64_t>(i) + 1, begin - window.data()};
    }
  }
  return {};
}

std::byte* SharedWindows::reach(int peer, Place place, size_t bytes) {
  Peer& owner = peers_[static_cast<size_t>(peer)];
  std::unique_ptr<Window>& window = owner.windows[place.window];
  if (!window) {
    TESSERA_CHECK(place.window <= static_cast<int64_t>(kWindows),
                  "[shared_windows] peer {} tells of a window {}", peer, place.window);
    const Home::Entry& entry = home_of(*owner.home).windows[static_cast<size_t>(place.window - 1)];
    auto size = static_cast<size_t>(load(entry.bytes));
    window = Window::open(owner.process, static_cast<int>(load(entry.fd)), size, peer);
  }
  TESSERA_CHECK(place.offset >= 0 && static_cast<size_t>(place.offset) <= window->bytes() &&
                    bytes <= window->bytes() - static_cast<size_t>(place.offset),
                "[shared_windows] peer {} tells of bytes outside its window", peer);
  return window->data() + place.offset;
}

Line& SharedWindows::line_to(int context, int peer) {
  auto index = static_cast<size_t>(context);
  TESSERA_CHECK(index < kContexts,
                "[shared_windows] communicator {} of this process is one too many", context);
  int64_t& at = home_of(*home_).lines[index];
  if (at == 0) store(at, make_lines());
  return reinterpret_cast<Line*>(home_->data() + at)[peer];
}

int64_t SharedWindows::make_lines() {
  free_left_lines();
  int64_t offset = lines_end_;
  if (!free_lines_.empty()) {
    offset = free_lines_.back();
    free_lines_.pop_back();
  } else {
    TESSERA_CHECK(static_cast<size_t>(lines_end_) + line_bytes() <= kHomeBytes,
                  "[shared_windows] more communicators at once than there is room for");
    lines_end_ += static_cast<int64_t>(line_bytes());
  }
  auto* lines = reinterpret_cast<Line*>(home_->data() + offset);
  for (size_t p = 0; p < peers_.size(); ++p) {
    if (peers_[p].home) new (lines + p) Line();
  }
  return offset;
}

const Line* SharedWindows::line_from(int context, int peer) {
  const Window& home = *peers_[static_cast<size_t>(peer)].home;
  int64_t at = load(home_of(home).lines[static_cast<size_t>(context)]);
  if (at == 0) return nullptr;
  TESSERA_CHECK(at != kLeft, "the peer is gone");
  return reinterpret_cast<const Line*>(home.data() + at) + rank_;
}

bool SharedWindows::has_left(int context, int peer) {
  const Window& home = *peers_[static_cast<size_t>(peer)].home;
  return load(home_of(home).lines[static_cast<size_t>(context)]) == kLeft;
}

bool SharedWindows::all_taken(int context) {
  for (int p = 0; p < static_cast<int>(peers_.size()); ++p) {
    if (!has(p)) continue;
    uint64_t told = 0;
    for (const Line::Slot& slot : line_to(context, p).slots) told = std::max(told, slot.last());
    if (told == 0 || has_left(context, p)) continue;
    const Line* from = line_from(context, p);
    if (!from || from->taken.load() < told) return false;
  }
  return true;
}

void SharedWindows::leave(int context) {
  if (home_of(*home_).lines[static_cast<size_t>(context)] > 0) left_.push_back(context);
}

// Lines that a neighbour may still read stay as they are.
void SharedWindows::free_left_lines() {
  std::erase_if(left_, [this](int context) {
    if (!all_taken(context)) return false;
    int64_t& at = home_of(*home_).lines[static_cast<size_t>(context)];
    free_lines_.push_back(at);
    store(at, kLeft);
    return true;
  });
}

}  // namespace tessera
