#include "autograd/ops/einsum.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;

// Labels of every operand and of the result, without "...".
struct Plan {
  std::vector<std::string> inputs;
  std::string output;
  std::map<char, int64_t> sizes;

  std::string text() const {
    std::string joined;
    for (size_t i = 0; i < inputs.size(); ++i) joined += (i > 0 ? "," : "") + inputs[i];
    return joined + "->" + output;
  }
};

int64_t offset_of(const std::string& labels, const Dims& shape, std::map<char, int64_t>& index) {
  int64_t offset = 0;
  for (size_t d = 0; d < labels.size(); ++d) {
    offset = offset * shape[d] + (shape[d] == 1 ? 0 : index[labels[d]]);
  }
  return offset;
}

// The sum over every assignment of the labels, one after the other.
std::vector<double> brute_force(const Plan& plan, const std::vector<Array>& operands) {
  std::string all;
  for (auto [label, size] : plan.sizes) all += label;
  Dims shape;
  for (char label : plan.output) shape.push_back(plan.sizes.at(label));
  std::vector<double> out(static_cast<size_t>(num_elements(shape)));
  std::vector<std::vector<double>> values;
  for (const Array& operand : operands) values.push_back(doubles(operand));
  std::map<char, int64_t> index;
  for (char label : all) index[label] = 0;
  for (;;) {
    double product = 1;
    for (size_t i = 0; i < operands.size(); ++i) {
      product *=
          values[i][static_cast<size_t>(offset_of(plan.inputs[i], operands[i].shape(), index))];
    }
    out[static_cast<size_t>(offset_of(plan.output, shape, index))] += product;
    size_t d = 0;
    while (d < all.size() && ++index[all[d]] == plan.sizes.at(all[d])) index[all[d++]] = 0;
    if (d == all.size()) return out;
  }
}

Plan random_plan(std::mt19937& random) {
  auto below = [&random](size_t limit) { return random() % limit; };
  Plan plan;
  std::string letters = "abXyz";
  for (char letter : letters) plan.sizes[letter] = static_cast<int64_t>(1 + below(3));
  std::string used;
  for (size_t i = 0, count = 1 + below(4); i < count; ++i) {
    std::string labels;
    for (size_t d = 0, dims = below(4); d < dims; ++d) labels += letters[below(letters.size())];
    plan.inputs.push_back(labels);
    used += labels;
  }
  for (char letter : letters) {
    bool known = used.find(letter) != std::string::npos;
    if (!known) plan.sizes.erase(letter);
    else if (below(2)) plan.output.insert(below(plan.output.size() + 1), 1, letter);
  }
  return plan;
}

TEST(Einsum, AgreesWithBruteForceOnRandomEquations) {
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    Plan plan = random_plan(random);
    std::vector<Array> arrays;
    std::vector<Tensor> operands;
    for (size_t i = 0; i < plan.inputs.size(); ++i) {
      Dims shape;
      for (char label : plan.inputs[i]) shape.push_back(plan.sizes[label]);
      arrays.push_back(random_array(shape, DType::f64, static_cast<uint64_t>(round) * 10 + i));
      operands.emplace_back(arrays.back());
    }
    SCOPED_TRACE(plan.text());
    Tensor out = einsum(plan.text(), operands);
    EXPECT_TRUE(close_to(doubles(out.data()), brute_force(plan, arrays), 1e-12, 1e-12));
  }
}

TEST(Einsum, ImpliesTheResult) {
  Tensor a(random_array({2, 3}, DType::f64, 1));
  Tensor b(random_array({3, 4}, DType::f64, 2));
  EXPECT_TRUE(test::same_bits(einsum("ij,jk", {a, b}).data(), einsum("ij,jk->ik", {a, b}).data()));
  EXPECT_TRUE(test::same_bits(einsum("ba", {a}).data(), einsum("ba->ab", {a}).data()));
  EXPECT_EQ(einsum("aB", {a}).shape(), (Dims{3, 2}));
  EXPECT_EQ(einsum("ii", {Tensor(random_array({3, 3}, DType::f64))}).shape(), (Dims{}));
  EXPECT_EQ(einsum("i...", {a}).shape(), (Dims{3, 2}));
}

