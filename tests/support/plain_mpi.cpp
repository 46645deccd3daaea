// An MPI program that knows nothing of Tessera, to be started by launchers under test.
// usage: plain_mpi [all | forever | abort K [CODE] | die K | exit K [CODE] | spawn | publish |
//        accept]
// `all` tries the calls that Tessera makes and ends with 1 if a result is wrong. `spawn` and the
// two after it try what launchers need not serve, and take errors for answers. The others loop over
// all-reduces until rank K, if there is one, calls MPI_Abort(7), kills itself, or exits with 3.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <mpi.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct World {
  int rank = 0;
  int size = 0;
  bool right = true;

  void check(bool holds, const char* what) {
    if (!holds) std::printf("rank %d: wrong %s\n", rank, what);
    right = right && holds;
  }
};

void all_reduce(World& world) {
  std::vector<double> values(100'000, world.rank + 1), sums(values.size());
  MPI_Allreduce(values.data(), sums.data(), static_cast<int>(values.size()), MPI_DOUBLE, MPI_SUM,
                MPI_COMM_WORLD);
  double expected = world.size * (world.size + 1) / 2.0;
  bool right = true;
  for (double sum : sums) right = right && sum == expected;
  world.check(right, "all-reduce");
}

void exchange(World& world) {
  int next = (world.rank + 1) % world.size;
  int previous = (world.rank + world.size - 1) % world.size;
  int received = -1;
  MPI_Sendrecv(&world.rank, 1, MPI_INT, next, 7, &received, 1, MPI_INT, previous, 7, MPI_COMM_WORLD,
               MPI_STATUS_IGNORE);
  world.check(received == previous, "sendrecv");
}

void split(World& world) {
  MPI_Comm half;
  MPI_Comm_split(MPI_COMM_WORLD, world.rank % 2, world.rank, &half);
  int rank = -1, sum = 0, expected = 0;
  MPI_Comm_rank(half, &rank);
  MPI_Allreduce(&world.rank, &sum, 1, MPI_INT, MPI_SUM, half);
  for (int other = world.rank % 2; other < world.size; other += 2) expected += other;
  world.check(rank == world.rank / 2 && sum == expected, "split");
  MPI_Comm_free(&half);
}

void share_windows(World& world) {
  MPI_Comm node;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  int rank = 0, size = 0;
  MPI_Comm_rank(node, &rank);
  MPI_Comm_size(node, &size);
  int* mine = nullptr;
  MPI_Win window;
  MPI_Win_allocate_shared(4096, sizeof(int), MPI_INFO_NULL, node, &mine, &window);
  MPI_Win_lock_all(MPI_MODE_NOCHECK, window);
  *mine = 100 + rank;
  MPI_Win_sync(window);
  MPI_Barrier(node);
  MPI_Win_sync(window);
  for (int other = 0; other < size; ++other) {
    MPI_Aint bytes;
    int unit;
    int* theirs = nullptr;
    MPI_Win_shared_query(window, other, &bytes, &unit, &theirs);
    world.check(*theirs == 100 + other, "shared window");
  }
  MPI_Win_unlock_all(window);
  MPI_Win_free(&window);
  MPI_Comm_free(&node);
  std::printf("rank %d: %d on this node\n", world.rank, size);
}

void loop(World& world, const std::string& mode, int victim, int code) {
  for (int i = 0;; ++i) {
    int one = 1, sum = 0;
    MPI_Allreduce(&one, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    if (i == 0) std::printf("rank %d: looping\n", world.rank);
    std::fflush(stdout);
    if (i == 20 && world.rank == victim) {
      if (mode == "abort") MPI_Abort(MPI_COMM_WORLD, code < 0 ? 7 : code);
      if (mode == "die") std::raise(SIGKILL);
      if (mode == "exit") _exit(code < 0 ? 3 : code);
    }
    usleep(1000);
  }
}

int spawn() {
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  char program[] = "true";
  MPI_Comm children;
  int error = MPI_Comm_spawn(program, MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &children,
                             MPI_ERRCODES_IGNORE);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Finalize();
  return error == MPI_SUCCESS ? 0 : 4;
}

// All ranks wait for somebody who never comes, or are told that there can be nobody.
int accept() {
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  char port[MPI_MAX_PORT_NAME] = "";
  MPI_Open_port(MPI_INFO_NULL, port);
  MPI_Comm other;
  int error = MPI_Comm_accept(port, MPI_INFO_NULL, 0, MPI_COMM_WORLD, &other);
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Finalize();
  return error == MPI_SUCCESS ? 0 : 4;
}

int publish(const World& world) {
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  char service[] = "tessera-test";
  char port[MPI_MAX_PORT_NAME] = "";
  bool right = true;
  if (world.rank == 0) {
    right = MPI_Open_port(MPI_INFO_NULL, port) == MPI_SUCCESS &&
            MPI_Publish_name(service, MPI_INFO_NULL, port) == MPI_SUCCESS;
  }
  MPI_Barrier(MPI_COMM_WORLD);
  char found[MPI_MAX_PORT_NAME] = "";
  right = MPI_Lookup_name(service, MPI_INFO_NULL, found) == MPI_SUCCESS && right;
  MPI_Barrier(MPI_COMM_WORLD);
  if (world.rank == 0) MPI_Unpublish_name(service, MPI_INFO_NULL, port);
  MPI_Finalize();
  return right ? 0 : 4;
}

}  // namespace

int main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "all";
  int victim = argc > 2 ? std::atoi(argv[2]) : -1;
  int code = argc > 3 ? std::atoi(argv[3]) : -1;
  MPI_Init(&argc, &argv);
  World world;
  MPI_Comm_rank(MPI_COMM_WORLD, &world.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world.size);
  std::printf("rank %d of %d\n", world.rank, world.size);
  std::fflush(stdout);
  if (mode == "spawn") return spawn();
  if (mode == "publish") return publish(world);
  if (mode == "accept") return accept();
  if (mode != "all") loop(world, mode, victim, code);
  all_reduce(world);
  MPI_Barrier(MPI_COMM_WORLD);
  exchange(world);
  split(world);
  share_windows(world);
  MPI_Finalize();
  return world.right ? 0 : 1;
}
