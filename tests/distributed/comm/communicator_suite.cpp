#include "tests/distributed/comm/communicator_suite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <thread>
#include <vector>

namespace tessera::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr DType kDTypes[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                             DType::i64, DType::i32, DType::u8,   DType::boolean};
// None, one, odd, a little more than one exchange's limit, and some with many rounds.
constexpr int64_t kSizes[] = {0, 1, 7, 1000, 20011, 786433};

size_t at(int64_t i) { return static_cast<size_t>(i); }

// Where this rank's arrays lie; null for ordinary memory.
thread_local Communicator* memory_of = nullptr;

Array empty(Dims shape, DType dtype = DType::f32) {
  return memory_of ? memory_of->allocate(std::move(shape), dtype)
                   : Array::empty(std::move(shape), dtype);
}
Array zeros(Dims shape, DType dtype = DType::f32) {
  Array array = empty(std::move(shape), dtype);
  array.fill_(0);
  return array;
}

// Elements value(i), by core's dtype conversion.
template <class F>
Array make(int64_t count, DType dtype, F&& value) {
  Array array = empty({count}, dtype);
  visit_dtype(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = array.data<T>();
    for (int64_t i = 0; i < count; ++i) out[i] = convert<T>(static_cast<double>(value(i)));
  });
  return array;
}

template <class F>
void expect_elements(const Array& array, F&& value, const std::string& what) {
  visit_dtype(array.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = array.data<T>();
    for (int64_t i = 0; i < array.numel(); ++i) {
      double expected = static_cast<double>(value(i));
      double got = convert<double>(data[i]);
      if (got == expected) continue;
      ADD_FAILURE() << what << ", " << name(array.dtype()) << " of " << array.numel()
                    << ": element " << i << " is " << got << ", expected " << expected;
      return;
    }
  });
}

// Small integers that differ by rank and place: exact in every dtype, and so are their sums.
double value_of(int rank, int64_t i) { return static_cast<double>((rank + i) % 4); }

double sum_of(int size, int64_t i, DType dtype) {
  double sum = 0;
  for (int r = 0; r < size; ++r) sum += value_of(r, i);
  return dtype == DType::boolean ? std::min(sum, 1.0) : sum;
}
double sent(int rank, int64_t i, DType dtype) {
  double value = value_of(rank, i);
  return dtype == DType::boolean ? std::min(value, 1.0) : value;
}

// Runs fn, which must throw CommError, and returns it.
template <class F>
CommError comm_error_of(F&& fn) {
  try {
    fn();
  } catch (const CommError& error) {
    return error;
  }
  ADD_FAILURE() << "expected a CommError";
  return {"none", 0, 0, 0, "none"};
}

void all_reduce_sums_exactly(Communicator& comm) {
  for (DType dtype : kDTypes) {
    for (int64_t count : kSizes) {
      Array array = make(count, dtype, [&](int64_t i) { return value_of(comm.rank(), i); });
      comm.all_reduce(array).wait();
      expect_elements(
          array, [&](int64_t i) { return sum_of(comm.size(), i, dtype); }, "sum");
    }
  }
}

void all_reduce_has_all_kinds(Communicator& comm) {
  int n = comm.size();
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::i32}) {
    for (int64_t count : {3, 30000}) {
      auto fill = [&](int64_t i) { return static_cast<double>((comm.rank() + i) % n) - 1; };
      Array low = make(count, dtype, fill);
      Array high = make(count, dtype, fill);
      Array product = make(count, dtype, [&](int64_t) { return comm.rank() % 2 ? -2.0 : 1.0; });
      comm.all_reduce(low, ReduceKind::min).wait();
      comm.all_reduce(high, ReduceKind::max).wait();
      comm.all_reduce(product, ReduceKind::prod).wait();
      expect_elements(
          low, [&](int64_t) { return -1.0; }, "min");
      expect_elements(
          high, [&](int64_t) { return n - 2.0; }, "max");
      expect_elements(
          product, [&](int64_t) { return std::pow(-2.0, n / 2); }, "prod");
    }
  }
}

