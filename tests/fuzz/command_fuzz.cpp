// The command line under chance: no crash, no exit code that lies, no half-written folder.
// usage: fuzz_command PROGRAM SEEDS [--seed S] [--seconds T] [--case K]
// SEEDS is a folder of files that cases work on. Prints each failing case as a shell would take it,
// and ends with 1 if there was one. With --case that case alone runs, and its folder stays.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>

#include "tests/fuzz/command_run.h"
#include "tests/support/temp_dir.h"

namespace tessera::fuzz {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string program;
  std::string seeds;
  uint64_t seed = 1;
  int64_t seconds = 60;
  int64_t only = -1;
};

Options parse(int argc, char** argv) {
  if (argc < 3) throw std::runtime_error("expected PROGRAM and SEEDS");
  Options options{fs::canonical(argv[1]).string(), fs::canonical(argv[2]).string()};
  for (int i = 3; i + 1 < argc; i += 2) {
    std::string_view name = argv[i];
    int64_t value = std::stoll(argv[i + 1]);
    if (name == "--seed") options.seed = static_cast<uint64_t>(value);
    else if (name == "--seconds") options.seconds = value;
    else if (name == "--case") options.only = value;
    else throw std::runtime_error("unknown option " + std::string(name));
  }
  return options;
}

// A trained run, and files made of it and broken.
void prepare(const Options& options, const std::string& folder) {
  fs::copy(options.seeds, folder, fs::copy_options::recursive);
  auto must = [&](const std::vector<std::string>& words) {
    Case one;
    one.arguments = words;
    Outcome outcome = run_case(one, options.program, folder);
    if (outcome.exit_code != 0) throw std::runtime_error("preparing: " + outcome.err);
  };
  must({"train", "base.yaml", "run.dir=run"});
  must({"convert", "run", "m.safetensors"});
  must({"convert", "run", "m.npz"});
  for (const char* name : {"m.safetensors", "m.npz"}) {
    std::string cut = folder + "/cut" + fs::path(name).extension().string();
    fs::copy_file(folder + "/" + name, cut);
    fs::resize_file(cut, fs::file_size(cut) / 2);
  }
  fs::create_directory(folder + "/folder");
  std::ofstream(folder + "/empty");
}

int fuzz(const Options& options) {
  test::TempDir base;
  std::string prepared = base / "prepared";
  prepare(options, prepared);
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds(options.seconds);
  std::map<int, int> codes;
  int failures = 0;
  bool once = options.only >= 0;
  uint64_t index = once ? static_cast<uint64_t>(options.only) : 0;
  for (; once || std::chrono::steady_clock::now() < end; ++index) {
    // A case may write beside its folder, too.
    std::string above = once ? fs::absolute(fmt::format("case-{}", index)).string() : base / "case";
    std::string folder = above + "/folder";
    fs::remove_all(above);
    fs::create_directory(above);
    fs::copy(prepared, folder, fs::copy_options::recursive);
    Case one = make_case(options.seed, index);
    Outcome outcome = run_case(one, options.program, folder);
    ++codes[outcome.signal != 0 ? -outcome.signal : outcome.exit_code];
    std::string wrong = verdict(one, outcome, options.program, folder);
    if (!wrong.empty()) {
      ++failures;
      fmt::print("fuzz_command: {}\n  {}\n  again: --seed {} --case {}\n  stderr: {}\n", wrong,
                 shell_line(one, options.program), options.seed, index, outcome.err.substr(0, 500));
      std::fflush(stdout);
    }
    if (once) break;
  }
  fmt::print("fuzz_command: seed {}, {} cases, {} failures; exit codes (signals are negative):",
             options.seed, index, failures);
  for (const auto& [code, count] : codes) fmt::print(" {}: {}", code, count);
  fmt::print("\n");
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tessera::fuzz

int main(int argc, char** argv) {
  try {
    return tessera::fuzz::fuzz(tessera::fuzz::parse(argc, argv));
  } catch (const std::exception& error) {
    fmt::print("fuzz_command: {}\n", error.what());
    return 2;
  }
}
