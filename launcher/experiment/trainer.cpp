#include "launcher/experiment/trainer.h"

#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "autograd/context.h"
#include "core/cpu/cpu.h"
#include "core/digest.h"
#include "core/io/file_system.h"
#include "core/parallel.h"
#include "distributed/agreement.h"
#include "launcher/experiment/components/group_lines.h"
#include "launcher/experiment/initial_weights.h"
#include "launcher/experiment/lenient_file.h"
#include "launcher/experiment/metrics/jsonl_sink.h"
#include "launcher/experiment/metrics/terminal_sink.h"
#include "launcher/experiment/process_info.h"
#include "launcher/experiment/run_checkpoints.h"
#include "launcher/experiment/standard_streams.h"
#include "launcher/experiment/step_options.h"
#include "launcher/job/progress_board.h"
#include "launcher/job/stop_signals.h"
#include "nn/data/sampler.h"

namespace tessera::experiment {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void write_text(const std::string& path, const std::string& text) {
  std::span<const std::byte> bytes = std::as_bytes(std::span(text));
  FileSystem::real().write_atomically(path, std::span(&bytes, 1));
}

// Each rank reads init.from for itself.
void require_same_source(Communicator& comm, const std::string& path) {
  if (comm.size() == 1) return;
  std::string found;
  try {
    found = fingerprint_of_source(path);
  } catch (const Error& error) {
    found = error.what();
  }
  require_agreement(comm, {{"what init.from has", found}});
}

// A step that no record tells of yet: on a device its numbers come later.
struct UntoldStep {
  int64_t done;  // with it
  StepResult result;
  double seconds;
};

}  // namespace

// What one call of run keeps open.
struct Trainer::Session {
  Communicator& comm;
  TrainStep& step;
  RunDirectory directory;
  Checkpointer& checkpoints;
  LenientFile log;
  TerminalSink terminal;             // silent but on rank 0
  std::optional<JsonlSink> metrics;  // rank 0's
  std::vector<MetricSink*> sinks;    // of them, those that records go to: rank 0's
  job::ProgressSigns signs;          // to the launcher
  int64_t position = 0;              // in the data: samples taken
  int64_t first_step = 0;            // after which it began or went on
  std::optional<UntoldStep> untold = {};
  Clock::time_point start = Clock::now();

  bool first() const { return comm.rank() == 0; }
  void record(const MetricRecord& entry) {
    for (MetricSink* sink : sinks) sink->record(entry);
  }
  // In the log, and rank 0 says it as well.
  void say(const std::string& line) {
    log.append(line);
    terminal.say(line);
  }
  // What saves in the background have to say.
  void tell_of_saves() {
    Checkpointer::Messages messages = checkpoints.take_messages();
    for (const std::string& line : messages.done) log.append(line);
    for (const std::string& line : messages.failed) {
      log.append(line);
      if (first()) print_error("tessera: " + line);
    }
  }
};

Trainer::Trainer(Config config)
    : config_(std::move(config)),
      model_section_(config_.model.as<ModelSection>()),
      data_section_(config_.data.as<DataSection>()),
      optim_section_(config_.optim.as<OptimSection>()),
      schedule_(config_) {
  step_options(config_);  // finds what contradicts itself
  manual_seed(static_cast<uint64_t>(config_.run.seed));
  data_ = open_data(data_section_, model_section_);
  schedule_.check_data(data_);
  data_identity_ = identity(data_);
  {
    nn::DeferInit defer;  // a rank makes the values of what it keeps
    model_ = model_section_.make();
  }
  check_metrics(model_->metrics());
  best_by_ = best_by(config_.checkpoint.best, *model_);
  optimizer_ = make_optimizer(optim_section_, *model_);
  check_start(config_, *model_, *optimizer_, data_identity_);
  if (optim_section_.skip_outliers) {
    outliers_.emplace(*optim_section_.skip_outliers, optim_section_.outlier_window);
  }
}

void Trainer::check_ranks(int num_ranks) const { experiment::check_ranks(config_, num_ranks); }

int64_t Trainer::batch_units() const {
  return data_section_.leaves * data_section_.micro_batch *
         data_section_.units_per_sample(model_section_);
}

StepResult Trainer::train_one(TrainStep& step, int64_t index, int64_t position) {
  data::Sampler sampler(static_cast<uint64_t>(config_.run.seed), data_.train->size());
  double lr = schedule_.lr_at(index);
  std::optional<DetectAnomaly> watch;
  if (config_.compute.detect_anomaly) watch.emplace();
  auto loss = [&](Leaf leaf) {
    int64_t first = position + leaf.index * data_section_.micro_batch;
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < data_section_.micro_batch; ++i) {
      indices.push_back(sampler.index_at(first + i));
    }
    return model_->loss(data::with_images_of(data_.train->batch(indices), config_.compute.dtype),
                        nn::kNowhere);
  };
  StepCall call{.stop_requested = job::stop_signal() != 0};
  return outliers_ ? step_unless_outlier(step, lr, loss, call) : step.run(lr, loss, call);
}