TEST(Einsum, EllipsisBroadcasts) {
  Tensor a(random_array({2, 1, 3, 4}, DType::f64, 1));
  Tensor b(random_array({5, 4, 6}, DType::f64, 2));
  Tensor expected = matmul(a, b);
  EXPECT_TRUE(close_to(doubles(einsum("...ij,...jk->...ik", {a, b}).data()),
                       doubles(expected.data()), 1e-12, 1e-12));
  EXPECT_EQ(einsum("...ij,...jk->...ik", {a, b}).shape(), expected.shape());
  EXPECT_EQ(einsum(" ... i j , ... j k -> i k ...", {a, b}).shape(), (Dims{3, 6, 2, 5}));
  // Dims of "..." that the result leaves out are summed over.
  EXPECT_TRUE(close_to(doubles(einsum("...ij->j", {a}).data()), doubles(sum(a, {0, 1, 2}).data()),
                       1e-12, 1e-12));
  EXPECT_EQ(einsum("...,...->...", {a, Tensor(Array::scalar(2, DType::f64))}).shape(), a.shape());
}

TEST(Einsum, ASizeOfOneBroadcasts) {
  Tensor a(random_array({1, 3}, DType::f64, 1));
  Tensor b(random_array({4, 3}, DType::f64, 2));
  EXPECT_TRUE(
      close_to(doubles(einsum("ij,ij->ij", {a, b}).data()), doubles((a * b).data()), 1e-12, 1e-12));
  EXPECT_TRUE(close_to(doubles(einsum("ij,ij->j", {a, b}).data()), doubles(sum(a * b, {0}).data()),
                       1e-12, 1e-12));
}

TEST(Einsum, OfNothingIsZero) {
  Tensor a(Array::empty({2, 0}, DType::f64));
  Tensor b(Array::empty({0, 3}, DType::f64));
  EXPECT_EQ(doubles(einsum("ij,jk->ik", {a, b}).data()), std::vector<double>(6, 0.0));
  EXPECT_EQ(doubles(einsum("ij->i", {a}).data()), std::vector<double>(2, 0.0));
}

TEST(Einsum, QuotesAFaultyEquation) {
  Tensor a(random_array({2, 3}, DType::f64));
  auto error = [&](std::string_view equation, const std::vector<Tensor>& operands) {
    return error_of([&] { einsum(equation, operands); });
  };
  EXPECT_EQ(error("ij,jk->ik", {a}), "[einsum] 'ij,jk->ik' names 2 operands, got 1");
  EXPECT_EQ(error("ijk->i", {a}),
            "[einsum] 'ijk->i' gives operand 0 3 labels, its shape is (2, 3)");
  EXPECT_EQ(error("ijk...->i", {a}),
            "[einsum] 'ijk...->i' gives operand 0 3 labels and '...', its shape is (2, 3)");
  EXPECT_EQ(error("ij->ii", {a}), "[einsum] 'ij->ii' names 'i' twice in the result");
  EXPECT_EQ(error("ij->k", {a}), "[einsum] 'ij->k' names 'k' in the result, but in no operand");
  EXPECT_EQ(error("ij->...", {a}), "[einsum] 'ij->...' has '...' in the result, but in no operand");
  EXPECT_EQ(error("......", {a}), "[einsum] '......' has two '...' in one operand");
  EXPECT_EQ(error("i1", {a}), "[einsum] 'i1': expected letters, '...', ',' and '->', got '1'");
  EXPECT_TRUE(contains(error("i-j", {a}), "got '-'"));
  EXPECT_TRUE(contains(error("ij->i->j", {a}), "got '-'"));
  EXPECT_TRUE(contains(error("i..", {a}), "got '.'"));
  EXPECT_EQ(error("ii->i", {a}),
            "[einsum] 'ii->i': label 'i' stands for sizes 2 and 3 of shape (2, 3)");
  EXPECT_EQ(error("ij,ji->", {a, a}), "[einsum] 'ij,ji->': label 'j' stands for sizes 3 and 2");
  EXPECT_EQ(error("...,...->...", {a, transpose(a, 0, 1)}),
            "[einsum] '...,...->...': label '...' stands for sizes 2 and 3");
}

