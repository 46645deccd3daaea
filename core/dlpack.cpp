#include "core/dlpack.h"

#include <array>
#include <optional>

#include "core/io/elements.h"

namespace tessera {
namespace {

// Since version 0.8 of the format.
constexpr uint8_t kDLBool = 6;

struct Pair {
  DType dtype;
  DLDataType code;
};
constexpr std::array<Pair, 8> kTypes{{{DType::f32, {kDLFloat, 32, 1}},
                                      {DType::f64, {kDLFloat, 64, 1}},
                                      {DType::bf16, {kDLBfloat, 16, 1}},
                                      {DType::f16, {kDLFloat, 16, 1}},
                                      {DType::i64, {kDLInt, 64, 1}},
                                      {DType::i32, {kDLInt, 32, 1}},
                                      {DType::u8, {kDLUInt, 8, 1}},
                                      {DType::boolean, {kDLBool, 8, 1}}}};

DLDataType code_of(DType dtype) {
  for (const Pair& pair : kTypes) {
    if (pair.dtype == dtype) return pair.code;
  }
  TESSERA_ASSERT(false, "every dtype has a code");
}

DType dtype_of_code(DLDataType type) {
  for (const Pair& pair : kTypes) {
    if (pair.code.code == type.code && pair.code.bits == type.bits && type.lanes == 1) {
      return pair.dtype;
    }
  }
  throw_error(fmt::format("[from_dlpack] no dtype for code {} of {} bits and {} lanes", type.code,
                          type.bits, type.lanes));
}

DLDevice device_of(Device device) {
  TESSERA_CHECK(device.type != DeviceType::meta, "[to_dlpack] an array on {} has no elements",
                device);
  return {device.type == DeviceType::cuda ? kDLCUDA : kDLCPU, device.index};
}

Device device_of(DLDevice device) {
  switch (device.device_type) {
    case kDLCPU: return {};
    case kDLCUDA: return {DeviceType::cuda, device.device_id};
    default:
      throw_error(
          fmt::format("[from_dlpack] expected a tensor on a CPU or CUDA device, got "
                      "DLPack's device type {}",
                      static_cast<int>(device.device_type)));
  }
}

// What an exported tensor points to.
struct Exported {
  Array array;
  DLManagedTensor tensor{};
};

// Bytes from the first element to behind the last; nothing where these do not fit into an int64.
std::optional<uint64_t> extent_bytes(const Dims& shape, const Dims& strides, DType dtype) {
  int64_t last = 0;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] == 0) return 0;
    int64_t reach = 0;
    if (__builtin_mul_overflow(shape[d] - 1, strides[d], &reach) ||
        __builtin_add_overflow(last, reach, &last)) {
      return std::nullopt;
    }
  }
  int64_t bytes = 0;
  if (__builtin_add_overflow(last, 1, &last) ||
      __builtin_mul_overflow(last, static_cast<int64_t>(item_size(dtype)), &bytes)) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(bytes);
}

Dims shape_of(const DLTensor& tensor) {
  TESSERA_CHECK(tensor.ndim >= 0 && static_cast<size_t>(tensor.ndim) <= kMaxFileDims,
                "[from_dlpack] expected 0 to {} dims, got {}", kMaxFileDims, tensor.ndim);
  TESSERA_CHECK(tensor.ndim == 0 || tensor.shape, "[from_dlpack] the tensor has no shape");
  Dims shape(std::span<const int64_t>(tensor.shape, static_cast<size_t>(tensor.ndim)));
  for (int64_t size : shape) {
    TESSERA_CHECK(size >= 0, "[from_dlpack] expected sizes of at least 0, got shape {}", shape);
  }
  return shape;
}

Dims strides_of(const DLTensor& tensor, const Dims& shape) {
  if (!tensor.strides) return contiguous_strides(shape);
  Dims strides(std::span<const int64_t>(tensor.strides, shape.size()));
  for (int64_t stride : strides) {
    TESSERA_CHECK(stride >= 0, "[from_dlpack] expected strides of at least 0, got {}", strides);
  }
  return strides;
}

// Of the elements alone: what lies between them is anybody's.
void check_bools_of(void* data, uint64_t bytes, const Dims& shape, const Dims& strides,
                    Device device) {
  Array elements(Storage::wrap(data, bytes, device, nullptr), DType::u8, shape, strides, 0);
  check_bools(bytes_of(elements.to(Device{}).contiguous()), "[from_dlpack] the tensor");
}

}  // namespace

DLManagedTensor* to_dlpack(const Array& array) {
  TESSERA_CHECK(array.defined(), "[to_dlpack] expected an array, got an undefined one");
  DLDevice device = device_of(array.device());
  auto exported = std::make_unique<Exported>(Exported{array});
  Array& own = exported->array;
  DLManagedTensor& out = exported->tensor;
  // The format's pointers are not to const, yet nobody may write shape and strides.
  out.dl_tensor = {array.device_raw(),
                   device,
                   static_cast<int>(array.dim()),
                   code_of(array.dtype()),
                   const_cast<int64_t*>(own.shape().data()),
                   const_cast<int64_t*>(own.strides().data()),
                   0};
  out.manager_ctx = exported.get();
  out.deleter = [](DLManagedTensor* tensor) { delete static_cast<Exported*>(tensor->manager_ctx); };
  return &exported.release()->tensor;
}

Array from_dlpack(DLManagedTensor* managed) {
  TESSERA_CHECK(managed, "[from_dlpack] expected a tensor, got a null pointer");
  const DLTensor& tensor = managed->dl_tensor;
  Device device = device_of(tensor.device);
  DType dtype = dtype_of_code(tensor.dtype);
  Dims shape = shape_of(tensor);
  // Also of the elements together: views are counted in int64.
  TESSERA_CHECK(data_bytes(shape, dtype), "[from_dlpack] shape {} of {} is too large", shape,
                dtype);
  Dims strides = strides_of(tensor, shape);
  std::optional<uint64_t> bytes = extent_bytes(shape, strides, dtype);
  TESSERA_CHECK(bytes, "[from_dlpack] shape {} of strides {} is too large", shape, strides);
  auto* data = static_cast<std::byte*>(tensor.data);
  TESSERA_CHECK(data || *bytes == 0, "[from_dlpack] the tensor has no data");
  if (data) data += tensor.byte_offset;
  TESSERA_CHECK(reinterpret_cast<uintptr_t>(data) % item_size(dtype) == 0,
                "[from_dlpack] expected elements aligned to {} bytes", item_size(dtype));
  if (dtype == DType::boolean && *bytes > 0) check_bools_of(data, *bytes, shape, strides, device);
  auto release = [managed] {
    if (managed->deleter) managed->deleter(managed);
  };
  return {Storage::wrap(data, *bytes, device, release), dtype, std::move(shape), std::move(strides),
          0};
}

}  // namespace tessera
