#include "launcher/agent/pmix_server/lease.h"

#include <sys/timerfd.h>

#include "launcher/agent/pmix_server/system_error.h"

namespace tessera::agent {

Lease::Lease() : timer_(timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (timer_.get() < 0) throw_system_error("make a timer");
}

void Lease::renew(int64_t deadline_ms) {
  itimerspec setting{};
  setting.it_value.tv_sec = deadline_ms / 1000;
  // A nanosecond more, since zero would stop the timer.
  setting.it_value.tv_nsec = deadline_ms % 1000 * 1'000'000 + 1;
  if (timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &setting, nullptr) != 0) {
    throw_system_error("set the lease's timer");
  }
}

}  // namespace tessera::agent
