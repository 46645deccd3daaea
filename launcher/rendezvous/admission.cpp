#include "launcher/rendezvous/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace tessera::rendezvous {
namespace {

constexpr size_t kMinSecretBytes = 16;
constexpr size_t kMaxSecretBytes = 64;
constexpr int kMaxSlots = 4096;

bool is_name(const std::string& text, std::string_view more) {
  return !text.empty() && text.size() <= 255 && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

// Node names go into PMIx's maps, where commas and brackets mean something.
std::string trouble_with_node(const v1::Node& node) {
  if (!is_name(node.host(), "._-")) return "expected a host of letters, digits, '.', '_' and '-'";
  if (!is_name(node.address(), "._-:%")) return "expected an address: a name or a literal one";
  if (node.slots() < 1 || node.slots() > kMaxSlots) {
    return fmt::format("expected 1 to {} ranks on a node, got {}", kMaxSlots, node.slots());
  }
  if (node.port() < 0 || node.port() > 65535) return "expected a port from 0 to 65535";
  if (node.node_rank() < -1 || node.node_rank() >= kMaxNodes) {
    return fmt::format("expected a node rank from 0 to {}, or -1", kMaxNodes - 1);
  }
  return "";
}

std::string trouble_with_job(const v1::Job& job) {
  if (job.min_nodes() < 1 || job.max_nodes() < job.min_nodes() || job.max_nodes() > kMaxNodes) {
    return fmt::format("expected 1 <= minimum <= maximum <= {} nodes, got {} and {}", kMaxNodes,
                       job.min_nodes(), job.max_nodes());
  }
  if (job.max_restarts() < 0) return "expected no negative number of restarts";
  return "";
}

std::string job_text(const v1::Job& job) {
  return fmt::format("{} to {} nodes and {} restarts", job.min_nodes(), job.max_nodes(),
                     job.max_restarts());
}

}  // namespace

std::optional<Refusal> trouble_with(const v1::JoinRequest& request) {
  size_t secret = request.secret().size();
  if (secret < kMinSecretBytes || secret > kMaxSecretBytes) {
    return Refusal{Refused::bad_argument, fmt::format("expected a secret of {} to {} bytes, got {}",
                                                      kMinSecretBytes, kMaxSecretBytes, secret)};
  }
  std::string trouble = trouble_with_node(request.node());
  if (trouble.empty()) trouble = trouble_with_job(request.job());
  if (!trouble.empty()) return Refusal{Refused::bad_argument, trouble};
  return std::nullopt;
}

std::optional<Refusal> difference_of(const v1::Job& job, const v1::Job& agents) {
  bool same = job.min_nodes() == agents.min_nodes() && job.max_nodes() == agents.max_nodes() &&
              job.max_restarts() == agents.max_restarts();
  if (same) return std::nullopt;
  return Refusal{Refused::conflict, fmt::format("the job is of {}, this agent's of {}",
                                                job_text(job), job_text(agents))};
}

}  // namespace tessera::rendezvous
