#include "launcher/agent/rank_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace tessera::agent {
namespace {

constexpr size_t kTailLines = 20;
constexpr size_t kTailLineBytes = 1000;
// A line that has no end is written in pieces of that size.
constexpr size_t kMaxLineBytes = 1 << 16;

// To a descriptor whose reader may be gone, which is no concern of the ranks.
void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    ssize_t count = write(descriptor, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) {
      pollfd writable{descriptor, POLLOUT, 0};
      poll(&writable, 1, -1);
      continue;
    }
    if (count <= 0) return;
    text.remove_prefix(static_cast<size_t>(count));
  }
}

void wake_up(int descriptor) {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t count = write(descriptor, &one, sizeof one);
}

}  // namespace

RankOutput::RankOutput(Options options)
    : options_(std::move(options)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  TESSERA_CHECK(wake_.is_open(), "cannot make an eventfd: {}", std::strerror(errno));
  thread_ = std::thread([this] { run(); });
}

RankOutput::~RankOutput() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_up(wake_.get());
  thread_.join();
}

Descriptor RankOutput::open_file(int rank, bool is_error) const {
  if (options_.folder.empty()) return {};
  std::string path = fmt::format("{}/rank-{}.{}", options_.folder, rank, is_error ? "err" : "out");
  Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  TESSERA_CHECK(file.is_open(), "{}: cannot open it: {}", path, std::strerror(errno));
  return file;
}

void RankOutput::add(int rank, Descriptor out, Descriptor err) {
  auto make = [&](bool is_error, Descriptor source) {
    fcntl(source.get(), F_SETFL, O_NONBLOCK);
    return std::make_shared<Stream>(
        Stream{rank, is_error, std::move(source), open_file(rank, is_error), ""});
  };
  auto first = make(false, std::move(out));
  auto second = make(true, std::move(err));
  {
    std::lock_guard lock(mutex_);
    tails_[rank].clear();
    streams_.push_back(std::move(first));
    streams_.push_back(std::move(second));
  }
  wake_up(wake_.get());
}

std::string RankOutput::stderr_tail(int rank) const {
  std::lock_guard lock(mutex_);
  std::string text;
  auto found = tails_.find(rank);
  if (found == tails_.end()) return text;
  for (const std::string& line : found->second) text += line + "\n";
  return text;
}

void RankOutput::wait_for_stderr(int rank, int wait_ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] {
    return std::none_of(streams_.begin(), streams_.end(),
                        [&](const auto& each) { return each->is_error && each->rank == rank; });
  });
}

bool RankOutput::wait_for_ends(int wait_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                           [&] { return streams_.empty(); });
}

void RankOutput::drop_all() {
  {
    std::lock_guard lock(mutex_);
    streams_.clear();
  }
  wake_up(wake_.get());
}

std::vector<std::shared_ptr<RankOutput::Stream>> RankOutput::streams() const {
  std::lock_guard lock(mutex_);
  return streams_;
}

void RankOutput::run() {
  while (true) {
    std::vector<std::shared_ptr<Stream>> all = streams();
    {
      std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}};
    for (const auto& stream : all) polled.push_back({stream->source.get(), POLLIN, 0});
    poll(polled.data(), polled.size(), -1);
    uint64_t count = 0;
    [[maybe_unused]] ssize_t got = read(wake_.get(), &count, sizeof count);
    for (size_t i = 0; i < all.size(); ++i) {
      if (polled[i + 1].revents == 0 || read_some(*all[i])) continue;
      std::lock_guard lock(mutex_);
      std::erase(streams_, all[i]);
      changed_.notify_all();
    }
  }
}

// Whether there may be more.
bool RankOutput::read_some(Stream& stream) {
  std::array<char, 65536> buffer{};
  ssize_t count = read(stream.source.get(), buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  stream.partial.append(buffer.data(), static_cast<size_t>(count));
  write_lines(stream, count == 0);
  return count > 0;
}

void RankOutput::write_lines(Stream& stream, bool at_end) {
  std::string text;
  std::string plain;
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < stream.partial.size()) {
    size_t newline = stream.partial.find('\n', begin);
    size_t size = std::min(newline - begin, stream.partial.size() - begin);
    bool whole = newline != std::string::npos;
    if (!whole && !at_end && size < kMaxLineBytes) break;
    std::string line = stream.partial.substr(begin, size);
    begin += size + (whole ? 1 : 0);
    text += options_.prefixed ? fmt::format("[{}] {}\n", stream.rank, line) : line + "\n";
    plain += line + (whole ? "\n" : "");
    lines.push_back(line.substr(0, kTailLineBytes));
  }
  stream.partial.erase(0, begin);
  if (stream.is_error) {
    std::lock_guard lock(mutex_);
    std::deque<std::string>& tail = tails_[stream.rank];
    tail.insert(tail.end(), lines.begin(), lines.end());
    while (tail.size() > kTailLines) tail.pop_front();
  }
  if (stream.file.is_open()) write_all(stream.file.get(), plain);
  write_all(stream.is_error ? options_.err : options_.out, text);
}

}  // namespace tessera::agent
