#include "launcher/agent/host_list.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "core/io/file_system.h"
#include "launcher/job/in_quotes.h"

namespace tessera::agent {
namespace {

using job::in_quotes;

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 20;
// Of a domain name (RFC 1035).
constexpr size_t kMaxNameBytes = 253;
// Any number of so many digits fits in 64 bits.
constexpr size_t kMaxDigits = 18;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Locale would have a say in std::isalnum. Underscores occur in practice.
bool is_name_character(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_';
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes && text.front() != '.' &&
         text.front() != '-' && std::all_of(text.begin(), text.end(), is_name_character);
}

// The usual form of a literal address, so that ::1 and 0:0::1 are the same; none for other text.
std::optional<std::string> literal_address(std::string_view text) {
  if (text.size() > kMaxNameBytes) return std::nullopt;
  std::string address(text);
  if (address.find('\0') != std::string::npos) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> out{};
  in6_addr binary{};
  for (int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, address.c_str(), &binary) != 1) continue;
    if (inet_ntop(family, &binary, out.data(), out.size())) return out.data();
  }
  return std::nullopt;
}

std::string_view without_brackets(std::string_view text) {
  bool bracketed = text.size() > 2 && text.front() == '[' && text.back() == ']';
  return bracketed ? text.substr(1, text.size() - 2) : text;
}

