#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/attention_heads.h"
#include "core/cpu/attention_memory.h"
#include "core/cpu/attention_tiles-inl.h"
#include "core/cpu/cpu.h"
#include "core/cpu/random.h"
#include "core/cpu/rounding.h"
#include "core/cpu/rows-inl.h"
#include "core/kernels/attention.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// Queries [query, query + queries) of a head and keys [key, key + keys).
struct Tile {
  int64_t b, h;
  int64_t query, queries;
  int64_t key = 0, keys = 0;
};

// The inputs of a call, and the scores they make.
template <class T>
struct Inputs {
  Heads<T> q, k, v;
  MaskTiles<T> mask;
  const AttentionArgs& args;
  int64_t batch, heads, group, queries, keys;
  int64_t width, v_width;  // of rows in scratch memory: whole vectors

  Inputs(const Array& q, const Array& k, const Array& v, const AttentionArgs& args)
      : q(q),
        k(k),
        v(v),
        mask(args.mask),
        args(args),
        batch(q.shape()[0]),
        heads(q.shape()[1]),
        group(heads / std::max<int64_t>(k.shape()[1], 1)),
        queries(q.shape()[2]),
        keys(k.shape()[2]),
        width(whole_vectors<T>(q.shape()[3])),
        v_width(whole_vectors<T>(v.shape()[3])) {}

  int64_t rows() const { return batch * heads * queries; }
  int64_t row(const Tile& t) const { return (t.b * heads + t.h) * queries + t.query; }
  // Keys below `end` that some query of the tile can see.
  int64_t visible(const Tile& t, int64_t end) const {
    return args.causal ? std::min(t.query + t.queries, end) : end;
  }
  // scale * q as rows and turned.
  void read_queries(const Tile& t, T* rows, T* turned) const {
    q.read(t.b, t.h, t.query, t.queries, rows, width);
    scale_row(static_cast<T>(args.scale), rows, static_cast<size_t>(t.queries * width));
    turn(rows, width, t.queries, q.width(), turned);
  }
  void read_keys(const Tile& t, T* k_rows, T* v_rows) const {
    k.read(t.b, t.h / group, t.key, t.keys, k_rows, width);
    v.read(t.b, t.h / group, t.key, t.keys, v_rows, v_width);
  }
  void make_scores(const Tile& t, const T* turned_q, const T* k_rows, T* scores) const {
    tile_product(t.keys, whole_vectors<T>(t.queries), q.width(), Left<T>{k_rows, width}, turned_q,
                 kQueries, false, scores, kQueries);
    if (mask) mask.add(t.b, t.h, t.query, t.queries, t.key, t.keys, scores, kQueries);
    if (args.causal && t.key + t.keys - 1 > t.query) {
      hide_later_keys(t.key - t.query, t.keys, scores);
    }
  }
  // What the probabilities are multiplied by, (keys, queries) as the scores.
  void make_dropout(const Tile& t, T* factors) const {
    T values[kKeys];
    for (int64_t i = 0; i < t.queries; ++i) {
      int64_t first = (row(t) + i) * keys + t.key;
      dropout_run(args.dropout_stream, first, args.dropout_p, t.keys, values);
      for (int64_t j = 0; j < t.keys; ++j) factors[j * kQueries + i] = values[j];
    }
  }
};

// One block of memory cut into pieces that begin on cache lines.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t size)
      : memory_(Array::empty({size}, dtype_of<T>())), next_(memory_.data<T>()) {}
  T* take(int64_t size) {
    T* piece = next_;
    next_ += scratch_piece(size);
    return piece;
  }

 private:
  Array memory_;
  T* next_;
};

// out = p v / sum and its logarithm, of one tile of queries; `rest` is what rounding took from lse.
template <class T>
void finish_rows(const RunningSoftmax<T>& softmax, int64_t queries, int64_t width, T* out, T* lse,
                 T* rest) {
  for (int64_t i = 0; i < queries; ++i) {
    bool none = softmax.sum[i] == T{0};
    scale_row(none ? T{0} : T{1} / softmax.sum[i], out + i * width, static_cast<size_t>(width));
    T log_sum = std::log(softmax.sum[i]);
    lse[i] = none ? -kNoScore<T> : softmax.largest[i] + log_sum;
    rest[i] = none ? T{0} : rounding_rest(softmax.largest[i], log_sum, lse[i]);
  }
}

