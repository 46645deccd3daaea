#include "core/array.h"

#include "core/kernels.h"
#include "core/kernels/copy.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// Strides under which `strides` over `shape` is seen as `target`, if there are any: every run of
// merged or split dims must itself be laid out row-major.
std::optional<Dims> view_strides(const Dims& shape, const Dims& strides, const Dims& target) {
  if (num_elements(shape) == 0) return contiguous_strides(target);
  Dims out(target.size(), 1);
  size_t t = target.size();
  size_t d = shape.size();
  while (d > 0) {
    // A maximal run of old dims that is row-major within itself, from the last one up.
    int64_t base = strides[d - 1];
    int64_t run = shape[--d];
    while (d > 0 && (shape[d - 1] == 1 || strides[d - 1] == base * run)) run *= shape[--d];
    int64_t filled = 1;
    while (t > 0 && (filled < run || target[t - 1] == 1)) {
      out[--t] = base * filled;
      filled *= target[t];
    }
    if (filled != run) return std::nullopt;
  }
  return out;
}

void check_sizes(const char* op, const Dims& shape) {
  for (int64_t size : shape) {
    TESSERA_CHECK(size >= 0, "[{}] negative size in shape {}", op, shape);
  }
}

void fill(const char* op, const Array& out, double value) {
  check_holds(op, out.dtype(), value);
  kernels(out.device()).copy().fill(out, value);
}

}  // namespace

Array::Array(std::shared_ptr<Storage> storage, DType dtype, Dims shape, Dims strides,
             int64_t offset)
    : storage_(std::move(storage)),
      shape_(std::move(shape)),
      strides_(std::move(strides)),
      offset_(offset),
      numel_(num_elements(shape_)),
      dtype_(dtype) {
  TESSERA_ASSERT(shape_.size() == strides_.size());
}

void Array::throw_undefined() { throw_error("[Array] the array is undefined"); }

void Array::throw_unreadable() const {
  throw_error(
      fmt::format("[data] the host cannot read {}: expected an array copied to the cpu", device()));
}

Array Array::with(Dims shape, Dims strides, int64_t offset) const {
  return {storage_, dtype_, std::move(shape), std::move(strides), offset};
}

Array Array::empty(Dims shape, DType dtype, Device device) {
  check_sizes("empty", shape);
  int64_t bytes = 0;
  TESSERA_CHECK(
      !__builtin_mul_overflow(num_elements(shape), static_cast<int64_t>(item_size(dtype)), &bytes),
      "[empty] shape {} of {} has more bytes than an int64 can count", shape, dtype);
  Dims strides = contiguous_strides(shape);
  return {Storage::allocate(static_cast<size_t>(bytes), device), dtype, std::move(shape),
          std::move(strides), 0};
}

Array Array::zeros(Dims shape, DType dtype, Device device) {
  check_sizes("zeros", shape);
  return full(std::move(shape), 0.0, dtype, device);
}

Array Array::full(Dims shape, double value, DType dtype, Device device) {
  check_sizes("full", shape);
  Array out = empty(std::move(shape), dtype, device);
  fill("full", out, value);
  return out;
}

Array Array::scalar(double value, DType dtype) { return full({}, value, dtype); }

Array Array::arange(int64_t count, DType dtype) {
  TESSERA_CHECK(count >= 0, "[arange] expected a count of at least 0, got {}", count);
  check_holds("arange", dtype, std::max<int64_t>(count - 1, 0));
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int64_t>(i);
  return from(values, {count}).to(dtype);
}

bool Array::is_contiguous() const {
  if (numel_ == 0) return true;
  int64_t expected = 1;
  for (size_t i = shape_.size(); i-- > 0;) {
    if (shape_[i] != 1 && strides_[i] != expected) return false;
    expected *= shape_[i];
  }
  return true;
}

