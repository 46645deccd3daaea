#include "tests/fuzz/command_cases.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace tessera::fuzz {
namespace {

using Words = std::vector<std::string>;

class Chance {
 public:
  Chance(uint64_t seed, uint64_t index) {
    std::seed_seq sequence{seed, seed >> 32, index, index >> 32};
    random_.seed(sequence);
  }
  // In [0, count).
  size_t below(size_t count) { return static_cast<size_t>(random_() % count); }
  bool one_in(size_t count) { return below(count) == 0; }
  std::string of(const Words& words) { return words[below(words.size())]; }

 private:
  std::mt19937_64 random_;
};

// Values that are wrong for most keys and options, and right for a few. None leads out of the
// folder above the case's own: what is a run's folder would be made.
const Words& odd_values() {
  static const Words values{"",
                            "0",
                            "-1",
                            "1",
                            "2",
                            "3",
                            "1e3",
                            "1.5",
                            "0x10",
                            "007",
                            "+1",
                            "nan",
                            ".nan",
                            ".inf",
                            "-inf",
                            "1e400",
                            "1e-46",
                            "9223372036854775808",
                            "18446744073709551616",
                            "true",
                            "True",
                            "null",
                            "~",
                            "~/x",
                            "auto",
                            "Auto",
                            "none",
                            "/proc/none",
                            ".",
                            "..",
                            "a b",
                            "a\nb",
                            "a\tb",
                            "\x1b[31mred",
                            "\xe2\x80\xaetxt",
                            "\xff\xfe",
                            "'",
                            "\"",
                            "[",
                            "{a: b}",
                            "[1, 2]",
                            "*a",
                            "&a",
                            "!!int 3",
                            "# no",
                            "- a",
                            "a: b",
                            "%s%n",
                            "{}",
                            std::string(5000, 'x')};
  return values;
}

// Keys whose values may be anything: none of them makes a run long or large by what odd_values has.
const Words& keys() {
  static const Words all{"run.name",
                         "run.dir",
                         "run.steps",
                         "run.seed",
                         "run.resume",
                         "run.stop_after",
                         "run.eval_every",
                         "run.eval_batches",
                         "init.from",
                         "init.map",
                         "model.name",
                         "model.layers",
                         "model.heads",
                         "model.width",
                         "model.context",
                         "model.vocabulary",
                         "model.dropout",
                         "model.activation",
                         "data.name",
                         "data.path",
                         "data.micro_batch",
                         "data.leaves",
                         "data.valid",
                         "optim.name",
                         "optim.lr",
                         "optim.weight_decay",
                         "optim.beta1",
                         "optim.beta2",
                         "optim.eps",
                         "optim.clip_norm",
                         "optim.clip_value",
                         "optim.ema",
                         "optim.swa_start",
                         "optim.groups",
                         "optim.momentum",
                         "optim.nesterov",
                         "optim.scale",
                         "optim.adamw_for",
                         "optim.clip",
                         "schedule.name",
                         "schedule.warmup",
                         "schedule.stages",
                         "schedule.milestones",
                         "schedule.final_fraction",
                         "parallel.strategy",
                         "parallel.group",
                         "parallel.reduction",
                         "parallel.gradient_dtype",
                         "parallel.bucket_mib",
                         "parallel.unused_parameters",
                         "compute.device",
                         "compute.dtype",
                         "compute.loss_scale",
                         "compute.init_scale",
                         "compute.growth_factor",
                         "compute.backoff_factor",
                         "compute.growth_interval",
                         "compute.recompute",
                         "compute.threads",
                         "checkpoint.every",
                         "checkpoint.keep",
                         "checkpoint.best",
                         "checkpoint.checksum",
                         "checkpoint.memory_every",
                         "log.every",
                         "nonsense.key",
                         "run"};
  return all;
}

const Words& files() {
  static const Words all{"run",
                         "run/checkpoints",
                         "run/checkpoints/latest",
                         "run/config.yaml",
                         "run/metrics.jsonl",
                         "m.safetensors",
                         "m.npz",
                         "a.npy",
                         "cut.safetensors",
                         "cut.npz",
                         "cut.npy",
                         "model.pt",
                         "odd names.safetensors",
                         "text.txt",
                         "empty",
                         "folder",
                         "no/such",
                         "base.yaml",
                         "case.yaml",
                         "/dev/null"};
  return all;
}

constexpr const char* kYaml =
    "run: {name: fuzz, steps: 2, seed: 1, eval_batches: 1}\n"
    "model:\n  name: gpt\n  layers: 1\n  heads: 1\n  width: 16\n  context: 16\n"
    "data: {name: text, path: text.txt, micro_batch: 1, leaves: 2, valid: 0.2}\n"
    "optim:\n  name: adamw\n  lr: 1.0e-3\n"
    "checkpoint: {every: 1}\n"
    "compute: {threads: 1}\n";

void change_yaml(Chance& chance, std::string& yaml) {
  size_t at = chance.below(yaml.size());
  switch (chance.below(6)) {
    case 0: yaml[at] = static_cast<char>(chance.below(256)); break;
    case 1: yaml.erase(at, 1 + chance.below(8)); break;
    case 2: yaml.insert(at, chance.of(odd_values())); break;
    case 3: yaml.insert(at, 1 + chance.below(3), '\t'); break;
    case 4: yaml.resize(at); break;
    default: yaml += yaml.substr(at); break;
  }
}

void add_overrides(Chance& chance, Words& arguments) {
  for (size_t count = chance.below(3); count > 0; --count) {
    std::string value = chance.of(odd_values());
    arguments.push_back(chance.one_in(12) ? value : chance.of(keys()) + "=" + value);
  }
}

Words train_words(Chance& chance) {
  Words words{"train", "case.yaml", "run.dir=out"};
  if (chance.one_in(5))
    words.emplace_back("run.resume=" + chance.of({"auto", "run", "out", "none"}));
  add_overrides(chance, words);
  return words;
}

Words debug_words(Chance& chance) {
  Words words{"debug", "-n", chance.one_in(3) ? chance.of(odd_values()) : "2", "case.yaml",
              "run.dir=out"};
  add_overrides(chance, words);
  return words;
}

Words plan_words(Chance& chance) {
  Words words{"plan", "case.yaml", "--ranks", chance.one_in(2) ? chance.of(odd_values()) : "2"};
  if (chance.one_in(3)) words.insert(words.end(), {"--memory", chance.of(odd_values())});
  if (chance.one_in(3)) words.insert(words.end(), {"--ranks-per-node", chance.of(odd_values())});
  add_overrides(chance, words);
  return words;
}

Words generate_words(Chance& chance) {
  Words words{"generate", chance.one_in(2) ? "run" : chance.of(files()),
              "--prompt", chance.one_in(2) ? "In the" : chance.of(odd_values()),
              "--length", "5"};
  for (const char* option : {"--length", "--temperature", "--seed"}) {
    if (!chance.one_in(4)) continue;
    if (words.back() == "5" && std::string(option) == "--length") words.resize(words.size() - 2);
    words.insert(words.end(), {option, chance.of(odd_values())});
  }
  if (chance.one_in(6)) words.emplace_back("--ema");
  return words;
}

Words file_words(Chance& chance) {
  Words words{chance.of({"inspect", "verify", "inspect", "convert"}), chance.of(files())};
  if (words[0] == "convert") {
    words.push_back(
        chance.of({"made.safetensors", "made.npz", "made", "m.npz", "folder", "", "no/made.npz"}));
    for (const char* flag : {"--gpt2", "--ema", "--swa", "--state", "--force"}) {
      if (chance.one_in(4)) words.emplace_back(flag);
    }
  } else if (words[0] == "inspect") {
    if (chance.one_in(3)) words.push_back(chance.of(files()));
    for (const char* flag : {"--digest", "--config"}) {
      if (chance.one_in(4)) words.emplace_back(flag);
    }
  }
  return words;
}

Words other_words(Chance& chance) {
  switch (chance.below(5)) {
    case 0: return {"doctor"};
    case 1: return {chance.of(odd_values())};
    case 2: return {chance.of({"train", "plan", "launch", "verify", "generate"}), "--help"};
    case 3:
      return {"launch",
              "-n",
              chance.of(odd_values()),
              "--dry-run",
              "--hang-timeout",
              chance.of(odd_values()),
              "--",
              "true"};
    default: return {"train", "--explain"};
  }
}

Words words_of(Chance& chance) {
  switch (chance.below(8)) {
    case 0:
    case 1:
    case 2: return train_words(chance);
    case 3: return plan_words(chance);
    case 4: return generate_words(chance);
    case 5: return debug_words(chance);
    case 6: return file_words(chance);
    default: return chance.one_in(2) ? file_words(chance) : other_words(chance);
  }
}

// Words dropped, doubled or replaced, past the subcommand.
void change_words(Chance& chance, Words& words) {
  size_t at = chance.below(words.size());
  switch (chance.below(3)) {
    case 0: words.erase(words.begin() + static_cast<std::ptrdiff_t>(at)); break;
    case 1: words.insert(words.begin() + static_cast<std::ptrdiff_t>(at), words[at]); break;
    default: words[at] = chance.of(odd_values()); break;
  }
}

void add_environment(Chance& chance, Case& out) {
  for (const char* name : {"TESSERA_NUM_THREADS", "HOME", "TMPDIR", "TERM", "COLUMNS", "LC_ALL",
                           "TESSERA_SNAPSHOT_DIR"}) {
    if (!chance.one_in(12)) continue;
    bool unset = chance.one_in(3);
    out.environment[name] = unset ? std::nullopt : std::optional(chance.of(odd_values()));
  }
}

void add_signals(Chance& chance, Case& out) {
  constexpr std::array kSignals{SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGPIPE, SIGWINCH, SIGCONT};
  for (size_t count = chance.one_in(4) ? 1 + chance.below(2) : 0; count > 0; --count) {
    std::chrono::milliseconds when{chance.below(250)};
    out.signals.emplace_back(when, kSignals[chance.below(kSignals.size())]);
  }
  std::sort(out.signals.begin(), out.signals.end());
}

std::string in_quotes(const std::string& text) {
  std::string out = "$'";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    bool plain = byte >= 0x20 && byte < 0x7f && c != '\'' && c != '\\';
    out += plain ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return out + "'";
}

const char* redirection(Output output, int stream) {
  bool out = stream == 1;
  switch (output) {
    case Output::full: return out ? " >/dev/full" : " 2>/dev/full";
    case Output::closed: return out ? " >&-" : " 2>&-";
    case Output::reader_leaves: return out ? " | head -c 1" : " 2> >(head -c 1)";
    case Output::kept: break;
  }
  return "";
}

}  // namespace

