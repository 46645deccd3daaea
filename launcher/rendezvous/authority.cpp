#include "launcher/rendezvous/authority.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/io/file_system.h"
#include "launcher/rendezvous/credentials.h"
#include "launcher/rendezvous/openssl.h"

namespace tessera::rendezvous {
namespace {

constexpr int kMaxDays = 3650;
constexpr long kClockSkewS = 3600;
// RFC 5280 allows 20 octets for a positive number.
constexpr int kSerialBits = 159;
constexpr size_t kTokenBytes = 32;

[[noreturn]] void refuse_files(const std::string& path, std::string_view reason) {
  throw_error(fmt::format("[rendezvous init] {}: {}", path, reason));
}

[[noreturn]] void refuse_file_call(const std::string& path, std::string_view call,
                                   int error_number) {
  refuse_files(path,
               fmt::format("cannot {}: {}", call, std::generic_category().message(error_number)));
}

void check_openssl(bool succeeded, std::string_view what) {
  if (succeeded) return;
  throw_error(fmt::format("[rendezvous init] OpenSSL cannot {}: {}", what, take_openssl_error()));
}

void check_options(const AuthorityOptions& options) {
  TESSERA_CHECK(options.days >= 1 && options.days <= kMaxDays,
                "[rendezvous init] expected 1 to {} days, got {}", kMaxDays, options.days);
  int ago = options.not_before_days_ago;
  TESSERA_CHECK(ago >= -kMaxDays && ago <= kMaxDays,
                "[rendezvous init] expected a start at most {} days away, got {} days ago",
                kMaxDays, ago);
}

std::string content_of(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

Identity to_pem(X509* certificate, EVP_PKEY* key) {
  BioPtr certificate_text(BIO_new(BIO_s_mem()));
  // This one cleanses its memory.
  BioPtr key_text(BIO_new(BIO_s_secmem()));
  check_openssl(certificate_text && key_text, "make a buffer");
  check_openssl(PEM_write_bio_X509(certificate_text.get(), certificate) == 1,
                "write a certificate");
  check_openssl(
      PEM_write_bio_PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "write a key");
  return {content_of(certificate_text.get()), content_of(key_text.get())};
}

std::pair<CertificatePtr, KeyPtr> from_pem(const Identity& identity) {
  BioPtr certificate_text(
      BIO_new_mem_buf(identity.certificate.data(), static_cast<int>(identity.certificate.size())));
  BioPtr key_text(BIO_new_mem_buf(identity.key.data(), static_cast<int>(identity.key.size())));
  check_openssl(certificate_text && key_text, "make a buffer");
  auto no_passphrase = [](char*, int, int, void*) { return -1; };
  CertificatePtr certificate(
      PEM_read_bio_X509(certificate_text.get(), nullptr, no_passphrase, nullptr));
  KeyPtr key(PEM_read_bio_PrivateKey(key_text.get(), nullptr, no_passphrase, nullptr));
  check_openssl(certificate && key, "read the CA");
  return {std::move(certificate), std::move(key)};
}

KeyPtr make_key() {
  KeyPtr key(EVP_EC_gen("P-256"));
  check_openssl(key != nullptr, "make a key");
  return key;
}

void set_serial(X509* certificate) {
  NumberPtr number(BN_new());
  bool set = number &&
             BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
             BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
  check_openssl(set, "make a serial number");
}

void set_validity(X509* certificate, const AuthorityOptions& options) {
  std::time_t now = std::time(nullptr);
  int start = -options.not_before_days_ago;
  bool set = X509_time_adj_ex(X509_getm_notBefore(certificate), start, -kClockSkewS, &now) &&
             X509_time_adj_ex(X509_getm_notAfter(certificate), start + options.days, 0, &now);
  check_openssl(set, "set the time of validity");
}

void set_name(X509* certificate, const char* common_name) {
  auto text = reinterpret_cast<const unsigned char*>(common_name);
  bool set = X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                        text, -1, -1, 0) == 1;
  check_openssl(set, "set a name");
}

struct Extension {
  int nid;
  std::string value;
};

void add_extensions(X509* certificate, X509* issuer, const std::vector<Extension>& extensions) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  for (const Extension& extension : extensions) {
    ExtensionPtr made(
        X509V3_EXT_conf_nid(nullptr, &context, extension.nid, extension.value.c_str()));
    check_openssl(made && X509_add_ext(certificate, made.get(), -1) == 1, "add an extension");
  }
}

CertificatePtr new_certificate(const char* common_name, EVP_PKEY* key,
                               const AuthorityOptions& options) {
  check_options(options);
  CertificatePtr certificate(X509_new());
  check_openssl(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    X509_set_pubkey(certificate.get(), key) == 1,
                "make a certificate");
  set_serial(certificate.get());
  set_validity(certificate.get(), options);
  set_name(certificate.get(), common_name);
  return certificate;
}

// issuer may be the certificate itself.
void sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  bool is_signed = X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
                   X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
  check_openssl(is_signed, "sign a certificate");
}

