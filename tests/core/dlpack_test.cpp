#include "core/dlpack.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::Values;

// A tensor of another library, which counts how often it is deleted.
struct Foreign {
  std::vector<float> memory{0, 1, 2, 3, 4, 5};
  std::vector<int64_t> shape{2, 3};
  std::vector<int64_t> strides{3, 1};
  int deleted = 0;
  DLManagedTensor tensor{};

  Foreign() {
    tensor.dl_tensor = {memory.data(), {kDLCPU, 0},    2, {kDLFloat, 32, 1},
                        shape.data(),  strides.data(), 0};
    tensor.manager_ctx = this;
    tensor.deleter = [](DLManagedTensor* self) {
      ++static_cast<Foreign*>(self->manager_ctx)->deleted;
    };
  }
  DLTensor& view() { return tensor.dl_tensor; }
  std::string refusal() {
    std::string error = error_of([&] { from_dlpack(&tensor); });
    EXPECT_EQ(deleted, 0) << "a refused tensor is still the caller's";
    return error;
  }
};

TEST(DLPack, SharesMemoryBothWays) {
  Array x = Array::arange(6, DType::f32).reshape({2, 3});
  DLManagedTensor* exported = to_dlpack(x);
  EXPECT_EQ(exported->dl_tensor.data, x.raw());
  Array back = from_dlpack(exported);
  EXPECT_EQ(back.raw(), x.raw());
  back.select(0, 1).fill_(9);
  EXPECT_EQ(doubles(x), (Values{0, 1, 2, 9, 9, 9}));
}

TEST(DLPack, KeepsTheMemoryUntilTheLastUserLetsGo) {
  Foreign foreign;
  {
    Array row = from_dlpack(&foreign.tensor).select(0, 1);
    EXPECT_EQ(foreign.deleted, 0);
    EXPECT_EQ(doubles(row), (Values{3, 4, 5}));
  }
  EXPECT_EQ(foreign.deleted, 1);

  auto x = std::make_unique<Array>(Array::full({2}, 7));
  std::weak_ptr<Storage> storage = x->storage();
  DLManagedTensor* exported = to_dlpack(*x);
  x.reset();
  EXPECT_FALSE(storage.expired());
  EXPECT_EQ(static_cast<float*>(exported->dl_tensor.data)[1], 7);
  exported->deleter(exported);
  EXPECT_TRUE(storage.expired());
}

TEST(DLPack, CarriesEveryDtype) {
  for (DType dtype : test::kDTypes) {
    Array x = Array::full({3}, 1, dtype);
    DLManagedTensor* exported = to_dlpack(x);
    EXPECT_EQ(exported->dl_tensor.dtype.bits, 8 * item_size(dtype));
    Array back = from_dlpack(exported);
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(doubles(back), (Values{1, 1, 1})) << name(dtype);
  }
}

TEST(DLPack, CarriesViewsAndEmptyArrays) {
  Array view = Array::arange(24).reshape({2, 3, 4}).transpose(0, 2).slice(0, 1, 4, 2);
  Array back = from_dlpack(to_dlpack(view));
  EXPECT_EQ(back.strides(), view.strides());
  EXPECT_EQ(doubles(back), doubles(view));
  EXPECT_EQ(doubles(from_dlpack(to_dlpack(Array::scalar(3)))), (Values{3}));
  EXPECT_EQ(from_dlpack(to_dlpack(Array::empty({2, 0}))).shape(), (Dims{2, 0}));
  EXPECT_EQ(doubles(from_dlpack(to_dlpack(Array::scalar(1).expand({3})))), (Values{1, 1, 1}));
  // More dims than Dims holds in place.
  EXPECT_EQ(from_dlpack(to_dlpack(Array::zeros(Dims(9, 1)))).dim(), 9);
}

TEST(DLPack, ReadsOffsetsAndLeftOutStrides) {
  Foreign foreign;
  foreign.view().strides = nullptr;
  foreign.view().byte_offset = 4;
  foreign.shape = {1, 5};
  foreign.view().shape = foreign.shape.data();
  EXPECT_EQ(doubles(from_dlpack(&foreign.tensor)), (Values{1, 2, 3, 4, 5}));
  // Whoever exports memory that lives forever needs no deleter.
  foreign.tensor.deleter = nullptr;
  EXPECT_EQ(from_dlpack(&foreign.tensor).numel(), 5);
}

TEST(DLPack, RefusesBoolsThatAreNone) {
  Foreign foreign;
  std::vector<uint8_t> bytes{1, 2, 0, 9, 1, 255};
  foreign.view().data = bytes.data();
  foreign.view().dtype = {6, 8, 1};
  EXPECT_EQ(foreign.refusal(),
            "[from_dlpack] the tensor: expected bools of 0 or 1, got a byte of 2");
  // What lies between the elements is not looked at.
  foreign.strides = {4, 2};
  foreign.shape = {2, 1};
  EXPECT_EQ(from_dlpack(&foreign.tensor).to_vector<bool>(), (std::vector<bool>{true, true}));
}

TEST(DLPack, RefusesWhatItCannotRepresent) {
  EXPECT_EQ(error_of([] { from_dlpack(nullptr); }),
            "[from_dlpack] expected a tensor, got a null pointer");
  EXPECT_EQ(error_of([] { to_dlpack(Array()); }),
            "[to_dlpack] expected an array, got an undefined one");
  auto with = [](auto&& change) {
    Foreign foreign;
    change(foreign);
    return foreign.refusal();
  };
  EXPECT_EQ(with([](Foreign& f) { f.view().device.device_type = kDLROCM; }),
            "[from_dlpack] expected a tensor on a CPU or CUDA device, got DLPack's device type 10");
  EXPECT_EQ(with([](Foreign& f) { f.view().dtype.lanes = 4; }),
            "[from_dlpack] no dtype for code 2 of 32 bits and 4 lanes");
  EXPECT_EQ(with([](Foreign& f) {
              f.view().dtype = {kDLInt, 16, 1};
            }),
            "[from_dlpack] no dtype for code 0 of 16 bits and 1 lanes");
  EXPECT_EQ(with([](Foreign& f) { f.view().ndim = -1; }),
            "[from_dlpack] expected 0 to 64 dims, got -1");
  EXPECT_EQ(with([](Foreign& f) { f.view().ndim = 65; }),
            "[from_dlpack] expected 0 to 64 dims, got 65");
  EXPECT_EQ(with([](Foreign& f) { f.view().shape = nullptr; }),
            "[from_dlpack] the tensor has no shape");
  EXPECT_EQ(with([](Foreign& f) { f.shape[1] = -3; }),
            "[from_dlpack] expected sizes of at least 0, got shape (2, -3)");
  EXPECT_EQ(with([](Foreign& f) { f.strides[0] = -3; }),
            "[from_dlpack] expected strides of at least 0, got (-3, 1)");
  EXPECT_EQ(with([](Foreign& f) { f.shape[0] = INT64_MAX; }),
            "[from_dlpack] shape (9223372036854775807, 3) of f32 is too large");
  EXPECT_EQ(with([](Foreign& f) { f.strides[0] = INT64_MAX; }),
            "[from_dlpack] shape (2, 3) of strides (9223372036854775807, 1) is too large");
  EXPECT_EQ(with([](Foreign& f) { f.view().data = nullptr; }),
            "[from_dlpack] the tensor has no data");
  EXPECT_EQ(with([](Foreign& f) { f.view().byte_offset = 2; }),
            "[from_dlpack] expected elements aligned to 4 bytes");
}

}  // namespace
}  // namespace tessera