Case make_case(uint64_t seed, uint64_t index) {
  Chance chance(seed, index);
  Case out;
  out.seed = seed;
  out.index = index;
  out.arguments = words_of(chance);
  out.yaml = kYaml;
  if (chance.one_in(3)) change_yaml(chance, out.yaml);
  if (chance.one_in(8)) change_words(chance, out.arguments);
  add_environment(chance, out);
  constexpr std::array kOutputs{Output::full, Output::closed, Output::reader_leaves};
  if (chance.one_in(5)) out.out = kOutputs[chance.below(3)];
  if (chance.one_in(12)) out.err = kOutputs[chance.below(3)];
  add_signals(chance, out);
  // Long enough for signals to come in between.
  if (!out.signals.empty() && chance.one_in(2)) out.arguments.emplace_back("run.steps=300");
  return out;
}

std::string shell_line(const Case& test_case, const std::string& program) {
  std::string line = "printf %s " + in_quotes(test_case.yaml) + " >case.yaml; env";
  for (const auto& [name, value] : test_case.environment) {
    line += value ? fmt::format(" {}={}", name, in_quotes(*value)) : " -u " + name;
  }
  line += " " + program;
  for (const std::string& word : test_case.arguments) line += " " + in_quotes(word);
  line += redirection(test_case.err, 2);
  line += redirection(test_case.out, 1);
  for (const auto& [when, signal] : test_case.signals) {
    line += fmt::format("  # signal {} after {} ms", signal, when.count());
  }
  return line;
}

}  // namespace tessera::fuzz