// out = softmax(q k^T) v for one tile of queries, key tile after key tile.
template <class T>
void attend(const Inputs<T>& in, Tile t, const Heads<T>& out, T* lse) {
  Scratch<T> scratch(attention_scratch(in.width, in.v_width));
  T* q_rows = scratch.take(kQueries * in.width);
  T* turned_q = scratch.take(kQueries * in.width);
  T* k_rows = scratch.take(kKeys * in.width);
  T* v_rows = scratch.take(kKeys * in.v_width);
  T* p = scratch.take(kKeys * kQueries);
  T* factors = scratch.take(kKeys * kQueries);
  T* sums = scratch.take(kQueries * in.v_width);
  RunningSoftmax<T> softmax;
  in.read_queries(t, q_rows, turned_q);
  std::fill_n(sums, t.queries * in.v_width, T{0});
  int64_t end = in.visible(t, in.keys);
  for (t.key = 0; t.key < end; t.key += kKeys) {
    t.keys = std::min(kKeys, end - t.key);
    in.read_keys(t, k_rows, v_rows);
    in.make_scores(t, turned_q, k_rows, p);
    softmax.fold(t.queries, t.keys, p);
    if (in.args.dropout_p > 0) {
      in.make_dropout(t, factors);
      multiply_tile(t.keys, factors, p);
    }
    if (t.key > 0 && softmax.decays(t.queries)) {
      for (int64_t i = 0; i < t.queries; ++i) {
        scale_row(softmax.decay[i], sums + i * in.v_width, static_cast<size_t>(in.v_width));
      }
    }
    tile_product(t.queries, in.v_width, t.keys, Left<T, true>{p, kQueries}, v_rows, in.v_width,
                 true, sums, in.v_width);
  }
  finish_rows(softmax, t.queries, in.v_width, sums, lse + in.row(t), lse + in.rows() + in.row(t));
  out.write(t.b, t.h, t.query, t.queries, sums, in.v_width);
}

template <class T>
void attention_typed(const Array& q, const Array& k, const Array& v, const AttentionArgs& args,
                     const Array& out, const Array& lse) {
  Inputs<T> in(q, k, v, args);
  Heads<T> out_heads(out);
  int64_t tiles = (in.queries + kQueries - 1) / kQueries;
  parallel_for(in.batch * in.heads * tiles, [&](int64_t task) {
    int64_t head = task / tiles;
    int64_t query = task % tiles * kQueries;
    Tile tile{head / in.heads, head % in.heads, query, std::min(kQueries, in.queries - query)};
    attend(in, tile, out_heads, lse.data<T>());
  });
}

// The gradients of one call. A task takes a head of keys and a chunk of its keys, goes over all
// queries that read them, and makes their scores again:
// p = exp(scores - lse); dv += p^T dout; dp = dout v^T; ds = p (dp - sum(dout out));
// dq += scale ds k; dk += scale ds^T q
template <class T>
class Backward {
 public:
  Backward(const Inputs<T>& in, const Array& out, const Array& lse, const Array& dout,
           const Array& dq, const Array& dk, const Array& dv, const Array& dscores)
      : in_(in),
        out_(out),
        dout_(dout),
        dq_(dq),
        dk_(dk),
        dv_(dv),
        lse_(lse.data<T>()),
        dscores_(dscores.defined() ? dscores.data<T>() : nullptr) {
    key_heads_ = in.heads / std::max<int64_t>(in.group, 1);
    KeyChunks chunks = key_chunks(in.batch * key_heads_, in.keys);
    chunk_ = chunks.size;
    chunks_ = chunks.count;
    if (chunks_ > 1) {
      parts_ = Array::empty({chunks_, in.batch * in.heads * in.queries, in.width}, dtype_of<T>());
    }
  }

