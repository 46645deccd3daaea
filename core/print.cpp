#include "core/print.h"

#include <algorithm>
#include <ostream>

#include "core/float_text.h"

namespace tessera {
namespace {

// Which part of every dim is shown.
struct Extent {
  bool summarized;
  int64_t edge;
  bool cut(int64_t size) const { return summarized && size > 2 * edge; }
  int64_t shown(int64_t size) const { return cut(size) ? 2 * edge : size; }
  // The index of the i-th that is shown.
  int64_t index(int64_t i, int64_t size) const {
    return cut(size) && i >= edge ? size - 2 * edge + i : i;
  }
};

// Where the shown elements lie in the storage, in row-major order.
std::vector<int64_t> shown_offsets(const Array& array, Extent extent) {
  std::vector<int64_t> offsets{array.offset()};
  for (size_t d = 0; d < array.dim(); ++d) {
    int64_t size = array.shape()[d];
    std::vector<int64_t> next;
    for (int64_t base : offsets) {
      for (int64_t i = 0; i < extent.shown(size); ++i) {
        next.push_back(base + extent.index(i, size) * array.strides()[d]);
      }
    }
    offsets = std::move(next);
  }
  return offsets;
}

void align_right(std::vector<std::string>& items) {
  size_t width = 0;
  for (const std::string& item : items) width = std::max(width, item.size());
  for (std::string& item : items) item.insert(0, width - item.size(), ' ');
}

template <class T>
std::vector<std::string> format_items(const T* data, const std::vector<int64_t>& offsets,
                                      const PrintOptions& options) {
  if constexpr (std::is_integral_v<T>) {
    std::vector<std::string> items;
    items.reserve(offsets.size());
    for (int64_t at : offsets) items.push_back(fmt::format("{}", data[at]));
    align_right(items);
    return items;
  } else {
    std::vector<double> values;
    values.reserve(offsets.size());
    for (int64_t at : offsets) values.push_back(convert<double>(data[at]));
    return float_column(values, dtype_of<T>(), options.precision, options.suppress);
  }
}

std::vector<std::string> format_items(const Array& array, const std::vector<int64_t>& offsets,
                                      const PrintOptions& options) {
  const std::byte* data = array.storage()->data();
  if (array.dtype() == DType::boolean) {
    std::vector<std::string> items;
    // As wide as False, but for a single one.
    const char* yes = array.dim() == 0 ? "True" : " True";
    // As bytes: memory that nobody has written need not hold a valid bool.
    for (int64_t at : offsets) items.emplace_back(data[at] != std::byte{0} ? yes : "False");
    return items;
  }
  return visit_dtype(array.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    return format_items(reinterpret_cast<const T*>(data), offsets, options);
  });
}

// Sets the items, all equally wide, between nested brackets.
class Layout {
 public:
  Layout(const Dims& shape, Extent extent, int64_t line_width, std::vector<std::string> items)
      : shape_(shape),
        extent_(extent),
        row_end_(line_width - static_cast<int64_t>(shape.size())),
        items_(std::move(items)) {}

  std::string run() {
    write(0);
    return std::move(out_);
  }

 private:
  void write(size_t d) {
    if (d == shape_.size()) {
      out_ += items_[next_++];
    } else if (d + 1 == shape_.size()) {
      write_row(d + 1);
    } else {
      write_blocks(d);
    }
  }

  // One row, continued on further lines where it is long; its brackets must fit, too.
  void write_row(size_t indent) {
    int64_t size = shape_.back();
    size_t column = indent;
    auto put = [&](const std::string& word, bool first) {
      if (!first) {
        bool wraps = static_cast<int64_t>(column + 2 + word.size()) > row_end_;
        out_ += wraps ? ",\n" + std::string(indent, ' ') : ", ";
        column = wraps ? indent : column + 2;
      }
      out_ += word;
      column += word.size();
    };
    out_ += '[';
    for (int64_t i = 0; i < extent_.shown(size); ++i) {
      if (i == extent_.edge && extent_.cut(size)) put("...", false);
      put(items_[next_++], i == 0);
    }
    out_ += ']';
  }

  // Blocks of more dims stand further apart, as in NumPy.
  void write_blocks(size_t d) {
    std::string between = "," + std::string(shape_.size() - d - 1, '\n') + std::string(d + 1, ' ');
    out_ += '[';
    for (int64_t i = 0; i < extent_.shown(shape_[d]); ++i) {
      if (i > 0) out_ += between;
      if (i == extent_.edge && extent_.cut(shape_[d])) out_ += "..." + between;
      write(d + 1);
    }
    out_ += ']';
  }

  const Dims& shape_;
  Extent extent_;
  int64_t row_end_;
  std::vector<std::string> items_;
  size_t next_ = 0;
  std::string out_;
};

void check(const PrintOptions& options) {
  TESSERA_CHECK(options.precision >= 0 && options.precision <= 40,
                "[to_string] expected a precision of 0 to 40, got {}", options.precision);
  TESSERA_CHECK(options.edge_items >= 1, "[to_string] expected at least 1 edge item, got {}",
                options.edge_items);
  TESSERA_CHECK(options.threshold >= 0 && options.line_width >= 0,
                "[to_string] expected a threshold and a line width of at least 0, got {} and {}",
                options.threshold, options.line_width);
}

}  // namespace

std::string elements_string(const Array& array, const PrintOptions& options) {
  check(options);
  if (array.numel() == 0) return "[]";
  Extent extent{array.numel() > options.threshold, options.edge_items};
  auto items = format_items(array, shown_offsets(array, extent), options);
  return Layout(array.shape(), extent, options.line_width, std::move(items)).run();
}

std::string to_string_as(std::string_view type, const Array& array, std::string_view more,
                         const PrintOptions& options) {
  bool on_cpu = array.device() == Device{};
  std::string line = fmt::format("{}(shape={}, dtype={}{}{})", type, array.shape(), array.dtype(),
                                 on_cpu ? "" : fmt::format(", device={}", array.device()), more);
  return on_cpu ? elements_string(array, options) + "\n" + line : line;
}

std::string to_string(const Array& array, const PrintOptions& options) {
  return array.defined() ? to_string_as("Array", array, "", options) : "Array(undefined)";
}

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << to_string(array); }

std::ostream& operator<<(std::ostream& out, const Dims& dims) { return out << to_string(dims); }

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name(dtype); }

std::ostream& operator<<(std::ostream& out, Device device) { return out << to_string(device); }

}  // namespace tessera