std::string make_token() {
  std::array<unsigned char, kTokenBytes> bytes{};
  check_openssl(RAND_bytes(bytes.data(), bytes.size()) == 1, "make random bytes");
  std::string token;
  for (unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token;
}

// A folder being filled. What was made is removed again unless finish() has returned.
class NewFolder {
 public:
  explicit NewFolder(const std::string& path) : path_(path) {}
  ~NewFolder() {
    // Nothing can be done about a failure here, and the error on its way names the cause.
    if (finished_) return;
    for (const char* name : names_) ::unlinkat(folder_.get(), name, 0);
    if (made_) ::rmdir(path_.c_str());
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  void make() {
    made_ = ::mkdir(path_.c_str(), 0700) == 0;
    if (!made_ && errno != EEXIST) refuse_file_call(path_, "make the folder", errno);
    folder_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_.is_open()) refuse_file_call(path_, "open it as a folder", errno);
    if (!FileSystem::real().list(path_).empty()) {
      refuse_files(path_, "expected no folder or an empty one, and there is something in it");
    }
    if (::fchmod(folder_.get(), 0700) == -1) refuse_file_call(path_, "change its mode", errno);
  }

  // A new file, forced to the disk. name has static lifetime.
  void write(const char* name, std::string_view content, mode_t mode) {
    std::string path = path_ + "/" + name;
    Descriptor file(::openat(folder_.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!file.is_open()) refuse_file_call(path, "create", errno);
    names_.push_back(name);
    while (!content.empty()) {
      ssize_t count = ::write(file.get(), content.data(), content.size());
      if (count == -1 && errno == EINTR) continue;
      if (count == -1) refuse_file_call(path, "write", errno);
      content.remove_prefix(static_cast<size_t>(count));
    }
    if (::fsync(file.get()) == -1) refuse_file_call(path, "fsync", errno);
  }

  void finish() {
    FileSystem::real().sync_directory(path_);
    FileSystem::real().sync_directory(path_ + "/..");
    finished_ = true;
  }

 private:
  std::string path_;
  Descriptor folder_;
  std::vector<const char*> names_;
  bool made_ = false;
  bool finished_ = false;
};

}  // namespace

Identity make_ca(const AuthorityOptions& options) {
  KeyPtr key = make_key();
  CertificatePtr ca = new_certificate("Tessera rendezvous CA", key.get(), options);
  add_extensions(ca.get(), ca.get(),
                 {{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
                  {NID_key_usage, "critical,keyCertSign,cRLSign"},
                  {NID_subject_key_identifier, "hash"}});
  sign(ca.get(), ca.get(), key.get());
  return to_pem(ca.get(), key.get());
}

Identity make_node(const Identity& ca, const AuthorityOptions& options) {
  auto [issuer, issuer_key] = from_pem(ca);
  KeyPtr key = make_key();
  CertificatePtr node = new_certificate(kServerName, key.get(), options);
  add_extensions(node.get(), issuer.get(),
                 {{NID_basic_constraints, "critical,CA:FALSE"},
                  {NID_key_usage, "critical,digitalSignature"},
                  {NID_ext_key_usage, "serverAuth,clientAuth"},
                  {NID_subject_alt_name, fmt::format("DNS:{}", kServerName)},
                  {NID_subject_key_identifier, "hash"},
                  {NID_authority_key_identifier, "keyid:always"}});
  sign(node.get(), issuer.get(), issuer_key.get());
  return to_pem(node.get(), key.get());
}

void make_authority(const std::string& folder, const AuthorityOptions& options) {
  Identity ca = make_ca(options);
  Identity node = make_node(ca, options);
  std::string token = make_token();
  NewFolder made(folder);
  made.make();
  made.write("ca.crt", ca.certificate, 0644);
  made.write("ca.key", ca.key, 0600);
  made.write("node.crt", node.certificate, 0644);
  made.write("node.key", node.key, 0600);
  made.write("token", token + "\n", 0600);
  made.finish();
}

}  // namespace tessera::rendezvous
