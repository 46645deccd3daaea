#include "core/kernels.h"

#include <gtest/gtest.h>

#include "core/cpu/cpu.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::error_of;

TEST(Kernels, NamesTheFamilyThatADeviceLacks) {
  Kernels none;
  none.device = DeviceType::meta;
  EXPECT_EQ(error_of([&] { none.attention(); }), "[attention] meta has no kernels of this family");
  EXPECT_EQ(error_of([] {
              kernels({DeviceType::cuda, 1});
            }),
            "this build has no kernels for cuda:1");
}

TEST(Kernels, NameTheirInstructionSet) { EXPECT_FALSE(cpu::instruction_set().empty()); }

}  // namespace
}  // namespace tessera