  void run() {
    parallel_for(in_.batch * key_heads_ * chunks_, [&](int64_t task) {
      int64_t head = task / chunks_;
      run_chunk(head / key_heads_, head % key_heads_, task % chunks_);
    });
    if (chunks_ > 1) add_parts();
  }

 private:
  struct Buffers {
    T *q, *turned_q, *k, *v, *out, *dout, *turned_dout, *p, *dp, *factors, *dq, *dk, *dv;
    T lse[kQueries], lse_rest[kQueries], delta[kQueries];
  };

  void run_chunk(int64_t b, int64_t key_head, int64_t chunk) {
    int64_t w = in_.width;
    int64_t vw = in_.v_width;
    int64_t begin = chunk * chunk_;
    int64_t end = std::min(begin + chunk_, in_.keys);
    int64_t keys = end - begin;
    Scratch<T> scratch(attention_grad_scratch(w, vw, keys));
    Buffers s;
    s.q = scratch.take(kQueries * w);
    s.turned_q = scratch.take(kQueries * w);
    s.dq = scratch.take(kQueries * w);
    s.k = scratch.take(kKeys * w);
    s.v = scratch.take(kKeys * vw);
    s.out = scratch.take(kQueries * vw);
    s.dout = scratch.take(kQueries * vw);
    s.turned_dout = scratch.take(kQueries * vw);
    s.p = scratch.take(kKeys * kQueries);
    s.dp = scratch.take(kKeys * kQueries);
    s.factors = scratch.take(kKeys * kQueries);
    s.dk = scratch.take(keys * w);
    s.dv = scratch.take(keys * vw);
    std::fill_n(s.dk, keys * w, T{0});
    std::fill_n(s.dv, keys * vw, T{0});
    for (int64_t h = key_head * in_.group; h < (key_head + 1) * in_.group; ++h) {
      for (int64_t query = 0; query < in_.queries; query += kQueries) {
        Tile t{b, h, query, std::min(kQueries, in_.queries - query)};
        run_queries(t, begin, in_.visible(t, end), chunk, s);
      }
    }
    dk_.write(b, key_head, begin, keys, s.dk, w);
    dv_.write(b, key_head, begin, keys, s.dv, vw);
  }

  // Keys [begin, end) for one tile of queries.
  void run_queries(Tile t, int64_t begin, int64_t end, int64_t chunk, Buffers& s) {
    std::fill_n(s.dq, t.queries * in_.width, T{0});
    if (begin < end) read_queries(t, s);
    for (t.key = begin; t.key < end; t.key += kKeys) {
      t.keys = std::min(kKeys, end - t.key);
      run_tile(t, s, s.dk + (t.key - begin) * in_.width, s.dv + (t.key - begin) * in_.v_width);
    }
    scale_row(static_cast<T>(in_.args.scale), s.dq, static_cast<size_t>(t.queries * in_.width));
    if (chunks_ == 1) {
      dq_.write(t.b, t.h, t.query, t.queries, s.dq, in_.width);
    } else {
      T* part = parts_.data<T>() + (chunk * parts_.shape()[1] + in_.row(t)) * in_.width;
      std::copy_n(s.dq, t.queries * in_.width, part);
    }
  }

  void read_queries(const Tile& t, Buffers& s) {
    in_.read_queries(t, s.q, s.turned_q);
    dout_.read(t.b, t.h, t.query, t.queries, s.dout, in_.v_width);
    out_.read(t.b, t.h, t.query, t.queries, s.out, in_.v_width);
    turn(s.dout, in_.v_width, t.queries, dout_.width(), s.turned_dout);
    for (int64_t i = 0; i < kQueries; ++i) {
      bool real = i < t.queries;
      s.lse[i] = real ? lse_[in_.row(t) + i] : -kNoScore<T>;
      s.lse_rest[i] = real ? lse_[in_.rows() + in_.row(t) + i] : T{0};
      s.delta[i] = real ? row_dot(s.dout + i * in_.v_width, s.out + i * in_.v_width,
                                  static_cast<size_t>(in_.v_width))
                        : T{0};
    }
  }

