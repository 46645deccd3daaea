#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

// Normalizes the elements of each group, given by the group of every element.
void plain_normalize(std::vector<double>& values, const std::vector<size_t>& group, bool centered) {
  size_t groups = 0;
  for (size_t g : group) groups = std::max(groups, g + 1);
  std::vector<double> count(groups), mean(groups), squares(groups);
  for (size_t i = 0; i < values.size(); ++i) {
    ++count[group[i]];
    mean[group[i]] += centered ? values[i] : 0;
  }
  for (size_t g = 0; g < groups; ++g) mean[g] /= count[g];
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] -= mean[group[i]];
    squares[group[i]] += values[i] * values[i];
  }
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] /= std::sqrt(squares[group[i]] / count[group[i]] + 1e-5);
  }
}

// x[i] * weight[at(i)] + bias[at(i)] for what inputs there are.
template <class At>
void plain_affine(Plain& x, const Plains& in, At at) {
  for (size_t i = 0; i < x.values.size(); ++i) {
    if (in.size() > 1) x.values[i] *= in[1].values[at(i)];
    if (in.size() > 2) x.values[i] += in[2].values[at(i)];
  }
}

size_t size_from(const Dims& shape, size_t first) {
  size_t size = 1;
  for (size_t d = first; d < shape.size(); ++d) size *= static_cast<size_t>(shape[d]);
  return size;
}

// Over the last `dims` dims.
PlainFunction plain_rows(size_t dims, bool centered) {
  return [=](const Plains& in) {
    Plain out = in[0];
    size_t cols = size_from(out.shape, out.shape.size() - dims);
    std::vector<size_t> group;
    for (size_t i = 0; i < out.values.size(); ++i) group.push_back(i / cols);
    plain_normalize(out.values, group, centered);
    plain_affine(out, in, [cols](size_t i) { return i % cols; });
    return out;
  };
}

// Over groups of `channels_each` channels; those of all samples together if `batch`.
PlainFunction plain_channels(size_t channels_each, bool batch) {
  return [=](const Plains& in) {
    Plain out = in[0];
    auto channels = static_cast<size_t>(out.shape[1]);
    size_t inner = size_from(out.shape, 2);
    auto channel = [=](size_t i) { return i / inner % channels; };
    std::vector<size_t> group;
    for (size_t i = 0; i < out.values.size(); ++i) {
      size_t sample = batch ? 0 : i / inner / channels;
      group.push_back((sample * channels + channel(i)) / channels_each);
    }
    plain_normalize(out.values, group, true);
    plain_affine(out, in, channel);
    return out;
  };
}

Tensor at_or_none(const Inputs& in, size_t i) { return i < in.size() ? in[i] : Tensor(); }

// One that normalizes by x itself: 16 times the error of what it divides by.
OpCase norm_case(std::string name, std::string op, std::function<Tensor(const Inputs&)> fn,
                 std::vector<InputSpecs> inputs, InputSpecs large, PlainFunction reference) {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = std::move(inputs),
          .large = std::move(large),
          .reference = std::move(reference),
          .op = std::move(op),
          .tolerance_f32 = 5e-5};
}

