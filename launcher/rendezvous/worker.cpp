#include "launcher/rendezvous/worker.h"

#include <chrono>
#include <random>
#include <utility>

#include "core/error.h"

namespace tessera::rendezvous {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{100};

Millis now() {
  auto time = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(time).count();
}

v1::Record::Began new_job() {
  std::random_device random;
  v1::Record::Began began;
  began.set_job_id(fmt::format("{:08x}{:08x}", random(), random()));
  began.set_ranks_secret(
      fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random()));
  began.set_started_at(std::chrono::duration_cast<std::chrono::seconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count());
  return began;
}

std::unique_ptr<Journal> open_journal(const std::string& path) {
  return path.empty() ? nullptr : std::make_unique<Journal>(path);
}

}  // namespace

Worker::Worker(const Settings& settings, const std::string& journal, Outlet& outlet)
    : journal_(open_journal(journal)), outlet_(outlet), coordinator_(settings, new_job(), now()) {
  if (!journal_) return;
  coordinator_.restore(journal_->records(), now());
  // A job that is over is no reason to refuse the next one.
  if (coordinator_.state() == State::finished)
    coordinator_ = Coordinator(settings, new_job(), now());
  journal_->replace(coordinator_.snapshot());
}

Worker::~Worker() { stop(); }

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::stop() {
  {
    std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  filled_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Worker::put(Input input) {
  {
    std::lock_guard lock(queue_mutex_);
    if (stopping_ || queue_.size() >= kMaxWaiting) return false;
    queue_.push_back(std::move(input));
  }
  filled_.notify_one();
  return true;
}

void Worker::run() {
  auto next_tick = std::chrono::steady_clock::now();
  while (true) {
    std::vector<Input> inputs;
    {
      std::unique_lock lock(queue_mutex_);
      filled_.wait_until(lock, next_tick, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      inputs.swap(queue_);
    }
    if (std::chrono::steady_clock::now() >= next_tick) {
      inputs.emplace_back(Tick{});
      next_tick = std::chrono::steady_clock::now() + kTick;
    }
    try {
      step_all(inputs);
    } catch (const std::exception& error) {
      return fail(error.what());
    }
  }
}

// What is not in the journal must not be acted on. Agents that are not answered end their ranks by
// themselves.
void Worker::fail(const std::string& why) {
  {
    std::lock_guard lock(queue_mutex_);
    stopping_ = true;
    queue_.clear();
  }
  {
    std::lock_guard lock(coordinator_mutex_);
    failure_ = why;
    ended_.notify_all();
  }
  outlet_.failed();
}

void Worker::step_all(const std::vector<Input>& inputs) {
  Outputs outputs;
  {
    std::lock_guard lock(coordinator_mutex_);
    for (const Input& input : inputs) {
      Outputs some = coordinator_.step(now(), input);
      std::move(some.begin(), some.end(), std::back_inserter(outputs));
    }
    save(outputs);
    if (coordinator_.state() == State::finished) ended_.notify_all();
  }
  hand_on(outputs);
}

void Worker::save(const Outputs& outputs) {
  if (!journal_) return;
  std::vector<v1::Record> records;
  for (const Output& output : outputs) {
    if (const auto* persist = std::get_if<Persist>(&output)) records.push_back(persist->record);
  }
  journal_->append(records);
  if (journal_->is_long()) journal_->replace(coordinator_.snapshot());
}

void Worker::hand_on(const Outputs& outputs) {
  for (const Output& output : outputs) {
    if (const auto* answer = std::get_if<Answer>(&output)) outlet_.answer(*answer);
    if (const auto* order = std::get_if<SendOrder>(&output)) outlet_.order(*order);
    if (const auto* event = std::get_if<Happened>(&output)) outlet_.happened(*event);
  }
}

v1::StatusReply Worker::status() const {
  std::lock_guard lock(coordinator_mutex_);
  return coordinator_.status(now());
}

v1::Record::Finished Worker::finish() const {
  std::lock_guard lock(coordinator_mutex_);
  return coordinator_.finish();
}

int Worker::max_nodes() const {
  std::lock_guard lock(coordinator_mutex_);
  return coordinator_.max_nodes();
}

std::string Worker::failure() const {
  std::lock_guard lock(coordinator_mutex_);
  return failure_;
}

bool Worker::wait_for_end(Millis wait_ms) {
  auto deadline = std::chrono::steady_clock::now() + milliseconds(wait_ms);
  std::unique_lock lock(coordinator_mutex_);
  auto over = [&] {
    return !failure_.empty() ||
           (coordinator_.state() == State::finished && coordinator_.num_members() == 0);
  };
  // Members go one by one, so it is looked at again and again.
  while (!over() && std::chrono::steady_clock::now() < deadline) {
    ended_.wait_for(lock, std::min<std::chrono::steady_clock::duration>(
                              kTick, deadline - std::chrono::steady_clock::now()));
  }
  return over();
}

}  // namespace tessera::rendezvous
