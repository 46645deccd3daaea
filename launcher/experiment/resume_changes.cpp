#include "launcher/experiment/resume_changes.h"

#include <algorithm>
#include <map>
#include <optional>

#include "launcher/experiment/config/sections.h"
#include "launcher/experiment/run_schedule.h"

namespace tessera::experiment {
namespace {

// What a key that is not as it was does to a run that goes on. The first whose key is the one in
// question, or ends in a dot and begins it, counts.
struct Effect {
  std::string_view key;
  std::string_view text;  // empty: not worth a word
  bool refused = false;   // unless run.accept_changes
};

constexpr Effect kEffects[] = {
    {"run.dir", ""},
    {"run.resume", ""},
    {"run.stop_after", ""},
    {"run.accept_changes", ""},
    {"run.steps", "the run ends at another step"},
    {"run.seed", "samples would be repeated and skipped, and random numbers are others", true},
    {"run.", "no weight depends on it"},
    {"init.", "a run that goes on takes no weights from elsewhere"},
    {"model.dropout", "another share of the activations is dropped from here on"},
    {"model.", "the parameters were trained as those of another model", true},
    {"data.micro_batch", "a step takes another number of samples"},
    {"data.leaves", "a step takes another number of samples"},
    {"data.", "samples are compared by what they are, not by this"},
    {"optim.name", "another rule would go on with the state of the one before", true},
    {"optim.swa_start", "the mean so far has other weights", true},
    {"optim.swa_every", "the mean so far has other weights", true},
    {"optim.", "from the next step on"},
    {"schedule.", "other learning rates from the next step on"},
    {"parallel.reduction", "sums are rounded otherwise from here on"},
    {"parallel.gradient_dtype", "sums are rounded otherwise from here on"},
    {"parallel.unused_parameters", "from the next step on"},
    {"parallel.", "the bits stay the same"},
    {"compute.dtype", "products are rounded otherwise from here on"},
    {"compute.loss_scale", "from the next step on"},
    {"compute.init_scale", "a run that goes on has its own scale"},
    {"compute.growth_factor", "from the next step on"},
    {"compute.backoff_factor", "from the next step on"},
    {"compute.growth_interval", "from the next step on"},
    {"compute.", "the bits stay the same"},
    {"checkpoint.", "no weight depends on it"},
    {"log.", "no weight depends on it"},
};

Effect effect_of(std::string_view key) {
  for (const Effect& effect : kEffects) {
    bool of_section = effect.key.ends_with('.') && key.starts_with(effect.key);
    if (of_section || key == effect.key) return effect;
  }
  return {key, "from here on", false};
}

struct Change {
  std::string key;
  std::string before;
  std::string now;
  std::string effect;
  bool refused = false;
};

std::string in_words(const Change& change) {
  return fmt::format("{}: {} -> {} ({})", change.key, change.before, change.now, change.effect);
}

using Keys = std::vector<std::pair<std::string, std::string>>;

// The keys of a text that dump_yaml wrote, "optim.lr", and their values, as they stand there.
Keys keys_of(const std::string& text) {
  Keys out;
  std::string section;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    size_t colon = line.find(": ");
    if (!line.starts_with(' ')) {
      section = line.substr(0, line.find(':'));
    } else if (colon != std::string::npos) {
      size_t first = line.find_first_not_of(' ');
      out.emplace_back(section + "." + line.substr(first, colon - first), line.substr(colon + 2));
    }
  }
  return out;
}

std::optional<std::string> value_in(const Keys& keys, const std::string& key) {
  auto found =
      std::find_if(keys.begin(), keys.end(), [&](const auto& k) { return k.first == key; });
  return found == keys.end() ? std::nullopt : std::optional(found->second);
}

class KeyDefaults : public FieldVisitor {
 public:
  void field(const Field& field) override {
    keys.emplace_back(section + "." + field.key, write_field(field));
  }
  Keys keys;
  std::string section;
};

// What stands for a key that an older config does not have: the default, in a section that a name
// chooses where it chose the same.
Keys defaults(const Config& now, const Keys& before) {
  KeyDefaults visitor;
  auto take = [&](const char* name, Section& section) {
    visitor.section = name;
    section.visit(visitor);
  };
  Config usual;
  for_each_section(
      usual,
      [&](const char* name, auto& section) {
        visitor.section = name;
        section.visit(visitor);
      },
      [](const char*, const Choice&, auto) {});
  for_each_section(
      now, [](const char*, const auto&) {},
      [&](const char* name, const Choice& choice, auto) {
        bool same = value_in(before, fmt::format("{}.name", name)) == choice.name;
        if (same && choice.make) take(name, *choice.make());
      });
  return visitor.keys;
}

// One line, without control characters: a checkpoint may be anybody's.
std::string shown(const std::string& value) {
  bool plain = std::all_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
  return plain ? value : job::in_quotes(value);
}

std::vector<Change> config_changes(const std::string& before, const RunNow& now) {
  Keys old_keys = keys_of(before);
  Keys new_keys = keys_of(now.config_text);
  Keys usual = defaults(now.config, old_keys);
  std::vector<Change> out;
  auto add = [&](const std::string& key, const std::optional<std::string>& was,
                 const std::optional<std::string>& is) {
    Effect effect = effect_of(key);
    if (was == is || effect.text.empty()) return;
    // A key that one of the two does not know comes with another version, or another `name`.
    bool known = was && is;
    out.push_back({shown(key), shown(was.value_or("nothing")), shown(is.value_or("nothing")),
                   std::string(effect.text), effect.refused && known});
  };
  for (const auto& [key, value] : new_keys) {
    auto was = value_in(old_keys, key);
    add(key, was ? was : value_in(usual, key), value);
  }
  for (const auto& [key, value] : old_keys) {
    if (!value_in(new_keys, key)) add(key, value, std::nullopt);
  }
  return out;
}

std::string in_one_line(std::string data) {
  std::replace(data.begin(), data.end(), '\n', ';');
  return shown(data);
}

std::vector<Change> all_changes(const CheckpointInfo& checkpoint, const RunNow& now) {
  std::vector<Change> changes = config_changes(checkpoint.config, now);
  if (!checkpoint.data.empty() && checkpoint.data != now.data) {
    changes.push_back({"the data", in_one_line(checkpoint.data), in_one_line(now.data),
                       "samples would be repeated and skipped", true});
  }
  int64_t next = checkpoint.step;
  std::optional<double> lr = planned_lr(now.config, next);
  bool known = lr && checkpoint.next_lr;
  if (known && *checkpoint.next_lr != *lr && next < now.config.run.steps) {
    changes.push_back({fmt::format("the learning rate of step {}", next + 1),
                       fmt::format("{:.6g}", *checkpoint.next_lr), fmt::format("{:.6g}", *lr),
                       "by optim, schedule and run.steps", false});
  }
  if (checkpoint.build != now.build) {
    changes.push_back({"the build", shown(checkpoint.build), shown(now.build),
                       "numbers may be rounded otherwise from here on", false});
  }
  return changes;
}

}  // namespace

std::vector<std::string> changes_since(const CheckpointInfo& checkpoint, const RunNow& now) {
  std::vector<std::string> lines;
  for (const Change& change : all_changes(checkpoint, now)) {
    lines.push_back("since that checkpoint, " + in_words(change));
  }
  if (checkpoint.data.empty()) {
    lines.emplace_back("that checkpoint does not say what its data were");
  }
  return lines;
}

void check_resumable(const CheckpointInfo& checkpoint, const RunNow& now, const std::string& what) {
  TESSERA_CHECK(checkpoint.step <= now.config.run.steps,
                "{}: it is of step {}, and run.steps is {}: the run would end before it begins; "
                "init.from starts a new run with its weights",
                what, checkpoint.step, now.config.run.steps);
  if (now.config.run.accept_changes) return;
  std::vector<std::string> reasons;
  for (const Change& change : all_changes(checkpoint, now)) {
    if (change.refused) reasons.push_back(in_words(change));
  }
  TESSERA_CHECK(reasons.empty(),
                "{}: its run was another: {}; run.accept_changes=true goes on all the same, "
                "init.from starts a new run with its weights",
                what, fmt::join(reasons, "; "));
}

}  // namespace tessera::experiment