void add_row_norms(std::vector<OpCase>& out) {
  out.push_back(norm_case(
      "layer_norm", "layer_norm",
      [](const Inputs& in) {
        return layer_norm(in[0], {in[0].size(-1)}, at_or_none(in, 1), at_or_none(in, 2));
      },
      {{{{3, 4}}, {{4}}, {{4}}},
       {{{5}}, {{5}}, {{5}}},
       {{{2, 1, 3}}, {{3}}, {{3}}},
       {{{2, 3}}, {{3}}},
       {{{3, 3}}},
       {{{0, 3}}, {{3}}, {{3}}}},
      {{{700, 130}}, {{130}}, {{130}}}, plain_rows(1, true)));
  out.push_back(norm_case(
      "layer_norm_bias_only", "layer_norm",
      [](const Inputs& in) { return layer_norm(in[0], {in[0].size(-1)}, {}, in[1]); },
      {{{{3, 4}}, {{4}}}}, {{{700, 130}}, {{130}}}, nullptr));
  out.push_back(norm_case(
      "layer_norm_two_dims", "layer_norm",
      [](const Inputs& in) {
        return layer_norm(in[0], {in[0].size(-2), in[0].size(-1)}, in[1], in[2]);
      },
      {{{{3, 2, 2}}, {{2, 2}}, {{2, 2}}}, {{{2, 2, 3}}, {{2, 3}}, {{2, 3}}}},
      {{{300, 5, 26}}, {{5, 26}}, {{5, 26}}}, plain_rows(2, true)));
  out.push_back(norm_case(
      "rms_norm", "rms_norm",
      [](const Inputs& in) { return rms_norm(in[0], {in[0].size(-1)}, at_or_none(in, 1), 1e-5); },
      {{{{3, 4}}, {{4}}}, {{{5}}}, {{{2, 1, 3}}, {{3}}}, {{{0, 3}}, {{3}}}},
      {{{700, 130}}, {{130}}}, plain_rows(1, false)));
  out.push_back(norm_case(
      "group_norm", "group_norm",
      [](const Inputs& in) {
        return group_norm(in[0], in[0].size(1) / 2, at_or_none(in, 1), at_or_none(in, 2));
      },
      {{{{2, 4, 3}}, {{4}}, {{4}}},
       {{{3, 2}}, {{2}}},
       {{{2, 4, 1, 2}}},
       {{{0, 2, 3}}, {{2}}, {{2}}}},
      {{{9, 6, 30, 40}}, {{6}}, {{6}}}, plain_channels(2, false)));
}

void add_channel_norms(std::vector<OpCase>& out) {
  std::vector<InputSpecs> inputs{{{{4, 3}}, {{3}}, {{3}}},
                                 {{{2, 2, 3}}, {{2}}, {{2}}},
                                 {{{2, 2, 2, 2}}, {{2}}},
                                 {{{3, 1, 2}}}};
  InputSpecs large{{{9, 7, 30, 40}}, {{7}}, {{7}}};
  auto training = [](const Inputs& in) {
    return batch_norm(in[0], {}, {}, at_or_none(in, 1), at_or_none(in, 2), true);
  };
  out.push_back(
      norm_case("batch_norm", "batch_norm", training, inputs, large, plain_channels(1, true)));
  out.push_back(norm_case("batch_norm_columns", "batch_norm", training, {inputs[0]},
                          {{{1500, 40}}, {{40}}, {{40}}}, plain_channels(1, true)));
  out.push_back(norm_case(
      "batch_norm_eval", "batch_norm",
      [](const Inputs& in) {
        int64_t channels = in[0].size(1);
        Array mean = random_array({channels}, DType::f64, 5).to(in[0].dtype());
        Array var = random_array({channels}, DType::f64, 6, 0.5, 2).to(in[0].dtype());
        return batch_norm(in[0], mean, var, at_or_none(in, 1), at_or_none(in, 2));
      },
      inputs, large, nullptr));
  out.push_back(norm_case(
      "instance_norm", "instance_norm",
      [](const Inputs& in) {
        return instance_norm(in[0], {}, {}, at_or_none(in, 1), at_or_none(in, 2));
      },
      {{{{2, 2, 3}}, {{2}}, {{2}}}, {{{2, 2, 2, 2}}, {{2}}}, {{{3, 1, 3}}}, {{{0, 2, 3}}}}, large,
      plain_channels(1, false)));
}

}  // namespace

std::vector<OpCase> normalize_cases() {
  std::vector<OpCase> out;
  add_row_norms(out);
  add_channel_norms(out);
  out.push_back({.name = "local_response_norm",
                 .fn = [](const Inputs& in) { return local_response_norm(in[0], 3, 0.5); },
                 .inputs = {{{{2, 4, 2}}}, {{{1, 2, 2, 2}}}, {{{0, 2, 3}}}},
                 .large = {{{5, 40, 12}}}});
  return out;
}

}  // namespace tessera::test
