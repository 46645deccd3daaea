#include "launcher/rendezvous/credentials.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "core/error.h"
#include "launcher/rendezvous/authority.h"
#include "launcher/rendezvous/openssl.h"
#include "launcher/rendezvous/server.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::rendezvous {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

// Own files, complete and valid, in a folder of the test's; replace() makes one of them wrong.
class OwnFiles {
 public:
  explicit OwnFiles(const AuthorityOptions& ca_options = {},
                    const AuthorityOptions& node_options = {}) {
    authority = make_ca(ca_options);
    node = make_node(authority, node_options);
    write("ca.crt", authority.certificate);
    write("node.crt", node.certificate);
    write("node.key", node.key);
    write("token", std::string(32, 't') + "\n");
  }

  void write(const std::string& name, std::string_view content, mode_t mode = 0600) {
    std::string path = folder_.write(name, content);
    if (chmod(path.c_str(), mode) == -1) throw std::runtime_error("cannot chmod " + path);
  }

  CredentialFiles files() const {
    return {.ca = folder_ / "ca.crt",
            .certificate = folder_ / "node.crt",
            .key = folder_ / "node.key",
            .token_file = folder_ / "token",
            .server_name = "a-name"};
  }

  // The error, without the path of the folder.
  std::string error() const {
    std::string text = error_of([&] { load_credentials(files()); });
    std::string path = folder_.path() + "/";
    for (size_t at; (at = text.find(path)) != std::string::npos;) text.erase(at, path.size());
    return text;
  }

  const TempDir& folder() const { return folder_; }

  Identity authority;
  Identity node;

 private:
  TempDir folder_;
};

TEST(LoadCredentials, FromAFolderMadeByInit) {
  TempDir folder;
  std::string made = folder / "made";
  make_authority(made);
  Credentials credentials = load_credentials({.folder = made});
  EXPECT_TRUE(credentials.secure());
  EXPECT_EQ(credentials.ca, folder.read("made/ca.crt"));
  EXPECT_EQ(credentials.certificate, folder.read("made/node.crt"));
  EXPECT_EQ(credentials.key, folder.read("made/node.key"));
  EXPECT_EQ(credentials.token + "\n", folder.read("made/token"));
  EXPECT_EQ(credentials.server_name, "tessera-rendezvous");
  // Nodes do not need it, and ought not to have it.
  std::filesystem::remove(made + "/ca.key");
  EXPECT_EQ(load_credentials({.folder = made}).key, credentials.key);
  std::filesystem::remove(made + "/token");
  EXPECT_EQ(error_of([&] { load_credentials({.folder = made}); }),
            "[credentials] " + made + "/token: cannot open: No such file or directory");
}

TEST(LoadCredentials, FromOwnFiles) {
  OwnFiles own;
  Credentials credentials = load_credentials(own.files());
  EXPECT_TRUE(credentials.secure());
  EXPECT_EQ(credentials.key, own.node.key);
  EXPECT_EQ(credentials.token, std::string(32, 't'));
  EXPECT_EQ(credentials.server_name, "a-name");
  CredentialFiles no_token = own.files();
  no_token.token_file.clear();
  EXPECT_EQ(load_credentials(no_token).token, "");
}

TEST(LoadCredentials, NothingIsInsecureAndHalfIsRefused) {
  EXPECT_FALSE(Credentials{}.secure());
  EXPECT_FALSE(load_credentials({}).secure());
  OwnFiles own;
  Credentials only_token = load_credentials({.token_file = own.folder() / "token"});
  EXPECT_FALSE(only_token.secure());
  EXPECT_EQ(only_token.token.size(), 32u);
  EXPECT_EQ(error_of([] { load_credentials({.ca = "x", .key = "y"}); }),
            "[credentials] expected ca, certificate and key together, got ca 'x', certificate '', "
            "key 'y'");
  EXPECT_EQ(error_of([] { load_credentials({.server_name = "x"}); }),
            "[credentials] expected ca, certificate and key with the server name 'x', got none");
  EXPECT_EQ(error_of([] { load_credentials({.folder = "x", .token_file = "y"}); }),
            "[credentials] expected either the folder x or own files, got both");
}