  void run_tile(const Tile& t, Buffers& s, T* dk, T* dv) {
    int64_t w = in_.width;
    int64_t vw = in_.v_width;
    in_.read_keys(t, s.k, s.v);
    in_.make_scores(t, s.turned_q, s.k, s.p);
    tile_product(t.keys, whole_vectors<T>(t.queries), dout_.width(), Left<T>{s.v, vw},
                 s.turned_dout, kQueries, false, s.dp, kQueries);
    bool dropout = in_.args.dropout_p > 0;
    if (dropout) {
      in_.make_dropout(t, s.factors);
      multiply_tile(t.keys, s.factors, s.dp);
    }
    score_grads(t.queries, t.keys, s.lse, s.lse_rest, s.delta, s.p, s.dp);
    if (dropout) multiply_tile(t.keys, s.factors, s.p);
    if (dscores_) write_scores(t, s.dp);
    tile_product(t.keys, vw, t.queries, Left<T>{s.p, kQueries}, s.dout, vw, true, dv, vw);
    tile_product(t.keys, w, t.queries, Left<T>{s.dp, kQueries}, s.q, w, true, dk, w);
    tile_product(t.queries, w, t.keys, Left<T, true>{s.dp, kQueries}, s.k, w, true, s.dq, w);
  }

  void write_scores(const Tile& t, const T* ds) {
    for (int64_t i = 0; i < t.queries; ++i) {
      T* row = dscores_ + (in_.row(t) + i) * in_.keys + t.key;
      for (int64_t j = 0; j < t.keys; ++j) row[j] = ds[j * kQueries + i];
    }
  }

  void add_parts() {
    int64_t tiles = (in_.queries + kQueries - 1) / kQueries;
    parallel_for(in_.batch * in_.heads * tiles, [&](int64_t task) {
      int64_t head = task / tiles;
      int64_t query = task % tiles * kQueries;
      Tile t{head / in_.heads, head % in_.heads, query, std::min(kQueries, in_.queries - query)};
      int64_t part_size = parts_.shape()[1] * in_.width;
      T* sum = parts_.data<T>() + in_.row(t) * in_.width;
      for (int64_t chunk = 1; chunk < chunks_; ++chunk) {
        add_row(sum + chunk * part_size, sum, static_cast<size_t>(t.queries * in_.width));
      }
      dq_.write(t.b, t.h, t.query, t.queries, sum, in_.width);
    });
  }

  const Inputs<T>& in_;
  Heads<T> out_, dout_, dq_, dk_, dv_;
  const T* lse_;
  T* dscores_;
  int64_t key_heads_, chunk_, chunks_;
  Array parts_;
};

void run_attention(const Array& q, const Array& k, const Array& v, const AttentionArgs& args,
                   const Array& out, const Array& lse) {
  visit_f32_f64(lse.dtype(), "attention", [&](auto tag) {
    attention_typed<typename decltype(tag)::type>(q, k, v, args, out, lse);
  });
}

void run_attention_grad(const Array& q, const Array& k, const Array& v, const Array& out,
                        const Array& lse, const Array& dout, const AttentionArgs& args,
                        const Array& dq, const Array& dk, const Array& dv, const Array& dscores) {
  visit_f32_f64(lse.dtype(), "attention_grad", [&](auto tag) {
    using T = typename decltype(tag)::type;
    Inputs<T> in(q, k, v, args);
    Backward<T>(in, out, lse, dout, dq, dk, dv, dscores).run();
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_attention);
HWY_EXPORT(run_attention_grad);

namespace {

class Attention final : public AttentionFamily {
 public:
  void run(const Array& q, const Array& k, const Array& v, const AttentionArgs& args,
           const Array& out, const Array& lse) const override {
    HWY_DYNAMIC_DISPATCH(run_attention)(q, k, v, args, out, lse);
  }
  void grad(const Array& q, const Array& k, const Array& v, const Array& out, const Array& lse,
            const Array& dout, const AttentionArgs& args, const Array& dq, const Array& dk,
            const Array& dv, const Array& dscores) const override {
    HWY_DYNAMIC_DISPATCH(run_attention_grad)
    (q, k, v, out, lse, dout, args, dq, dk, dv, dscores);
  }
};

}  // namespace

const AttentionFamily& attention_family() {
  static const Attention family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
