// What `tessera launch` is asked for, by its flags, by Slurm and by a hostfile, as one plan.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launcher/agent/agent.h"
#include "launcher/rendezvous/channel.h"

namespace tessera::agent {

struct LaunchFlags {
  int num_ranks = 1;        // on this node
  std::string nodes = "1";  // MIN or MIN:MAX
  std::string rendezvous;   // HOST:PORT
  bool serves = false;
  std::string journal;
  int max_restarts = 0;
  std::optional<int> node_rank;
  std::string hostfile;
  std::string address;
  std::string log_folder;
  bool bind = true;
  double hang_s = 10;
  rendezvous::CredentialFiles credentials;
  std::vector<std::string> program;
};

struct LaunchPlan {
  AgentOptions agent;
  rendezvous::Endpoint server;
  bool serves = false;  // this node hosts the rendezvous
  std::string journal;
  rendezvous::Credentials credentials;
  bool own_token = false;  // made for this job, whose only agent is this one
};

// An Error that names the flag where they make no plan.
LaunchPlan make_launch_plan(const LaunchFlags& flags);

// For the user, as `--dry-run` prints it. Nothing secret is in it.
std::string describe(const LaunchPlan& plan);

// The path of tessera-pmix, which lies beside this program; an Error where it does not.
std::string find_pmix_program();

}  // namespace tessera::agent
