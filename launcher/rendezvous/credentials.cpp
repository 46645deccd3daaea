#include "launcher/rendezvous/credentials.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <strings.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "launcher/rendezvous/openssl.h"

namespace tessera::rendezvous {
namespace {

// A bundle of a hundred CAs has more, but nobody trusts those with a cluster.
constexpr off_t kMaxFileBytes = 64 * 1024;
// 128 bits in hex.
constexpr size_t kMinTokenBytes = 32;
// gRPC's metadata, which the token travels in, has 8 KiB.
constexpr size_t kMaxTokenBytes = 4096;

enum class Secrecy { open, secret };

[[noreturn]] void refuse(const std::string& path, std::string_view reason) {
  throw_error(fmt::format("[credentials] {}: {}", path, reason));
}

[[noreturn]] void refuse_call(const std::string& path, std::string_view call, int error_number) {
  refuse(path, fmt::format("cannot {}: {}", call, std::generic_category().message(error_number)));
}

// Judged on the open file, so that no other can take its place between the checks and the reading.
size_t checked_size(const std::string& path, int fd, Secrecy secrecy) {
  struct stat status {};
  if (fstat(fd, &status) == -1) refuse_call(path, "stat", errno);
  if (!S_ISREG(status.st_mode)) refuse(path, "expected a regular file");
  unsigned mode = status.st_mode & 07777u;
  if (secrecy == Secrecy::secret && (mode & 077u) != 0) {
    refuse(path, fmt::format("expected a file for its owner only, and its mode is {:04o}; "
                             "`chmod 600` repairs that",
                             mode));
  }
  if (status.st_size > kMaxFileBytes) {
    refuse(path, fmt::format("expected at most {} bytes, got {}", kMaxFileBytes, status.st_size));
  }
  return static_cast<size_t>(status.st_size);
}

std::string read_file(const std::string& path, Secrecy secrecy) {
  // Without O_NONBLOCK, opening a pipe would wait for its writer instead of being refused.
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) refuse_call(path, "open", errno);
  std::string content(checked_size(path, file.get(), secrecy), '\0');
  for (size_t at = 0; at < content.size();) {
    ssize_t count = ::read(file.get(), content.data() + at, content.size() - at);
    if (count == -1 && errno == EINTR) continue;
    if (count == -1) refuse_call(path, "read", errno);
    if (count == 0) refuse(path, "it became shorter while it was read");
    at += static_cast<size_t>(count);
  }
  return content;
}

BioPtr bio_over(const std::string& pem) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  TESSERA_CHECK(bio, "[credentials] OpenSSL: {}", take_openssl_error());
  return bio;
}

std::vector<CertificatePtr> parse_certificates(const std::string& path, const std::string& pem) {
  BioPtr text = bio_over(pem);
  std::vector<CertificatePtr> certificates;
  ERR_clear_error();
  while (CertificatePtr next{PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)}) {
    certificates.push_back(std::move(next));
  }
  // At the end of the text there is no further start line either.
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  std::string reason = take_openssl_error();
  if (certificates.empty() || !at_end) {
    refuse(path, fmt::format("expected certificates in PEM ({})", reason));
  }
  return certificates;
}

KeyPtr parse_key(const std::string& path, const std::string& pem) {
  // OpenSSL's own callback would ask for the passphrase on the terminal.
  auto no_passphrase = [](char*, int, int, void*) { return -1; };
  BioPtr text = bio_over(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(text.get(), nullptr, no_passphrase, nullptr));
  std::string reason = take_openssl_error();
  if (!key) {
    refuse(path, fmt::format("expected a private key in PEM without a passphrase ({})", reason));
  }
  return key;
}

std::string date_of(const ASN1_TIME* time) {
  std::tm date{};
  if (ASN1_TIME_to_tm(time, &date) != 1) {
    ERR_clear_error();
    return "a date that cannot be read";
  }
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", date.tm_year + 1900,
                     date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec);
}

