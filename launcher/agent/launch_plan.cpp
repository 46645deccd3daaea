#include "launcher/agent/launch_plan.h"

#include <arpa/inet.h>
#include <fmt/ranges.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "core/error.h"
#include "launcher/agent/host_list.h"
#include "launcher/agent/tokens.h"

namespace tessera::agent {
namespace {

// Ports of Slurm's job steps, spread by the numbers of job and step.
constexpr int kFirstSlurmPort = 20'000;
constexpr int kNumSlurmPorts = 20'000;
constexpr int kBetweenSteps = 4'993;
constexpr int kDefaultPort = 29'400;

std::optional<int> parse_number(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int> number_from(const char* variable) {
  const char* text = std::getenv(variable);
  return text ? parse_number(text) : std::nullopt;
}

std::pair<int, int> parse_nodes(const std::string& text) {
  size_t colon = text.find(':');
  auto least = parse_number(text.substr(0, colon));
  auto most = colon == std::string::npos ? least : parse_number(text.substr(colon + 1));
  TESSERA_CHECK(least && most && *least >= 1 && *most >= *least,
                "--nnodes: expected MIN or MIN:MAX with 1 <= MIN <= MAX, got '{}'", text);
  return {*least, *most};
}

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

// A name that no other node has, also where machines share theirs or several agents run on one.
std::string unique_node_name() {
  std::string name = host_name();
  std::replace_if(
      name.begin(), name.end(),
      [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '-'; }, '-');
  std::random_device random;
  return fmt::format("{}-{:06x}", name.substr(0, 200), random() & 0xffffffU);
}

// A socket address to `host`, of whatever family it has.
struct Resolved {
  addrinfo* list = nullptr;
  explicit Resolved(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    if (getaddrinfo(host.c_str(), "9", &hints, &list) != 0) list = nullptr;
  }
  ~Resolved() {
    if (list) freeaddrinfo(list);
  }
  Resolved(const Resolved&) = delete;
  Resolved& operator=(const Resolved&) = delete;
};

std::string text_of_address(const sockaddr_storage& address, socklen_t size) {
  char text[NI_MAXHOST] = {};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, text, sizeof text, nullptr, 0,
                  NI_NUMERICHOST) != 0) {
    return "";
  }
  return text;
}

// This machine's address on the way to that host; nothing is sent. Empty: there is no way.
std::string own_address_towards(const std::string& host) {
  Resolved target(host);
  for (const addrinfo* each = target.list; each; each = each->ai_next) {
    Descriptor socket_(socket(each->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket_.is_open() || connect(socket_.get(), each->ai_addr, each->ai_addrlen) != 0)
      continue;
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&own), &size) == 0) {
      return text_of_address(own, size);
    }
  }
  return "";
}

// For MASTER_PORT: free now, and not given to anyone else soon.
int free_port() {
  Descriptor probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t size = sizeof address;
  if (bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return 0;
  }
  return ntohs(address.sin_port);
}

// What Slurm and a hostfile say where flags do not.
struct Surroundings {
  std::optional<int> num_nodes;
  std::optional<int> node_rank;
  std::string first_host;
  int port = kDefaultPort;
};

Surroundings look_around(const LaunchFlags& flags) {
  Surroundings found;
  if (!flags.hostfile.empty()) {
    std::vector<Host> hosts = read_hostfile(flags.hostfile);
    std::vector<std::string> names{host_name()};
    std::string own = own_address_towards(hosts.front().name);
    if (!own.empty()) names.push_back(own);
    found.num_nodes = static_cast<int>(hosts.size());
    found.node_rank = own_index(hosts, names);
    found.first_host = hosts.front().name;
    TESSERA_CHECK(found.node_rank || flags.node_rank,
                  "--hostfile: {}: none of its hosts is this node ({}); --node-rank says which",
                  flags.hostfile, host_name());
    return found;
  }
  // A step may have fewer nodes than its job.
  const char* list = std::getenv("SLURM_STEP_NODELIST");
  found.node_rank = number_from("SLURM_NODEID");
  found.num_nodes = number_from("SLURM_STEP_NUM_NODES");
  auto step = number_from("SLURM_STEP_ID");
  if (!list || !step || !found.num_nodes || *found.num_nodes < 2 || !found.node_rank) return {};
  found.first_host = expand_slurm_nodes(list).at(0);
  int64_t spread = number_from("SLURM_JOB_ID").value_or(0) + int64_t{kBetweenSteps} * *step;
  found.port = kFirstSlurmPort + static_cast<int>(spread % kNumSlurmPorts);
  return found;
}

int count_from(const char* variable) { return std::max(0, number_from(variable).value_or(0)); }

// A batch script runs on the first of its job's nodes. An agent there would have the others idle.
void refuse_idle_nodes() {
  int nodes = count_from("SLURM_JOB_NUM_NODES");
  bool script = std::getenv("SLURM_NODEID") && !std::getenv("SLURM_STEP_ID");
  TESSERA_CHECK(
      !script || nodes <= 1,
      "launch: this is the batch script of a job of {} nodes, and runs on one of them: "
      "srun --ntasks-per-node=1 tessera launch ... starts an agent on each (srun -N 1 -n 1 "
      "on one alone)",
      nodes);
}

