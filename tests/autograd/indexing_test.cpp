#include "autograd/ops/indexing.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;

using test::Values;

Tensor grid(const Dims& shape) {
  return Tensor(Array::arange(num_elements(shape)).view(shape).to(DType::f64));
}
Array ints(std::vector<int64_t> values, Dims shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  return Array::from(values, shape);
}
Array flags(const std::vector<int64_t>& values, const Dims& shape) {
  return ints(values, shape).to(DType::boolean);
}

// Where each element of index(x, items) comes from in x, by plain loops over a list of the items
// that are kept simple: 'i' an integer, 's' a slice, 't' an index tensor, 'n' a new axis.
struct Plain {
  Dims shape;
  Values values;
};

struct PlainItem {
  char kind;
  int64_t first = 0, stop = 0, step = 1;  // of i and s
  Array tensor = {};                      // of t
};

IndexItem item_of(const PlainItem& item) {
  if (item.kind == 'i') return item.first;
  if (item.kind == 's') return Slice(item.first, item.stop, item.step);
  if (item.kind == 'n') return newaxis;
  return item.tensor;
}

// NumPy's rules, one result element at a time, with integers taken first.
Plain plain_index(const Tensor& x, const std::vector<PlainItem>& items) {
  Dims selected;
  std::vector<size_t> tensor_items;  // positions among the items other than integers
  size_t place = 0;
  for (const PlainItem& item : items) {
    if (item.kind == 'i') continue;
    if (item.kind == 't') {
      selected = broadcast_shapes(selected, item.tensor.shape(), "plain");
      tensor_items.push_back(place);
    }
    ++place;
  }
  bool together =
      tensor_items.empty() || tensor_items.back() - tensor_items.front() + 1 == tensor_items.size();
  // The result's dims: (kind, item or dim of selected).
  Plain out;
  std::vector<std::pair<char, size_t>> dims;
  auto put_selected = [&] {
    for (size_t d = 0; d < selected.size(); ++d) {
      dims.emplace_back('t', d);
      out.shape.push_back(selected[d]);
    }
  };
  if (!together) put_selected();
  bool done = !together;
  for (size_t i = 0; i < items.size(); ++i) {
    const PlainItem& item = items[i];
    if (item.kind == 't' && !done) {
      put_selected();
      done = true;
    } else if (item.kind == 's') {
      dims.emplace_back('s', i);
      out.shape.push_back((item.stop - item.first + item.step - 1) / item.step);
    } else if (item.kind == 'n') {
      dims.emplace_back('n', i);
      out.shape.push_back(1);
    }
  }
  for (int64_t flat = 0; flat < num_elements(out.shape); ++flat) {
    std::vector<int64_t> at(items.size(), 0);
    std::vector<int64_t> chosen(selected.size(), 0);
    int64_t rest = flat;
    for (size_t d = dims.size(); d-- > 0;) {
      int64_t i = rest % out.shape[d];
      rest /= out.shape[d];
      if (dims[d].first == 't') chosen[dims[d].second] = i;
      else at[dims[d].second] = i;
    }
    Array cell = x.data();
    for (size_t i = 0; i < items.size(); ++i) {
      const PlainItem& item = items[i];
      if (item.kind == 'n') continue;
      int64_t index = item.first + at[i] * item.step;
      if (item.kind == 't') {
        Array entry = item.tensor.expand(selected);
        for (int64_t c : chosen) entry = entry.select(0, c);
        index = entry.item<int64_t>();
      }
      cell = cell.select(0, index);
    }
    out.values.push_back(cell.item<double>());
  }
  return out;
}

