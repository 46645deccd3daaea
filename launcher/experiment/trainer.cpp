#include "launcher/experiment/trainer.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "autograd/context.h"
#include "core/allocator.h"
#include "core/cpu/cpu.h"
#include "core/digest.h"
#include "core/io/file_system.h"
#include "core/parallel.h"
#include "distributed/agreement.h"
#include "launcher/experiment/checkpoint.h"
#include "launcher/experiment/process_info.h"
#include "launcher/experiment/step_options.h"
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

// A full disk may have failed the run and may fail the log too: the first error is the one to tell.
void log_failure(LineFile& log, const std::exception& failure) {
  try {
    log.append(fmt::format("failed: {}", failure.what()));
  } catch (const Error&) {
  }
}

}  // namespace

// What one call of run keeps open.
struct Trainer::Session {
  Communicator& comm;
  TrainStep& step;
  RunDirectory directory;
  LineFile log;
  std::optional<LineFile> metrics;  // rank 0's
  Progress progress;
  Clock::time_point start = Clock::now();

  void record(const nlohmann::json& entry) {
    if (metrics) metrics->append(entry.dump());
  }
};

Trainer::Trainer(Config config)
    : config_(std::move(config)),
      model_section_(config_.model.as<ModelSection>()),
      data_section_(config_.data.as<DataSection>()),
      optim_section_(config_.optim.as<OptimSection>()),
      schedule_section_(config_.schedule.as<ScheduleSection>()) {
  step_options(config_, 1);  // finds what contradicts itself
  manual_seed(static_cast<uint64_t>(config_.run.seed));
  data_ = data_section_.open(model_section_);
  {
    nn::DeferInit defer;  // a rank makes the values of what it keeps
    model_ = model_section_.make();
  }
  optimizer_ = optim_section_.make(*model_);
}

void Trainer::check_ranks(int num_ranks) const { experiment::check_ranks(config_, num_ranks); }

int64_t Trainer::batch_units() const {
  return data_section_.leaves * data_section_.micro_batch *
         data_section_.units_per_sample(model_section_);
}

nn::Loss Trainer::loss_of(const data::Dataset& dataset, std::span<const int64_t> indices) const {
  return model_->loss(dataset.batch(indices));
}

StepResult Trainer::train_one(TrainStep& step, int64_t index) {
  data::Sampler sampler(static_cast<uint64_t>(config_.run.seed), data_.train->size());
  double lr = schedule_section_.lr_at(index, config_.run.steps, optim_section_.lr);
  StepResult result = step.run(lr, [&](Leaf leaf) {
    int64_t first = (leaf.step * data_section_.leaves + leaf.index) * data_section_.micro_batch;
    std::vector<int64_t> indices;
    for (int64_t i = 0; i < data_section_.micro_batch; ++i) {
      indices.push_back(sampler.index_at(first + i));
    }
    return loss_of(*data_.train, indices);
  });
  if (result.finite) return result;
  throw SharedError(fmt::format("step {}: the loss is {} and the gradient's norm is {}", index + 1,
                                result.loss, result.grad_norm));
}

void Trainer::train_all(Session& session) {
  TrainStep& step = session.step;
  for (int64_t i = 0; i < config_.run.steps; ++i) {
    Clock::time_point start = Clock::now();
    StepResult result = train_one(step, i);
    double seconds = seconds_since(start);
    double lr = schedule_section_.lr_at(i, config_.run.steps, optim_section_.lr);
    double rate = static_cast<double>(batch_units()) / seconds;
    session.record({{"step", i + 1},
                    {"loss", result.loss},
                    {"grad_norm", result.grad_norm},
                    {"lr", lr},
                    {data_section_.unit() + "_per_second", rate},
                    {"step_ms", seconds * 1e3},
                    {"memory_bytes", allocator::stats().peak_bytes},
                    {"since_start_s", seconds_since_process_start()}});
    session.progress.report({i + 1, config_.run.steps, result.loss, result.grad_norm, lr, rate});
    int64_t every = config_.run.eval_every;
    if (data_.valid && every > 0 && (i + 1) % every == 0 && i + 1 < config_.run.steps) {
      double loss = validate(session.step);
      session.record({{"step", i + 1}, {"valid_loss", loss}});
      session.progress.say(fmt::format("step {}: validation loss {:.4f}", i + 1, loss));
    }
  }
}