Array Array::slice(int64_t dim, int64_t start, int64_t stop, int64_t step) const {
  size_t d = normalize_dim(dim, shape_.size(), "slice");
  TESSERA_CHECK(step > 0, "[slice] expected a step of at least 1, got {}", step);
  int64_t size = shape_[d];
  auto clamp = [size](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  start = clamp(start);
  stop = std::max(clamp(stop), start);
  Dims shape = shape_;
  Dims strides = strides_;
  shape[d] = (stop - start) / step + ((stop - start) % step != 0);
  if (shape[d] > 1) strides[d] *= step;
  return with(std::move(shape), std::move(strides), offset_ + start * strides_[d]);
}

Array Array::select(int64_t dim, int64_t index) const {
  size_t d = normalize_dim(dim, shape_.size(), "select");
  int64_t size = shape_[d];
  TESSERA_CHECK(index >= -size && index < size,
                "[select] expected an index in [{}, {}) for dim {} of shape {}, got {}", -size,
                size, d, shape_, index);
  Dims shape = shape_;
  Dims strides = strides_;
  shape.erase(d);
  strides.erase(d);
  return with(std::move(shape), std::move(strides),
              offset_ + (index < 0 ? index + size : index) * strides_[d]);
}

// Zero dims count as one here, as in PyTorch.
Array Array::transpose(int64_t dim0, int64_t dim1) const {
  size_t rank = std::max<size_t>(shape_.size(), 1);
  size_t a = normalize_dim(dim0, rank, "transpose");
  size_t b = normalize_dim(dim1, rank, "transpose");
  if (shape_.empty()) return *this;
  Dims shape = shape_;
  Dims strides = strides_;
  std::swap(shape[a], shape[b]);
  std::swap(strides[a], strides[b]);
  return with(std::move(shape), std::move(strides), offset_);
}

Array Array::permute(const Dims& dims) const {
  TESSERA_CHECK(dims.size() == shape_.size(), "[permute] expected {} dims for shape {}, got {}",
                shape_.size(), shape_, dims);
  Dims shape;
  Dims strides;
  std::vector<bool> seen(dims.size());
  for (int64_t dim : dims) {
    size_t d = normalize_dim(dim, shape_.size(), "permute");
    TESSERA_CHECK(!seen[d], "[permute] dim {} is named twice in {}", d, dims);
    seen[d] = true;
    shape.push_back(shape_[d]);
    strides.push_back(strides_[d]);
  }
  return with(std::move(shape), std::move(strides), offset_);
}

Array Array::expand(const Dims& shape) const {
  TESSERA_CHECK(shape.size() >= shape_.size(), "[expand] shape {} does not expand to {}", shape_,
                shape);
  Dims sizes = shape;
  Dims strides(shape.size(), 0);
  size_t lead = shape.size() - shape_.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t old_size = i < lead ? 1 : shape_[i - lead];
    if (i >= lead && sizes[i] == -1) sizes[i] = old_size;
    TESSERA_CHECK(sizes[i] >= 0 && (old_size == sizes[i] || old_size == 1),
                  "[expand] shape {} does not expand to {}", shape_, shape);
    strides[i] = i >= lead && old_size == sizes[i] ? strides_[i - lead] : 0;
  }
  return with(std::move(sizes), std::move(strides), offset_);
}

Array Array::unsqueeze(int64_t dim) const {
  size_t d = normalize_dim(dim, shape_.size() + 1, "unsqueeze");
  Dims shape = shape_;
  Dims strides = strides_;
  strides.insert(d, d < shape.size() ? shape[d] * strides[d] : 1);
  shape.insert(d, 1);
  return with(std::move(shape), std::move(strides), offset_);
}

Array Array::squeeze(int64_t dim) const {
  size_t d = normalize_dim(dim, std::max<size_t>(shape_.size(), 1), "squeeze");
  return !shape_.empty() && shape_[d] == 1 ? select(dim, 0) : *this;
}

Array Array::view(const Dims& shape) const {
  Dims sizes = infer_shape(shape, numel_, "view");
  std::optional<Dims> strides = view_strides(shape_, strides_, sizes);
  TESSERA_CHECK(strides, "[view] shape {} with strides {} cannot be seen as {} without a copy",
                shape_, strides_, sizes);
  return with(std::move(sizes), *std::move(strides), offset_);
}

Array Array::reshape(const Dims& shape) const {
  Dims sizes = infer_shape(shape, numel_, "reshape");
  if (auto strides = view_strides(shape_, strides_, sizes)) {
    return with(std::move(sizes), *std::move(strides), offset_);
  }
  return clone().view(sizes);
}

Array Array::contiguous() const { return is_contiguous() ? *this : clone(); }

Array Array::clone() const {
  Array out = empty(shape_, dtype_, device());
  out.copy_(*this);
  return out;
}

Array Array::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  Array out = empty(shape_, dtype, device());
  out.copy_(*this);
  return out;
}

Array Array::to(Device device) const {
  if (device == this->device()) return *this;
  Array packed = contiguous();
  Array out = empty(shape_, dtype_, device);
  if (numel_ == 0 || !out.storage_->backend().has_elements()) return out;
  // Between two that the host cannot read, the target knows how.
  bool to_host = out.storage_->backend().host_reads();
  Backend& mover = to_host ? storage_->backend() : out.storage_->backend();
  mover.copy(out.device_raw(), device, packed.device_raw(), this->device(), nbytes());
  return out;
}

void Array::copy_(const Array& source) const {
  // Converted where it comes from, laid out and broadcast where it goes to.
  if (source.device() != device()) return copy_(source.to(dtype_).to(device()));
  kernels(device()).copy().run(source.expand(shape_), *this);
}

void Array::fill_(double value) const { fill("fill_", *this, value); }

Dims infer_shape(const Dims& shape, int64_t numel, std::string_view op) {
  Dims sizes = shape;
  int64_t known = 1;
  std::optional<size_t> unknown;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      TESSERA_CHECK(!unknown, "[{}] more than one -1 in shape {}", op, shape);
      unknown = i;
    } else {
      TESSERA_CHECK(sizes[i] >= 0, "[{}] negative size in shape {}", op, shape);
      TESSERA_CHECK(!__builtin_mul_overflow(known, sizes[i], &known), "[{}] shape {} is too large",
                    op, shape);
    }
  }
  if (unknown) {
    TESSERA_CHECK(known > 0 && numel % known == 0, "[{}] {} elements do not fit shape {}", op,
                  numel, shape);
    sizes[*unknown] = numel / known;
  } else {
    TESSERA_CHECK(known == numel, "[{}] {} elements do not fit shape {}", op, numel, shape);
  }
  return sizes;
}

}  // namespace tessera
