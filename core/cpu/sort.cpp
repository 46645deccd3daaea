#include <numeric>
#include <vector>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/fold.h"
#include "core/kernels/sort.h"

namespace tessera::cpu {
namespace {

// A long row is sorted in blocks of this many elements, which are then merged.
constexpr int64_t kBlock = 16384;

template <class V>
struct Item {
  V value;
  int64_t index;
};

// NaN behind all numbers.
template <class V>
bool less(V a, V b) {
  return a < b || (is_nan(b) && !is_nan(a));
}

// A strict order of all items, so that there is one sorted row.
template <class V>
struct Before {
  bool descending;
  bool operator()(const Item<V>& a, const Item<V>& b) const {
    if (descending ? less(b.value, a.value) : less(a.value, b.value)) return true;
    if (descending ? less(a.value, b.value) : less(b.value, a.value)) return false;
    return a.index < b.index;
  }
};

template <class T>
void load_items(const T* row, int64_t n, std::vector<Item<Widened<T>>>& items) {
  items.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) items[static_cast<size_t>(i)] = {widen(row[i]), i};
}

// The first `count` items as values and indices.
template <class V, class T>
void store_items(const std::vector<Item<V>>& items, int64_t count, const T* row, T* values,
                 int64_t* indices) {
  for (int64_t i = 0; i < count; ++i) {
    indices[i] = items[static_cast<size_t>(i)].index;
    values[i] = row[indices[i]];
  }
}

// Calls fn(i) for the rows, several short ones in a tile. `n` is a row's number of elements.
template <class F>
void for_rows(int64_t rows, int64_t n, F&& fn) {
  parallel_tiles(rows, std::max<int64_t>(1, kBlock / std::max<int64_t>(n, 1)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) fn(i);
                 });
}

// Blocks sorted side by side, then merged in pairs, level by level.
template <class V>
void sort_items(std::vector<Item<V>>& items, const Before<V>& before) {
  auto n = static_cast<int64_t>(items.size());
  parallel_tiles(n, kBlock, [&](int64_t begin, int64_t end) {
    std::sort(items.begin() + begin, items.begin() + end, before);
  });
  std::vector<Item<V>> merged(n > kBlock ? items.size() : 0);
  for (int64_t width = kBlock; width < n; width *= 2) {
    parallel_tiles(n, 2 * width, [&](int64_t begin, int64_t end) {
      auto from = items.begin();
      int64_t middle = std::min(begin + width, end);
      std::merge(from + begin, from + middle, from + middle, from + end, merged.begin() + begin,
                 before);
    });
    items.swap(merged);
  }
}

template <class T>
void sort_rows(const Array& x, bool descending, const Array& values, const Array& indices) {
  using V = Widened<T>;
  int64_t n = x.shape()[1];
  auto sort_row = [&](int64_t i) {
    std::vector<Item<V>> items;
    const T* row = x.data<T>() + i * n;
    load_items(row, n, items);
    sort_items(items, Before<V>{descending});
    store_items(items, n, row, values.data<T>() + i * n, indices.data<int64_t>() + i * n);
  };
  // One after another where each row alone has work for all threads.
  if (n > 4 * kBlock) {
    for (int64_t i = 0; i < x.shape()[0]; ++i) sort_row(i);
  } else {
    for_rows(x.shape()[0], n, sort_row);
  }
}

template <class T>
void top_rows(const Array& x, bool largest, const Array& values, const Array& indices) {
  using V = Widened<T>;
  int64_t n = x.shape()[1];
  int64_t k = values.shape()[1];
  for_rows(x.shape()[0], n, [&](int64_t i) {
    std::vector<Item<V>> items;
    const T* row = x.data<T>() + i * n;
    load_items(row, n, items);
    Before<V> before{largest};
    if (k < n) std::nth_element(items.begin(), items.begin() + k, items.end(), before);
    std::sort(items.begin(), items.begin() + k, before);
    store_items(items, k, row, values.data<T>() + i * k, indices.data<int64_t>() + i * k);
  });
}

// choose(items, row) gives the index of the element that stands for row i.
template <class T, class Choose>
void one_per_row(const Array& x, const Array& values, const Array& indices, Choose choose) {
  using V = Widened<T>;
  int64_t n = x.shape()[1];
  for_rows(x.shape()[0], n, [&](int64_t i) {
    std::vector<Item<V>> items;
    const T* row = x.data<T>() + i * n;
    load_items(row, n, items);
    int64_t index = choose(items);
    values.data<T>()[i] = row[index];
    indices.data<int64_t>()[i] = index;
  });
}