TEST(Indexing, AgreesWithPlainLoopsForEveryMixOfItems) {
  Tensor x = grid({4, 5, 3, 4});
  Array one = ints({3, 0, -1});
  Array column = ints({1, -2}, {2, 1});
  Array scalar = Array::scalar(2, DType::i64);
  // Each of x's dims gets one of these; with and without a new axis in the middle.
  std::vector<PlainItem> choices{{'i', -1}, {'s', 1, 3, 1}, {'s', 0, 3, 2}, {'t'}, {'t'}, {'t'}};
  choices[3].tensor = ints({2, 0, -1});
  choices[4].tensor = column;
  choices[5].tensor = scalar;
  size_t count = choices.size();
  for (size_t code = 0; code < count * count * count * count; ++code) {
    for (size_t axis_at : {size_t{9}, size_t{1}, size_t{2}}) {
      std::vector<PlainItem> items;
      size_t rest = code;
      for (size_t d = 0; d < 4; ++d, rest /= count) {
        if (d == axis_at) items.push_back({'n'});
        items.push_back(choices[rest % count]);
      }
      IndexItems mixed;
      for (const PlainItem& item : items) mixed.push_back(item_of(item));
      Plain expected = plain_index(x, items);
      Tensor got = index(x, mixed);
      ASSERT_EQ(got.shape(), expected.shape) << code << " " << axis_at;
      ASSERT_EQ(doubles(got.data()), expected.values) << code << " " << axis_at;
      if (code % 7 != 0) continue;
      // What is assigned is what is read back, and nothing else changes.
      Tensor target(Array::full({4, 5, 3, 4}, -1, DType::f64));
      assign(target, mixed, got);
      ASSERT_EQ(doubles(index(target, mixed).data()), expected.values) << code << " " << axis_at;
      Tensor marks(Array::zeros({4, 5, 3, 4}, DType::f64));
      assign(marks, mixed, 1.0);
      Values changed = doubles(target.data());
      Values mark = doubles(marks.data());
      for (size_t i = 0; i < changed.size(); ++i) {
        ASSERT_EQ(changed[i], mark[i] == 1 ? static_cast<double>(i) : -1.0);
      }
    }
  }
}

TEST(Indexing, BasicItemsGiveViews) {
  Tensor x = grid({2, 3, 4});
  EXPECT_EQ(index(x, {0, Slice(), Slice(1, none, 2)}).shape(), (Dims{3, 2}));
  EXPECT_EQ(index(x, {ellipsis, -1}).shape(), (Dims{2, 3}));
  EXPECT_EQ(index(x, {newaxis, ellipsis, newaxis}).shape(), (Dims{1, 2, 3, 4, 1}));
  EXPECT_EQ(index(x, {Slice(-1, none), Slice(none, -1)}).shape(), (Dims{1, 2, 4}));
  EXPECT_EQ(index(x, {1, Slice(), ellipsis, 0}).data().storage(), x.data().storage());
  EXPECT_EQ(index(x, {}).shape(), x.shape());
  EXPECT_EQ(index(x, {1, 2, 3}).item<double>(), 23);
}

TEST(Indexing, MasksStandForTheirDims) {
  Tensor x = grid({2, 3});
  EXPECT_EQ(doubles(index(x, {flags({0, 1, 1, 1, 0, 0}, {2, 3})}).data()), (Values{1, 2, 3}));
  EXPECT_EQ(doubles(index(x, {Slice(), flags({1, 0, 1}, {3})}).data()), (Values{0, 2, 3, 5}));
  EXPECT_EQ(doubles(index(x, {ints({1, 0}), flags({1, 0, 1}, {3})}).data()), (Values{3, 2}));
  EXPECT_EQ(index(x, {Array::zeros({2, 3}, DType::boolean)}).shape(), (Dims{0}));
  EXPECT_EQ(index(x, {Array::full({}, 1, DType::boolean)}).shape(), (Dims{1, 2, 3}));
  EXPECT_EQ(index(x, {Array::full({}, 0, DType::boolean)}).shape(), (Dims{0, 2, 3}));
}

TEST(Indexing, EmptyIndicesSelectNothing) {
  Tensor x = grid({2, 3});
  EXPECT_EQ(index(x, {Array::zeros({0}, DType::i64)}).shape(), (Dims{0, 3}));
  EXPECT_EQ(index(x, {Slice(5, 9)}).shape(), (Dims{0, 3}));
  assign(x, {Array::zeros({0}, DType::i64)}, 7.0);
  EXPECT_EQ(doubles(x.data()), doubles(grid({2, 3}).data()));
}

