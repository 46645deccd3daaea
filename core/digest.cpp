#include "core/digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <memory>
#include <vector>

#include "core/io/elements.h"
#include "core/json_text.h"
#include "core/parallel.h"

namespace tessera {
namespace {

constexpr int64_t kChunkElements = 256;
// Leaves that one thread hashes at a time, 1 MiB of f32. A power of two, so that a tile is a
// subtree.
constexpr int64_t kTileLeaves = 1024;

using Hash = std::array<std::byte, 32>;
using Bytes = std::span<const std::byte>;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    TESSERA_CHECK(context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1,
                  "[digest] OpenSSL has no SHA-256 here");
  }

  Hash operator()(std::initializer_list<Bytes> pieces) {
    // Starting again without naming the algorithm spares looking it up for every leaf.
    bool good = EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1;
    for (Bytes piece : pieces) {
      good = good && EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) == 1;
    }
    Hash out{};
    good = good && EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(out.data()),
                                      nullptr) == 1;
    TESSERA_ASSERT(good);
    return out;
  }

  Hash leaf(Bytes chunk) {
    static constexpr std::byte kMark{0};
    return (*this)({Bytes(&kMark, 1), chunk});
  }

  Hash inner(const Hash& left, const Hash& right) {
    static constexpr std::byte kMark{1};
    return (*this)({Bytes(&kMark, 1), left, right});
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

// Takes a row of nodes from left to right and makes the root above them. Subtrees that wait for
// their right neighbour are kept like the digits of a binary counter.
class Fold {
 public:
  explicit Fold(Sha256& sha) : sha_(sha) {}

  void push(Hash node) {
    for (uint64_t rest = count_++; rest & 1; rest >>= 1) merge(node);
    waiting_.push_back(node);
  }

  // At least one node has been pushed, and this is the last call.
  Hash root() {
    Hash node = waiting_.back();
    waiting_.pop_back();
    while (!waiting_.empty()) merge(node);
    return node;
  }

 private:
  void merge(Hash& right) {
    right = sha_.inner(waiting_.back(), right);
    waiting_.pop_back();
  }

  Sha256& sha_;
  uint64_t count_ = 0;
  std::vector<Hash> waiting_;
};

// The row-major arrays, sorted by name, and the index of each one's first leaf; one more at the
// end.
struct Plan {
  std::vector<Array> arrays;
  std::vector<int64_t> first_leaf{0};
  std::string header;
  int64_t num_leaves() const { return first_leaf.back(); }
};

Plan make_plan(std::span<const std::pair<std::string, Array>> named) {
  std::vector<const std::pair<std::string, Array>*> sorted;
  for (const auto& entry : named) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
  Plan plan;
  for (size_t i = 0; i < sorted.size(); ++i) {
    const auto& [name, array] = *sorted[i];
    TESSERA_CHECK(i == 0 || sorted[i - 1]->first != name, "[digest] the name {} appears twice",
                  excerpt(name));
    auto name_text = json_string(name);
    TESSERA_CHECK(name_text, "[digest] the name {} is not UTF-8", excerpt(name));
    plan.arrays.push_back(packed_on_cpu(array, fmt::format("[digest] {}", excerpt(name))));
    plan.first_leaf.push_back(plan.num_leaves() +
                              (array.numel() + kChunkElements - 1) / kChunkElements);
    plan.header += fmt::format("{} {} {}\n", *name_text, array.dtype(), array.shape());
  }
  return plan;
}

// The root above leaves [begin, end).
Hash hash_leaves(const Plan& plan, int64_t begin, int64_t end) {
  Sha256 sha;
  Fold fold(sha);
  auto next = std::upper_bound(plan.first_leaf.begin(), plan.first_leaf.end(), begin);
  auto owner = static_cast<size_t>(next - plan.first_leaf.begin()) - 1;
  for (int64_t leaf = begin; leaf < end; ++leaf) {
    while (leaf >= plan.first_leaf[owner + 1]) ++owner;
    Bytes data = bytes_of(plan.arrays[owner]);
    size_t chunk_bytes = kChunkElements * item_size(plan.arrays[owner].dtype());
    size_t at = static_cast<size_t>(leaf - plan.first_leaf[owner]) * chunk_bytes;
    fold.push(sha.leaf(data.subspan(at, std::min(chunk_bytes, data.size() - at))));
  }
  return fold.root();
}

}  // namespace

std::string digest(std::span<const std::pair<std::string, Array>> named) {
  Plan plan = make_plan(named);
  std::vector<Hash> tiles(static_cast<size_t>((plan.num_leaves() + kTileLeaves - 1) / kTileLeaves));
  parallel_tiles(plan.num_leaves(), kTileLeaves, [&](int64_t begin, int64_t end) {
    tiles[static_cast<size_t>(begin / kTileLeaves)] = hash_leaves(plan, begin, end);
  });
  Sha256 sha;
  Fold fold(sha);
  for (const Hash& tile : tiles) fold.push(tile);
  std::vector<Hash> root;  // one, or none where there is no leaf
  if (!tiles.empty()) root.push_back(fold.root());
  Hash result = sha({std::as_bytes(std::span(plan.header)), std::as_bytes(std::span(root))});
  std::string text;
  for (std::byte byte : result) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

}  // namespace tessera