// Throws for what X509_verify_cert has found. A date may be wrong in either file.
[[noreturn]] void refuse_chain(const CredentialFiles& files, const std::vector<CertificatePtr>& cas,
                               X509_STORE_CTX* context) {
  X509* wrong = X509_STORE_CTX_get_current_cert(context);
  bool in_ca = wrong && std::any_of(cas.begin(), cas.end(), [&](const CertificatePtr& ca) {
                 return X509_cmp(ca.get(), wrong) == 0;
               });
  const std::string& path = in_ca ? files.ca : files.certificate;
  int error = X509_STORE_CTX_get_error(context);
  ERR_clear_error();
  if (wrong && error == X509_V_ERR_CERT_HAS_EXPIRED) {
    refuse(path,
           fmt::format("the certificate has expired on {}", date_of(X509_get0_notAfter(wrong))));
  }
  if (wrong && error == X509_V_ERR_CERT_NOT_YET_VALID) {
    refuse(path, fmt::format("the certificate is not valid before {}; is this machine's clock "
                             "right?",
                             date_of(X509_get0_notBefore(wrong))));
  }
  refuse(files.certificate, fmt::format("expected a certificate signed by the CA in {} ({})",
                                        files.ca, X509_verify_cert_error_string(error)));
}

// The first of certificates is the node's, the others may lead from it to a CA.
void check_chain(const CredentialFiles& files, const std::vector<CertificatePtr>& cas,
                 const std::vector<CertificatePtr>& certificates) {
  StorePtr store(X509_STORE_new());
  StoreContextPtr context(X509_STORE_CTX_new());
  CertificateListPtr others(sk_X509_new_null());
  bool built = store && context && others;
  for (const CertificatePtr& ca : cas) built = built && X509_STORE_add_cert(store.get(), ca.get());
  for (size_t i = 1; i < certificates.size(); ++i) {
    built = built && sk_X509_push(others.get(), certificates[i].get()) > 0;
  }
  built = built &&
          X509_STORE_CTX_init(context.get(), store.get(), certificates.front().get(), others.get());
  TESSERA_CHECK(built, "[credentials] OpenSSL: {}", take_openssl_error());
  if (X509_verify_cert(context.get()) != 1) refuse_chain(files, cas, context.get());
}

void check_certificates(const CredentialFiles& files, const Credentials& credentials) {
  auto cas = parse_certificates(files.ca, credentials.ca);
  auto certificates = parse_certificates(files.certificate, credentials.certificate);
  KeyPtr key = parse_key(files.key, credentials.key);
  bool matches = X509_check_private_key(certificates.front().get(), key.get()) == 1;
  ERR_clear_error();
  if (!matches) {
    refuse(files.key, fmt::format("expected the key of the certificate in {}, got another one",
                                  files.certificate));
  }
  check_chain(files, cas, certificates);
}

std::string load_token(const std::string& path) {
  std::string token = read_file(path, Secrecy::secret);
  token.erase(token.find_last_not_of("\r\n") + 1);
  if (token.size() < kMinTokenBytes || token.size() > kMaxTokenBytes) {
    refuse(path, fmt::format("expected a token of {} to {} characters, got {}", kMinTokenBytes,
                             kMaxTokenBytes, token.size()));
  }
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] <= ' ' || token[i] > '~') {
      refuse(path, fmt::format("expected printable ASCII without white space, and byte {} is none",
                               i + 1));
    }
  }
  return token;
}

CredentialFiles files_in(const std::string& folder) {
  return {.folder = folder,
          .ca = folder + "/ca.crt",
          .certificate = folder + "/node.crt",
          .key = folder + "/node.key",
          .token_file = folder + "/token",
          .server_name = kServerName};
}