void a_mean_divides_the_sum_once(Communicator& comm) {
  int n = comm.size();
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16}) {
    for (int64_t count : {3, 30000}) {
      Array array = make(count, dtype, [&](int64_t i) { return value_of(comm.rank(), i); });
      comm.all_reduce(array, ReduceKind::mean).wait();
      auto mean = [&](int64_t i) {
        double exact = sum_of(n, i, dtype) / n;
        return Array::full({}, exact, DType::f32).to(dtype).to(DType::f64).item<double>();
      };
      if (dtype == DType::f64) {
        expect_elements(
            array, [&](int64_t i) { return sum_of(n, i, dtype) / n; }, "mean");
      } else {
        expect_elements(array, mean, "mean");
      }
    }
  }
  EXPECT_THROW(comm.all_reduce(zeros({2}, DType::i64), ReduceKind::mean), Error);
}

void all_reduce_keeps_nan_and_wraps(Communicator& comm) {
  double nan = std::numeric_limits<double>::quiet_NaN();
  bool last = comm.rank() == comm.size() - 1;
  for (ReduceKind kind : {ReduceKind::sum, ReduceKind::min, ReduceKind::max}) {
    Array array = make(5, DType::f32, [&](int64_t i) { return last && i == 3 ? nan : 1.0; });
    comm.all_reduce(array, kind).wait();
    EXPECT_TRUE(std::isnan(array.data<float>()[3])) << name(kind);
    EXPECT_FALSE(std::isnan(array.data<float>()[2])) << name(kind);
  }
  Array array = empty({1}, DType::i32);
  *array.data<int32_t>() = std::numeric_limits<int32_t>::max();
  comm.all_reduce(array).wait();
  uint32_t expected = 0x7fffffffU * static_cast<uint32_t>(comm.size());
  EXPECT_EQ(static_cast<uint32_t>(*array.data<int32_t>()), expected);
  *array.data<int32_t>() = comm.rank() == 0 ? -5 : 5;
  comm.all_reduce(array, ReduceKind::min).wait();
  EXPECT_EQ(*array.data<int32_t>(), -5);
}

// A value with rounding: sums of these depend on their order.
float rough(int rank, int64_t i) {
  auto x = static_cast<uint32_t>(i * 2654435761 + rank * 40503 + 12345);
  x ^= x >> 13;
  x *= 0x5bd1e995;
  return std::ldexp(static_cast<float>(x & 0xffffff) - 8e6F, static_cast<int>(x >> 24) % 24 - 30);
}

template <class T>
void expect_rank_order_bits(Communicator& comm, int64_t count) {
  Array array = empty({count}, dtype_of<T>());
  std::vector<T> expected(at(count));
  for (int64_t i = 0; i < count; ++i) {
    array.data<T>()[i] = convert<T>(rough(comm.rank(), i));
    using A = std::conditional_t<std::is_same_v<T, double>, double, float>;
    A sum = convert<A>(convert<T>(rough(0, i)));
    for (int r = 1; r < comm.size(); ++r) sum += convert<A>(convert<T>(rough(r, i)));
    expected[at(i)] = convert<T>(sum);
  }
  comm.all_reduce(array).wait();
  EXPECT_EQ(std::memcmp(array.raw(), expected.data(), array.nbytes()), 0)
      << name(dtype_of<T>()) << " of " << count;
}

void sums_have_the_bits_of_rank_order(Communicator& comm) {
  for (int64_t count : {5, 1001, 300001}) {
    expect_rank_order_bits<float>(comm, count);
    expect_rank_order_bits<double>(comm, count);
    expect_rank_order_bits<BFloat16>(comm, count);
    expect_rank_order_bits<Float16>(comm, count);
  }
}

// More than one round of scratch memory.
void large_all_reduce(Communicator& comm) {
  constexpr int64_t kCount = 5'000'003;
  Array array = make(kCount, DType::f32, [&](int64_t i) { return value_of(comm.rank(), i); });
  comm.all_reduce(array).wait();
  expect_elements(
      array, [&](int64_t i) { return sum_of(comm.size(), i, DType::f32); }, "sum");
}

