#include "nn/layers/recurrent.h"

#include <cmath>

#include "autograd/ops.h"
#include "nn/layers/slices.h"

namespace tessera::nn {
namespace {

int64_t gates_of(RecurrentKind kind) {
  switch (kind) {
    case RecurrentKind::lstm: return 4;
    case RecurrentKind::gru: return 3;
    case RecurrentKind::tanh:
    case RecurrentKind::relu: break;
  }
  return 1;
}

RecurrentKind kind_of(RnnActivation activation) {
  return activation == RnnActivation::tanh ? RecurrentKind::tanh : RecurrentKind::relu;
}

Init uniform_by_hidden(int64_t hidden) {
  return Init::uniform(1 / std::sqrt(static_cast<double>(hidden)));
}

// The next state, from the input's share `xs` (N, gates * hidden) with its bias, the state, and the
// weights and bias that it meets.
RecurrentState next_state(RecurrentKind kind, const Tensor& xs, const RecurrentState& state,
                          const Tensor& weight_hh, const Tensor& bias_hh) {
  Tensor hs = linear(state.h, weight_hh, bias_hh);
  if (kind == RecurrentKind::tanh) return {tanh(xs + hs), {}};
  if (kind == RecurrentKind::relu) return {relu(xs + hs), {}};
  int64_t hidden = state.h.size(-1);
  if (kind == RecurrentKind::lstm) {
    std::vector<Tensor> g = split(xs + hs, hidden, -1);
    Tensor c = sigmoid(g[1]) * state.c + sigmoid(g[0]) * tanh(g[2]);
    return {sigmoid(g[3]) * tanh(c), c};
  }
  std::vector<Tensor> x = split(xs, hidden, -1);
  std::vector<Tensor> h = split(hs, hidden, -1);
  Tensor fresh = tanh(x[2] + sigmoid(x[0] + h[0]) * h[2]);
  return {fresh + sigmoid(x[1] + h[1]) * (state.h - fresh), {}};
}

// As given, or zeros (..., hidden).
RecurrentState started(RecurrentKind kind, const RecurrentState& given, const Dims& shape,
                       const Tensor& like) {
  RecurrentState out = given;
  Tensor nothing(Array::zeros(shape, like.dtype(), like.device()));
  if (!out.h.defined()) out.h = nothing;
  if (kind == RecurrentKind::lstm && !out.c.defined()) out.c = nothing;
  TESSERA_CHECK(out.h.shape() == shape && (!out.c.defined() || out.c.shape() == shape),
                "[Recurrent] expected a state of {}, got {} and {}", shape, out.h.shape(),
                out.c.defined() ? out.c.shape() : shape);
  TESSERA_CHECK(kind == RecurrentKind::lstm || !out.c.defined(),
                "[Recurrent] only an Lstm has a c in its state");
  return out;
}

void check_recurrent_sizes(int64_t in, int64_t hidden) {
  TESSERA_CHECK(in >= 1 && hidden >= 1, "[Recurrent] expected at least one feature, got {} and {}",
                in, hidden);
}

}  // namespace

Recurrent::Recurrent(Module* parent, std::string name, RecurrentKind kind, int64_t in,
                     int64_t hidden, const RecurrentOptions& options)
    : Callable(parent, std::move(name)),
      kind_(kind),
      in_(in),
      hidden_(hidden),
      options_(options),
      dropout_(this, "dropout", options.dropout) {
  check_recurrent_sizes(in, hidden);
  TESSERA_CHECK(options.layers >= 1, "[Recurrent] expected at least one layer, got {}",
                options.layers);
  keep_callers_place();
  int64_t rows = gates_of(kind) * hidden;
  for (int64_t layer = 0; layer < options.layers; ++layer) {
    for (int64_t d = 0; d < directions(); ++d) {
      std::string end = fmt::format("_l{}{}", layer, d == 1 ? "_reverse" : "");
      auto add = [&](const char* part, const Dims& shape) {
        return add_parameter(part + end, shape, uniform_by_hidden(hidden));
      };
      Weights w;
      w.ih = add("weight_ih", {rows, layer == 0 ? in : directions() * hidden});
      w.hh = add("weight_hh", {rows, hidden});
      if (options.bias) {
        w.bias_ih = add("bias_ih", {rows});
        w.bias_hh = add("bias_hh", {rows});
      }
      weights_.push_back(std::move(w));
    }
  }
}

void Recurrent::check_input(const Tensor& x, const RecurrentState& start) const {
  TESSERA_CHECK((x.dim() == 2 || x.dim() == 3) && x.size(-1) == in_,
                "[Recurrent] expected an input of three dims, or two without a batch, the last of "
                "size {}, got {}",
                in_, x.shape());
  int64_t time = x.size(x.dim() == 3 && options_.batch_first ? 1 : 0);
  TESSERA_CHECK(time >= 1, "[Recurrent] expected at least one step, got {}", x.shape());
  for (const Tensor* part : {&start.h, &start.c}) {
    TESSERA_CHECK(!part->defined() || part->dim() == x.dim(),
                  "[Recurrent] expected a state of {} dims as the input has, got {}", x.dim(),
                  part->shape());
  }
}

// x (T, N, in), start (N, hidden) -> output (T, N, hidden)
RecurrentResult Recurrent::run(const Weights& w, const Tensor& x, const RecurrentState& start,
                               bool reverse) const {
  std::vector<Tensor> inputs = slices(linear(x, w.ih, w.bias_ih));
  std::vector<Tensor> outputs(inputs.size());
  RecurrentState state = start;
  for (size_t i = 0; i < inputs.size(); ++i) {
    size_t t = reverse ? inputs.size() - 1 - i : i;
    state = next_state(kind_, inputs[t], state, w.hh, w.bias_hh);
    outputs[t] = state.h;
  }
  return {stack(outputs, 0), state};
}

RecurrentResult Recurrent::forward(const Tensor& x, const RecurrentState& given) const {
  check_input(x, given);
  bool batched = x.dim() == 3;
  Tensor y = !batched ? unsqueeze(x, 1) : options_.batch_first ? transpose(x, 0, 1) : x;
  auto with_batch = [&](const Tensor& s) { return s.defined() && !batched ? unsqueeze(s, 1) : s; };
  RecurrentState start = started(kind_, {with_batch(given.h), with_batch(given.c)},
                                 {options_.layers * directions(), y.size(1), hidden_}, y);
  std::vector<Tensor> h, c;
  for (int64_t layer = 0; layer < options_.layers; ++layer) {
    if (layer > 0) y = dropout_(y);
    std::vector<Tensor> sides;
    for (int64_t d = 0; d < directions(); ++d) {
      int64_t at = layer * directions() + d;
      RecurrentState own{select(start.h, 0, at),
                         start.c.defined() ? select(start.c, 0, at) : Tensor()};
      RecurrentResult side = run(weights_[static_cast<size_t>(at)], y, own, d == 1);
      sides.push_back(side.output);
      h.push_back(side.state.h);
      c.push_back(side.state.c);
    }
    y = sides.size() == 1 ? sides[0] : cat(sides, -1);
  }
  RecurrentResult out{y, {stack(h, 0), start.c.defined() ? stack(c, 0) : Tensor()}};
  if (batched) {
    if (options_.batch_first) out.output = transpose(out.output, 0, 1);
    return out;
  }
  out.visit_tensors([](Tensor& part) {
    if (part.defined()) part = squeeze(part, 1);
  });
  return out;
}

Rnn::Rnn(Module* parent, std::string name, int64_t in, int64_t hidden, RecurrentOptions options,
         RnnActivation activation)
    : Recurrent(parent, std::move(name), kind_of(activation), in, hidden, options) {}

Lstm::Lstm(Module* parent, std::string name, int64_t in, int64_t hidden, RecurrentOptions options)
    : Recurrent(parent, std::move(name), RecurrentKind::lstm, in, hidden, options) {}

Gru::Gru(Module* parent, std::string name, int64_t in, int64_t hidden, RecurrentOptions options)
    : Recurrent(parent, std::move(name), RecurrentKind::gru, in, hidden, options) {}

RecurrentCell::RecurrentCell(Module* parent, std::string name, RecurrentKind kind, int64_t in,
                             int64_t hidden, bool bias)
    : Callable(parent, std::move(name)), kind_(kind) {
  check_recurrent_sizes(in, hidden);
  keep_callers_place();
  int64_t rows = gates_of(kind) * hidden;
  Init init = uniform_by_hidden(hidden);
  weight_ih = add_parameter("weight_ih", {rows, in}, init);
  weight_hh = add_parameter("weight_hh", {rows, hidden}, init);
  if (!bias) return;
  bias_ih = add_parameter("bias_ih", {rows}, init);
  bias_hh = add_parameter("bias_hh", {rows}, init);
}

RecurrentState RecurrentCell::forward(const Tensor& x, const RecurrentState& given) const {
  TESSERA_CHECK((x.dim() == 1 || x.dim() == 2) && x.size(-1) == weight_ih.size(1),
                "[RecurrentCell] expected an input (N, {}), or ({}) without a batch, got {}",
                weight_ih.size(1), weight_ih.size(1), x.shape());
  Dims shape = x.shape();
  shape.back() = weight_hh.size(1);
  RecurrentState state = started(kind_, given, shape, x);
  return next_state(kind_, linear(x, weight_ih, bias_ih), state, weight_hh, bias_hh);
}

RnnCell::RnnCell(Module* parent, std::string name, int64_t in, int64_t hidden, bool bias,
                 RnnActivation activation)
    : RecurrentCell(parent, std::move(name), kind_of(activation), in, hidden, bias) {}

LstmCell::LstmCell(Module* parent, std::string name, int64_t in, int64_t hidden, bool bias)
    : RecurrentCell(parent, std::move(name), RecurrentKind::lstm, in, hidden, bias) {}

GruCell::GruCell(Module* parent, std::string name, int64_t in, int64_t hidden, bool bias)
    : RecurrentCell(parent, std::move(name), RecurrentKind::gru, in, hidden, bias) {}

}  // namespace tessera::nn
