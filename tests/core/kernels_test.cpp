#include "core/kernels.h"

#include <gtest/gtest.h>

#include "core/cpu/cpu.h"
#include "core/cuda/cuda.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;

TEST(Kernels, NamesTheFamilyThatADeviceLacks) {
  Kernels none(DeviceType::meta);
  EXPECT_EQ(error_of([&] { none.attention(); }), "[attention] meta has no kernels of this family");
}

TEST(Kernels, SayWhyThereIsNoDevice) {
  std::string error = error_of([] { kernels({DeviceType::cuda, 1000}); });
  EXPECT_TRUE(contains(error, "[cuda] there is no device cuda:1000: "));
  EXPECT_TRUE(contains(error, cuda::availability().reason));
}

TEST(Kernels, NameTheirInstructionSet) { EXPECT_FALSE(cpu::instruction_set().empty()); }

}  // namespace
}  // namespace tessera
