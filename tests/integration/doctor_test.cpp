#include "core/cuda/cuda.h"
#include "tests/integration/tessera_command.h"

namespace tessera::test {
namespace {

TEST(Doctor, SaysWhyCudaIsOffOrWhatThereIs) {
  Outcome outcome = run(tessera(Words{"doctor"}));
  EXPECT_TRUE(succeeded(outcome));
  const cuda::Availability& available = cuda::availability();
  EXPECT_NE(available.reason.empty(), available.num_devices == 0);
  EXPECT_TRUE(contains(
      outcome.out, available.num_devices == 0 ? "off: " + available.reason : cuda::describe(0)));
}

}  // namespace
}  // namespace tessera::test
