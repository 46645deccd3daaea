#include "distributed/agreement.h"

#include <cstring>

namespace tessera {

std::vector<std::string> gather_texts(Communicator& comm, const std::string& text) {
  auto world = static_cast<size_t>(comm.size());
  Array length = Array::scalar(static_cast<double>(text.size()), DType::i64).view({1});
  std::vector<Array> lengths;
  for (size_t rank = 0; rank < world; ++rank) lengths.push_back(Array::empty({1}, DType::i64));
  comm.all_gather(length, lengths).wait();

  Array own = Array::empty({static_cast<int64_t>(text.size())}, DType::u8);
  if (!text.empty()) std::memcpy(own.raw(), text.data(), text.size());
  std::vector<Array> bytes;
  for (const Array& count : lengths) {
    bytes.push_back(Array::empty({count.item<int64_t>()}, DType::u8));
  }
  comm.all_gather(own, bytes).wait();

  std::vector<std::string> texts;
  for (const Array& part : bytes) {
    texts.emplace_back(part.data<uint8_t>(), part.data<uint8_t>() + part.numel());
  }
  return texts;
}

void require_agreement(Communicator& comm,
                       const std::vector<std::pair<std::string, std::string>>& values) {
  for (const auto& [what, value] : values) {
    std::vector<std::string> all = gather_texts(comm, value);
    for (size_t rank = 1; rank < all.size(); ++rank) {
      TESSERA_CHECK(all[rank] == all[0], "ranks disagree about {}: rank 0 has {}, rank {} has {}",
                    what, all[0], rank, all[rank]);
    }
  }
}

}  // namespace tessera
