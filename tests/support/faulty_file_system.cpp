#include "tests/support/faulty_file_system.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace tessera::test {
namespace {

[[noreturn]] void fail(const std::string& operation, const std::string& path, int error_number) {
  throw_error(
      fmt::format("[{}] {}: {}", operation, path, std::generic_category().message(error_number)));
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") parts.push_back(part);
    begin = end + 1;
  }
  return parts;
}

class Reader final : public ReadableFile {
 public:
  explicit Reader(std::vector<std::byte> content) : content_(std::move(content)) {}
  uint64_t size() const override { return content_.size(); }
  void read(uint64_t offset, std::span<std::byte> out) const override {
    TESSERA_CHECK(offset <= content_.size() && out.size() <= content_.size() - offset,
                  "[read] the file ends before byte {}", offset + out.size());
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  }

 private:
  std::vector<std::byte> content_;
};

}  // namespace

Disk::Disk() : nodes_(1), durable_(1) {
  nodes_[0].directory = true;
  durable_[0].directory = true;
}

void Disk::apply(std::vector<Node>& nodes, const Change& change) {
  Node& node = nodes[change.node];
  if (!node.directory) {
    node.content.resize(std::max(node.content.size(), change.offset + change.bytes.size()));
    std::copy(change.bytes.begin(), change.bytes.end(),
              node.content.begin() + static_cast<std::ptrdiff_t>(change.offset));
    return;
  }
  if (!change.removed.empty()) node.entries.erase(change.removed);
  if (change.added) node.entries[change.added->first] = change.added->second;
}

void Disk::change(Change change) {
  apply(nodes_, change);
  pending_.push_back(std::move(change));
}

void Disk::sync(Id node) {
  for (const Change& change : pending_) {
    if (change.node == node) apply(durable_, change);
  }
  std::erase_if(pending_, [&](const Change& change) { return change.node == node; });
}

void Disk::settle() {
  durable_ = nodes_;
  pending_.clear();
}

Disk Disk::after_power_loss(const std::vector<bool>& survived) const {
  Disk disk = *this;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (survived[i]) apply(disk.durable_, pending_[i]);
  }
  disk.nodes_ = disk.durable_;
  disk.pending_.clear();
  return disk;
}

std::optional<Disk::Id> Disk::find(const std::string& path) const {
  Id id = 0;
  for (const std::string& part : parts_of(path)) {
    auto found = nodes_[id].entries.find(part);
    if (!nodes_[id].directory || found == nodes_[id].entries.end()) return std::nullopt;
    id = found->second;
  }
  bool says_folder = path.ends_with("/.");
  return says_folder && !nodes_[id].directory ? std::nullopt : std::optional(id);
}

Disk::Id Disk::get(const std::string& path) const {
  auto id = find(path);
  if (!id) fail("open", path, ENOENT);
  return *id;
}

std::pair<Disk::Id, std::string> Disk::parent_of(const std::string& path) const {
  std::vector<std::string> parts = parts_of(path);
  std::string name = parts.back();
  parts.pop_back();
  return {get(fmt::format("/{}", fmt::join(parts, "/"))), name};
}

std::vector<std::byte>& Disk::content(const std::string& path) { return nodes_[get(path)].content; }

void Disk::swap_files(const std::string& a, const std::string& b) {
  auto [folder_a, name_a] = parent_of(a);
  auto [folder_b, name_b] = parent_of(b);
  std::swap(nodes_[folder_a].entries.at(name_a), nodes_[folder_b].entries.at(name_b));
}

void Disk::remove_file(const std::string& path) {
  auto [folder, name] = parent_of(path);
  nodes_[folder].entries.erase(name);
}

void Disk::collect(Id node, const std::string& path, std::vector<std::string>& out) const {
  if (!nodes_[node].directory) out.push_back(path);
  for (const auto& [name, child] : nodes_[node].entries)
    collect(child, fmt::format("{}/{}", path, name), out);
}

std::vector<std::string> Disk::files() const {
  std::vector<std::string> out;
  collect(0, "", out);
  return out;
}

// Appends in halves, each of which may be lost.
class FaultyFileSystem::Writer final : public WritableFile {
 public:
  Writer(FaultyFileSystem& files, std::string path, Disk::Id node)
      : files_(files), path_(std::move(path)), node_(node) {}

