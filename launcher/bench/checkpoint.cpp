// Saving and loading 500 MB of training state, against what the disk and the memory can do.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "core/io/elements.h"
#include "core/parallel.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "distributed/checkpoint/checkpoint_saver.h"
#include "launcher/bench/families.h"
#include "launcher/bench/processes.h"
#include "launcher/bench/training_run.h"

namespace tessera::bench {
namespace {

constexpr int kCheckpointRepetitions = 7;
constexpr int64_t kTensors = 30;

void check_call(bool good, const char* what) {
  TESSERA_CHECK(good, "{}: {}", what, std::strerror(errno));
}

// Of 4.2 million elements, or of few.
std::vector<HeldTensor> make_state(const Settings& settings, bool filled) {
  const int64_t count = settings.quick ? 4096 : 4'166'656;
  std::vector<HeldTensor> state;
  for (int64_t i = 0; i < kTensors; ++i) {
    Array data = Array::empty({count});
    if (filled) {
      auto* to = data.data<float>();
      for (int64_t k = 0; k < count; ++k) {
        to[k] = static_cast<float>((k * 2654435761U + static_cast<uint64_t>(i)) % 1000003) * 1e-6F;
      }
    }
    state.push_back({fmt::format("layer.{}.weight", i), {count}, {0, count}, data, {0, count}});
  }
  return state;
}

// All bytes with write and fsync, no more.
void plain_write(const std::string& path, const std::vector<HeldTensor>& state) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  check_call(fd >= 0, "open");
  for (const HeldTensor& tensor : state) {
    auto bytes = bytes_of(tensor.data);
    while (!bytes.empty()) {
      ssize_t wrote = write(fd, bytes.data(), bytes.size());
      check_call(wrote > 0, "write");
      bytes = bytes.subspan(static_cast<size_t>(wrote));
    }
  }
  check_call(fsync(fd) == 0 && close(fd) == 0, "fsync");
}

// Fresh memory in huge pages, as large as the file, and its bytes in it.
void plain_read(const std::string& path) {
  constexpr size_t kHuge = size_t{2} << 20;
  size_t bytes = std::filesystem::file_size(path);
  size_t room = (bytes + kHuge - 1) / kHuge * kHuge;
  void* memory = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check_call(memory != MAP_FAILED, "mmap");
  madvise(memory, room, MADV_HUGEPAGE);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check_call(fd >= 0, "open");
  // Threads read neighbouring parts, which is faster than one alone.
  parallel_tiles(static_cast<int64_t>(bytes), int64_t{8} << 20, [&](int64_t begin, int64_t end) {
    while (begin < end) {
      ssize_t count =
          pread(fd, static_cast<char*>(memory) + begin, static_cast<size_t>(end - begin), begin);
      check_call(count > 0, "read");
      begin += count;
    }
  });
  close(fd);
  munmap(memory, room);
}

void check_saved(const std::string& error) { TESSERA_CHECK(error.empty(), "{}", error); }

// An Error where a checkpoint's bytes are not those of the state.
void check_bytes(const CheckpointFolder& folder, const std::vector<HeldTensor>& state,
                 const Settings& settings) {
  std::vector<HeldTensor> loaded = make_state(settings, false);
  read_state(CheckpointReader(folder.checkpoint(folder.steps().front())), loaded);
  for (size_t i = 0; i < state.size(); ++i) {
    TESSERA_CHECK(
        std::memcmp(state[i].data.raw(), loaded[i].data.raw(), state[i].data.nbytes()) == 0,
        "a checkpoint has other bytes than what was saved in {}", state[i].name);
  }
}

Measured measure_save(const Settings& settings) {
  Scratch scratch(settings.folder);
  std::vector<HeldTensor> state = make_state(settings, true);
  std::vector<Piece> pieces = pieces_to_write(state);
  CheckpointFolder folder(scratch.path());
  CheckpointSaver saver(folder, 0, {.keep = 1});
  int64_t step = 0;
  auto save = [&] { check_saved(saver.save(pieces, {.step = step++, .ranks = 1}).error); };
  save();
  check_bytes(folder, state, settings);
  return in_turns(settings, kCheckpointRepetitions,
                  {.value = milliseconds_of(save),
                   .reference = milliseconds_of([&] { plain_write(scratch / "plain", state); }),
                   .reference_name = "write and fsync of the bytes"});
}

Measured measure_blocking(const Settings& settings) {
  Scratch scratch(settings.folder);
  std::vector<HeldTensor> state = make_state(settings, true);
  std::vector<Piece> pieces = pieces_to_write(state);
  CheckpointFolder folder(scratch.path());
  CheckpointSaver saver(folder, 0, {.keep = 1});
  Array buffer;
  int64_t step = 0;
  auto finish = [&] {
    saver.wait();
    for (const SaveOutcome& outcome : saver.take_outcomes()) check_saved(outcome.error);
  };
  auto start = [&] { saver.start(pieces, {.step = step++, .ranks = 1}); };
  start();
  finish();
  check_bytes(folder, state, settings);
  // The first copies' memory is new.
  Measured out = in_turns(settings, kCheckpointRepetitions,
                          {.value = milliseconds_of(start, finish),
                           .reference = milliseconds_of([&] { copies_in(buffer, pieces); }, finish),
                           .reference_name = "a copy of the bytes"});
  finish();
  return out;
}

Measured measure_load(const Settings& settings) {
  Scratch scratch(settings.folder);
  std::vector<HeldTensor> state = make_state(settings, true);
  std::vector<Piece> pieces = pieces_to_write(state);
  CheckpointFolder folder(scratch.path());
  CheckpointSaver saver(folder, 0, {.keep = 1});
  check_saved(saver.save(pieces, {.step = 1, .ranks = 1}).error);
  check_bytes(folder, state, settings);
  std::string path = folder.checkpoint(1);
  std::vector<HeldTensor> loaded;
  return in_turns(settings, kCheckpointRepetitions,
                  {.value = milliseconds_of([&] { read_state(CheckpointReader(path), loaded); },
                                            [&] { loaded = make_state(settings, false); }),
                   .reference = milliseconds_of(
                       [&] { plain_read(path + "/" + part_name(0, 1, ".safetensors")); }),
                   .reference_name = "reading the file into fresh huge pages"});
}

// A run of gpt_char that saves after every other step: steps that follow a save, during which it is
// written, and those that do not. Without the copy that a save begins with, which is between steps.
Measured measure_step_while_saving(const Settings& settings) {
  TrainingRuns runs(settings.folder);
  Words arguments = runs.train(settings.quick ? kTinyGpt : kGptChar, 1, 12, {"checkpoint.every=2"});
  std::vector<nlohmann::json> records;
  auto median_ms = [&](int64_t first) {
    std::vector<double> times;
    for (const nlohmann::json& record : records) {
      int64_t step = record.value("step", int64_t{0});
      if (step >= first && (step - first) % 2 == 0 && record.contains("step_ms")) {
        times.push_back(record.at("step_ms").get<double>());
      }
    }
    TESSERA_CHECK(!times.empty(), "a run has no steps from the {}. on", first);
    return median(times);
  };
  // The first two steps pay for fresh memory. A reference is taken before its value.
  auto without_save = [&] {
    records = runs.run(1, arguments);
    return median_ms(4);
  };
  return in_turns(settings, 3,
                  {.value = [&] { return median_ms(3); },
                   .reference = without_save,
                   .reference_name = "a step of the same run without a save",
                   .warm_up = false});
}

}  // namespace

void add_checkpoint(std::vector<Benchmark>& to) {
  to.push_back({"checkpoint.save_500MB", "ms", "500 MB of state, with checksums", measure_save});
  to.push_back(
      {"checkpoint.blocking_500MB", "ms", "what of a save training waits for", measure_blocking});
  to.push_back(
      {"checkpoint.load_500MB", "ms", "500 MB of state, checksums compared", measure_load});
  to.push_back({"checkpoint.step_while_saving", "ms",
                "a step of gpt_char while its 130 MB are written", measure_step_while_saving});
}

}  // namespace tessera::bench
