// Owners for OpenSSL's objects.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace tessera::rendezvous {

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

// Frees a list, not the certificates in it.
struct FreeList {
  void operator()(STACK_OF(X509) * list) const { sk_X509_free(list); }
};

using BioPtr = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;
using NumberPtr = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, FreeWith<X509_free>>;
using CertificateListPtr = std::unique_ptr<STACK_OF(X509), FreeList>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>>;
using StorePtr = std::unique_ptr<X509_STORE, FreeWith<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, FreeWith<X509_STORE_CTX_free>>;

// Empties this thread's queue of OpenSSL errors and returns the reason of the newest: a phrase of
// OpenSSL's own that holds no data. Every failed call needs this or ERR_clear_error, because gRPC's
// TLS reads the same queue.
inline std::string take_openssl_error() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  std::string text = reason ? reason : "no reason given";
  ERR_clear_error();
  return text;
}

}  // namespace tessera::rendezvous