// Equal for names of the same host.
std::string normalized(std::string_view name) {
  if (auto address = literal_address(without_brackets(name))) return *address;
  std::string out(name);
  if (out.ends_with('.')) out.pop_back();
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// first to last, each printed with at least `width` digits.
struct Range {
  uint64_t first;
  uint64_t last;
  size_t width;
  uint64_t count() const { return last - first + 1; }
};

// Text, then one number of the ranges; without ranges only the text.
struct Part {
  std::string_view text;
  std::vector<Range> ranges;
};

using Item = std::vector<Part>;

// Reads a Slurm node list. Nothing in it takes memory beyond a multiple of the text's before the
// number of names is known to be in bounds.
class SlurmParser {
 public:
  explicit SlurmParser(std::string_view list) : list_(list) {}

  std::vector<Item> parse() {
    std::vector<Item> items;
    do {
      items.push_back(item());
    } while (accept(','));
    if (!at_end()) fail_here("a name, '[', ',' or the end");
    return items;
  }
  size_t num_names() const { return num_names_; }

 private:
  [[noreturn]] void fail(size_t at, std::string_view reason) const {
    throw_error(fmt::format("[slurm nodes] column {} of {}: {}", at + 1, in_quotes(list_), reason));
  }
  [[noreturn]] void fail_here(std::string_view expected) const {
    fail(at_, fmt::format("expected {}, got {}", expected,
                          at_end() ? "the end" : in_quotes(list_.substr(at_, 1))));
  }

  bool at_end() const { return at_ == list_.size(); }
  bool accept(char c) {
    bool found = !at_end() && list_[at_] == c;
    if (found) ++at_;
    return found;
  }

  template <class Is>
  std::string_view take_while(Is is) {
    size_t start = at_;
    while (!at_end() && is(list_[at_])) ++at_;
    return list_.substr(start, at_ - start);
  }

  Item item() {
    size_t start = at_;
    if (!at_end() && (list_[at_] == '-' || list_[at_] == '.')) fail_here("a name");
    size_t name_bytes = 0;
    uint64_t num_names = 1;
    Item parts;
    while (true) {
      Part part{take_while(is_name_character), {}};
      name_bytes += part.text.size();
      if (accept('[')) name_bytes += take_ranges(part, num_names);
      if (name_bytes > kMaxNameBytes) {
        fail(start, fmt::format("expected a name of at most {} bytes", kMaxNameBytes));
      }
      if (part.text.empty() && part.ranges.empty()) break;
      parts.push_back(std::move(part));
    }
    if (parts.empty()) fail_here("a name");
    num_names_ += num_names;
    if (num_names_ > kMaxHosts) fail_too_many(start);
    return parts;
  }

  [[noreturn]] void fail_too_many(size_t at) const {
    fail(at, fmt::format("expected at most {} names in all", kMaxHosts));
  }

  // Fills part.ranges from after '[' to after ']', multiplies num_names by how many numbers they
  // have, and returns how many digits the longest may have.
  size_t take_ranges(Part& part, uint64_t& num_names) {
    uint64_t num_numbers = 0;
    size_t digits = 0;
    do {
      size_t start = at_;
      part.ranges.push_back(range());
      num_numbers += part.ranges.back().count();
      digits = std::max(digits, at_ - start);
      // Both factors are in bounds, so that no product overflows.
      bool too_many = num_numbers > kMaxHosts || num_names * num_numbers > kMaxHosts;
      if (too_many) fail_too_many(start);
    } while (accept(','));
    if (!accept(']')) fail_here("a number, '-', ',' or ']'");
    num_names *= num_numbers;
    return digits;
  }

  Range range() {
    size_t start = at_;
    auto [first, width] = number();
    if (!accept('-')) return {first, first, width};
    uint64_t last = number().first;
    if (last < first) fail(start, "expected a range from the smaller number to the larger");
    return {first, last, width};
  }

  // A number and how many digits it is written with.
  std::pair<uint64_t, size_t> number() {
    size_t start = at_;
    std::string_view digits = take_while(is_digit);
    if (digits.empty()) fail_here("a number");
    if (digits.size() > kMaxDigits) {
      fail(start, fmt::format("expected a number of at most {} digits", kMaxDigits));
    }
    uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return {value, digits.size()};
  }

  std::string_view list_;
  size_t at_ = 0;
  size_t num_names_ = 0;
};

std::vector<std::string> expand(const Item& item) {
  std::vector<std::string> names{""};
  for (const Part& part : item) {
    for (std::string& name : names) name += part.text;
    if (part.ranges.empty()) continue;
    std::vector<std::string> longer;
    for (const std::string& name : names) {
      for (const Range& range : part.ranges) {
        for (uint64_t i = range.first; i <= range.last; ++i) {
          longer.push_back(fmt::format("{}{:0{}}", name, i, range.width));
        }
      }
    }
    names = std::move(longer);
  }
  return names;
}

// A word of a line and its column.
struct Word {
  std::string_view text;
  size_t column;
};

std::vector<Word> words_of(std::string_view line) {
  line = line.substr(0, line.find('#'));
  constexpr std::string_view kBlanks = " \t\r";
  std::vector<Word> words;
  size_t start = line.find_first_not_of(kBlanks);
  while (start != std::string_view::npos) {
    size_t end = std::min(line.find_first_of(kBlanks, start), line.size());
    words.push_back({line.substr(start, end - start), start + 1});
    start = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

// Reads the lines of a hostfile one after the other.
class HostfileParser {
 public:
  explicit HostfileParser(const std::string& path) : path_(path) {}

  void take_line(std::string_view line) {
    ++line_;
    std::vector<Word> words = words_of(line);
    if (words.empty()) return;
    Host host{name_in(words[0]), words.size() > 1 ? slots_in(words[1]) : 0};
    if (words.size() > 2) {
      fail(words[2], fmt::format("expected the end of the line, got {}", in_quotes(words[2].text)));
    }
    auto [first, is_new] = lines_.emplace(normalized(host.name), line_);
    if (!is_new) {
      fail(words[0],
           fmt::format("host {} is on line {} already", in_quotes(host.name), first->second));
    }
    if (hosts_.size() == kMaxHosts) {
      fail(words[0], fmt::format("expected at most {} hosts", kMaxHosts));
    }
    hosts_.push_back(std::move(host));
  }

  std::vector<Host> finish() && {
    TESSERA_CHECK(!hosts_.empty(), "{}:1:1: expected a host, got nothing but blanks and comments",
                  path_);
    return std::move(hosts_);
  }

 private:
  [[noreturn]] void fail(const Word& word, std::string_view reason) const {
    throw_error(fmt::format("{}:{}:{}: {}", path_, line_, word.column, reason));
  }

  std::string name_in(const Word& word) const {
    std::string_view text = without_brackets(word.text);
    bool is_bracketed = text.size() != word.text.size();
    bool is_name = !is_bracketed && is_host_name(text);
    bool is_address = literal_address(text) && (!is_bracketed || text.find(':') != text.npos);
    if (!is_name && !is_address) {
      fail(word, fmt::format("expected a host name or an address, got {}", in_quotes(word.text)));
    }
    return std::string(text);
  }

  int slots_in(const Word& word) const {
    constexpr std::string_view kKey = "slots=";
    std::string_view value = word.text.substr(std::min(kKey.size(), word.text.size()));
    int slots = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), slots);
    bool is_number = error == std::errc() && end == value.data() + value.size();
    if (!word.text.starts_with(kKey) || !is_number || slots < 1 ||
        slots > static_cast<int>(kMaxHosts)) {
      fail(word, fmt::format("expected slots=N with N from 1 to {}, got {}", kMaxHosts,
                             in_quotes(word.text)));
    }
    return slots;
  }

  const std::string& path_;
  int line_ = 0;
  std::vector<Host> hosts_;
  // Where each name, normalized, was first.
  std::unordered_map<std::string, int> lines_;
};

// Whether two normalized names differ at most in that one has no domain.
bool same_first_label(const std::string& a, const std::string& b) {
  if (literal_address(a) || literal_address(b)) return false;
  const std::string& shorter = a.size() < b.size() ? a : b;
  const std::string& longer = a.size() < b.size() ? b : a;
  if (shorter.empty() || shorter.find('.') != std::string::npos) return false;
  return longer.starts_with(shorter) &&
         (longer.size() == shorter.size() || longer[shorter.size()] == '.');
}

template <class Same>
std::optional<int> only_match(std::span<const Host> hosts, std::span<const std::string> own,
                              Same same) {
  std::optional<int> match;
  for (size_t i = 0; i < hosts.size(); ++i) {
    std::string name = normalized(hosts[i].name);
    bool matches =
        std::any_of(own.begin(), own.end(), [&](const std::string& o) { return same(name, o); });
    if (!matches) continue;
    TESSERA_CHECK(!match, "[hosts] expected one host to be this node, got {} and {}",
                  in_quotes(hosts[static_cast<size_t>(*match)].name), in_quotes(hosts[i].name));
    match = static_cast<int>(i);
  }
  return match;
}

}  // namespace