void reduce_scatter_of_uneven_shards(Communicator& comm) {
  for (DType dtype : kDTypes) {
    for (int64_t base : {0, 3, 9000}) {
      // Rank p owns p * base elements: none for rank 0.
      std::vector<Array> sends;
      for (int p = 0; p < comm.size(); ++p) {
        sends.push_back(
            make(p * base, dtype, [&](int64_t i) { return value_of(comm.rank(), i + p); }));
      }
      Array recv = empty({comm.rank() * base}, dtype);
      comm.reduce_scatter(sends, recv).wait();
      auto expected = [&](int64_t i) { return sum_of(comm.size(), i + comm.rank(), dtype); };
      expect_elements(recv, expected, "reduce_scatter");
      Array own = sends[at(comm.rank())];
      comm.reduce_scatter(sends, own).wait();
      expect_elements(own, expected, "reduce_scatter in place");
    }
  }
}

void all_gather_of_uneven_sizes(Communicator& comm) {
  for (DType dtype : kDTypes) {
    for (int64_t base : {0, 1, 501, 20011}) {
      auto length = [&](int p) { return base * (comm.size() - 1 - p); };
      std::vector<Array> recvs;
      for (int p = 0; p < comm.size(); ++p) recvs.push_back(empty({length(p)}, dtype));
      Array send =
          make(length(comm.rank()), dtype, [&](int64_t i) { return value_of(comm.rank(), i); });
      comm.all_gather(send, recvs).wait();
      for (int p = 0; p < comm.size(); ++p) {
        expect_elements(
            recvs[at(p)], [&](int64_t i) { return sent(p, i, dtype); }, "all_gather");
      }
      comm.all_gather(recvs[at(comm.rank())], recvs).wait();
      expect_elements(
          recvs[0], [&](int64_t i) { return sent(0, i, dtype); }, "in place");
    }
  }
}

void broadcast_from_every_root(Communicator& comm) {
  for (int root = 0; root < comm.size(); ++root) {
    for (DType dtype : kDTypes) {
      for (int64_t count : kSizes) {
        // The largest size once: under a sanitizer it is most of the suite's time.
        if (count > 100000 && (root > 0 || dtype != DType::f32)) continue;
        Array array = make(count, dtype, [&](int64_t i) { return value_of(comm.rank(), i); });
        comm.broadcast(array, root).wait();
        expect_elements(
            array, [&](int64_t i) { return sent(root, i, dtype); }, "broadcast");
      }
    }
  }
}

void all_to_all_of_uneven_sizes(Communicator& comm) {
  for (DType dtype : kDTypes) {
    for (int64_t base : {0, 2, 30000}) {
      // p sends ((p + q) % 3) * base elements to q.
      std::vector<Array> sends;
      std::vector<Array> recvs;
      for (int p = 0; p < comm.size(); ++p) {
        int64_t count = (comm.rank() + p) % 3 * base;
        sends.push_back(
            make(count, dtype, [&](int64_t i) { return value_of(comm.rank(), i + p); }));
        recvs.push_back(empty({count}, dtype));
      }
      comm.all_to_all(sends, recvs).wait();
      for (int p = 0; p < comm.size(); ++p) {
        expect_elements(
            recvs[at(p)], [&](int64_t i) { return sent(p, i + comm.rank(), dtype); }, "all_to_all");
      }
    }
  }
}

void gather_and_scatter_of_uneven_sizes(Communicator& comm) {
  for (int root : {0, comm.size() - 1}) {
    for (DType dtype : kDTypes) {
      for (int64_t base : {0, 3, 20011}) {
        auto mine = [&](int64_t i) { return value_of(comm.rank(), i); };
        Array own = make(comm.rank() * base, dtype, mine);
        std::vector<Array> all;
        for (int p = 0; p < comm.size() && comm.rank() == root; ++p) {
          all.push_back(zeros({p * base}, dtype));
        }
        comm.gather(own, all, root).wait();
        for (size_t p = 0; p < all.size(); ++p) {
          expect_elements(
              all[p], [&](int64_t i) { return sent(static_cast<int>(p), i, dtype); }, "gather");
        }
        Array back = zeros({comm.rank() * base}, dtype);
        comm.scatter(all, back, root).wait();
        expect_elements(
            back, [&](int64_t i) { return sent(comm.rank(), i, dtype); }, "scatter");
        if (comm.rank() == root) comm.gather(all[at(root)], all, root).wait();
        else comm.gather(own, {}, root).wait();
      }
    }
  }
}

