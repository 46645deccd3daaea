// Recurrent networks: Rnn, Lstm, Gru and their cells, as torch.nn has them, with its names of
// parameters, which start uniform in (-1 / sqrt(hidden), 1 / sqrt(hidden)).
#pragma once

#include <functional>
#include <vector>

#include "nn/layers/dropout.h"
#include "nn/layers/packed_sequence.h"

namespace tessera::nn {

// What goes from step to step: h, and of an Lstm c. Undefined: zeros.
struct RecurrentState {
  Tensor h = {};
  Tensor c = {};

  template <class F>
  void visit_tensors(F&& f) {
    f(h);
    f(c);
  }
};

// The outputs of the last layer at each step, and the state after the last one.
struct RecurrentResult {
  Tensor output = {};
  RecurrentState state = {};

  template <class F>
  void visit_tensors(F&& f) {
    f(output);
    state.visit_tensors(f);
  }
};

// The same of sequences of different lengths, each with the state after its last step.
struct PackedRecurrentResult {
  PackedSequence output = {};
  RecurrentState state = {};

  template <class F>
  void visit_tensors(F&& f) {
    output.visit_tensors(f);
    state.visit_tensors(f);
  }
};

enum class RecurrentKind { tanh, relu, lstm, gru };

struct RecurrentOptions {
  int64_t layers = 1;
  bool bias = true;
  bool batch_first = false;  // (N, T, ...) rather than (T, N, ...)
  double dropout = 0;        // on the outputs of each layer but the last, in training mode
  bool bidirectional = false;
  int64_t proj_size = 0;  // of an Lstm, below hidden: if positive, h is projected to it
};

// What Rnn, Lstm and Gru share. x (T, N, in), or (T, in) without a batch -> output (T, N,
// directions * hidden), the forward direction first; h and c of the state are (layers * directions,
// N, hidden), each layer's directions side by side. Parameters are weight_ih_l0 (gates * hidden,
// in), weight_hh_l0, bias_ih_l0, bias_hh_l0, then those of l0_reverse, of l1 and so on. The
// products of all steps' inputs are one; those of their states are one a step. With a proj_size
// (Sak, Senior and Beaufays 2014) h and the output have it in the place of hidden, and weight_hr_l0
// (proj_size, hidden) comes after the biases.
//
// Packed sequences have a batch always, whatever batch_first says, and states are in the order in
// which they were packed.
class Recurrent : public Callable<Recurrent> {
 public:
  using Callable::Callable;
  RecurrentResult forward(const Tensor& x, const RecurrentState& start) const;
  PackedRecurrentResult forward(const PackedSequence& x, const RecurrentState& start) const;
  RecurrentResult operator()(const Tensor& x, const RecurrentState& start = {},
                             CallSite site = {}) const {
    return call(*this, site, x, start);
  }
  PackedRecurrentResult operator()(const PackedSequence& x, const RecurrentState& start = {},
                                   CallSite site = {}) const {
    return call(*this, site, x, start);
  }

 protected:
  Recurrent(Module* parent, std::string name, RecurrentKind kind, int64_t in, int64_t hidden,
            const RecurrentOptions& options);

 private:
  // One direction of one layer.
  struct Weights {
    Tensor ih, hh, bias_ih, bias_hh, hr;
  };
  // What one of them makes of an input.
  using Run = std::function<RecurrentResult(const Weights& weights, const Tensor& x,
                                            const RecurrentState& start, bool reverse)>;
  int64_t directions() const { return options_.bidirectional ? 2 : 1; }
  int64_t output_width() const { return options_.proj_size > 0 ? options_.proj_size : hidden_; }
  void add_weights(int64_t layer, int64_t direction);
  void check_input(const Tensor& x, const RecurrentState& start) const;
  // As given, or zeros, for a batch of this size.
  RecurrentState started_for(int64_t batch, const RecurrentState& given, const Tensor& like) const;
  // All layers, from the outputs of one to the next.
  RecurrentResult run_layers(Tensor x, const RecurrentState& start, const Run& run) const;
  // x (T, N, in), start (N, ...) -> output (T, N, ...)
  RecurrentResult run(const Weights& weights, const Tensor& x, const RecurrentState& start,
                      bool reverse) const;
  // The same of packed rows, batch_sizes[t] at step t.
  RecurrentResult run_packed(const Weights& weights, const Tensor& x, const RecurrentState& start,
                             const std::vector<int64_t>& batch_sizes, bool reverse) const;

  RecurrentKind kind_;
  int64_t in_;
  int64_t hidden_;
  RecurrentOptions options_;
  std::vector<Weights> weights_;  // of layer l and direction d at l * directions() + d
  Dropout dropout_;
};

enum class RnnActivation { tanh, relu };

// h = f(w_ih x + b_ih + w_hh h + b_hh) (Elman 1990).
class Rnn : public Recurrent {
 public:
  using Recurrent::Recurrent;
  Rnn(Module* parent, std::string name, int64_t in, int64_t hidden, RecurrentOptions options = {},
      RnnActivation activation = RnnActivation::tanh);
  Rnn(NotThis, int64_t in, int64_t hidden, RecurrentOptions options) = delete;
};

// Hochreiter and Schmidhuber 1997; gates in the order input, forget, cell, output.
class Lstm : public Recurrent {
 public:
  using Recurrent::Recurrent;
  Lstm(Module* parent, std::string name, int64_t in, int64_t hidden, RecurrentOptions options = {});
  Lstm(NotThis, int64_t in, int64_t hidden, RecurrentOptions options) = delete;
};

// Cho et al. 2014; gates in the order reset, update, new, the reset gate applied to the product
// with w_hh.
class Gru : public Recurrent {
 public:
  using Recurrent::Recurrent;
  Gru(Module* parent, std::string name, int64_t in, int64_t hidden, RecurrentOptions options = {});
  Gru(NotThis, int64_t in, int64_t hidden, RecurrentOptions options) = delete;
};

// One step: x (N, in), or (in) without a batch, and a state of (N, hidden) -> the next state.
// Parameters are weight_ih, weight_hh, bias_ih and bias_hh.
class RecurrentCell : public Callable<RecurrentCell> {
 public:
  using Callable::Callable;
  RecurrentState forward(const Tensor& x, const RecurrentState& state) const;
  RecurrentState operator()(const Tensor& x, const RecurrentState& state = {},
                            CallSite site = {}) const {
    return call(*this, site, x, state);
  }

  Tensor weight_ih;
  Tensor weight_hh;
  Tensor bias_ih;
  Tensor bias_hh;

 protected:
  RecurrentCell(Module* parent, std::string name, RecurrentKind kind, int64_t in, int64_t hidden,
                bool bias);

 private:
  RecurrentKind kind_;
};

class RnnCell : public RecurrentCell {
 public:
  using RecurrentCell::RecurrentCell;
  RnnCell(Module* parent, std::string name, int64_t in, int64_t hidden, bool bias = true,
          RnnActivation activation = RnnActivation::tanh);
};

class LstmCell : public RecurrentCell {
 public:
  using RecurrentCell::RecurrentCell;
  LstmCell(Module* parent, std::string name, int64_t in, int64_t hidden, bool bias = true);
};

class GruCell : public RecurrentCell {
 public:
  using RecurrentCell::RecurrentCell;
  GruCell(Module* parent, std::string name, int64_t in, int64_t hidden, bool bias = true);
};

}  // namespace tessera::nn
