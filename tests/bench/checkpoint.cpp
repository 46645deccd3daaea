// Saving and loading 500 MB of training state, against what the disk and the memory can do, and a
// training step while a save is under way. Prints one JSON record a line. Takes turns with its
// references, on files in the folder that it is given.
//
//   bench_checkpoint [FOLDER]

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "autograd/context.h"
#include "core/io/elements.h"
#include "core/parallel.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "distributed/checkpoint/checkpoint_saver.h"
#include "distributed/comm/direct/thread_communicator.h"
#include "distributed/train_step.h"
#include "nn/models/gpt.h"
#include "nn/optim/adamw.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRuns = 7;
constexpr int64_t kTensors = 30;  // of 4.2 million elements
constexpr int64_t kElements = 4166656;

double seconds(const std::function<void()>& fn) {
  auto start = Clock::now();
  fn();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

void print(const char* name, double value, const char* what, double reference) {
  nlohmann::json record{{"name", name},
                        {"value", value * 1e3},
                        {"unit", "ms"},
                        {"reference", {{"what", what}, {"value", reference * 1e3}}},
                        {"ratio", value / reference}};
  printf("%s\n", record.dump().c_str());
  fflush(stdout);
}

void check_call(bool good, const char* what) { TESSERA_CHECK(good, "{} failed", what); }

std::vector<HeldTensor> make_state(bool filled) {
  std::vector<HeldTensor> state;
  for (int64_t i = 0; i < kTensors; ++i) {
    Array data = Array::empty({kElements});
    if (filled) {
      for (int64_t k = 0; k < kElements; ++k) {
        data.data<float>()[k] = static_cast<float>((k * 2654435761U + i) % 1000003) * 1e-6F;
      }
    }
    state.push_back(
        {fmt::format("layer.{}.weight", i), {kElements}, {0, kElements}, data, {0, kElements}});
  }
  return state;
}

// All bytes with write and fsync, no more.
void plain_write(const std::string& path, const std::vector<HeldTensor>& state) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
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

// Fresh memory in huge pages, as large as the files, and their bytes in it.
void plain_read(const std::vector<std::string>& paths) {
  constexpr size_t kHuge = size_t{2} << 20;
  for (const std::string& path : paths) {
    size_t bytes = std::filesystem::file_size(path);
    size_t room = (bytes + kHuge - 1) / kHuge * kHuge;
    void* memory = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check_call(memory != MAP_FAILED, "mmap");
    madvise(memory, room, MADV_HUGEPAGE);
    int fd = open(path.c_str(), O_RDONLY);
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
}

void bench_save_and_load(const std::string& folder) {
  std::vector<HeldTensor> state = make_state(true);
  std::vector<Piece> pieces = pieces_to_write(state);
  std::vector<double> save, write, blocking, copy;
  {
    CheckpointSaver saver(CheckpointFolder(folder), 0, {.keep = 1});
    Array buffer;
    copies_in(buffer, pieces);
    for (int64_t run = 0; run < kRuns; ++run) {
      write.push_back(seconds([&] { plain_write(folder + "/plain", state); }));
      save.push_back(seconds([&] {
        std::string error = saver.save(pieces, {.step = 2 * run, .ranks = 1}).error;
        TESSERA_CHECK(error.empty(), "{}", error);
      }));
      auto copy_alone = [&] { copy.push_back(seconds([&] { copies_in(buffer, pieces); })); };
      if (run % 2 == 0) copy_alone();
      double start = seconds([&] { saver.start(pieces, {.step = 2 * run + 1, .ranks = 1}); });
      if (run > 0) blocking.push_back(start);  // the first one's memory is new
      saver.wait();
      if (run % 2 == 1) copy_alone();
    }
    for (const SaveOutcome& outcome : saver.take_outcomes()) {
      TESSERA_CHECK(outcome.error.empty(), "{}", outcome.error);
    }
  }
  print("checkpoint.save_500MB", median(save), "write and fsync of the bytes", median(write));
  print("checkpoint.blocking_500MB", median(blocking), "a copy of the bytes", median(copy));

  CheckpointFolder all(folder);
  std::string path = all.checkpoint(all.steps().front());
  std::vector<double> load, read;
  for (int run = 0; run < kRuns; ++run) {
    read.push_back(seconds([&] { plain_read({path + "/rank-0-of-1.safetensors"}); }));
    std::vector<HeldTensor> loaded = make_state(false);
    load.push_back(seconds([&] { read_state(CheckpointReader(path), loaded); }));
    for (size_t i = 0; i < state.size(); ++i) {
      TESSERA_CHECK(
          std::memcmp(state[i].data.raw(), loaded[i].data.raw(), state[i].data.nbytes()) == 0,
          "other bytes");
    }
  }
  print("checkpoint.load_500MB", median(load), "reading the file into fresh huge pages",
        median(read));
}

// Steps of configs/gpt_char.yaml's model, every other one with a save started before it.
void bench_step(const std::string& folder) {
  manual_seed(1);
  nn::Gpt model({.layers = 6, .heads = 6, .width = 384, .context = 256, .vocabulary = 256});
  optim::AdamW optimizer({{model.parameters(), 0.1}}, {});
  auto comm = make_self_communicator();
  Mesh mesh(*comm);
  TrainStep step(model, optimizer, mesh, {.leaves = 1});
  std::vector<int64_t> tokens(12 * 256);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int64_t>(i * i % 251);
  Array batch = Array::from(tokens, {12, 256});
  auto run = [&] {
    step.run(1e-4, [&](Leaf) { return model.loss({.tokens = batch, .targets = batch}); });
  };
  run();
  run();
  CheckpointSaver saver(CheckpointFolder(folder), 0, {.keep = 1});
  std::vector<double> alone, saving;
  for (int64_t i = 0; i < 12; ++i) {
    alone.push_back(seconds(run));
    saving.push_back(seconds([&] {
      saver.start(pieces_to_write(step.held()), {.step = 1000 + i, .ranks = 1});
      run();
    }));
    saver.wait();
  }
  print("checkpoint.step_while_saving", median(saving), "a step alone", median(alone));
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  std::string folder = argc > 1 ? argv[1] : "bench_checkpoint.tmp";
  std::filesystem::create_directories(folder);
  tessera::bench_save_and_load(folder);
  tessera::bench_step(folder);
  std::filesystem::remove_all(folder);
}