void sends_arrive_in_order(Communicator& comm) {
  int next = (comm.rank() + 1) % comm.size();
  int previous = (comm.rank() + comm.size() - 1) % comm.size();
  constexpr int kMessages = 20;
  std::vector<Work> works;
  std::vector<Array> recvs;
  for (int m = 0; m < kMessages; ++m) {
    // Large and small, and two tags whose receives are called in another order than their sends.
    Array array = make(m % 3 == 0 ? 100003 : m, DType::i32, [&](int64_t) { return m; });
    works.push_back(comm.send(array, next, m % 2));
  }
  for (int tag : {1, 0}) {
    for (int m = tag; m < kMessages; m += 2) {
      recvs.push_back(zeros({m % 3 == 0 ? 100003 : m}, DType::i32));
      works.push_back(comm.recv(recvs.back(), previous, tag));
    }
  }
  for (Work& work : works) work.wait();
  size_t i = 0;
  for (int tag : {1, 0}) {
    for (int m = tag; m < kMessages; m += 2) {
      expect_elements(
          recvs[i++], [&](int64_t) { return m; }, "recv");
    }
  }
}

void works_may_be_waited_for_late(Communicator& comm) {
  std::vector<Array> arrays;
  std::vector<Work> works;
  for (int k = 0; k < 10; ++k) {
    arrays.push_back(make(k * 5000, DType::f32, [&](int64_t) { return comm.rank() + k; }));
    works.push_back(comm.all_reduce(arrays.back()));
  }
  works.back().wait();
  int n = comm.size();
  for (int k = 0; k < 10; ++k) {
    expect_elements(
        arrays[at(k)], [&](int64_t) { return n * (n - 1) / 2 + n * k; }, "sum");
    works[at(k)].join(milliseconds(0));
  }
}

// More than are told to peers ahead, of kinds that tell different peers.
void many_works_of_all_kinds_at_once(Communicator& comm) {
  int n = comm.size();
  std::vector<Array> sums;
  std::vector<Array> copies;
  Work last;
  for (int k = 0; k < 60; ++k) {
    last = comm.barrier();
    sums.push_back(make(k % 3 == 0 ? 30000 : 5, DType::f32, [&](int64_t) { return k; }));
    last = comm.all_reduce(sums.back());
    copies.push_back(make(7, DType::i64, [&](int64_t) { return comm.rank() * 100 + k; }));
    last = comm.broadcast(copies.back(), k % n);
  }
  last.join();
  for (int k = 0; k < 60; ++k) {
    expect_elements(
        sums[at(k)], [&](int64_t) { return n * k; }, "sum");
    expect_elements(
        copies[at(k)], [&](int64_t) { return k % n * 100 + k; }, "broadcast");
  }
}

void shapes_of_any_rank(Communicator& comm) {
  for (const Dims& shape : {Dims{}, Dims{2, 3}, Dims{0, 4}, Dims{1, 5, 1}}) {
    Array array = comm.allocate(shape, DType::f32);
    array.fill_(1);
    comm.all_reduce(array).wait();
    expect_elements(
        array.view({array.numel()}), [&](int64_t) { return comm.size(); }, "shape");
  }
}

void barrier_waits_for_all(Communicator& comm) {
  std::this_thread::sleep_for(milliseconds(comm.rank() == 0 ? 50 : 0));
  auto start = steady_clock::now();
  comm.barrier().wait();
  if (comm.rank() == 0 || comm.size() == 1) return;
  EXPECT_GE(steady_clock::now() - start, milliseconds(10));
}

void split_orders_by_key(Communicator& comm) {
  // Halves in the opposite order, then a split of each, then one that leaves rank 0 out.
  int color = comm.rank() % 2;
  auto half = comm.split(color, -comm.rank());
  ASSERT_NE(half, nullptr);
  int members = (comm.size() + 1 - color) / 2;
  EXPECT_EQ(half->size(), members);
  EXPECT_EQ(half->rank(), members - 1 - comm.rank() / 2);
  Array sum = make(1, DType::i64, [&](int64_t) { return comm.rank(); });
  half->all_reduce(sum).wait();
  int64_t expected = 0;
  for (int r = color; r < comm.size(); r += 2) expected += r;
  EXPECT_EQ(*sum.data<int64_t>(), expected);

  auto alone = half->split(half->rank(), 0);
  EXPECT_EQ(alone->size(), 1);
  alone->barrier().wait();
  auto rest = comm.split(comm.rank() == 0 ? -1 : 7, 0);
  EXPECT_EQ(rest == nullptr, comm.rank() == 0);
  if (rest) {
    EXPECT_EQ(rest->rank(), comm.rank() - 1);
    EXPECT_EQ(rest->size(), comm.size() - 1);
  }
  // Interleaved with the parent's.
  Work inner = half->all_reduce(sum);
  comm.barrier().wait();
  inner.wait();
  EXPECT_EQ(*sum.data<int64_t>(), expected * members);
  comm.barrier().wait();
}

