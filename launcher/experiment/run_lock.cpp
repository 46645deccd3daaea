#include "launcher/experiment/run_lock.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <ctime>
#include <sstream>
#include <thread>

#include "core/io/file_system.h"
#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/process_info.h"
#include "launcher/experiment/run_directory.h"

namespace tessera::experiment {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPoll{50};
constexpr size_t kMaxRecord = 1024;

enum class Kind : short { shared = F_RDLCK, exclusive = F_WRLCK };
enum class Got { yes, no, unsupported };

// Who has the lock, as it says itself: a line each.
struct Holder {
  std::string job;
  std::string host;
  std::string boot;  // of the host
  int process = 0;
  std::string started;  // the process, in clock ticks since the boot
  std::string since;
};

std::string boot_id() {
  try {
    std::string boot(36, '\0');
    FileSystem::real()
        .open("/proc/sys/kernel/random/boot_id")
        ->read(0, std::as_writable_bytes(std::span(boot)));
    return boot;
  } catch (const Error&) {
    return "";
  }
}

// The 22nd field of /proc/PID/stat; empty where there is no such process.
std::string start_of(int process) {
  std::string path = fmt::format("/proc/{}/stat", process);
  std::array<char, 4096> text{};
  int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  ssize_t length = read(file, text.data(), text.size() - 1);
  close(file);
  if (length <= 0) return "";
  std::string_view all(text.data(), static_cast<size_t>(length));
  std::istringstream fields(std::string(all.substr(all.rfind(')') + 1)));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  return field;
}

Holder self(const job::LaunchedJob& job) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return {job.id,
          host.data(),
          boot_id(),
          process_id(),
          start_of(process_id()),
          fmt::format("{:%Y-%m-%d %H:%M:%S}", local)};
}

std::string to_text(const Holder& holder) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n", holder.job, holder.host, holder.boot,
                     holder.process, holder.started, holder.since);
}

Holder holder_of(const std::string& text) {
  Holder holder;
  std::istringstream lines(text);
  std::string process;
  std::getline(lines, holder.job);
  std::getline(lines, holder.host);
  std::getline(lines, holder.boot);
  std::getline(lines, process);
  std::getline(lines, holder.started);
  std::getline(lines, holder.since);
  holder.process = std::atoi(process.c_str());
  return holder;
}

std::string describe(const Holder& holder) {
  if (holder.process == 0) return "another job, which does not say who it is";
  std::string job = holder.job.empty() ? "" : fmt::format(", job {}", job::in_quotes(holder.job));
  return fmt::format("process {} on {}, since {}{}", holder.process, job::in_quotes(holder.host),
                     job::in_quotes(holder.since), job);
}

bool lives_here(const Holder& holder) {
  return holder.process > 0 && !holder.boot.empty() && holder.boot == boot_id() &&
         !holder.started.empty() && start_of(holder.process) == holder.started;
}

}  // namespace

// The open file, which carries the lock.
class RunLock::File {
 public:
  explicit File(std::string path)
      : path_(std::move(path)),
        descriptor_(open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    TESSERA_CHECK(descriptor_ >= 0, "{}: cannot open: {}", path_, std::strerror(errno));
  }
  ~File() {
    // Whoever comes now need not be told of one who is gone.
    if (is_holder_) [[maybe_unused]]
      int ignored = ftruncate(descriptor_, 0);
    close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // An open file's lock, which no other open file of this process shares, where the system has
  // such; else flock's.
  Got lock(Kind kind) const {
    struct flock range {};
    range.l_type = static_cast<short>(kind);
    range.l_whence = SEEK_SET;
    if (fcntl(descriptor_, F_OFD_SETLK, &range) == 0) return Got::yes;
    if (errno == EAGAIN || errno == EACCES) return Got::no;
    if (flock(descriptor_, (kind == Kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) {
      return Got::yes;
    }
    return errno == EWOULDBLOCK ? Got::no : Got::unsupported;
  }

  Holder holder() const {
    std::array<char, kMaxRecord> text{};
    ssize_t length = pread(descriptor_, text.data(), text.size(), 0);
    return holder_of(std::string(text.data(), static_cast<size_t>(std::max<ssize_t>(length, 0))));
  }

  // A disk that is full takes nothing from the lock.
  void write(const Holder& holder) {
    std::string text = to_text(holder);
    if (ftruncate(descriptor_, 0) == 0) {
      [[maybe_unused]] ssize_t ignored = pwrite(descriptor_, text.data(), text.size(), 0);
    }
    is_holder_ = true;
  }

 private:
  std::string path_;
  int descriptor_;
  bool is_holder_ = false;
};

RunLock::RunLock() = default;
RunLock::RunLock(std::unique_ptr<File> file) : file_(std::move(file)) {}
RunLock::~RunLock() = default;
RunLock::RunLock(RunLock&&) noexcept = default;
RunLock& RunLock::operator=(RunLock&&) noexcept = default;

RunLock RunLock::take(const std::string& directory, const job::LaunchedJob& job,
                      std::chrono::milliseconds patience) {
  RunDirectory run(directory);
  FileSystem::real().make_directories(directory + "/log");
  auto file = std::make_unique<File>(run.lock());
  auto end = Clock::now() + patience;
  while (true) {
    Got got = file->lock(Kind::exclusive);
    Holder holder = file->holder();
    bool same_job = !job.id.empty() && holder.job == job.id;
    if (got == Got::no && same_job) got = file->lock(Kind::shared);
    if (got == Got::unsupported && (same_job || !lives_here(holder))) got = Got::yes;
    if (got == Got::yes) break;
    TESSERA_CHECK(Clock::now() < end,
                  "{}: the run in this folder is another job's, which is at work: {}; it can go on "
                  "when that has ended",
                  directory, describe(holder));
    std::this_thread::sleep_for(kPoll);
  }
  file->write(self(job));
  // So that the other ranks can have it too; nobody has it in between.
  file->lock(Kind::shared);
  return RunLock(std::move(file));
}

RunLock RunLock::share(const std::string& directory) {
  try {
    auto file = std::make_unique<File>(RunDirectory(directory).lock());
    if (file->lock(Kind::shared) == Got::yes) return RunLock(std::move(file));
  } catch (const Error&) {
    // A rank that may not write there; check_visible tells of one that does not see the folder.
  }
  return RunLock();
}

}  // namespace tessera::experiment