TEST(LoadCredentials, RefusesFilesThatCannotBeRead) {
  for (const char* name : {"ca.crt", "node.crt", "node.key", "token"}) {
    OwnFiles own;
    std::string path = own.folder() / name;
    std::filesystem::remove(path);
    std::string prefix = std::string("[credentials] ") + name + ": ";
    EXPECT_EQ(own.error(), prefix + "cannot open: No such file or directory");
    std::filesystem::create_symlink(name, path);
    EXPECT_EQ(own.error(), prefix + "cannot open: Too many levels of symbolic links");
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
    EXPECT_EQ(own.error(), prefix + "expected a regular file");
    std::filesystem::remove(path);
    ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(own.error(), prefix + "expected a regular file");
    std::filesystem::remove(path);
    own.write(name, std::string(64 * 1024 + 1, 'x'));
    EXPECT_EQ(own.error(), prefix + "expected at most 65536 bytes, got 65537");
    if (geteuid() == 0) continue;  // Modes do not keep root out.
    own.write(name, "x", 0);
    EXPECT_EQ(own.error(), prefix + "cannot open: Permission denied");
  }
}

TEST(LoadCredentials, RefusesSecretsThatOthersMayAccess) {
  for (const char* name : {"node.key", "token"}) {
    for (mode_t mode : {0640, 0604, 0620, 0601, 0666}) {
      OwnFiles own;
      ASSERT_EQ(chmod((own.folder() / name).c_str(), mode), 0);
      EXPECT_EQ(own.error(),
                fmt::format("[credentials] {}: expected a file for its owner only, and its mode "
                            "is {:04o}; `chmod 600` repairs that",
                            name, mode));
    }
  }
  OwnFiles own;
  for (const char* name : {"node.key", "token"}) {
    ASSERT_EQ(chmod((own.folder() / name).c_str(), 0400), 0);
  }
  for (const char* name : {"ca.crt", "node.crt"}) {
    ASSERT_EQ(chmod((own.folder() / name).c_str(), 0644), 0);
  }
  EXPECT_EQ(own.error(), "");
}

TEST(LoadCredentials, RefusesWhatIsNotPem) {
  for (const char* name : {"ca.crt", "node.crt", "node.key"}) {
    OwnFiles own;
    std::string whole = own.folder().read(name);
    std::string half = whole.substr(0, whole.size() / 2);
    std::string damaged = whole;
    damaged[whole.size() / 2] = '!';
    std::string start = whole.substr(0, whole.find('\n') + 1);
    std::string end = whole.substr(whole.rfind('\n', whole.size() - 2) + 1);
    for (const std::string& wrong :
         {std::string(), std::string("hunter2"), half, damaged,
          fmt::format("{}aGVsbG8=\n{}", start, end), std::string("\0\xff\xfe", 3)}) {
      own.write(name, wrong);
      EXPECT_TRUE(contains(own.error(), std::string("[credentials] ") + name + ": expected "));
      EXPECT_TRUE(contains(own.error(), "in PEM"));
      EXPECT_EQ(own.error().find("hunter2"), std::string::npos);
    }
  }
  OwnFiles own;
  own.write("ca.crt", own.authority.certificate + own.authority.certificate.substr(0, 200));
  EXPECT_TRUE(contains(own.error(), "[credentials] ca.crt: expected certificates in PEM ("));
  own.write("ca.crt", own.authority.certificate);
  own.write("node.key", own.node.certificate);
  EXPECT_TRUE(contains(own.error(), "[credentials] node.key: expected a private key in PEM"));
}

TEST(LoadCredentials, AsksForNoPassphrase) {
  OwnFiles own;
  BioPtr in(BIO_new_mem_buf(own.node.key.data(), static_cast<int>(own.node.key.size())));
  KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  BioPtr out(BIO_new(BIO_s_mem()));
  unsigned char passphrase[] = "secret";
  ASSERT_EQ(PEM_write_bio_PrivateKey(out.get(), key.get(), EVP_aes_128_cbc(), passphrase, 6,
                                     nullptr, nullptr),
            1);
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  own.write("node.key", {data, static_cast<size_t>(size)});
  EXPECT_TRUE(contains(own.error(),
                       "[credentials] node.key: expected a private key in PEM without a "
                       "passphrase"));
}