void wrong_arguments_are_refused(Communicator& comm) {
  Array whole = zeros({4, 4});
  EXPECT_THROW(comm.all_reduce(whole.transpose(0, 1)), Error);
  EXPECT_THROW(comm.all_reduce(Array()), Error);
  EXPECT_THROW(comm.broadcast(whole, comm.size()), Error);
  EXPECT_THROW(comm.send(whole, -1), Error);
  EXPECT_THROW(comm.send(whole, 0, Communicator::kMaxTag + 1), Error);
  EXPECT_THROW(comm.all_gather(whole, {}), Error);
  std::vector<Array> recvs(at(comm.size()), zeros({3}));
  EXPECT_THROW(comm.all_gather(whole, recvs), Error);
  EXPECT_THROW(comm.gather(whole, {}, comm.rank()), Error);
  EXPECT_THROW(comm.scatter({}, whole, comm.size()), Error);
  if (comm.size() > 1) {
    EXPECT_THROW(comm.gather(whole, recvs, (comm.rank() + 1) % comm.size()), Error);
  }
  // None of these has reached a peer.
  comm.barrier().wait();
}

// Every rank fails at once with both calls named, and stays failed.
void expect_mismatch(Communicator& comm, const std::function<Work()>& odd,
                     const std::function<Work()>& others, const std::string& odd_text,
                     const std::string& others_text) {
  if (comm.size() == 1) return;
  auto start = steady_clock::now();
  bool is_odd = comm.rank() == comm.size() - 1;
  CommError error = comm_error_of([&] { (is_odd ? odd : others)().wait(); });
  EXPECT_LT(steady_clock::now() - start, milliseconds(1000));
  std::string text = error.what();
  EXPECT_NE(text.find(odd_text), std::string::npos) << text;
  EXPECT_NE(text.find(others_text), std::string::npos) << text;
  EXPECT_EQ(error.rank(), comm.rank());
  EXPECT_EQ(comm_error_of([&] { comm.barrier().wait(); }).what(), text);
}

void another_operation_is_detected(Communicator& comm) {
  Array array = zeros({6});
  expect_mismatch(
      comm, [&] { return comm.barrier(); }, [&] { return comm.all_reduce(array); }, "barrier()",
      "all_reduce(sum, f32, 6 elements)");
}

// Whoever is waited for may wait elsewhere first.
void waits_move_other_communicators_on(Communicator& comm) {
  auto first = comm.split(0, comm.rank());
  auto second = comm.split(0, comm.rank());
  for (int64_t count : {7, 300000}) {
    Array a = Array::full({count}, 1);
    Array b = Array::full({count}, 2);
    Work of_a = first->all_reduce(a);
    Work of_b = second->all_reduce(b);
    bool even = comm.rank() % 2 == 0;
    (even ? of_a : of_b).wait();
    comm.barrier().wait();
    (even ? of_b : of_a).wait();
    EXPECT_EQ(a.to_vector<float>()[6], comm.size());
    EXPECT_EQ(b.to_vector<float>()[6], 2 * comm.size());
  }
}

// Both sides' places in the source and in the model.
void places_of_a_mismatch_are_named(Communicator& comm) {
  bool is_odd = comm.rank() == comm.size() - 1;
  comm.set_where([=] { return is_odd ? "layers.odd" : "layers.even"; });
  Array array = zeros({6});
  int line = __LINE__ + 2;
  expect_mismatch(
      comm, [&] { return comm.barrier(); }, [&] { return comm.all_reduce(array); },
      fmt::format("at comm/communicator_suite.cpp:{} in layers.odd", line),
      fmt::format("at comm/communicator_suite.cpp:{} in layers.even", line));
}

void another_dtype_is_detected(Communicator& comm) {
  Array array = zeros({6});
  Array other = zeros({6}, DType::i32);
  expect_mismatch(
      comm, [&] { return comm.all_reduce(other); }, [&] { return comm.all_reduce(array); },
      "all_reduce(sum, i32", "all_reduce(sum, f32");
}