double Trainer::validate(TrainStep& step) {
  model_->eval();
  int64_t samples = data_.valid->size();
  int64_t size = std::min(data_section_.micro_batch, samples);
  int64_t batches = std::min(config_.run.eval_batches, samples / size);
  double loss = step.evaluate(batches, [&](int64_t batch) {
    // Samples are spread evenly over the data.
    std::vector<int64_t> indices;
    for (int64_t i = batch * size; i < (batch + 1) * size; ++i) {
      indices.push_back(i * (samples / (batches * size)));
    }
    return loss_of(*data_.valid, indices);
  });
  model_->train();
  return loss;
}

void Trainer::finish(Session& session) {
  nlohmann::json last{{"final", true}, {"step", config_.run.steps}};
  if (data_.valid) {
    double loss = validate(session.step);
    last["valid_loss"] = loss;
    session.progress.say(fmt::format("validation loss {:.4f}", loss));
  }
  nn::StateDict state = session.step.state();
  std::string hash = digest(state);
  require_agreement(session.comm, {{"the weights after the last step", hash}});
  std::string path = session.directory.checkpoint(config_.run.steps);
  if (session.comm.rank() == 0) {
    save_checkpoint(path, state, {config_.run.steps, hash, dump_yaml(config_)});
  }
  // Nobody reports success before the checkpoint is there.
  session.comm.barrier().wait();
  last["digest"] = hash;
  last["seconds"] = seconds_since(session.start);
  last["peak_rss_bytes"] = peak_rss_bytes();
  session.record(last);
  session.log.append(fmt::format("done: {} steps, digest {}", config_.run.steps, hash));
  session.progress.say(fmt::format("checkpoint {}\ndigest {}", path, hash));
}

void Trainer::run(Communicator& comm) {
  bool first = comm.rank() == 0;
  require_agreement(comm, {{"the build", build_id()},
                           {"the instruction set", cpu::instruction_set()},
                           {"the config", dump_yaml(config_)}});
  StepOptions options = step_options(config_, ranks_per_machine(comm));
  TrainStep step(*model_, *optimizer_, comm, options);
  std::string path;
  if (first) path = RunDirectory::create(config_.run.dir.value_or(""), config_.run.name);
  RunDirectory directory(gather_texts(comm, path)[0]);
  Session session{comm,         step,
                  directory,    LineFile(directory.log(comm.rank())),
                  std::nullopt, Progress(!first, config_.log.every, data_section_.unit())};
  session.log.append(fmt::format("rank {} of {}, {} threads, process {}", comm.rank(), comm.size(),
                                 num_threads(), process_id()));
  if (first) {
    session.metrics.emplace(directory.metrics());
    write_text(directory.config(), dump_yaml(config_));
    session.progress.say(fmt::format(
        "{}: {} parameters, {} {} of {} {} a step, {} rank{} of {} thread{}, in {}",
        config_.run.name, model_->num_parameters(), data_section_.leaves,
        data_section_.leaves == 1 ? "leaf" : "leaves", batch_units() / data_section_.leaves,
        data_section_.unit(), comm.size(), comm.size() == 1 ? "" : "s", num_threads(),
        num_threads() == 1 ? "" : "s", directory.path()));
  }
  try {
    train_all(session);
    finish(session);
  } catch (const std::exception& error) {
    log_failure(session.log, error);
    throw;
  }
}

}  // namespace tessera::experiment