  void append(std::span<const std::byte> data) override {
    bool killed = files_.call("write", path_);
    size_t half = data.size() / 2;
    if (files_.bytes_left_ && *files_.bytes_left_ < data.size()) {
      write(data.first(std::min<size_t>(half, *files_.bytes_left_)));
      files_.failed_ = true;
      fail("write", path_, ENOSPC);
    }
    if (files_.bytes_left_) *files_.bytes_left_ -= data.size();
    write(data.first(half));
    if (killed) files_.kill();
    write(data.subspan(half));
  }

  void finish() override {
    if (files_.call("fsync", path_)) files_.kill();
    files_.disk_.sync(node_);
  }

 private:
  void write(std::span<const std::byte> data) {
    if (data.empty()) return;
    files_.disk_.change({node_, size_, {data.begin(), data.end()}, "", {}});
    size_ += data.size();
  }

  FaultyFileSystem& files_;
  std::string path_;
  Disk::Id node_;
  uint64_t size_ = 0;
};

void FaultyFileSystem::check_alive() const {
  if (killed_) throw Killed("killed");
}

void FaultyFileSystem::kill() {
  killed_ = true;
  throw Killed("killed");
}

bool FaultyFileSystem::call(const std::string& operation, const std::string& path) {
  check_alive();
  auto number = static_cast<int64_t>(calls_.size());
  calls_.push_back(operation + " " + path);
  if (number == fail_at_) {
    failed_ = true;
    fail(operation, path, error_number_);
  }
  return number == kill_at_;
}

std::unique_ptr<ReadableFile> FaultyFileSystem::open(const std::string& path) {
  check_alive();
  const Disk::Node& node = disk_.nodes_[disk_.get(path)];
  TESSERA_CHECK(!node.directory, "[open] {}: expected a regular file", path);
  return std::make_unique<Reader>(node.content);
}

std::unique_ptr<ReadableFile> FaultyFileSystem::open_beneath(const std::string& folder,
                                                             const std::string& name) {
  TESSERA_CHECK(is_plain_name(name), "[open] {}: not a plain name", name);
  return open(folder + "/" + name);
}

std::unique_ptr<WritableFile> FaultyFileSystem::create(const std::string& path) {
  if (call("open", path)) kill();
  auto [folder, name] = disk_.parent_of(path);
  if (disk_.nodes_[folder].entries.contains(name)) fail("open", path, EEXIST);
  Disk::Id node = disk_.nodes_.size();
  disk_.nodes_.emplace_back();
  disk_.durable_.emplace_back();
  disk_.change({folder, 0, {}, "", std::pair(name, node)});
  return std::make_unique<Writer>(*this, path, node);
}

void FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  if (call("rename", from + " " + to)) kill();
  Disk::Id node = disk_.get(from);
  auto [folder, name] = disk_.parent_of(from);
  auto [to_folder, to_name] = disk_.parent_of(to);
  TESSERA_CHECK(folder == to_folder, "this file system renames inside of a folder only");
  auto there = disk_.find(to);
  if (there && disk_.nodes_[*there].directory) fail("rename", to, ENOTEMPTY);
  disk_.change({folder, 0, {}, name, std::pair(to_name, node)});
}

void FaultyFileSystem::remove(const std::string& path) {
  if (call("remove", path)) kill();
  const Disk::Node& node = disk_.nodes_[disk_.get(path)];
  if (!node.entries.empty()) fail("remove", path, ENOTEMPTY);
  auto [folder, name] = disk_.parent_of(path);
  disk_.change({folder, 0, {}, name, {}});
}

void FaultyFileSystem::sync_directory(const std::string& path) {
  if (call("fsync", path)) kill();
  disk_.sync(disk_.get(path));
}

void FaultyFileSystem::make_directories(const std::string& path) {
  std::string so_far;
  for (const std::string& part : parts_of(path)) {
    so_far += "/" + part;
    if (disk_.exists(so_far)) continue;
    if (call("mkdir", so_far)) kill();
    auto [folder, name] = disk_.parent_of(so_far);
    Disk::Id node = disk_.nodes_.size();
    disk_.nodes_.push_back({true, {}, {}});
    disk_.durable_.push_back({true, {}, {}});
    disk_.change({folder, 0, {}, "", std::pair(name, node)});
  }
  check_alive();
}

FileKind FaultyFileSystem::kind(const std::string& path) {
  check_alive();
  auto id = disk_.find(path);
  if (!id) return FileKind::none;
  return disk_.nodes_[*id].directory ? FileKind::directory : FileKind::file;
}

std::vector<std::string> FaultyFileSystem::list(const std::string& path) {
  check_alive();
  std::vector<std::string> names;
  for (const auto& [name, id] : disk_.nodes_[disk_.get(path)].entries) names.push_back(name);
  return names;
}

}  // namespace tessera::test