// Agents that do not know of each other would each launch a job of its own: the same one.
void refuse_many_jobs() {
  int tasks = count_from("SLURM_STEP_NUM_TASKS");
  int nodes = std::max(1, count_from("SLURM_STEP_NUM_NODES"));
  TESSERA_CHECK(
      !std::getenv("SLURM_PROCID") || tasks <= nodes,
      "launch: srun has started {} agents on {} node{}, each of which would run the whole "
      "job: srun --ntasks-per-node=1 starts one on each node, and -n says how many ranks "
      "that one starts",
      tasks, nodes, nodes == 1 ? "" : "s");
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "FLUX_JOB_SIZE"}) {
    bool of_srun = std::getenv("SLURM_PROCID") && std::string_view(variable) == "PMI_SIZE";
    TESSERA_CHECK(of_srun || count_from(variable) <= 1,
                  "launch: {} agents were started together ({}), each of which would run the whole "
                  "job: --rdzv makes them the nodes of one, or start tessera train by what started "
                  "them",
                  count_from(variable), variable);
  }
}

}  // namespace

LaunchPlan make_launch_plan(const LaunchFlags& flags) {
  LaunchPlan plan;
  TESSERA_CHECK(flags.num_ranks >= 1 && flags.num_ranks <= 4096,
                "-n: expected 1 to 4096 ranks, got {}", flags.num_ranks);
  TESSERA_CHECK(!flags.program.empty(), "launch: expected a program after --");
  if (flags.rendezvous.empty() && flags.hostfile.empty()) {
    refuse_idle_nodes();
    refuse_many_jobs();
  }
  Surroundings around = look_around(flags);
  bool chosen = flags.nodes != "1" || !flags.rendezvous.empty();
  auto [least, most] =
      parse_nodes(chosen || !around.num_nodes ? flags.nodes : std::to_string(*around.num_nodes));
  plan.agent.job.set_min_nodes(least);
  plan.agent.job.set_max_nodes(most);
  plan.agent.job.set_max_restarts(flags.max_restarts);

  std::optional<int> rank = flags.node_rank ? flags.node_rank : around.node_rank;
  plan.serves = flags.serves;
  if (!flags.rendezvous.empty()) {
    plan.server = rendezvous::parse_endpoint(flags.rendezvous);
    TESSERA_CHECK(plan.server.port > 0 || plan.serves,
                  "--rdzv: a port of 0 is for the node that hosts it (--serve); got '{}'",
                  flags.rendezvous);
  } else if (!around.first_host.empty()) {
    plan.server = {around.first_host, around.port};
    plan.serves = plan.serves || rank == 0;
  } else {
    TESSERA_CHECK(most == 1, "--nnodes {}: several nodes need --rdzv HOST:PORT", flags.nodes);
    plan.server = {"127.0.0.1", 0};
    plan.serves = true;
    plan.own_token = true;
  }
  plan.journal = flags.journal;
  plan.credentials = rendezvous::load_credentials(flags.credentials);
  // Every user of this machine reaches the port.
  plan.own_token = plan.own_token && plan.credentials.token.empty();
  if (plan.own_token) plan.credentials.token = make_token();

  v1::Node& node = plan.agent.node;
  node.set_host(unique_node_name());
  std::string address =
      flags.address.empty() ? own_address_towards(plan.server.host) : flags.address;
  node.set_address(address.empty() ? "127.0.0.1" : address);
  node.set_slots(flags.num_ranks);
  node.set_port(free_port());
  node.set_node_rank(rank.value_or(-1));
  plan.agent.program = flags.program;
  plan.agent.pmix_program = find_pmix_program();
  plan.agent.log_folder = flags.log_folder;
  plan.agent.bind = flags.bind;
  plan.agent.hang_ms = static_cast<int64_t>(flags.hang_s * 1000);
  return plan;
}

std::string find_pmix_program() {
  std::error_code error;
  auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string path = (own.parent_path() / "tessera-pmix").string();
  TESSERA_CHECK(!error && access(path.c_str(), X_OK) == 0,
                "launch: expected the program {} beside this one", path);
  return path;
}

std::string describe(const LaunchPlan& plan) {
  const v1::Job& job = plan.agent.job;
  std::string program;
  for (const std::string& word : plan.agent.program) program += " " + word;
  std::string text = fmt::format("program     {}\n", program.substr(1));
  text += fmt::format("ranks        {} on this node, {}\n", plan.agent.node.slots(),
                      plan.agent.node.host());
  text += fmt::format("nodes        {} to {}, this one {}\n", job.min_nodes(), job.max_nodes(),
                      plan.agent.node.node_rank() < 0
                          ? "in the order of joining"
                          : fmt::format("number {}", plan.agent.node.node_rank()));
  text += fmt::format("restarts     {}\n", job.max_restarts());
  text += fmt::format("rendezvous   {}{}, {}\n", rendezvous::text_of(plan.server),
                      plan.serves ? ", hosted here" : "",
                      plan.credentials.secure() ? "mutual TLS" : "no TLS");
  RankEnvironment environment;
  *environment.plan.add_nodes() = plan.agent.node;
  environment.plan.set_generation(1);
  environment.plan.set_world_size(plan.agent.node.slots());
  environment.bind = plan.agent.bind;
  for (int local = 0; local < plan.agent.node.slots(); ++local) {
    std::string cores = fmt::format("{}", fmt::join(environment.cores_of(local), ","));
    text += fmt::format("local rank {:<2}cores {}\n", local, cores.empty() ? "any" : cores);
  }
  for (const std::string& entry : environment.common({})) {
    bool known = !entry.ends_with('=') && !entry.starts_with("TESSERA_JOB") &&
                 !entry.starts_with("WORLD_SIZE") && !entry.starts_with("MASTER");
    if (known) text += fmt::format("environment  {}\n", entry);
  }
  return text;
}

}  // namespace tessera::agent