TEST(Tensordot, SaysWhatIsWrong) {
  Tensor a(random_array({2, 3}));
  EXPECT_EQ(error_of([&] { tensordot(a, a, {0}, {1}); }),
            "[tensordot] dim 0 of a (2, 3) and dim 1 of b (2, 3) differ in size");
  EXPECT_EQ(error_of([&] {
              tensordot(a, a, {0, 1}, {1});
            }),
            "[tensordot] expected as many dims of a as of b, got (0, 1) and (1,)");
  EXPECT_EQ(error_of([&] {
              tensordot(a, a, {1, -1}, {0, 1});
            }),
            "[tensordot] dim 1 is named twice in (1, -1)");
  EXPECT_EQ(error_of([&] { tensordot(a, a, 3); }),
            "[tensordot] expected between 0 and 2 dims for a (2, 3) and b (2, 3), got 3");
}

TEST(Addmm, DoesNotReadWhatIsScaledByZero) {
  Tensor nan(Array::full({2, 2}, NAN, DType::f64));
  Tensor eye(Array::from(std::vector<double>{1, 0, 0, 1}, {2, 2}));
  EXPECT_EQ(doubles(addmm(nan, eye, eye, 0, 2).data()), (std::vector<double>{2, 0, 0, 2}));
  EXPECT_TRUE(contains(error_of([&] { addmm(Tensor(random_array({3}, DType::f64)), eye, eye); }),
                       "[addmm]"));
}

TEST(Addmm, IntegersStayIntegers) {
  Array a = Array::from<int64_t>({1, 2}, {1, 2});
  Array b = Array::from<int64_t>({3, 4}, {2, 1});
  Array c = Array::from<int64_t>({5}, {1});
  Tensor y = addmm(c, a, b, 3, 2);
  EXPECT_EQ(y.dtype(), DType::i64);
  EXPECT_EQ(doubles(y.data()), (std::vector<double>{37}));
  EXPECT_EQ(doubles(addmm(c, a, b, 0.0, 2.0).data()), (std::vector<double>{22}));
  Tensor batch = baddbmm(c, a.unsqueeze(0).to(DType::i64), b.unsqueeze(0), 1, -1);
  EXPECT_EQ(batch.dtype(), DType::i64);
  EXPECT_EQ(doubles(batch.data()), (std::vector<double>{-6}));
  EXPECT_EQ(error_of([&] { addmm(c, a, b, 1, 2.5); }),
            "[addmm] expected a number that i64 holds, got 2.5");
}

TEST(Products, NameThemselvesInErrors) {
  Tensor a(random_array({2, 3}));
  EXPECT_EQ(error_of([&] { mm(a, a); }),
            "[mm] expected the last dim of a (2, 3) to match the first dim of b (2, 3)");
  EXPECT_EQ(error_of([&] { addmm(a, a, a); }),
            "[addmm] expected the last dim of a (2, 3) to match the first dim of b (2, 3)");
  EXPECT_EQ(error_of([&] { bmm(unsqueeze(a, 0), unsqueeze(a, 0)); }),
            "[bmm] expected the last dim of a (1, 2, 3) to match the last but one dim of b (1, 2, "
            "3)");
  EXPECT_EQ(error_of([&] { dot(select(a, 0, 0), select(a, 1, 0)); }),
            "[dot] expected the last dim of a (3,) to match the first dim of b (2,)");
}

TEST(Einsum, SumsOfNarrowIntegersWidenTheProduct) {
  for (DType dtype : {DType::u8, DType::i32}) {
    Tensor a(Array::from<int64_t>({100, 200}, {1, 2}).to(dtype));
    Tensor b(Array::from<int64_t>({3}, {1}).to(dtype));
    Tensor y = einsum("ik,j->ij", {a, b});
    EXPECT_EQ(y.dtype(), DType::i64);
    EXPECT_EQ(doubles(y.data()), (std::vector<double>{900}));
    EXPECT_EQ(einsum("i,j->ij", {select(a, 0, 0), b}).dtype(), dtype);
  }
}

}  // namespace
}  // namespace tessera