StepResult Trainer::step_unless_outlier(TrainStep& step, double lr,
                                        const TrainStep::LossOfLeaf& loss, StepCall call) {
  call.lr = lr;
  StepGradients gradients = step.accumulate(loss, call);
  double norm = step.norm(gradients);
  bool finite = std::isfinite(gradients.loss) && std::isfinite(norm);
  outlier_ = finite ? outliers_->look(gradients.loss, norm) : "";
  if (outlier_.empty()) return step.apply(lr, std::move(gradients));
  step.skip(gradients);
  return {StepNumbers{.loss = gradients.loss, .grad_norm = norm, .left_out = true},
          gradients.weight, gradients.stop, gradients.loss_scale};
}

// Of the last step, if that is to be done still; waits for its numbers.
void Trainer::record_step(Session& session) {
  if (!session.untold) return;
  UntoldStep step = *std::exchange(session.untold, std::nullopt);
  session.record(step_record(step.done, step.result, schedule_.lr_at(step.done - 1), step.seconds,
                             batch_units(), data_section_.unit()));
  std::string skipped = skipped_.look(step.done, step.result, outlier_);
  if (!skipped.empty()) session.say(skipped);
}

bool Trainer::evaluation_is_due(int64_t step) const {
  int64_t every = config_.run.eval_every;
  return data_.valid && every != 0 && step % every == 0;
}

std::optional<Validation> Trainer::evaluate_if_due(Session& session, int64_t step) {
  if (!evaluation_is_due(step)) return std::nullopt;
  record_step(session);
  session.signs.pause_steps();
  Validation validation = validate_now(session.step);
  schedule_.observe(step, validation.loss);
  session.record({MetricRecord::Kind::evaluation, step, validation.records()});
  return validation;
}

Trainer::Ended Trainer::train_all(Session& session) {
  TrainStep& step = session.step;
  // Of a run that goes on with the key still set.
  bool behind = config_.run.stop_after && step.steps_done() >= *config_.run.stop_after;
  if (behind && step.steps_done() < config_.run.steps) {
    stop(session, fmt::format("run.stop_after {}", *config_.run.stop_after), std::nullopt);
    return Ended::stopped;
  }
  while (step.steps_done() < config_.run.steps) {
    Clock::time_point start = Clock::now();
    session.signs.begin_step();
    StepResult result = train_one(step, step.steps_done(), session.position);
    session.position += data_section_.leaves * data_section_.micro_batch;
    double seconds = seconds_since(start);
    session.signs.end_step(step.steps_done(), seconds * 1e3,
                           static_cast<double>(batch_units()) / seconds);
    int64_t done = step.steps_done();
    record_step(session);  // of the step before
    session.untold = {done, result, seconds};
    if (result.ready() || session.checkpoints.is_due()) record_step(session);
    // The last step's evaluation and checkpoint are finish()'s.
    if (done == config_.run.steps) break;
    std::optional<Validation> validation = evaluate_if_due(session, done);
    bool reached = config_.run.stop_after && *config_.run.stop_after == done;
    if (result.stop() || reached) {
      record_step(session);
      session.signs.pause_steps();
      stop(session, reached ? "run.stop_after" : "a signal", validation);
      return Ended::stopped;
    }
    session.checkpoints.after_step(point(session, validation));
    session.tell_of_saves();
  }
  record_step(session);
  session.signs.pause_steps();
  return Ended::done;
}

Checkpointer::Point Trainer::point(const Session& session,
                                   const std::optional<Validation>& validation) {
  Checkpointer::Point point{.position = session.position};
  if (validation) {
    point.metric = validation->loss;
    point.metrics = validation->numbers();
  }
  return point;
}

std::string Trainer::save_last(Session& session, const std::optional<Validation>& validation,
                               std::optional<std::string> digest) {
  session.checkpoints.wait();
  session.tell_of_saves();
  Checkpointer::Point last = point(session, validation);
  last.last = digest.has_value();
  last.digest = std::move(digest);
  return session.checkpoints.save(last);
}

void Trainer::stop(Session& session, const std::string& why,
                   const std::optional<Validation>& validation) {
  std::string path = save_last(session, validation, std::nullopt);
  int64_t done = session.step.steps_done();
  session.record({MetricRecord::Kind::stopped, done});
  session.say(
      fmt::format("stopped by {} after step {} of {}\ncheckpoint {}\nrun.resume=auto "
                  "run.dir={} goes on",
                  why, done, config_.run.steps, path, session.directory.path()));
}

Validation Trainer::validate_now(TrainStep& step) {
  ValidationBatches batches(data_.valid->size(), data_section_.micro_batch,
                            config_.run.eval_batches);
  return validate(step, *model_, *data_.valid, batches, config_.compute.dtype);
}

