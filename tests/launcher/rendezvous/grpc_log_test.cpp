#include "launcher/rendezvous/grpc_log.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/rendezvous.pb.h"

namespace tessera::rendezvous {
namespace {

// As anyone may send it, with a host that is not UTF-8.
bool parses_bad_text() {
  v1::Node node;
  return node.ParseFromString(std::string("\x0a\x02\xff\xfe", 4));
}

TEST(GrpcLog, TextThatIsNotUtf8IsCountedInOneLine) {
  print_grpc_errors();
  testing::internal::CaptureStderr();
  for (int i = 0; i < 1340; ++i) parses_bad_text();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  testing::internal::CaptureStderr();
  print_counted_errors();
  print_counted_errors();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "rendezvous: 1340 fields of calls held text that is not UTF-8\n");
}

TEST(GrpcLog, OneIsOne) {
  print_grpc_errors();
  testing::internal::CaptureStderr();
  parses_bad_text();
  print_counted_errors();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "rendezvous: 1 field of calls held text that is not UTF-8\n");
}

}  // namespace
}  // namespace tessera::rendezvous
