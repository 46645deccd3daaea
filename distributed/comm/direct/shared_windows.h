// Neighbours that are processes of one node.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "distributed/comm/direct/neighbours.h"

namespace tessera {

// A memfd mapped into this process: the memory of one arena, or of a rank's home. Not /dev/shm,
// which is small in containers.
class Window {
 public:
  // New memory, all zeros, taken from the system as it is touched. Windows of different owners are
  // mapped at addresses that differ by more than multiples of large powers of two: walking through
  // several of them at once, as a sum does, took up to twice as long otherwise.
  static std::unique_ptr<Window> make(size_t bytes, int owner);
  // Another process's, by what its own fd() is there; throws Error when it is not in reach.
  static std::unique_ptr<Window> open(int64_t process, int fd, size_t bytes, int owner);
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  int fd() const { return fd_; }

 private:
  Window(int fd, size_t bytes, int owner);
  int fd_;
  size_t bytes_;
  void* reserved_ = nullptr;  // addresses, data_ among them
  size_t reserved_bytes_ = 0;
  std::byte* data_ = nullptr;
};

// Every rank has a home, a window with its lines and a table of its other windows, and maps its
// neighbours' homes. Used by one thread, but for storage, which any thread may let go of.
class SharedWindows : public Neighbours {
 public:
  // How a rank introduces itself.
  struct Card {
    std::array<char, 96> node{};  // boot and process namespace
    int64_t process = 0;
    int64_t home = 0;     // a file descriptor
    uint64_t secret = 0;  // at the beginning of the home
  };

  SharedWindows(int rank, int num_ranks);
  ~SharedWindows() override;

  Card card() const;
  // Maps the homes of those whose cards are of this node: says, with 1, whose it could.
  std::vector<uint8_t> meet(std::span<const Card> cards);
  // Everybody's answers of meet: met[a * N + b] is a's about b. Neighbours are those of whom each
  // met the other.
  void settle(std::vector<uint8_t> met);

  bool has(int peer) const override;
  bool all_met(std::span<const int> members) const override;
  std::shared_ptr<Storage> allocate(size_t bytes) override;
  Place place_of(const std::byte* begin, size_t bytes) override;
  std::byte* reach(int peer, Place place, size_t bytes) override;
  Line& line_to(int context, int peer) override;
  const Line* line_from(int context, int peer) override;
  bool has_left(int context, int peer) override;
  void leave(int context) override;

 private:
  struct Home;
  struct Arenas;
  struct Peer {
    int64_t process = 0;
    std::unique_ptr<Window> home;
    std::map<int64_t, std::unique_ptr<Window>> windows;
  };

  static Home& home_of(const Window& window);
  size_t line_bytes() const { return sizeof(Line) * peers_.size(); }
  bool add_arena(size_t bytes);
  bool all_taken(int context);
  int64_t make_lines();
  void free_left_lines();

  int rank_;
  std::unique_ptr<Window> home_;
  std::vector<Peer> peers_;
  std::vector<uint8_t> met_;         // settle's
  std::vector<int64_t> free_lines_;  // offsets in our home
  std::vector<int> left_;            // contexts whose lines neighbours may still read
  int64_t lines_end_;
  std::shared_ptr<Arenas> arenas_;  // shared with the storage that is in them
};

}  // namespace tessera