// The names of the files to read; throws when they do not go together.
CredentialFiles resolve(const CredentialFiles& files) {
  size_t num_own = 0;
  for (const auto* name : {&files.ca, &files.certificate, &files.key}) num_own += !name->empty();
  if (!files.folder.empty()) {
    TESSERA_CHECK(num_own == 0 && files.token_file.empty() && files.server_name.empty(),
                  "[credentials] expected either the folder {} or own files, got both",
                  files.folder);
    return files_in(files.folder);
  }
  TESSERA_CHECK(num_own == 0 || num_own == 3,
                "[credentials] expected ca, certificate and key together, got ca '{}', "
                "certificate '{}', key '{}'",
                files.ca, files.certificate, files.key);
  TESSERA_CHECK(num_own == 3 || files.server_name.empty(),
                "[credentials] expected ca, certificate and key with the server name '{}', got "
                "none",
                files.server_name);
  return files;
}

void check_whole(const Credentials& credentials) {
  bool none = credentials.ca.empty() && credentials.certificate.empty() && credentials.key.empty();
  TESSERA_CHECK(none || credentials.secure(),
                "[credentials] expected ca, certificate and key together, got only a part of them");
}

std::array<unsigned char, SHA256_DIGEST_LENGTH> sha256(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  auto done =
      SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  // Without this, two failures would be two equal digests.
  TESSERA_CHECK(done, "[same_secret] OpenSSL: {}", take_openssl_error());
  return digest;
}

}  // namespace

Credentials load_credentials(const CredentialFiles& files) {
  CredentialFiles paths = resolve(files);
  Credentials credentials;
  credentials.server_name = paths.server_name;
  if (!paths.ca.empty()) {
    credentials.ca = read_file(paths.ca, Secrecy::open);
    credentials.certificate = read_file(paths.certificate, Secrecy::open);
    credentials.key = read_file(paths.key, Secrecy::secret);
    check_certificates(paths, credentials);
  }
  if (!paths.token_file.empty()) credentials.token = load_token(paths.token_file);
  return credentials;
}

bool same_secret(std::string_view a, std::string_view b) {
  auto digest_a = sha256(a);
  auto digest_b = sha256(b);
  return CRYPTO_memcmp(digest_a.data(), digest_b.data(), digest_a.size()) == 0;
}

std::shared_ptr<grpc::ServerCredentials> server_credentials(const Credentials& credentials) {
  check_whole(credentials);
  if (!credentials.secure()) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = credentials.ca;
  options.pem_key_cert_pairs.push_back({credentials.key, credentials.certificate});
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const Credentials& credentials) {
  check_whole(credentials);
  if (!credentials.secure()) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = credentials.ca;
  options.pem_private_key = credentials.key;
  options.pem_cert_chain = credentials.certificate;
  return grpc::SslCredentials(options);
}

void set_server_name(const Credentials& credentials, grpc::ChannelArguments& arguments) {
  if (credentials.server_name.empty()) return;
  arguments.SetSslTargetNameOverride(credentials.server_name);
}

bool is_loopback(const std::string& host) {
  // What comes after a zero byte would be invisible to the calls below.
  if (host.find('\0') != std::string::npos) return false;
  if (host.starts_with("unix:") || host.starts_with("unix-abstract:")) return true;
  if (strcasecmp(host.c_str(), "localhost") == 0) return true;
  in_addr ipv4{};
  if (inet_pton(AF_INET, host.c_str(), &ipv4) == 1) return (ntohl(ipv4.s_addr) >> 24) == 127;
  bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  std::string inner = bracketed ? host.substr(1, host.size() - 2) : host;
  in6_addr ipv6{};
  if (inet_pton(AF_INET6, inner.c_str(), &ipv6) != 1) return false;
  return IN6_IS_ADDR_LOOPBACK(&ipv6) || (IN6_IS_ADDR_V4MAPPED(&ipv6) && ipv6.s6_addr[12] == 127);
}

void check_may_bind(const std::string& host, const Credentials& credentials) {
  TESSERA_CHECK(
      credentials.secure() || is_loopback(host),
      "[rendezvous] expected certificates to listen on '{}', which other machines may "
      "reach, and got none: make them with `tessera rendezvous init DIR`, copy DIR "
      "without ca.key to every node and give its path there (--tls), or listen on 127.0.0.1",
      host);
}

}  // namespace tessera::rendezvous
