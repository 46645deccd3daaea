#include "core/print.h"

#include <algorithm>
#include <cmath>
#include <ostream>

namespace tessera {
namespace {

constexpr int64_t kSummarizeAbove = 1000;
constexpr int64_t kEdge = 3;
constexpr int kDecimals = 4;
constexpr size_t kLineWidth = 80;

// Which part of every dim is shown.
struct Extent {
  bool summarized;
  bool cut(int64_t size) const { return summarized && size > 2 * kEdge; }
  int64_t shown(int64_t size) const { return cut(size) ? 2 * kEdge : size; }
  // The index of the i-th that is shown.
  int64_t index(int64_t i, int64_t size) const {
    return cut(size) && i >= kEdge ? size - 2 * kEdge + i : i;
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

struct FloatStyle {
  bool scientific = false;
  int decimals = kDecimals;

  std::string format(double value) const {
    if (!std::isfinite(value)) return fmt::format("{}", value);
    // '#' keeps the point where no decimal follows it.
    return scientific ? fmt::format("{:#.{}e}", value, decimals)
                      : fmt::format("{:#.{}f}", value, decimals);
  }
};

// NumPy's rule for exponents, then the fewest decimals that lose nothing shown at kDecimals.
FloatStyle choose_style(const std::vector<double>& values) {
  double smallest = HUGE_VAL;
  double largest = 0;
  for (double value : values) {
    if (!std::isfinite(value) || value == 0) continue;
    smallest = std::min(smallest, std::fabs(value));
    largest = std::max(largest, std::fabs(value));
  }
  FloatStyle style;
  style.scientific =
      largest > 0 && (largest >= 1e8 || smallest < 1e-4 || largest / smallest > 1000);
  int needed = 0;
  for (double value : values) {
    if (!std::isfinite(value)) continue;
    std::string text = style.format(value);
    size_t point = text.find('.');
    size_t last = text.find_last_not_of('0', point + kDecimals);
    needed = std::max(needed, static_cast<int>(last - point));
  }
  style.decimals = needed;
  return style;
}

template <class T>
std::vector<std::string> format_items(const T* data, const std::vector<int64_t>& offsets) {
  std::vector<std::string> items;
  items.reserve(offsets.size());
  if constexpr (std::is_integral_v<T>) {
    for (int64_t at : offsets) items.push_back(fmt::format("{}", data[at]));
  } else {
    std::vector<double> values;
    for (int64_t at : offsets) values.push_back(convert<double>(data[at]));
    FloatStyle style = choose_style(values);
    for (double value : values) items.push_back(style.format(value));
  }
  return items;
}

std::vector<std::string> format_items(const Array& array, const std::vector<int64_t>& offsets) {
  const std::byte* data = array.storage()->data();
  std::vector<std::string> items;
  if (array.dtype() == DType::boolean) {
    // As bytes: memory that nobody has written need not hold a valid bool.
    for (int64_t at : offsets) items.emplace_back(data[at] != std::byte{0} ? "true" : "false");
  } else {
    items = visit_dtype(array.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      return format_items(reinterpret_cast<const T*>(data), offsets);
    });
  }
  size_t width = 0;
  for (const std::string& item : items) width = std::max(width, item.size());
  for (std::string& item : items) item.insert(0, width - item.size(), ' ');
  return items;
}

// Sets the items, all equally wide, between nested brackets.
class Layout {
 public:
  Layout(const Dims& shape, Extent extent, std::vector<std::string> items)
      : shape_(shape), extent_(extent), items_(std::move(items)) {}

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

  // One row, continued on further lines where it is long.
  void write_row(size_t indent) {
    int64_t size = shape_.back();
    size_t column = indent;
    auto put = [&](const std::string& word, bool first) {
      if (!first) {
        bool wraps = column + 2 + word.size() > kLineWidth;
        out_ += wraps ? ",\n" + std::string(indent, ' ') : ", ";
        column = wraps ? indent : column + 2;
      }
      out_ += word;
      column += word.size();
    };
    out_ += '[';
    for (int64_t i = 0; i < extent_.shown(size); ++i) {
      if (i == kEdge && extent_.cut(size)) put("...", false);
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
      if (i == kEdge && extent_.cut(shape_[d])) out_ += "..." + between;
      write(d + 1);
    }
    out_ += ']';
  }

  const Dims& shape_;
  Extent extent_;
  std::vector<std::string> items_;
  size_t next_ = 0;
  std::string out_;
};

}  // namespace

std::string to_string(const Array& array) {
  if (!array.defined()) return "Array(undefined)";
  bool on_cpu = array.device() == Device{};
  std::string line = fmt::format("Array(shape={}, dtype={}{})", array.shape(), array.dtype(),
                                 on_cpu ? "" : fmt::format(", device={}", array.device()));
  if (!on_cpu) return line;
  if (array.numel() == 0) return "[]\n" + line;
  Extent extent{array.numel() > kSummarizeAbove};
  auto items = format_items(array, shown_offsets(array, extent));
  return Layout(array.shape(), extent, std::move(items)).run() + "\n" + line;
}

std::ostream& operator<<(std::ostream& out, const Array& array) { return out << to_string(array); }

}  // namespace tessera