TEST(Indexing, AssignsThroughEveryKindOfItem) {
  Tensor x = grid({2, 3});
  assign(x, {0, Slice(1, none)}, 9.0);
  EXPECT_EQ(doubles(x.data()), (Values{0, 9, 9, 3, 4, 5}));
  assign(x, {flags({0, 1, 1, 0, 0, 1}, {2, 3})}, Tensor(Array::from<double>({1, 2, 3}, {3})));
  EXPECT_EQ(doubles(x.data()), (Values{0, 1, 2, 3, 4, 3}));
  assign(x, {ellipsis}, grid({2, 3}));
  EXPECT_EQ(doubles(x.data()), doubles(grid({2, 3}).data()));
  // Through a view, converted, and from its own elements.
  assign(index(x, {1}), {ints({2, 0})}, Tensor(Array::from<int64_t>({7, 8}, {2})));
  EXPECT_EQ(doubles(x.data()), (Values{0, 1, 2, 8, 4, 7}));
  assign(x, {ints({1, 0})}, x);
  EXPECT_EQ(doubles(x.data()), (Values{8, 4, 7, 0, 1, 2}));
}

TEST(Indexing, AccumulatesWhatMeets) {
  Tensor x = grid({3});
  index_put_(x, {ints({0, 0, 2})}, Tensor(Array::from<double>({10, 20, 30}, {3})), true);
  EXPECT_EQ(doubles(x.data()), (Values{30, 1, 32}));
  index_put_(x, {Slice(0, 2)}, Tensor(Array::from<double>({1}, {1})), true);
  EXPECT_EQ(doubles(x.data()), (Values{31, 2, 32}));
}

TEST(Indexing, GradientsGoThroughReadsAndWrites) {
  Tensor x(Array::from<double>({1, 2, 3}, {3}), true);
  Tensor y = index(x, {ints({2, 2, 0})});
  sum(y * y).backward();
  EXPECT_EQ(doubles(x.grad().data()), (Values{2, 0, 12}));

  Tensor v(Array::from<double>({5, 6}, {2}), true);
  Tensor z = grid({2, 3}) * 1.0;
  assign(z, {1, ints({2, 0})}, v);
  sum(z * z).backward();
  EXPECT_EQ(doubles(v.grad().data()), (Values{10, 12}));
}

TEST(Indexing, RefusesByItem) {
  Tensor x = grid({2, 3});
  auto of = [&](const IndexItems& items) { return error_of([&] { index(x, items); }); };
  EXPECT_EQ(of({2}), "[index] expected an index in [-2, 2) as item 0, got 2");
  EXPECT_EQ(of({0, 0, 0}), "[index] expected at most 2 indices for shape (2, 3), got 3");
  EXPECT_EQ(of({ellipsis, ellipsis}), "[index] expected at most one ellipsis, got 2");
  EXPECT_EQ(of({Slice(none, none, -1)}), "[index] expected a step of at least 1 in item 0, got -1");
  EXPECT_EQ(of({Array::zeros({2})}), "[index] expected item 0 to be of i64, i32 or bool, got f32");
  EXPECT_EQ(of({0, flags({1, 0}, {2})}),
            "[index] expected the mask of item 1 to have size 3 in dim 0, got shape (2,)");
  EXPECT_EQ(of({ints({0, 5})}), "[index] expected an index in [-2, 2), got 5 at 1 of (2,)");
  EXPECT_EQ(of({ints({0, 1}), ints({0, 1, 2})}), "[index] shapes (2,) and (3,) do not broadcast");
  EXPECT_EQ(of({Tensor()}), "[index] expected index tensors, got an undefined one");
  EXPECT_EQ(error_of([&] {
              assign(x, {ints({0, 1, 2})}, 1.0);
            }),
            "[index_put_] expected an index in [-2, 2), got 2 at 2 of (3,)");
  EXPECT_NE(error_of([&] { assign(x, {0}, grid({4})); }), "");
}

}  // namespace
}  // namespace tessera
