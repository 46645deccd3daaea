// Says when this rank has come out of MPI_Init, in seconds since 1970. For start.py.
#include <mpi.h>

#include <cstdio>
#include <ctime>

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::printf("at %lld.%09ld\n", static_cast<long long>(now.tv_sec), now.tv_nsec);
  MPI_Finalize();
  return 0;
}
