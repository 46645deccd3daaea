#include "autograd/ops/einsum.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "autograd/in_place.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// A letter, or one of the dims of "...", counted from the last: kEllipsis, kEllipsis + 1, ....
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 256;

// A tensor each of whose dims has a label of its own.
struct Term {
  Tensor tensor;
  Labels labels;

  std::optional<size_t> find(Label label) const {
    auto at = std::find(labels.begin(), labels.end(), label);
    if (at == labels.end()) return std::nullopt;
    return static_cast<size_t>(at - labels.begin());
  }
  bool has(Label label) const { return find(label).has_value(); }
  int64_t size(Label label) const { return tensor.shape()[*find(label)]; }
};

// One operand's labels or the result's, as written.
struct Pattern {
  std::string letters;
  std::optional<size_t> ellipsis;  // the number of letters before it
};

class Equation {
 public:
  Equation(std::string_view text, const std::vector<Tensor>& operands) : text_(text) {
    std::string packed;
    for (char c : text) {
      if (c != ' ') packed += c;
    }
    size_t arrow = packed.find("->");
    std::string inputs = packed.substr(0, arrow);
    size_t begin = 0;
    for (;;) {
      size_t comma = inputs.find(',', begin);
      patterns_.push_back(parse(inputs.substr(begin, comma - begin)));
      if (comma == std::string::npos) break;
      begin = comma + 1;
    }
    TESSERA_CHECK(patterns_.size() == operands.size(), "[einsum] '{}' names {} operands, got {}",
                  text_, patterns_.size(), operands.size());
    for (size_t i = 0; i < operands.size(); ++i) count_ellipsis(patterns_[i], operands[i], i);
    if (arrow == std::string::npos) {
      imply_output();
    } else {
      read_output(parse(packed.substr(arrow + 2)));
    }
  }

  // The labels of operand i, one for each of its dims.
  Labels labels_of(size_t i, const Tensor& operand) const {
    const Pattern& pattern = patterns_[i];
    size_t dots = operand.dim() - pattern.letters.size();
    return expand(pattern, dots);
  }
  const Labels& output() const { return output_; }
  const std::string& text() const { return text_; }

 private:
  Pattern parse(const std::string& part) const {
    Pattern pattern;
    for (size_t i = 0; i < part.size(); ++i) {
      if (part.compare(i, 3, "...") == 0) {
        TESSERA_CHECK(!pattern.ellipsis, "[einsum] '{}' has two '...' in one operand", text_);
        pattern.ellipsis = pattern.letters.size();
        i += 2;
        continue;
      }
      char c = part[i];
      bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      TESSERA_CHECK(letter, "[einsum] '{}': expected letters, '...', ',' and '->', got '{}'", text_,
                    c);
      pattern.letters += c;
    }
    return pattern;
  }

  static Labels expand(const Pattern& pattern, size_t dots) {
    Labels labels;
    for (size_t i = 0; i <= pattern.letters.size(); ++i) {
      if (pattern.ellipsis == i) {
        for (size_t d = dots; d-- > 0;) labels.push_back(kEllipsis + static_cast<int>(d));
      }
      if (i < pattern.letters.size()) labels.push_back(pattern.letters[i]);
    }
    return labels;
  }

  void count_ellipsis(const Pattern& pattern, const Tensor& operand, size_t i) {
    size_t letters = pattern.letters.size();
    bool fits = pattern.ellipsis ? operand.dim() >= letters : operand.dim() == letters;
    TESSERA_CHECK(fits, "[einsum] '{}' gives operand {} {} labels{}, its shape is {}", text_, i,
                  letters, pattern.ellipsis ? " and '...'" : "", operand.shape());
    if (pattern.ellipsis) {
      num_dots_ = std::max(num_dots_, operand.dim() - letters);
      has_ellipsis_ = true;
    }
  }

  void imply_output() {
    std::map<char, int> counts;
    for (const Pattern& pattern : patterns_) {
      for (char c : pattern.letters) ++counts[c];
    }
    Pattern implied;
    implied.ellipsis = 0;
    for (auto [letter, count] : counts) {
      if (count == 1) implied.letters += letter;
    }
    output_ = expand(implied, num_dots_);
  }

