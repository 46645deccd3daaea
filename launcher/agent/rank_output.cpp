#include "launcher/agent/rank_output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace tessera::agent {
namespace {

constexpr size_t kTailLines = 20;
constexpr size_t kTailLineBytes = 1000;
// A line that has no end yet is written in pieces of that size.
constexpr size_t kMaxLineBytes = 1 << 16;
// What a pipe that has room at all takes without a wait.
constexpr size_t kWriteBytes = 4096;
constexpr int kLookMs = 50;
// For how long a line without an end keeps other ranks' lines from following it.
constexpr std::chrono::milliseconds kLinePatience{250};
// What a reader takes from an agent in a hurry it takes within this.
constexpr std::chrono::milliseconds kReaderPatience{500};

void wake_up(int descriptor) {
  uint64_t one = 1;
  [[maybe_unused]] ssize_t count = write(descriptor, &one, sizeof one);
}

}  // namespace

RankOutput::RankOutput(Options options)
    : options_(std::move(options)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      out_{options_.out, "standard output"},
      err_{options_.err, "standard error"} {
  TESSERA_CHECK(wake_.is_open(), "cannot make an eventfd: {}", std::strerror(errno));
  thread_ = std::thread([this] { run(); });
}

RankOutput::~RankOutput() {
  hurry();
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
        Stream{0, rank, is_error, std::move(source), open_file(rank, is_error), "", false});
  };
  auto first = make(false, std::move(out));
  auto second = make(true, std::move(err));
  {
    std::lock_guard lock(mutex_);
    tails_[rank].clear();
    first->id = ++last_id_;
    second->id = ++last_id_;
    streams_.push_back(std::move(first));
    streams_.push_back(std::move(second));
  }
  wake_up(wake_.get());
}

void RankOutput::say(std::string line) {
  {
    std::lock_guard lock(mutex_);
    messages_.push_back(std::move(line));
  }
  wake_up(wake_.get());
}

void RankOutput::hurry() { hurried_ = true; }

std::string RankOutput::trouble() const {
  std::lock_guard lock(mutex_);
  return trouble_;
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
                           [&] { return streams_.empty() && messages_.empty() && !telling_; });
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

std::vector<std::string> RankOutput::take_messages() {
  std::lock_guard lock(mutex_);
  telling_ = !messages_.empty();
  changed_.notify_all();
  return std::exchange(messages_, {});
}

void RankOutput::run() {
  while (true) {
    std::vector<std::shared_ptr<Stream>> all = streams();
    bool stopping = false;
    {
      std::lock_guard lock(mutex_);
      stopping = stopping_;
    }
    write_messages();
    if (stopping) return;
    std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}};
    bool some_wait = false;
    for (const auto& stream : all) {
      bool waits = waits_for_line(*stream);
      some_wait = some_wait || waits;
      polled.push_back({waits ? -1 : stream->source.get(), POLLIN, 0});
    }
    poll(polled.data(), polled.size(), some_wait ? kLookMs : -1);
    uint64_t count = 0;
    [[maybe_unused]] ssize_t got = read(wake_.get(), &count, sizeof count);
    for (size_t i = 0; i < all.size(); ++i) {
      if (polled[i + 1].revents == 0 || waits_for_line(*all[i]) || read_some(*all[i])) continue;
      std::lock_guard lock(mutex_);
      std::erase(streams_, all[i]);
      changed_.notify_all();
    }
  }
}

// Whether another's line is just being written where this stream's go.
bool RankOutput::waits_for_line(const Stream& stream) const {
  const Sink& sink = sink_of(stream);
  return options_.prefixed && sink.open_line != 0 && sink.open_line != stream.id &&
         Clock::now() - sink.written < kLinePatience;
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
  size_t begin = 0;
  while (begin < stream.partial.size()) {
    size_t newline = stream.partial.find('\n', begin);
    bool whole = newline != std::string::npos;
    size_t size = (whole ? newline : stream.partial.size()) - begin;
    // Without ranks in front there is nothing to wait for.
    if (!whole && !at_end && options_.prefixed && size < kMaxLineBytes) break;
    std::string_view line = std::string_view(stream.partial).substr(begin, size);
    write_line(stream, line, whole, text);
    if (stream.is_error) keep_tail(stream, line, whole);
    begin += size + (whole ? 1 : 0);
  }
  Sink file{stream.file.get(), "a rank's log file"};
  if (stream.file.is_open()) write_all(file, std::string_view(stream.partial).substr(0, begin));
  stream.partial.erase(0, begin);
  Sink& sink = sink_of(stream);
  write_all(sink, text);
  sink.written = Clock::now();
  // Nothing more will come of it.
  if (at_end && sink.open_line == stream.id) sink.written = {};
}

// Adds what the user gets of one line, or of its first part.
void RankOutput::write_line(Stream& stream, std::string_view line, bool whole, std::string& text) {
  Sink& sink = sink_of(stream);
  bool goes_on = sink.open_line == stream.id;
  if (!goes_on) {
    if (sink.open_line != 0 && options_.prefixed) text += '\n';
    if (options_.prefixed) text += fmt::format("[{}] ", stream.rank);
  }
  text += line;
  if (whole) text += '\n';
  sink.open_line = whole ? 0 : stream.id;
}

void RankOutput::write_messages() {
  std::string text;
  std::vector<std::string> messages = take_messages();
  for (const std::string& message : messages) {
    if (std::exchange(err_.open_line, 0) != 0) text += '\n';
    text += message + '\n';
  }
  if (messages.empty()) return;
  // An agent's own messages may go nowhere.
  write_all(err_, text, false);
  std::lock_guard lock(mutex_);
  telling_ = false;
  changed_.notify_all();
}

void RankOutput::keep_tail(Stream& stream, std::string_view line, bool whole) {
  std::lock_guard lock(mutex_);
  std::deque<std::string>& tail = tails_[stream.rank];
  if (!stream.tail_open || tail.empty()) tail.emplace_back();
  tail.back() += line.substr(0, kTailLineBytes - std::min(kTailLineBytes, tail.back().size()));
  stream.tail_open = !whole;
  if (tail.size() > kTailLines) tail.pop_front();
}

// Whether there is room before it is time to give up.
bool RankOutput::wait_for_room(Sink& sink) {
  Clock::time_point start = Clock::now();
  pollfd output{sink.descriptor, POLLOUT, 0};
  while (poll(&output, 1, sink.stuck && hurried_ ? 0 : kLookMs) <= 0) {
    waits_for_reader_ = true;
    if (!hurried_ || (!sink.stuck && Clock::now() - start < kReaderPatience)) continue;
    sink.stuck = true;
    note_trouble(sink.name, "its reader does not read, and the rest was dropped");
    break;
  }
  if (output.revents != 0) sink.stuck = false;
  waits_for_reader_ = false;
  return !sink.stuck;
}

void RankOutput::write_all(Sink& sink, std::string_view text, bool matters) {
  while (!text.empty() && wait_for_room(sink)) {
    ssize_t count = write(sink.descriptor, text.data(), std::min(text.size(), kWriteBytes));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) {
      // That a reader has gone is no concern of the ranks.
      if (matters && errno != EPIPE) note_trouble(sink.name, std::strerror(errno));
      return;
    }
    text.remove_prefix(static_cast<size_t>(count));
  }
}

void RankOutput::note_trouble(const std::string& name, const std::string& reason) {
  std::lock_guard lock(mutex_);
  if (trouble_.empty()) trouble_ = fmt::format("{}: {}", name, reason);
}

}  // namespace tessera::agent
