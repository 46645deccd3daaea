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
// weights and bias that it meets; weight_hr, if defined, projects h.
RecurrentState next_state(RecurrentKind kind, const Tensor& xs, const RecurrentState& state,
                          const Tensor& weight_hh, const Tensor& bias_hh,
                          const Tensor& weight_hr = {}) {
  Tensor hs = linear(state.h, weight_hh, bias_hh);
  if (kind == RecurrentKind::tanh) return {tanh(xs + hs), {}};
  if (kind == RecurrentKind::relu) return {relu(xs + hs), {}};
  int64_t hidden = xs.size(-1) / gates_of(kind);
  if (kind == RecurrentKind::lstm) {
    std::vector<Tensor> g = split(xs + hs, hidden, -1);
    Tensor c = sigmoid(g[1]) * state.c + sigmoid(g[0]) * tanh(g[2]);
    Tensor h = sigmoid(g[3]) * tanh(c);
    return {weight_hr.defined() ? linear(h, weight_hr) : h, c};
  }
  std::vector<Tensor> x = split(xs, hidden, -1);
  std::vector<Tensor> h = split(hs, hidden, -1);
  Tensor fresh = tanh(x[2] + sigmoid(x[0] + h[0]) * h[2]);
  return {fresh + sigmoid(x[1] + h[1]) * (state.h - fresh), {}};
}

// As given, or zeros: h (..., hidden or proj_size), c (..., hidden).
RecurrentState started(RecurrentKind kind, const RecurrentState& given, const Dims& h_shape,
                       const Dims& c_shape, const Tensor& like) {
  TESSERA_CHECK(kind == RecurrentKind::lstm || !given.c.defined(),
                "[Recurrent] only an Lstm has a c in its state");
  auto part = [&](const char* name, const Tensor& x, const Dims& shape) {
    if (!x.defined()) return Tensor(Array::zeros(shape, like.dtype(), like.device()));
    TESSERA_CHECK(x.shape() == shape, "[Recurrent] expected a state of {}, got {} ({})", shape,
                  x.shape(), name);
    return x;
  };
  return {part("h", given.h, h_shape),
          kind == RecurrentKind::lstm ? part("c", given.c, c_shape) : Tensor()};
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
  TESSERA_CHECK(options.proj_size == 0 || kind == RecurrentKind::lstm,
                "[Recurrent] only an Lstm has a proj_size, got {}", options.proj_size);
  TESSERA_CHECK(options.proj_size >= 0 && options.proj_size < hidden,
                "[Recurrent] expected a proj_size below {}, got {}", hidden, options.proj_size);
  keep_callers_place();
  for (int64_t layer = 0; layer < options.layers; ++layer) {
    for (int64_t d = 0; d < directions(); ++d) add_weights(layer, d);
  }
}

