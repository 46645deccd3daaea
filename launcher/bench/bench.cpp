#include "launcher/bench/bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <new>

#include "core/io/file_system.h"
#include "core/printable.h"
#include "distributed/comm/direct/mpi_communicator.h"
#include "launcher/bench/families.h"
#include "launcher/bench/interrupt.h"
#include "launcher/bench/report.h"
#include "launcher/bench/selection.h"
#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/standard_streams.h"

namespace tessera::bench {
namespace {

std::vector<Benchmark> all_benchmarks() {
  std::vector<Benchmark> all;
  add_overhead(all);
  add_memory_bound(all);
  add_matmul(all);
  add_conv(all);
  add_attention(all);
  add_comm(all);
  add_step(all);
  add_checkpoint(all);
  add_start(all);
  add_rendezvous(all);
  return all;
}

void print_list(const std::vector<Benchmark>& chosen) {
  for (const Benchmark& one : chosen) {
    fmt::print("{:<44} {:<9} {}\n", one.name, one.unit, one.doc);
  }
}

// That a file can be written there later.
void check_writable(const std::string& path) {
  FileSystem& files = FileSystem::real();
  auto fail = [&](const std::string& why) {
    throw experiment::ConfigError(fmt::format("--json: {}: {}", printable(path), why));
  };
  FileKind kind = files.kind(path);
  if (files.is_directory(path)) fail("expected a file, got a folder");
  if (kind != FileKind::none && kind != FileKind::file && kind != FileKind::link) {
    fail("expected a file, got something else");
  }
  std::string probe = fmt::format("{}.tmp-{}", path, getpid());
  try {
    files.create(probe)->finish();
    files.remove(probe);
  } catch (const Error& error) {
    fail(error.what());
  }
}

void write_json(const std::string& path, const nlohmann::json& content) {
  std::string text = content.dump(1) + "\n";
  std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  FileSystem::real().write_atomically(path, {{bytes}});
}

Record measure(const Benchmark& benchmark, const Settings& settings) {
  Record record{.name = benchmark.name, .unit = benchmark.unit};
  try {
    record.measured = benchmark.measure(settings);
  } catch (const NotHere& reason) {
    record.skipped = reason.what();
  } catch (const Interrupted&) {
    throw;
  } catch (const std::bad_alloc&) {
    record.error = "there is no memory left";
  } catch (const std::exception& error) {
    record.error = printable(error.what());
  }
  return record;
}

// A word on standard error of what is under way, for a person who waits.
class Notice {
 public:
  explicit Notice(const std::string& name) : shown_(isatty(STDERR_FILENO) == 1) {
    if (shown_) fmt::print(stderr, "measuring {}...", name);
  }
  ~Notice() {
    if (shown_) std::fputs("\r\033[K", stderr);
  }
  Notice(const Notice&) = delete;
  Notice& operator=(const Notice&) = delete;

 private:
  bool shown_;
};

void print_line(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

int run_alone(const BenchOptions& options, const std::vector<Benchmark>& chosen) {
  const InterruptWatch watch;
  std::vector<Record> records;
  bool failed = false;
  try {
    print_line(table_head());
    for (const Benchmark& benchmark : chosen) {
      {
        const Notice notice(benchmark.name);
        records.push_back(measure(benchmark, options.settings));
      }
      print_line(table_row(records.back()));
      if (records.back().error.empty()) continue;
      failed = true;
      experiment::print_error(fmt::format("tessera: {}: {}", benchmark.name, records.back().error));
    }
  } catch (const Interrupted& interrupted) {
    experiment::print_error(fmt::format("tessera: {}; no records are written", interrupted.what()));
    return 128 + interrupted.signal();
  }
  if (!options.json.empty()) write_json(options.json, to_json(records, options.settings));
  return failed ? 1 : 0;
}

// Every rank measures, for each call is a collective.
int run_as_rank(const BenchOptions& options) {
  RankJob job;
  bool speaks = job.comm->rank() == 0;
  std::vector<Benchmark> chosen = select(rank_benchmarks(job), options.names);
  if (options.list) {
    if (speaks) print_list(chosen);
    return 0;
  }
  if (speaks && !options.json.empty()) check_writable(options.json);
  if (speaks) print_line(table_head());
  std::vector<Record> records;
  for (const Benchmark& benchmark : chosen) {
    Record record{.name = benchmark.name, .unit = benchmark.unit};
    record.measured = benchmark.measure(options.settings);
    if (speaks) print_line(table_row(record));
    records.push_back(record);
  }
  if (speaks && !options.json.empty()) {
    write_json(options.json, to_json(records, options.settings));
  }
  return 0;
}

}  // namespace

int run_bench(const BenchOptions& options) {
  if (launched_by_mpi()) return run_as_rank(options);
  std::vector<Benchmark> chosen = select(all_benchmarks(), options.names);
  if (options.list) {
    print_list(chosen);
    return 0;
  }
  if (!FileSystem::real().is_directory(options.settings.folder)) {
    throw experiment::ConfigError(
        fmt::format("--folder: {} is no folder", printable(options.settings.folder)));
  }
  if (!options.json.empty()) check_writable(options.json);
  return run_alone(options, chosen);
}

}  // namespace tessera::bench
