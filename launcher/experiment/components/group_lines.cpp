#include "launcher/experiment/components/group_lines.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

namespace tessera::experiment {
namespace {

// "blocks.*.weight" of "blocks.12.weight": the parts of a name that are numbers.
std::string without_numbers(const std::string& name) {
  std::string out;
  for (size_t begin = 0; begin <= name.size();) {
    size_t end = std::min(name.find('.', begin), name.size());
    std::string part = name.substr(begin, end - begin);
    bool number = !part.empty() && std::all_of(part.begin(), part.end(), [](unsigned char c) {
      return std::isdigit(c) != 0;
    });
    out += (begin == 0 ? "" : ".") + (number ? "*" : part);
    begin = end + 1;
  }
  return out;
}

// Parameters that one line tells of.
struct Told {
  std::string how;
  size_t count = 0;
  int64_t elements = 0;
  std::vector<std::string> names = {};
};

// Of each group, and one more of what none of them trains.
std::vector<Told> told_of(const optim::Optimizer& optimizer, double lr) {
  std::vector<Told> all;
  Told frozen{"not trained"};
  for (const optim::ParamGroup& group : optimizer.groups()) {
    Told trained{fmt::format("{}: lr {:g}, weight decay {:g}", group.rule->describe(),
                             lr * group.lr_scale, group.weight_decay)};
    for (size_t i = 0; i < group.params.size(); ++i) {
      Told& told = group.params[i].requires_grad() ? trained : frozen;
      ++told.count;
      told.elements += group.params[i].numel();
      told.names.push_back(group.names.empty() ? std::to_string(i) : group.names[i]);
    }
    all.push_back(std::move(trained));
  }
  all.push_back(std::move(frozen));
  return all;
}

}  // namespace

std::vector<std::string> group_lines(const optim::Optimizer& optimizer, double lr) {
  std::vector<Told> all = told_of(optimizer, lr);
  // Those whose numbers tell which line they are in keep them.
  std::map<std::string, std::set<const Told*>> lines_of;
  for (const Told& told : all) {
    for (const std::string& name : told.names) lines_of[without_numbers(name)].insert(&told);
  }
  std::vector<std::string> lines;
  for (const Told& told : all) {
    if (told.count == 0) continue;
    std::vector<std::string> names;
    for (const std::string& name : told.names) {
      std::string kind = without_numbers(name);
      if (lines_of[kind].size() > 1) kind = name;
      if (std::find(names.begin(), names.end(), kind) == names.end()) names.push_back(kind);
    }
    lines.push_back(fmt::format("{}, {} parameter{} with {} elements: {}", told.how, told.count,
                                told.count == 1 ? "" : "s", told.elements, fmt::join(names, ", ")));
  }
  return lines;
}

}  // namespace tessera::experiment