std::vector<std::string> expand_slurm_nodes(std::string_view list) {
  TESSERA_CHECK(list.size() <= kMaxFileBytes,
                "[slurm nodes] expected a list of at most {} bytes, got {}", kMaxFileBytes,
                list.size());
  SlurmParser parser(list);
  std::vector<Item> items = parser.parse();
  std::vector<std::string> names;
  names.reserve(parser.num_names());
  for (const Item& item : items) {
    for (std::string& name : expand(item)) names.push_back(std::move(name));
  }
  return names;
}

std::vector<Host> parse_hostfile(std::string_view text, const std::string& path) {
  HostfileParser parser(path);
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    parser.take_line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::move(parser).finish();
}

std::vector<Host> read_hostfile(const std::string& path) {
  std::vector<std::byte> bytes = FileSystem::real().read(path, kMaxFileBytes);
  return parse_hostfile({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

std::optional<int> own_index(std::span<const Host> hosts, std::span<const std::string> own_names) {
  std::vector<std::string> own;
  for (const std::string& name : own_names) own.push_back(normalized(name));
  auto equal = [](const std::string& a, const std::string& b) { return a == b; };
  if (auto match = only_match(hosts, own, equal)) return match;
  return only_match(hosts, own, same_first_label);
}

}  // namespace tessera::agent
