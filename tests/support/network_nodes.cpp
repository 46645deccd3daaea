#include "tests/support/network_nodes.h"

#include <unistd.h>

#include <stdexcept>

#include "tests/support/process.h"

namespace tessera::test {
namespace {

using Words = std::vector<std::string>;

Outcome ip(Words words) {
  words.insert(words.begin(), "ip");
  return run({.argv = std::move(words)});
}

void must(Words words) {
  Outcome outcome = ip(words);
  if (outcome.exit_code == 0) return;
  std::string text = "ip";
  for (const std::string& word : words) text.append(" ").append(word);
  throw std::runtime_error(text + ": " + outcome.err);
}

// Different for tests that run at the same time.
std::string own_prefix() { return "tess" + std::to_string(getpid() % 100000); }

}  // namespace

std::string NetworkNodes::trouble() {
  if (geteuid() != 0) return "network namespaces take root";
  std::string probe = own_prefix() + "p";
  std::string trouble;
  // The second also takes a root that is a mount point, which a plain chroot's is not.
  for (const Words& words : {Words{"netns", "add", probe}, Words{"netns", "exec", probe, "true"}}) {
    Outcome outcome = ip(words);
    if (outcome.exit_code == 0) continue;
    trouble = "no network namespaces: ip netns " + words[1] + ": " + outcome.err;
    break;
  }
  ip({"netns", "del", probe});
  return trouble;
}

NetworkNodes::NetworkNodes(int count) : prefix_(own_prefix()), hub_(prefix_ + "h") {
  must({"netns", "add", hub_});
  must({"-n", hub_, "link", "add", "bridge0", "type", "bridge"});
  must({"-n", hub_, "link", "set", "bridge0", "up"});
  for (int node = 0; node < count; ++node) {
    addresses_.push_back("10.77.0." + std::to_string(node + 1));
    std::string port = "port" + std::to_string(node);
    must({"netns", "add", name(node)});
    must({"-n", name(node), "link", "set", "lo", "up"});
    must({"-n", hub_, "link", "add", port, "type", "veth", "peer", "name", "net0", "netns",
          name(node)});
    must({"-n", hub_, "link", "set", port, "master", "bridge0"});
    must({"-n", hub_, "link", "set", port, "up"});
    must({"-n", name(node), "addr", "add", address(node) + "/24", "dev", "net0"});
    must({"-n", name(node), "link", "set", "net0", "up"});
  }
}

NetworkNodes::~NetworkNodes() {
  for (size_t node = 0; node < addresses_.size(); ++node) {
    ip({"netns", "del", name(static_cast<int>(node))});
  }
  ip({"netns", "del", hub_});
}

std::string NetworkNodes::name(int node) const { return prefix_ + "n" + std::to_string(node); }

std::vector<std::string> NetworkNodes::on(int node, const std::vector<std::string>& command) const {
  Words words{"ip", "netns", "exec", name(node)};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

void NetworkNodes::set_link(int node, bool up) {
  must({"-n", hub_, "link", "set", "port" + std::to_string(node), up ? "up" : "down"});
}

}  // namespace tessera::test
