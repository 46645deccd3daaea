#include "launcher/rendezvous/call_watch.h"

#include <grpcpp/grpcpp.h>

#include <string_view>

#include "proto/rendezvous.grpc.pb.h"

namespace tessera::rendezvous {
namespace {

namespace grpcx = grpc::experimental;

// gRPC ends a call of a method that there is as if there were none where it cannot hand on what
// came. No code of the rendezvous ends one so.
class Unary : public grpcx::Interceptor {
 public:
  Unary(grpcx::ServerRpcInfo& info, const CallWatch::OnCall& on_refused)
      : info_(info), on_refused_(on_refused) {}

  void Intercept(grpcx::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpcx::InterceptionHookPoints::PRE_SEND_STATUS) &&
        methods->GetSendStatus().error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      on_refused_(info_.server_context()->peer());
    }
    methods->Proceed();
  }

 private:
  grpcx::ServerRpcInfo& info_;
  const CallWatch::OnCall& on_refused_;
};

bool is_own(const char* method) {
  std::string_view name(method);
  std::string_view service(v1::Rendezvous::service_full_name());
  return name.starts_with('/') && name.substr(1).starts_with(service);
}

}  // namespace

grpcx::Interceptor* CallWatch::CreateServerInterceptor(grpcx::ServerRpcInfo* info) {
  if (!is_own(info->method())) {
    on_foreign_(info->server_context()->peer());
    return nullptr;
  }
  bool stream = info->type() == grpcx::ServerRpcInfo::Type::BIDI_STREAMING;
  return stream ? nullptr : new Unary(*info, on_refused_);
}

}  // namespace tessera::rendezvous
