#include <algorithm>
#include <charconv>

#include "launcher/experiment/components/components.h"
#include "launcher/experiment/components/setting_text.h"
#include "launcher/experiment/config/nearest.h"
#include "launcher/job/in_quotes.h"

namespace tessera::experiment::schedules {
namespace {

constexpr const char* kName = "sequence";

// What a stage can be.
const std::vector<Option>& options_of_stages() {
  static const std::vector<Option> options = [] {
    std::vector<Option> all = builtin_catalog().schedule;
    std::erase_if(all, [](const Option& option) { return option.name == kName; });
    return all;
  }();
  return options;
}

struct Stage {
  int64_t steps = 0;  // 0: the rest of the run
  std::unique_ptr<Section> section;
};

std::unique_ptr<Section> section_of(const std::string& name, const std::string& place) {
  std::vector<std::string> known;
  for (const Option& option : options_of_stages()) {
    if (option.name == name) return option.make();
    known.push_back(option.name);
  }
  throw ConfigError(fmt::format("{}there is no schedule {}{}", place, job::in_quotes(name),
                                suggestion(name, known, "there are")));
}

// "KEY=VALUE" each: a part without a key is of the value before it, "milestones=30, 60".
std::vector<std::string> split_settings(const std::string& text) {
  std::vector<std::string> settings;
  for (std::string& part : split_trimmed(text, ',')) {
    bool goes_on = !settings.empty() && part.find('=') == std::string::npos;
    if (goes_on) settings.back() += ", " + part;
    else settings.push_back(std::move(part));
  }
  return settings;
}

void read_settings(const std::string& text, const std::string& place, Section& section) {
  std::vector<std::string> seen;
  for (const std::string& part : split_settings(text)) {
    auto [key, value] = parse_setting(part, place);
    SettingReader reader(key, value, place + key);
    section.visit(reader);
    if (!reader.found()) {
      throw ConfigError(fmt::format("{}there is no setting {}{}", place, job::in_quotes(key),
                                    suggestion(key, reader.known(), "there are")));
    }
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
      throw ConfigError(fmt::format("{}there are two values of {}", place, key));
    }
    seen.push_back(key);
  }
}

// "STEPS NAME: KEY=VALUE, ...", of the last one without STEPS, and without settings where all are
// as they are.
Stage parse_stage(const std::string& text, bool last) {
  std::string place = fmt::format("schedule.stages: {}: ", job::in_quotes(text));
  size_t colon = text.find(':');
  std::string head = trimmed(text.substr(0, colon));
  Stage stage;
  if (!last) {
    auto read = std::from_chars(head.data(), head.data() + head.size(), stage.steps);
    if (read.ec != std::errc() || stage.steps < 1 || *read.ptr != ' ') {
      throw ConfigError(fmt::format("{}expected STEPS NAME, with a number of at least 1", place));
    }
    head = trimmed(read.ptr);
  }
  stage.section = section_of(head, place);
  if (dynamic_cast<const ScheduleSection&>(*stage.section).feedback(0)) {
    throw ConfigError(fmt::format(
        "{}{} follows the validation loss, which no stage of a sequence does", place, head));
  }
  if (colon != std::string::npos) read_settings(text.substr(colon + 1), place, *stage.section);
  try {
    stage.section->check();
  } catch (const ConfigError& error) {
    throw ConfigError(place + error.what());
  }
  return stage;
}

class SequenceSection final : public ScheduleSection {
 public:
  void visit(FieldVisitor& v) override {
    v("stages", stages_,
      "STEPS NAME: KEY=VALUE, ...; ...; NAME: ...: schedules one after the other, each with its "
      "own "
      "steps from 0 on, the last one for the rest of the run: '100 linear: start_factor=0.1, "
      "end_factor=1; cosine: warmup=0'");
  }
  void check() const override { stages(); }
  double lr_at(int64_t step, int64_t steps, double lr) const override {
    std::vector<Stage> all = stages();
    size_t i = 0;
    int64_t begin = 0;
    while (i + 1 < all.size() && step - begin >= all[i].steps) begin += all[i++].steps;
    int64_t length = all[i].steps > 0 ? all[i].steps : std::max<int64_t>(steps - begin, 1);
    const auto& stage = dynamic_cast<const ScheduleSection&>(*all[i].section);
    return stage.lr_at(step - begin, length, lr);
  }

 private:
  std::vector<Stage> stages() const {
    std::vector<std::string> texts = split_trimmed(stages_, ';');
    std::vector<Stage> stages;
    for (const std::string& text : texts) {
      stages.push_back(parse_stage(text, stages.size() + 1 == texts.size()));
    }
    return stages;
  }

  std::string stages_ = "constant";
};

}  // namespace

Option sequence() { return option<SequenceSection>(kName, "schedules one after the other"); }

}  // namespace tessera::experiment::schedules