void another_size_is_detected(Communicator& comm) {
  Array array = zeros({600000});
  Array other = zeros({500000});
  expect_mismatch(
      comm, [&] { return comm.all_reduce(other); }, [&] { return comm.all_reduce(array); },
      "500000 elements", "600000 elements");
}

void another_kind_is_detected(Communicator& comm) {
  Array array = zeros({6});
  expect_mismatch(
      comm, [&] { return comm.all_reduce(array, ReduceKind::max); },
      [&] { return comm.all_reduce(array); }, "all_reduce(max", "all_reduce(sum");
}

void another_root_is_detected(Communicator& comm) {
  Array array = zeros({6});
  expect_mismatch(
      comm, [&] { return comm.broadcast(array, 1); }, [&] { return comm.broadcast(array, 0); },
      "root 1", "root 0");
}

void another_piece_of_all_to_all_is_detected(Communicator& comm) {
  std::vector<Array> same(at(comm.size()), zeros({2}));
  std::vector<Array> recvs;
  for (int p = 0; p < comm.size(); ++p) recvs.push_back(zeros({2}));
  std::vector<Array> sends = same;
  sends[0] = zeros({3});
  expect_mismatch(
      comm, [&] { return comm.all_to_all(sends, recvs); },
      [&] {
        // Ranks between the two have no quarrel, and hear of it at their next wait.
        comm.all_to_all(same, recvs).wait();
        return comm.barrier();
      },
      "12 bytes to", "8 bytes from");
}

void another_size_of_gather_is_detected(Communicator& comm) {
  std::vector<Array> recvs;
  for (int p = 0; p < comm.size(); ++p) recvs.push_back(zeros({2}));
  expect_mismatch(
      comm, [&] { return comm.gather(zeros({3}), {}, 0); },
      [&] {
        if (comm.rank() == 0) return comm.gather(recvs[0], recvs, 0);
        comm.gather(recvs[0], {}, 0).wait();
        return comm.barrier();
      },
      "12 bytes to", "8 bytes from");
}

void another_receive_is_detected(Communicator& comm) {
  if (comm.size() < 2) return;
  Array array = zeros({6});
  Array other = zeros({5});
  CommError error = comm_error_of([&] {
    if (comm.rank() == 0) comm.send(array, 1).wait();
    if (comm.rank() == 1) comm.recv(other, 0).wait();
    comm.barrier().wait();
  });
  std::string text = error.what();
  EXPECT_NE(text.find("recv(f32, 5 elements)"), std::string::npos) << text;
  EXPECT_NE(text.find("send(f32, 6 elements)"), std::string::npos) << text;
}

void a_peer_that_never_comes_times_out(Communicator& comm) {
  if (comm.size() < 2) return;
  int late = comm.size() - 1;
  // Far longer than the others wait, and than a busy machine holds one of them up.
  auto when = steady_clock::now() + milliseconds(1000);
  if (comm.rank() != late) {
    CommError error = comm_error_of([&] { comm.barrier().join(milliseconds(100)); });
    EXPECT_EQ(error.operation(), "barrier");
    EXPECT_EQ(error.sequence(), 0);
    EXPECT_EQ(error.rank(), comm.rank());
    std::string text = error.what();
    EXPECT_NE(text.find(fmt::format("peer {}", late)), std::string::npos) << text;
    EXPECT_NE(text.find("did not answer barrier() within 100 ms"), std::string::npos) << text;
  }
  // The others too, so that the next case begins on all ranks at once.
  std::this_thread::sleep_until(when);
  // The late one may find all answers to its first call, but hears of the failure by the second.
  comm_error_of([&] {
    comm.barrier().wait();
    comm.barrier().wait();
  });
  EXPECT_LT(steady_clock::now() - when, milliseconds(2700));
}

void a_missing_message_times_out(Communicator& comm) {
  if (comm.size() < 2 || comm.rank() != 0) return;
  Array array = zeros({6});
  CommError error = comm_error_of([&] { comm.recv(array, 1).join(milliseconds(50)); });
  EXPECT_EQ(error.operation(), "recv");
  EXPECT_EQ(error.peer(), 1);
}