void Trainer::finish(Session& session) {
  MetricRecord last{MetricRecord::Kind::final, config_.run.steps};
  std::optional<Validation> validation;
  if (data_.valid) {
    validation = validate_now(session.step);
    // For a run that goes on with more steps; one that was at its end has heard of it.
    bool is_new = session.first_step < config_.run.steps;
    if (is_new && evaluation_is_due(config_.run.steps)) {
      schedule_.observe(config_.run.steps, validation->loss);
    }
    last.metrics = validation->records();
    session.terminal.say(evaluation_in_words(last.metrics));
  }
  std::string hash;
  {
    nn::StateDict state = session.step.state();
    hash = digest(state);
  }
  require_agreement(session.comm, {{"the weights after the last step", hash}});
  std::string path = save_last(session, validation, hash);
  if (validation && !std::isfinite(validation->loss)) {
    // What was trained is not lost, and not taken for an end.
    throw SharedError(
        fmt::format("the validation loss after the last step is {}; {} has the weights",
                    loss_in_words(validation->loss), path));
  }
  last.metrics.push_back({"digest", hash});
  last.metrics.push_back({"seconds", seconds_since(session.start)});
  last.metrics.push_back({"peak_rss_bytes", peak_rss_bytes()});
  session.record(last);
  session.log.append(fmt::format("done: {} steps, digest {}", config_.run.steps, hash));
  session.terminal.say(fmt::format("checkpoint {}\ndigest {}", path, hash));
}

// What a checkpoint has of the loop, which all ranks read alike.
void Trainer::restore_loop(const Checkpointer::Start& start) {
  try {
    std::string rest = schedule_.restore(start.loop);
    if (outliers_) outliers_->restore(rest);
  } catch (const Error& error) {
    throw SharedError(fmt::format("{}: {}", start.from, error.what()));
  }
}

// Puts model and optimizer where the run begins.
void Trainer::start(Session& session, const StartPlan& plan) {
  Checkpointer::Start start = session.checkpoints.resume(resume_from(plan));
  for (const std::string& note : start.notes) session.say(note);
  if (!start.from.empty()) {
    session.position = start.position;
    session.first_step = start.step;
    restore_loop(start);
    session.say(fmt::format("going on after step {} from {}", start.step, start.from));
  } else if (config_.init.from) {
    InitReport report;
    std::string error;
    require_same_source(session.comm, *config_.init.from);
    try {
      report = take_initial_weights(config_.init, *model_, session.step.held());
    } catch (const Error& e) {
      error = e.what();
    }
    // Which is the same on every rank, as a rule.
    error = first_error(session.comm, error);
    if (!error.empty()) throw SharedError(error);
    session.step.restored(0);
    for (const std::string& line : report) session.say(line);
  }
  if (session.first() && plan.continues) session.directory.cut_metrics(start.step);
}

Trainer::Ended Trainer::run(Communicator& comm) {
  bool first = comm.rank() == 0;
  require_agreement(comm, {{"the build", build_id()},
                           {"the instruction set", cpu::instruction_set()},
                           {"the config", dump_yaml(config_)},
                           {"the data", data_identity_}});
  Mesh mesh(comm, mesh_shape(config_, ranks_per_node(comm)));
  TrainStep step(*model_, *optimizer_, mesh, step_options(config_));
  RunLock lock;  // as long as anything is written
  StartPlan plan = start_plan_of(gather_texts(
      comm, first ? to_text(plan_start(config_.run, job::launched_job(), lock)) : "")[0]);
  if (!first) lock = RunLock::share(plan.directory);
  RunDirectory directory(plan.directory);
  Checkpointer checkpoints = make_checkpointer(
      config_, step, data_identity_, directory, best_by_,
      [this] { return schedule_.state() + (outliers_ ? outliers_->state() : ""); });
  std::string who = comm.size() == 1 ? "" : fmt::format("rank {}: ", comm.rank());
  auto mode = plan.continues ? LineFileMode::extend : LineFileMode::create;
  Session session{mesh.control(),
                  step,
                  directory,
                  checkpoints,
                  LenientFile(directory.log(comm.rank()), LineFileMode::extend, who),
                  TerminalSink({config_.run.steps, config_.log.every, !first}),
                  std::nullopt,
                  {},
                  job::ProgressSigns()};
  session.log.append(fmt::format("rank {} of {}, {} threads, process {}", comm.rank(), comm.size(),
                                 num_threads(), process_id()));
  session.log.append("launcher: " + job::describe_launcher());
  for (const std::string& line : group_lines(*optimizer_, optim_section_.lr)) {
    if (first) session.log.append("optim: " + line);
  }
  try {
    if (first) {
      session.terminal.say(fmt::format(
          "{}: {} parameters, {} {} of {} {} a step, {} rank{} of {} thread{}, in {}",
          config_.run.name, model_->num_parameters(), data_section_.leaves,
          data_section_.leaves == 1 ? "leaf" : "leaves", batch_units() / data_section_.leaves,
          data_section_.unit(), comm.size(), comm.size() == 1 ? "" : "s", num_threads(),
          num_threads() == 1 ? "" : "s", directory.path()));
    }
    start(session, plan);
    if (first) {
      session.metrics.emplace(directory.metrics(), mode, who);
      session.sinks = {&*session.metrics, &session.terminal};
      write_text(directory.config(), dump_yaml(config_));
    }
    Ended ended = train_all(session);
    if (ended == Ended::done) finish(session);
    return ended;
  } catch (const std::exception& error) {
    session.log.append(fmt::format("failed: {}", error.what()));
    throw;
  }
}

}  // namespace tessera::experiment