  void read_output(const Pattern& pattern) {
    std::set<char> seen;
    for (char c : pattern.letters) {
      TESSERA_CHECK(seen.insert(c).second, "[einsum] '{}' names '{}' twice in the result", text_,
                    c);
      bool known = std::any_of(patterns_.begin(), patterns_.end(), [c](const Pattern& input) {
        return input.letters.find(c) != std::string::npos;
      });
      TESSERA_CHECK(known, "[einsum] '{}' names '{}' in the result, but in no operand", text_, c);
    }
    TESSERA_CHECK(!pattern.ellipsis || has_ellipsis_,
                  "[einsum] '{}' has '...' in the result, but in no operand", text_);
    output_ = expand(pattern, num_dots_);
  }

  std::string text_;
  std::vector<Pattern> patterns_;
  Labels output_;
  size_t num_dots_ = 0;
  bool has_ellipsis_ = false;
};

// The diagonal of dims first < second of equal size, at the place of the first: a view.
Tensor merge_dims(const Tensor& x, size_t first, size_t second) {
  Dims shape = x.shape();
  Dims strides = x.data().strides();
  strides[first] += strides[second];
  shape.erase(second);
  strides.erase(second);
  Array view(x.data().storage(), x.dtype(), shape, strides, x.data().offset());
  return record_view("diagonal", view, x,
                     [first, second, old = x.shape()](const Tensor& dy, const Node&) {
                       // dy on the diagonal, zeros elsewhere, written through the same view.
                       Tensor dx(Array::zeros(old, dy.dtype(), dy.device()));
                       copy_(merge_dims(dx, first, second), dy);
                       return Grads{dx};
                     });
}

// A term of an operand, with the diagonal taken of labels that stand more than once.
Term make_term(const Equation& equation, const Tensor& operand, Labels labels) {
  Tensor x = operand;
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t j = labels.size(); j-- > i + 1;) {
      if (labels[j] != labels[i]) continue;
      TESSERA_CHECK(x.shape()[i] == x.shape()[j],
                    "[einsum] '{}': label '{}' stands for sizes {} and {} of shape {}",
                    equation.text(), static_cast<char>(labels[i]), x.shape()[i], x.shape()[j],
                    operand.shape());
      x = merge_dims(x, i, j);
      labels.erase(labels.begin() + static_cast<std::ptrdiff_t>(j));
    }
  }
  return {x, labels};
}

// A size of 1 beside a larger one of the same label broadcasts: the dim can go.
void check_sizes(const Equation& equation, std::vector<Term>& terms) {
  std::map<Label, int64_t> sizes;
  for (const Term& term : terms) {
    for (size_t d = 0; d < term.labels.size(); ++d) {
      int64_t size = term.tensor.shape()[d];
      auto [entry, is_new] = sizes.emplace(term.labels[d], size);
      if (is_new || size == 1 || size == entry->second) continue;
      TESSERA_CHECK(
          entry->second == 1, "[einsum] '{}': label '{}' stands for sizes {} and {}",
          equation.text(),
          term.labels[d] < kEllipsis ? std::string(1, static_cast<char>(term.labels[d])) : "...",
          entry->second, size);
      entry->second = size;
    }
  }
  for (Term& term : terms) {
    for (size_t d = term.labels.size(); d-- > 0;) {
      if (term.tensor.shape()[d] == sizes[term.labels[d]]) continue;
      term.tensor = select(term.tensor, static_cast<int64_t>(d), 0);
      term.labels.erase(term.labels.begin() + static_cast<std::ptrdiff_t>(d));
    }
  }
}

// Sums over the labels that are not kept.
Term sum_out(const Term& term, const std::set<Label>& kept) {
  Dims dims;
  Labels labels;
  for (size_t d = 0; d < term.labels.size(); ++d) {
    if (kept.count(term.labels[d])) labels.push_back(term.labels[d]);
    else dims.push_back(static_cast<int64_t>(d));
  }
  if (dims.empty()) return term;
  return {sum(term.tensor, dims), labels};
}