template <class V>
int64_t kth_index(std::vector<Item<V>>& items, int64_t k) {
  std::nth_element(items.begin(), items.begin() + k, items.end(), Before<V>{false});
  return items[static_cast<size_t>(k)].index;
}

template <class V>
int64_t median_index(std::vector<Item<V>>& items, bool skip_nan) {
  auto nan = [](const Item<V>& item) { return is_nan(item.value); };
  auto first = std::find_if(items.begin(), items.end(), nan);
  if (first != items.end()) {
    int64_t index = first->index;
    if (skip_nan) items.erase(std::remove_if(first, items.end(), nan), items.end());
    if (!skip_nan || items.empty()) return index;
  }
  return kth_index(items, (static_cast<int64_t>(items.size()) - 1) / 2);
}

// The last of the longest run of equal items, of the first such run.
template <class V>
int64_t mode_index(std::vector<Item<V>>& items) {
  std::sort(items.begin(), items.end(), Before<V>{false});
  size_t longest = 0;
  int64_t index = 0;
  for (size_t begin = 0; begin < items.size();) {
    size_t end = begin + 1;
    while (end < items.size() && !less(items[begin].value, items[end].value)) ++end;
    if (end - begin > longest) {
      longest = end - begin;
      index = items[end - 1].index;
    }
    begin = end;
  }
  return index;
}

template <class T>
void search_rows(const Array& sorted, const Array& values, bool right, const Array& out) {
  int64_t n = sorted.shape()[1];
  int64_t m = values.shape()[1];
  bool one_row = sorted.shape()[0] == 1;
  const T* edges = sorted.data<T>();
  const T* wanted = values.data<T>();
  auto* to = out.data<int64_t>();
  auto before = [](T a, T b) { return less(widen(a), widen(b)); };
  parallel_tiles(values.numel(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* row = edges + (one_row ? 0 : i / m * n);
      to[i] = (right ? std::upper_bound(row, row + n, wanted[i], before)
                     : std::lower_bound(row, row + n, wanted[i], before)) -
              row;
    }
  });
}

template <class T>
void count_into(const Array& x, const T* weights, const Array& out) {
  const auto* value = x.data<int64_t>();
  T* to = out.data<T>();
  std::fill_n(to, out.numel(), T(0));
  for (int64_t i = 0; i < x.numel(); ++i) {
    TESSERA_CHECK(value[i] >= 0 && value[i] < out.numel(),
                  "[bincount] expected values in [0, {}), got {} at {}", out.numel(), value[i], i);
    to[value[i]] += weights ? weights[i] : T(1);
  }
}

class Sort final : public SortFamily {
 public:
  void sort(const Array& x, bool descending, const Array& values,
            const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      sort_rows<typename decltype(tag)::type>(x, descending, values, indices);
    });
  }
  void topk(const Array& x, bool largest, const Array& values,
            const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      top_rows<typename decltype(tag)::type>(x, largest, values, indices);
    });
  }
  void kth(const Array& x, int64_t k, const Array& values, const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      one_per_row<typename decltype(tag)::type>(x, values, indices,
                                                [k](auto& items) { return kth_index(items, k); });
    });
  }
  void median(const Array& x, bool skip_nan, const Array& values,
              const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      one_per_row<typename decltype(tag)::type>(
          x, values, indices, [=](auto& items) { return median_index(items, skip_nan); });
    });
  }
  void mode(const Array& x, const Array& values, const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      one_per_row<typename decltype(tag)::type>(x, values, indices,
                                                [](auto& items) { return mode_index(items); });
    });
  }
  void searchsorted(const Array& sorted, const Array& values, bool right,
                    const Array& out) const override {
    visit_dtype(sorted.dtype(), [&](auto tag) {
      search_rows<typename decltype(tag)::type>(sorted, values, right, out);
    });
  }
  void bincount(const Array& x, const Array& weights, const Array& out) const override {
    if (!weights.defined()) return count_into<int64_t>(x, nullptr, out);
    visit_f32_f64(weights.dtype(), "bincount", [&](auto tag) {
      using T = typename decltype(tag)::type;
      count_into<T>(x, weights.data<T>(), out);
    });
  }
};

}  // namespace

const SortFamily& sort_family() {
  static const Sort family;
  return family;
}

}  // namespace tessera::cpu
