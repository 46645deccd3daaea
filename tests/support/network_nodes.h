// Nodes of a network on one machine: network namespaces with an address each, joined by a bridge.
#pragma once

#include <string>
#include <vector>

namespace tessera::test {

class NetworkNodes {
 public:
  // Why this machine cannot have them (it takes root and `ip`); empty if it can.
  static std::string trouble();

  // Throws std::runtime_error where that fails.
  explicit NetworkNodes(int count);
  // Removes the namespaces and everything in them.
  ~NetworkNodes();
  NetworkNodes(const NetworkNodes&) = delete;
  NetworkNodes& operator=(const NetworkNodes&) = delete;

  const std::string& address(int node) const { return addresses_.at(static_cast<size_t>(node)); }
  // The words that run a command on a node.
  std::vector<std::string> on(int node, const std::vector<std::string>& command) const;
  // Cuts a node off, or joins it again.
  void set_link(int node, bool up);

 private:
  std::string name(int node) const;

  std::string prefix_;
  std::string hub_;
  std::vector<std::string> addresses_;
};

}  // namespace tessera::test