TEST(LoadCredentials, RefusesAKeyOfAnotherCertificate) {
  OwnFiles own;
  own.write("node.key", make_node(own.authority, {}).key);
  EXPECT_EQ(own.error(),
            "[credentials] node.key: expected the key of the certificate in node.crt, got another "
            "one");
  own.write("node.key", own.authority.key);
  EXPECT_TRUE(contains(own.error(), "node.key: expected the key of the certificate"));
}

TEST(LoadCredentials, RefusesACertificateOfAnotherCa) {
  OwnFiles own;
  Identity other = make_ca({});
  own.write("ca.crt", other.certificate);
  EXPECT_TRUE(contains(own.error(),
                       "[credentials] node.crt: expected a certificate signed by the CA in ca.crt "
                       "("));
  own.write("ca.crt", other.certificate + own.authority.certificate);
  EXPECT_EQ(own.error(), "");
  // A node is no CA.
  own.write("ca.crt", own.node.certificate);
  EXPECT_TRUE(contains(own.error(), "node.crt: expected a certificate signed by the CA"));
}

TEST(LoadCredentials, RefusesExpiredAndFutureCertificatesWithTheDate) {
  AuthorityOptions past{.days = 5, .not_before_days_ago = 10};
  AuthorityOptions future{.days = 5, .not_before_days_ago = -10};
  auto date = [](int days) {
    std::time_t time = std::time(nullptr) + days * 86400;
    std::tm parts{};
    gmtime_r(&time, &parts);
    return fmt::format("{:04}-{:02}-{:02} ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
  };
  // The day may have changed since the certificates were made.
  auto has_date = [&](const std::string& error, const std::string& before, int days) {
    auto today = contains(error, before + date(days));
    return today ? today : contains(error, before + date(days - 1));
  };
  EXPECT_TRUE(has_date(OwnFiles({}, past).error(),
                       "[credentials] node.crt: the certificate has expired on ", -5));
  EXPECT_TRUE(has_date(OwnFiles(past, {}).error(),
                       "[credentials] ca.crt: the certificate has expired on ", -5));
  for (const auto& error : {OwnFiles({}, future).error(), OwnFiles(future, {}).error()}) {
    EXPECT_TRUE(contains(error, "the certificate is not valid before 20"));
    EXPECT_TRUE(contains(error, " UTC; is this machine's clock right?"));
  }
  EXPECT_TRUE(contains(OwnFiles({}, future).error(), "[credentials] node.crt: "));
  EXPECT_TRUE(contains(OwnFiles(future, {}).error(), "[credentials] ca.crt: "));
  EXPECT_EQ(OwnFiles({.days = 5, .not_before_days_ago = 4}, {.days = 3650}).error(), "");
}

TEST(LoadCredentials, RefusesWrongTokensWithoutShowingThem) {
  OwnFiles own;
  auto error_with = [&](std::string_view token) {
    own.write("token", token);
    return own.error();
  };
  std::string good = "0123456789abcdefghijklmnopqrstuv";
  for (const char* end : {"", "\n", "\r\n", "\n\n"}) EXPECT_EQ(error_with(good + end), "");
  std::string length = "[credentials] token: expected a token of 32 to 4096 characters, got ";
  EXPECT_EQ(error_with(""), length + "0");
  EXPECT_EQ(error_with("\n"), length + "0");
  EXPECT_EQ(error_with(good.substr(1) + "\n"), length + "31");
  EXPECT_EQ(error_with(std::string(4096, 'x')), "");
  EXPECT_EQ(error_with(std::string(4097, 'x')), length + "4097");
  for (char wrong : {' ', '\t', '\n', '\r', '\0', '\x7f', '\xe4'}) {
    EXPECT_EQ(error_with(good.substr(0, 5) + wrong + good),
              "[credentials] token: expected printable ASCII without white space, and byte 6 is "
              "none");
  }
  EXPECT_TRUE(contains(error_with(" " + good), "byte 1 is none"));
  EXPECT_TRUE(contains(error_with(good + " \n"), "byte 33 is none"));
}

TEST(LoadCredentials, LeavesNoOpenSslErrorsBehind) {
  ERR_clear_error();
  OwnFiles own;
  EXPECT_EQ(own.error(), "");
  EXPECT_EQ(ERR_peek_error(), 0u);
  own.write("ca.crt", make_ca({}).certificate);
  EXPECT_NE(own.error(), "");
  EXPECT_EQ(ERR_peek_error(), 0u);
  own.write("node.key", "x");
  EXPECT_NE(own.error(), "");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

TEST(SameSecret, ComparesWholeContents) {
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_FALSE(same_secret("abc", "abd"));
  EXPECT_FALSE(same_secret("abc", "ab"));
  EXPECT_FALSE(same_secret("abc", ""));
  EXPECT_FALSE(same_secret(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
  EXPECT_FALSE(same_secret("a", std::string_view("a\0", 2)));
}

TEST(Loopback, OnlyWhatNoOtherMachineReaches) {
  for (const char* host :
       {"127.0.0.1", "127.8.9.10", "::1", "[::1]", "0:0:0:0:0:0:0:1", "localhost", "LocalHost",
        "::ffff:127.0.0.1", "unix:/tmp/socket", "unix:///tmp/socket", "unix-abstract:name"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const char* host : {"",
                           "0.0.0.0",
                           "::",
                           "[::]",
                           "10.0.0.1",
                           "128.0.0.1",
                           "1.127.0.0",
                           "127.0.0.1.example.com",
                           "localhost.example.com",
                           "127.0.0.1:80",
                           "[::1]:80",
                           "[127.0.0.1]",
                           "[]",
                           "[",
                           "::2",
                           "::ffff:10.0.0.1",
                           "127.1",
                           "2130706433",
                           " 127.0.0.1",
                           "unix",
                           "unixy",
                           "*",
                           "dns:localhost"}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
  EXPECT_FALSE(is_loopback(std::string("127.0.0.1\0x", 11)));
  EXPECT_FALSE(is_loopback(std::string("localhost\0x", 11)));
}

TEST(Loopback, OtherAddressesNeedCertificates) {
  check_may_bind("127.0.0.1", {});
  EXPECT_EQ(error_of([] { check_may_bind("0.0.0.0", {}); }),
            "[rendezvous] expected certificates to listen on '0.0.0.0', which other machines may "
            "reach, and got none: make them with `tessera rendezvous init DIR`, copy DIR without "
            "ca.key to every node and give its path there (--tls), or listen on 127.0.0.1");
  EXPECT_NE(error_of([] { check_may_bind("0.0.0.0", {.token = std::string(64, 'a')}); }), "");
  check_may_bind("0.0.0.0", {.ca = "a", .certificate = "b", .key = "c"});
}

TEST(GrpcCredentials, RefuseAPartOfWhatTlsNeeds) {
  Identity ca = make_ca({});
  for (const Credentials& part : {Credentials{.ca = ca.certificate},
                                  Credentials{.certificate = ca.certificate, .key = ca.key},
                                  Credentials{.ca = ca.certificate, .key = ca.key}}) {
    EXPECT_TRUE(contains(error_of([&] { server_credentials(part); }), "got only a part of them"));
    EXPECT_TRUE(contains(error_of([&] { channel_credentials(part); }), "got only a part of them"));
  }
}

// A server on loopback, of which only the health service is asked.
class HealthServer {
 public:
  explicit HealthServer(const Credentials& credentials)
      : server_({.credentials = credentials, .journal = {}, .settings = {}}) {}

  uint64_t num_refused() const { return server_.status().refused(); }

  // What a health check over a new connection ends with.
  grpc::StatusCode check(const std::shared_ptr<grpc::ChannelCredentials>& credentials,
                         const std::string& server_name) const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    set_server_name({.server_name = server_name}, arguments);
    grpc::GenericStub stub(grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_.port()),
                                                     credentials, arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    // An empty message asks for the whole server.
    grpc::ByteBuffer request(nullptr, 0);
    grpc::ByteBuffer response;
    std::promise<grpc::Status> done;
    stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                   [&](const grpc::Status& status) { done.set_value(status); });
    return done.get_future().get().error_code();
  }
  grpc::StatusCode check(const Credentials& credentials) const {
    return check(channel_credentials(credentials), credentials.server_name);
  }

 private:
  Server server_;
};

Credentials credentials_of(const Identity& ca, const Identity& node) {
  return {.ca = ca.certificate,
          .certificate = node.certificate,
          .key = node.key,
          .token = {},
          .server_name = kServerName};
}

class MutualTls : public testing::Test {
 protected:
  Identity ca_ = make_ca({});
  Credentials good_ = credentials_of(ca_, make_node(ca_, {}));
  HealthServer server_{good_};

  // Refused, while a good client is not.
  void expect_refused(const Credentials& client) {
    EXPECT_EQ(server_.check(client), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(server_.check(good_), grpc::StatusCode::OK);
  }
  // The server's side of it is over a little later.
  void expect_counted(const Credentials& client) {
    uint64_t before = server_.num_refused();
    expect_refused(client);
    for (int i = 0; i < 100 && server_.num_refused() == before; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_GT(server_.num_refused(), before);
  }
};

TEST_F(MutualTls, NodesOfTheSameCaConnect) {
  EXPECT_EQ(server_.check(good_), grpc::StatusCode::OK);
  EXPECT_EQ(server_.check(credentials_of(ca_, make_node(ca_, {}))), grpc::StatusCode::OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(server_.num_refused(), 0u);
}

TEST_F(MutualTls, AFolderMadeByInitWorks) {
  TempDir folder;
  make_authority(folder / "made");
  Credentials made = load_credentials({.folder = folder / "made"});
  HealthServer server(made);
  EXPECT_EQ(server.check(made), grpc::StatusCode::OK);
  EXPECT_EQ(server.check(good_), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(MutualTls, AClientWithoutACertificateIsRefused) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = ca_.certificate;
  EXPECT_EQ(server_.check(grpc::SslCredentials(options), kServerName),
            grpc::StatusCode::UNAVAILABLE);
  expect_refused({});
}

TEST_F(MutualTls, AClientWithACertificateOfAnotherCaIsRefused) {
  Identity other = make_ca({});
  // It trusts the server, so that only the server's check can refuse it.
  expect_counted(credentials_of({ca_.certificate, ""}, make_node(other, {})));
}

TEST_F(MutualTls, AClientWithAnExpiredOrFutureCertificateIsRefused) {
  expect_counted(credentials_of(ca_, make_node(ca_, {.days = 5, .not_before_days_ago = 10})));
  expect_counted(credentials_of(ca_, make_node(ca_, {.days = 5, .not_before_days_ago = -10})));
}

TEST_F(MutualTls, AClientRefusesAServerOfAnotherCa) {
  Identity other = make_ca({});
  // Only the client's check can fail: the server knows the client's certificate.
  Credentials client = good_;
  client.ca = other.certificate;
  expect_refused(client);
}

TEST_F(MutualTls, AClientRefusesAServerWithAnExpiredCertificate) {
  HealthServer expired(credentials_of(ca_, make_node(ca_, {.days = 5, .not_before_days_ago = 10})));
  EXPECT_EQ(expired.check(good_), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(MutualTls, AClientRefusesAServerOfAnotherName) {
  Credentials client = good_;
  client.server_name = "tessera-rendezvous-2";
  expect_refused(client);
  // Then it is the address that the certificate would have to have.
  client.server_name.clear();
  expect_refused(client);
}

TEST_F(MutualTls, WithoutCredentialsNothingIsEncrypted) {
  HealthServer insecure(Credentials{});
  EXPECT_EQ(insecure.check(Credentials{}), grpc::StatusCode::OK);
  EXPECT_EQ(insecure.check(good_), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace tessera::rendezvous