void abort_wakes_waiters(Communicator& comm) {
  auto start = steady_clock::now();
  auto child = comm.split(0, 0);
  if (comm.rank() == 0) {
    std::this_thread::sleep_for(milliseconds(50));
    comm.abort("loss is NaN");
  }
  // Those of a communicator that was split from it too.
  Communicator& waits = comm.rank() % 2 ? *child : comm;
  std::string text = comm_error_of([&] { waits.barrier().wait(); }).what();
  EXPECT_NE(text.find("aborted by rank 0: loss is NaN"), std::string::npos) << text;
  EXPECT_LT(steady_clock::now() - start, milliseconds(2000));
  EXPECT_THROW(comm.all_reduce(zeros({1})), CommError);
  EXPECT_THROW(comm.split(0, 0), CommError);
}

void abort_from_another_thread(Communicator& comm) {
  if (comm.size() < 2) return;
  std::thread watchdog([&] {
    if (comm.rank() != 1) return;
    std::this_thread::sleep_for(milliseconds(50));
    comm.abort("watchdog");
  });
  CommError error = comm_error_of([&] {
    // Rank 0 never takes part.
    if (comm.rank() != 0) comm.barrier().wait();
    else comm.recv(zeros({1}), 1).wait();
  });
  EXPECT_NE(std::string(error.what()).find("watchdog"), std::string::npos) << error.what();
  watchdog.join();
}

void a_failed_child_leaves_its_parent(Communicator& comm) {
  auto child = comm.split(0, 0);
  child->abort("only this one");
  comm_error_of([&] { child->barrier().wait(); });
  comm.barrier().wait();
}

#define TESSERA_CASE(function) \
  CommunicatorCase { #function, function }
constexpr CommunicatorCase kCases[] = {
    TESSERA_CASE(all_reduce_sums_exactly),
    TESSERA_CASE(all_reduce_has_all_kinds),
    TESSERA_CASE(a_mean_divides_the_sum_once),
    TESSERA_CASE(all_reduce_keeps_nan_and_wraps),
    TESSERA_CASE(sums_have_the_bits_of_rank_order),
    TESSERA_CASE(large_all_reduce),
    TESSERA_CASE(reduce_scatter_of_uneven_shards),
    TESSERA_CASE(all_gather_of_uneven_sizes),
    TESSERA_CASE(broadcast_from_every_root),
    TESSERA_CASE(all_to_all_of_uneven_sizes),
    TESSERA_CASE(gather_and_scatter_of_uneven_sizes),
    TESSERA_CASE(sends_arrive_in_order),
    TESSERA_CASE(works_may_be_waited_for_late),
    TESSERA_CASE(many_works_of_all_kinds_at_once),
    TESSERA_CASE(shapes_of_any_rank),
    TESSERA_CASE(barrier_waits_for_all),
    TESSERA_CASE(split_orders_by_key),
    TESSERA_CASE(wrong_arguments_are_refused),
    TESSERA_CASE(another_operation_is_detected),
    TESSERA_CASE(places_of_a_mismatch_are_named),
    TESSERA_CASE(waits_move_other_communicators_on),
    TESSERA_CASE(another_dtype_is_detected),
    TESSERA_CASE(another_size_is_detected),
    TESSERA_CASE(another_kind_is_detected),
    TESSERA_CASE(another_root_is_detected),
    TESSERA_CASE(another_piece_of_all_to_all_is_detected),
    TESSERA_CASE(another_size_of_gather_is_detected),
    TESSERA_CASE(another_receive_is_detected),
    TESSERA_CASE(a_peer_that_never_comes_times_out),
    TESSERA_CASE(a_missing_message_times_out),
    TESSERA_CASE(abort_wakes_waiters),
    TESSERA_CASE(abort_from_another_thread),
    TESSERA_CASE(a_failed_child_leaves_its_parent),
};
#undef TESSERA_CASE

}  // namespace

std::span<const CommunicatorCase> communicator_cases() { return kCases; }

void run_case(const CommunicatorCase& behaviour, Communicator& comm, CaseMemory memory) {
  bool shared =
      memory == CaseMemory::shared || (memory == CaseMemory::mixed && comm.rank() % 2 == 0);
  memory_of = shared ? &comm : nullptr;
  behaviour.run(comm);
  memory_of = nullptr;
}

}  // namespace tessera::test
