#include "launcher/agent/resources.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/support/error_of.h"

namespace tessera::agent {
namespace {

void limit(__rlimit_resource_t resource, rlim_t value) {
  rlimit both{value, value};
  setrlimit(resource, &both);
}

// Prints the error, for the test to compare. What the libraries hold is no leak of a process that
// ends here.
[[noreturn]] void require_and_exit(int num_ranks) {
  std::string error = test::error_of([&] { require_resources(num_ranks); });
  std::fprintf(stderr, "%s\n", error.c_str());
  std::_Exit(error.empty() ? 0 : 1);
}

TEST(Resources, AreThereAsARule) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(require_and_exit(2), testing::ExitedWithCode(0), "");
}

TEST(Resources, TooFewDescriptorsAreNamed) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT((limit(RLIMIT_NOFILE, 48), require_and_exit(2)), testing::ExitedWithCode(1),
              "48 descriptors open \\(ulimit -n\\), and 112 are needed");
}

TEST(Resources, ALimitThatMayBeRaisedIs) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        rlimit soft{};
        getrlimit(RLIMIT_NOFILE, &soft);
        soft.rlim_cur = 48;
        setrlimit(RLIMIT_NOFILE, &soft);
        require_and_exit(2);
      },
      testing::ExitedWithCode(0), "");
}

TEST(Resources, TooLittleMemoryIsNamed) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer reserves more than any such limit";
#endif
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (rlim_t mib : {250, 300}) {
    EXPECT_EXIT((limit(RLIMIT_AS, mib << 20), require_and_exit(2)), testing::ExitedWithCode(1),
                "ulimit -v");
  }
}

}  // namespace
}  // namespace tessera::agent
