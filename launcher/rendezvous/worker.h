// The one thread that steps the coordinator: takes inputs from all calls, writes the journal,
// and hands outputs on.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "launcher/rendezvous/coordinator.h"
#include "launcher/rendezvous/journal.h"

namespace tessera::rendezvous {

class Worker {
 public:
  // What has to leave the server; called from the worker's thread, and must not block.
  class Outlet {
   public:
    virtual ~Outlet() = default;
    virtual void answer(const Answer& answer) = 0;
    virtual void order(const SendOrder& order) = 0;
    virtual void happened(const Happened& event) = 0;
    // Nothing will come any more.
    virtual void failed() = 0;
  };

  // More inputs than that waiting are refused.
  static constexpr size_t kMaxWaiting = 200'000;

  Worker(const Settings& settings, const std::string& journal, Outlet& outlet);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // From now on inputs are taken.
  void start();
  void stop();
  // False where there are too many already.
  bool put(Input input);

  v1::StatusReply status() const;
  v1::Record::Finished finish() const;
  int max_nodes() const;
  std::string failure() const;
  bool wait_for_end(Millis wait_ms);

 private:
  void run();
  void fail(const std::string& why);
  void step_all(const std::vector<Input>& inputs);
  void save(const Outputs& outputs);
  void hand_on(const Outputs& outputs);

  std::unique_ptr<Journal> journal_;
  Outlet& outlet_;

  mutable std::mutex coordinator_mutex_;
  std::condition_variable ended_;
  Coordinator coordinator_;
  std::string failure_;

  std::mutex queue_mutex_;
  std::condition_variable filled_;
  std::vector<Input> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tessera::rendezvous