// The tensor with its dims in groups: (size of the first, of the second, of the third).
Tensor grouped(const Term& term, const std::array<Labels, 3>& groups) {
  Dims order;
  Dims shape;
  for (const Labels& group : groups) {
    int64_t size = 1;
    for (Label label : group) {
      order.push_back(static_cast<int64_t>(*term.find(label)));
      size *= term.size(label);
    }
    shape.push_back(size);
  }
  return reshape(permute(term.tensor, order), shape);
}

// The product of two terms, summed over the labels that are not kept.
Term multiply(const Term& a, const Term& b, const std::set<Label>& kept) {
  auto wanted_with = [&kept](const Term& other) {
    std::set<Label> labels = kept;
    labels.insert(other.labels.begin(), other.labels.end());
    return labels;
  };
  Term left = sum_out(a, wanted_with(b));
  Term right = sum_out(b, wanted_with(a));
  Labels batch, rows, columns, summed;
  for (Label label : left.labels) {
    if (!right.has(label)) rows.push_back(label);
    else if (kept.count(label)) batch.push_back(label);
    else summed.push_back(label);
  }
  for (Label label : right.labels) {
    if (!left.has(label)) columns.push_back(label);
  }
  // A sum of integers is wider than its terms, and then so is the product.
  DType dtype = promote_types(left.tensor.dtype(), right.tensor.dtype());
  Tensor product = matmul(to(grouped(left, {batch, rows, summed}), dtype),
                          to(grouped(right, {batch, summed, columns}), dtype));
  Term out;
  Dims shape;
  for (const Labels* group : {&batch, &rows, &columns}) {
    for (Label label : *group) {
      out.labels.push_back(label);
      shape.push_back(left.has(label) ? left.size(label) : right.size(label));
    }
  }
  out.tensor = reshape(product, shape);
  return out;
}

// The labels that somebody besides terms i and j still needs.
std::set<Label> needed_beside(const std::vector<Term>& terms, const Labels& output, size_t i,
                              size_t j) {
  std::set<Label> labels(output.begin(), output.end());
  for (size_t t = 0; t < terms.size(); ++t) {
    if (t != i && t != j) labels.insert(terms[t].labels.begin(), terms[t].labels.end());
  }
  return labels;
}

double result_size(const Term& a, const Term& b, const std::set<Label>& kept) {
  double size = 1;
  for (Label label : a.labels) {
    if (kept.count(label)) size *= static_cast<double>(a.size(label));
  }
  for (Label label : b.labels) {
    if (kept.count(label) && !a.has(label)) size *= static_cast<double>(b.size(label));
  }
  return size;
}

// Multiplies the pair with the smallest result, the first of equals.
void contract_cheapest(std::vector<Term>& terms, const Labels& output) {
  size_t best_i = 0;
  size_t best_j = 1;
  double smallest = -1;
  for (size_t i = 0; i < terms.size(); ++i) {
    for (size_t j = i + 1; j < terms.size(); ++j) {
      double size = result_size(terms[i], terms[j], needed_beside(terms, output, i, j));
      if (smallest < 0 || size < smallest) {
        smallest = size;
        best_i = i;
        best_j = j;
      }
    }
  }
  terms[best_i] =
      multiply(terms[best_i], terms[best_j], needed_beside(terms, output, best_i, best_j));
  terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(best_j));
}

}  // namespace

Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands, const char* file,
              int line) {
  const NotedCall call({file, line});
  const Composed scope;
  Equation parsed(equation, operands);
  std::vector<Term> terms;
  for (size_t i = 0; i < operands.size(); ++i) {
    terms.push_back(make_term(parsed, operands[i], parsed.labels_of(i, operands[i])));
  }
  check_sizes(parsed, terms);
  while (terms.size() > 1) contract_cheapest(terms, parsed.output());
  const Labels& output = parsed.output();
  Term result = sum_out(terms[0], std::set<Label>(output.begin(), output.end()));
  Dims order;
  for (Label label : output) order.push_back(static_cast<int64_t>(*result.find(label)));
  return permute(result.tensor, order);
}

}  // namespace tessera