void Recurrent::add_weights(int64_t layer, int64_t direction) {
  std::string end = fmt::format("_l{}{}", layer, direction == 1 ? "_reverse" : "");
  auto add = [&](const char* part, const Dims& shape) {
    return add_parameter(part + end, shape, uniform_by_hidden(hidden_));
  };
  int64_t rows = gates_of(kind_) * hidden_;
  Weights w;
  w.ih = add("weight_ih", {rows, layer == 0 ? in_ : directions() * output_width()});
  w.hh = add("weight_hh", {rows, output_width()});
  if (options_.bias) {
    w.bias_ih = add("bias_ih", {rows});
    w.bias_hh = add("bias_hh", {rows});
  }
  if (options_.proj_size > 0) w.hr = add("weight_hr", {options_.proj_size, hidden_});
  weights_.push_back(std::move(w));
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

RecurrentResult Recurrent::run(const Weights& w, const Tensor& x, const RecurrentState& start,
                               bool reverse) const {
  std::vector<Tensor> inputs = slices(linear(x, w.ih, w.bias_ih));
  std::vector<Tensor> outputs(inputs.size());
  RecurrentState state = start;
  for (size_t i = 0; i < inputs.size(); ++i) {
    size_t t = reverse ? inputs.size() - 1 - i : i;
    state = next_state(kind_, inputs[t], state, w.hh, w.bias_hh, w.hr);
    outputs[t] = state.h;
  }
  return {stack(outputs, 0), state};
}

// From the front a sequence ends when it has no step t more, from the back it begins at its last
// one; the others are always the first rows.
RecurrentResult Recurrent::run_packed(const Weights& w, const Tensor& x,
                                      const RecurrentState& start,
                                      const std::vector<int64_t>& batch_sizes, bool reverse) const {
  std::vector<Tensor> inputs = slices(linear(x, w.ih, w.bias_ih), batch_sizes);
  std::vector<Tensor> outputs(inputs.size());
  auto rows = [](const RecurrentState& s, int64_t begin, int64_t end) -> RecurrentState {
    return {narrow(s.h, 0, begin, end - begin),
            s.c.defined() ? narrow(s.c, 0, begin, end - begin) : Tensor()};
  };
  auto below = [](const RecurrentState& top, const RecurrentState& bottom) -> RecurrentState {
    return {cat({top.h, bottom.h}), top.c.defined() ? cat({top.c, bottom.c}) : Tensor()};
  };
  int64_t active = reverse ? batch_sizes.back() : batch_sizes[0];
  RecurrentState state = rows(start, 0, active);
  std::vector<RecurrentState> ended;
  for (size_t i = 0; i < inputs.size(); ++i) {
    size_t t = reverse ? inputs.size() - 1 - i : i;
    int64_t now = batch_sizes[t];
    if (now > active) state = below(state, rows(start, active, now));
    if (now < active) {
      ended.push_back(rows(state, now, active));
      state = rows(state, 0, now);
    }
    active = now;
    state = next_state(kind_, inputs[t], state, w.hh, w.bias_hh, w.hr);
    outputs[t] = state.h;
  }
  for (auto last = ended.rbegin(); last != ended.rend(); ++last) state = below(state, *last);
  return {cat(outputs), state};
}

RecurrentResult Recurrent::run_layers(Tensor x, const RecurrentState& start, const Run& run) const {
  std::vector<Tensor> h, c;
  for (int64_t layer = 0; layer < options_.layers; ++layer) {
    if (layer > 0) x = dropout_(x);
    std::vector<Tensor> sides;
    for (int64_t d = 0; d < directions(); ++d) {
      int64_t at = layer * directions() + d;
      RecurrentState own{select(start.h, 0, at),
                         start.c.defined() ? select(start.c, 0, at) : Tensor()};
      RecurrentResult side = run(weights_[static_cast<size_t>(at)], x, own, d == 1);
      sides.push_back(side.output);
      h.push_back(side.state.h);
      c.push_back(side.state.c);
    }
    x = sides.size() == 1 ? sides[0] : cat(sides, -1);
  }
  return {x, {stack(h, 0), start.c.defined() ? stack(c, 0) : Tensor()}};
}

RecurrentState Recurrent::started_for(int64_t batch, const RecurrentState& given,
                                      const Tensor& like) const {
  int64_t count = options_.layers * directions();
  return started(kind_, given, {count, batch, output_width()}, {count, batch, hidden_}, like);
}

RecurrentResult Recurrent::forward(const Tensor& x, const RecurrentState& given) const {
  check_input(x, given);
  bool batched = x.dim() == 3;
  Tensor y = !batched ? unsqueeze(x, 1) : options_.batch_first ? transpose(x, 0, 1) : x;
  auto with_batch = [&](const Tensor& s) { return s.defined() && !batched ? unsqueeze(s, 1) : s; };
  RecurrentState start = started_for(y.size(1), {with_batch(given.h), with_batch(given.c)}, y);
  RecurrentResult out =
      run_layers(y, start,
                 [&](const Weights& w, const Tensor& input, const RecurrentState& own,
                     bool reverse) { return run(w, input, own, reverse); });
  if (batched) {
    if (options_.batch_first) out.output = transpose(out.output, 0, 1);
    return out;
  }
  out.visit_tensors([](Tensor& part) {
    if (part.defined()) part = squeeze(part, 1);
  });
  return out;
}

PackedRecurrentResult Recurrent::forward(const PackedSequence& x,
                                         const RecurrentState& given) const {
  x.check("Recurrent");
  TESSERA_CHECK(x.data.dim() == 2 && x.data.size(1) == in_,
                "[Recurrent] expected packed sequences of {} features, got {}", in_,
                x.data.shape());
  auto in_order = [&](const Tensor& s, const std::vector<int64_t>& order) {
    if (!s.defined() || order.empty()) return s;
    Array index = Array::from(order, {x.num_sequences()});
    return index_select(s, 1, Tensor(index.to(s.device())));
  };
  RecurrentState start = started_for(x.num_sequences(), given, x.data);
  start.visit_tensors([&](Tensor& part) { part = in_order(part, x.sorted_indices); });
  RecurrentResult out =
      run_layers(x.data, start,
                 [&](const Weights& w, const Tensor& input, const RecurrentState& own,
                     bool reverse) { return run_packed(w, input, own, x.batch_sizes, reverse); });
  out.state.visit_tensors([&](Tensor& part) { part = in_order(part, x.unsorted_indices); });
  PackedSequence packed = x;
  packed.data = out.output;
  return {packed, out.state};
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
  RecurrentState state = started(kind_, given, shape, shape, x);
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
