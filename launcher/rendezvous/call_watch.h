// Sees the calls that gRPC handles by itself.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <functional>
#include <string>

namespace tessera::rendezvous {

class CallWatch : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // By gRPC's name for it, who makes a call. on_foreign: of another service, health or reflection,
  // or of none. on_refused: of the rendezvous, with a message that gRPC did not take, because it is
  // too large or is none; not of a stream of them. Both are called from gRPC's threads.
  using OnCall = std::function<void(const std::string& peer)>;
  CallWatch(OnCall on_foreign, OnCall on_refused)
      : on_foreign_(std::move(on_foreign)), on_refused_(std::move(on_refused)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  OnCall on_foreign_;
  OnCall on_refused_;
};

}  // namespace tessera::rendezvous
