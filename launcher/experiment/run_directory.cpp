#include "launcher/experiment/run_directory.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/io/file_system.h"

namespace tessera::experiment {
namespace {

// A folder that was not there before: of two runs that begin in one second, each has its own.
std::string make_fresh(const std::string& name) {
  std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  FileSystem::real().make_directories("runs/" + name);
  std::string base = fmt::format("runs/{}/{:%Y%m%d-%H%M%S}", name, local);
  std::string path = base;
  for (int i = 2; mkdir(path.c_str(), 0777) != 0; ++i) {
    TESSERA_CHECK(errno == EEXIST, "{}: cannot create: {}", path, std::strerror(errno));
    path = fmt::format("{}-{}", base, i);
  }
  return path;
}

}  // namespace

LineFile::LineFile(std::string path, LineFileMode mode)
    : path_(std::move(path)),
      descriptor_(open(
          path_.c_str(),
          O_RDWR | O_CREAT | (mode == LineFileMode::create ? O_EXCL : 0) | O_APPEND | O_CLOEXEC,
          0666)) {
  TESSERA_CHECK(descriptor_ >= 0, "{}: cannot create: {}", path_, std::strerror(errno));
  struct stat info {};
  if (fstat(descriptor_, &info) == 0) size_ = info.st_size;
  char last = '\n';
  if (size_ > 0 && pread(descriptor_, &last, 1, size_ - 1) == 1 && last != '\n') append("");
}

LineFile::~LineFile() { close(descriptor_); }

void LineFile::append(const std::string& line) {
  std::string text = line + "\n";
  size_t done = 0;
  while (done < text.size()) {
    ssize_t wrote = write(descriptor_, text.data() + done, text.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      int reason = errno;
      [[maybe_unused]] int ignored = ftruncate(descriptor_, size_);
      throw Error(fmt::format("{}: cannot write: {}", path_, std::strerror(reason)));
    }
    done += static_cast<size_t>(wrote);
  }
  size_ += static_cast<off_t>(text.size());
}

bool RunDirectory::holds_run() const { return FileSystem::real().kind(config()) != FileKind::none; }

std::string RunDirectory::create(const std::string& dir, const std::string& name) {
  RunDirectory run(dir.empty() ? make_fresh(name) : dir);
  TESSERA_CHECK(!run.holds_run(), "{}: there is a run in this folder already", run.path());
  FileSystem& files = FileSystem::real();
  files.make_directories(run.checkpoints());
  files.make_directories(run.path() + "/log");
  // Checkpoints survive a loss of power only in a folder that does.
  files.sync_directory(run.path());
  return run.path();
}

void RunDirectory::cut_metrics(int64_t step) const {
  FileSystem& files = FileSystem::real();
  if (files.kind(metrics()) == FileKind::none) return;
  auto bytes = files.read(metrics(), UINT64_MAX);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string kept;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end);
    auto record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_object() || record.contains("final")) continue;
    auto of = record.find("step");
    bool counted = of != record.end() && of->is_number_integer();
    if (counted && of->get<int64_t>() > step) continue;
    kept += line;
    // The last one may have lost its end.
    if (!line.ends_with('\n')) kept += '\n';
  }
  auto out = std::as_bytes(std::span(kept));
  files.write_atomically(metrics(), std::span(&out, 1));
}

std::string RunDirectory::log(int rank) const {
  return fmt::format("{}/log/rank-{}.txt", path_, rank);
}

}  // namespace tessera::experiment
