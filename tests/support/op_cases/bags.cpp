#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

const char* mode_name(BagMode mode) {
  return mode == BagMode::sum ? "sum" : mode == BagMode::max ? "max" : "mean";
}

Array index_for(const Tensor& table, const Dims& shape) {
  return indices(shape, table.size(0)).to(table.device());
}

OpCase bag_case(std::string name, std::function<Tensor(const Inputs&)> fn, InputSpecs inputs,
                InputSpecs large) {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = {std::move(inputs)},
          .large = std::move(large),
          .op = "embedding_bag"};
}

}  // namespace

std::vector<OpCase> bag_cases() {
  std::vector<OpCase> out;
  for (BagMode mode : {BagMode::sum, BagMode::mean, BagMode::max}) {
    out.push_back(bag_case(fmt::format("embedding_bag_{}", mode_name(mode)),
                           [mode](const Inputs& in) {
                             return embedding_bag(in[0], index_for(in[0], {7, 3}), {.mode = mode});
                           },
                           {{{5, 2}}}, {{{60, 70}}}));
    // Of two, none, three and the rest; a row that does not count.
    out.push_back(bag_case(fmt::format("embedding_bag_{}_offsets", mode_name(mode)),
                           [mode](const Inputs& in) {
                             Array offsets = Array::from(std::vector<int64_t>{0, 2, 2, 5}, {4});
                             return embedding_bag(in[0], index_for(in[0], {9}),
                                                  offsets.to(in[0].device()),
                                                  {.mode = mode, .padding_idx = 0});
                           },
                           {{{5, 2}}}, {{{60, 70}}}));
  }
  out.push_back(bag_case("embedding_bag_weights",
                         [](const Inputs& in) {
                           return embedding_bag(
                               in[0], index_for(in[0], {4, 3}),
                               {.mode = BagMode::sum, .per_sample_weights = in[1]});
                         },
                         {{{5, 2}}, {{4, 3}}}, {{{60, 70}}, {{4, 3}}}));
  return out;
}

}  // namespace tessera::test
