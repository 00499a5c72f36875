// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// GCC 12's own AVX-512 intrinsics, inlined into Eigen, pass what they call undefined to themselves.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "../../core/config.hpp"
#include "../../core/detail/tile_scheduler.hpp"
#include "../../core/error.hpp"
#include "../../core/half.hpp"
#include "../../core/lanes.hpp"
#include "../../core/value.hpp"
#include "../fused_parameters.hpp"
#include "logit_rows.hpp"

/// Tiles of logits that exist for a moment: products, what is taken from them, and their gradients.
namespace zermelo::inline v1::alignment::detail {

/// A matrix to be read, in whatever type and layout.
template <class M>
struct matrix_source {
  const M* data;
  std::int64_t rows, columns, row_stride, column_stride;
};

/// Rows of numbers side by side.
template <class T>
struct row_block {
  T* data;
  std::int64_t apart;
};

/// The sizes of a call, and what it needs for the logits that exist at a time.
struct fused_sizes {
  std::int64_t hidden, vocabulary;          ///< D, V
  std::int64_t tile_rows, tile_vocabulary;  ///< R, C
  std::int64_t slots;                       ///< tiles that are worked on at the same time
  bool copies_hidden, copies_weight, copies_gradient;

  ZERMELO_INLINE fused_sizes(std::int64_t n, std::int64_t d, std::int64_t v, int threads, const fused_parameters& p)
      : hidden(d),
        vocabulary(v),
        tile_rows((std::min)(p.tile_rows > 0 ? p.tile_rows : 256, (std::max)(n, std::int64_t{1}))),
        tile_vocabulary((std::min)(p.tile_vocabulary > 0 ? p.tile_vocabulary : 1024, (std::max)(v, std::int64_t{1}))),
        slots((std::min)(static_cast<std::int64_t>((std::max)(threads, 1)), chunks())),
        copies_hidden(false),
        copies_weight(false),
        copies_gradient(false) {}
  ZERMELO_INLINE std::int64_t chunks() const { return (vocabulary + tile_vocabulary - 1) / tile_vocabulary; }
  ZERMELO_INLINE std::int64_t logits() const { return slots * tile_rows * tile_vocabulary; }
  ZERMELO_INLINE std::int64_t numbers() const {
    return logits() + (copies_hidden ? tile_rows * hidden : 0) +
           (copies_weight ? slots * tile_vocabulary * hidden : 0) +
           (copies_gradient ? slots * tile_vocabulary * hidden : 0);
  }
};

inline namespace ZERMELO_ISA {

template <class T>
using rows_in =
    Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;
template <class T>
using rows_out = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;

template <class T>
ZERMELO_INLINE rows_in<T> in(row_block<const T> b, std::int64_t rows, std::int64_t columns) {
  return {b.data, rows, columns, Eigen::OuterStride<>(b.apart)};
}
template <class T>
ZERMELO_INLINE rows_out<T> out(row_block<T> b, std::int64_t rows, std::int64_t columns) {
  return {b.data, rows, columns, Eigen::OuterStride<>(b.apart)};
}

/// Rows of a source as T side by side: where they are, or copied. `index` names the rows, if they are not those from
/// `first` on.
template <class T, class M>
row_block<const T> rows_as(const matrix_source<M>& from, std::int64_t first, const std::int64_t* index,
                           std::int64_t count, T* copy) {
  if (count == 0) return {copy, from.columns};
  bool together = std::is_same_v<M, T> && (from.column_stride == 1 || from.columns == 1);
  for (std::int64_t r = 0; index && together && r < count; ++r) together = index[r] == index[0] + r;
  if constexpr (std::is_same_v<M, T>) {
    if (together && (count < 2 || from.row_stride >= from.columns))
      return {from.data + (index ? index[0] : first) * from.row_stride, (std::max)(from.row_stride, from.columns)};
  }
  constexpr std::int64_t width = lanes<native_pack<T>>;
  for (std::int64_t r = 0; r < count; ++r) {
    const M* const row = from.data + (index ? index[r] : first + r) * from.row_stride;
    T* const to = copy + r * from.columns;
    std::int64_t j = 0;
    if (from.column_stride == 1)
      for (; j + width <= from.columns; j += width) zm_detail::load_as<native_pack<T>>(row + j).store(to + j);
    for (; j < from.columns; ++j) to[j] = static_cast<T>(row[j * from.column_stride]);
  }
  return {copy, from.columns};
}

/// Whether rows_as copies blocks of more than one row.
template <class T, class M>
bool needs_copies(const matrix_source<M>& from) {
  return !std::is_same_v<M, T> || from.column_stride != 1 || from.row_stride < from.columns;
}

/// Biases and the soft cap of one row of a tile.
template <class V, class T>
ZERMELO_INLINE void finish_logits(T* z, const T* bias, std::int64_t n, double softcap) {
  constexpr std::int64_t width = lanes<V>;
  const T cap = static_cast<T>(softcap), inverse = softcap > 0 ? static_cast<T>(1 / softcap) : T(0);
  const auto one = [&]<class U>(U x, std::int64_t at, std::type_identity<U>) ZERMELO_LAMBDA_INLINE {
    if (bias) x += load<U>(bias + at);
    if (softcap > 0) x = U(cap) * tanh(x * U(inverse));
    return x;
  };
  std::int64_t k = 0;
  for (; k + width <= n; k += width) store(z + k, one(load<V>(z + k), k, std::type_identity<V>{}));
  for (; k < n; ++k) z[k] = one(z[k], k, std::type_identity<T>{});
}

/// Logits without their cap → gradients by them: a e^{c tanh(x/c) − normaliser} (1 − tanh²(x/c)). Returns a sum that is not a
/// number if an element is none.
template <class V, class T>
ZERMELO_INLINE double capped_softmax(T* z, std::int64_t n, double normaliser, double a, double softcap) {
  constexpr std::int64_t width = lanes<V>;
  const T cap = static_cast<T>(softcap), inverse = static_cast<T>(1 / softcap), factor = static_cast<T>(4 * a);
  const T shift = static_cast<T>(normaliser);
  double sum = 0;
  const auto one = [&]<class U>(U x, std::type_identity<U>) ZERMELO_LAMBDA_INLINE {
    const U t = x * U(inverse);
    const U p = zm_detail::exp_nonpositive(U(cap) * tanh(t) - U(shift));
    return U(factor) * p * (sigmoid(U(2) * t) * sigmoid(U(-2) * t));  // exact where tanh is 1
  };
  std::int64_t k = 0;
  V some = V(0);
  for (; k + width <= n; k += width) {
    const V g = one(load<V>(z + k), std::type_identity<V>{});
    some += g;
    store(z + k, g);
  }
  for (; k < n; ++k) {
    z[k] = one(z[k], std::type_identity<T>{});
    sum += static_cast<double>(z[k]);
  }
  return sum + static_cast<double>(reduce_add(some));
}

/// The head and its inputs, in types of their own.
template <class T, class H, class W>
struct fused_problem {
  matrix_source<H> hidden;
  matrix_source<W> weight;
  const T* bias;                ///< [V], or null
  const std::int64_t* targets;  ///< of every row; no_target where nothing is scored
  fused_parameters parameters;
};

/// Says why the logits of row n are undefined.
template <class T, class H, class W>
[[noreturn]] __attribute__((cold, noinline)) void refuse_logits(const fused_problem<T, H, W>& p, std::int64_t n) {
  const std::int64_t d = p.hidden.columns, v = p.weight.rows;
  for (std::int64_t j = 0; j < d; ++j)
    if (is_nan(static_cast<double>(p.hidden.data[n * p.hidden.row_stride + j * p.hidden.column_stride])))
      throw domain_error("hidden", n * d + j, "is not a number");
  for (std::int64_t i = 0; i < v; ++i)
    for (std::int64_t j = 0; j < d; ++j)
      if (is_nan(static_cast<double>(p.weight.data[i * p.weight.row_stride + j * p.weight.column_stride])))
        throw domain_error("weight", i * d + j, "is not a number");
  for (std::int64_t i = 0; p.bias && i < v; ++i)
    if (is_nan(static_cast<double>(p.bias[i]))) throw domain_error("bias", i, "is not a number");
  throw domain_error(
      "hidden", n * d,
      "the logits of row " + std::to_string(n) + " have no softmax: one is +inf or undefined, or all are -inf");
}

/// Buffers of a call, in one allocation.
template <class T>
struct fused_buffers {
  explicit fused_buffers(const fused_sizes& s)
      : memory(new T[static_cast<std::size_t>(s.numbers())]),
        logits(memory.get()),
        hidden(logits + s.logits()),
        weight(hidden + (s.copies_hidden ? s.tile_rows * s.hidden : 0)),
        gradient(weight + (s.copies_weight ? s.slots * s.tile_vocabulary * s.hidden : 0)) {}
  std::unique_ptr<T[]> memory;
  T *logits, *hidden, *weight, *gradient;
};

/// Log-probabilities and normalisers of the rows in `index`.
template <class T, class H, class W>
void fused_forward(const zm_detail::tile_scheduler& policy, const fused_problem<T, H, W>& p, const std::int64_t* index,
                   std::int64_t count, double* logprob, double* normaliser) {
  using V = native_pack<T>;
  fused_sizes s(count, p.hidden.columns, p.weight.rows, policy.concurrency, p.parameters);
  s.copies_hidden = true;
  s.copies_weight = needs_copies<T>(p.weight);
  const fused_buffers<T> buffer(s);
  const std::int64_t d = s.hidden, r_max = s.tile_rows, c_max = s.tile_vocabulary;
  const std::unique_ptr<softmax_moments[]> parts(new softmax_moments[static_cast<std::size_t>(s.slots * r_max)]),
      running(new softmax_moments[static_cast<std::size_t>(r_max)]);
  const std::unique_ptr<double[]> picked(new double[static_cast<std::size_t>(r_max)]);
  const std::unique_ptr<std::int64_t[]> bad(new std::int64_t[static_cast<std::size_t>(s.slots)]);
  for (std::int64_t begin = 0; begin < count; begin += r_max) {
    const std::int64_t rows = (std::min)(r_max, count - begin);
    const auto h = rows_as<T>(p.hidden, 0, index + begin, rows, buffer.hidden);
    for (std::int64_t r = 0; r < rows; ++r)
      running[static_cast<std::size_t>(r)] = {}, picked[static_cast<std::size_t>(r)] = 0;
    for (std::int64_t wave = 0; wave < s.chunks(); wave += s.slots) {
      const std::int64_t tiles = (std::min)(s.slots, s.chunks() - wave);
      const auto tile = [&](std::int64_t k) {
        const std::int64_t first = (wave + k) * c_max, columns = (std::min)(c_max, s.vocabulary - first);
        const auto w = rows_as<T>(p.weight, first, nullptr, columns, buffer.weight + k * c_max * d);
        const row_block<T> z{buffer.logits + k * r_max * c_max, c_max};
        out(z, rows, columns).noalias() = in(h, rows, d) * in(w, columns, d).transpose();
        bad[static_cast<std::size_t>(k)] = -1;
        for (std::int64_t r = 0; r < rows; ++r) {
          T* const row = z.data + r * z.apart;
          if (p.bias || p.parameters.softcap > 0)
            finish_logits<V>(row, p.bias ? p.bias + first : nullptr, columns, p.parameters.softcap);
          if (!moments_of_row<V, false>(row, columns, parts[static_cast<std::size_t>(k * r_max + r)]) &&
              bad[static_cast<std::size_t>(k)] < 0)
            bad[static_cast<std::size_t>(k)] = index[begin + r];
          const std::int64_t target = p.targets[index[begin + r]] - first;
          if (target >= 0 && target < columns) picked[static_cast<std::size_t>(r)] = static_cast<double>(row[target]);
        }
      };
      for_each_tile(policy, tiles, tile);
      for (std::int64_t k = 0; k < tiles; ++k) {
        if (bad[static_cast<std::size_t>(k)] >= 0) refuse_logits(p, bad[static_cast<std::size_t>(k)]);
        for (std::int64_t r = 0; r < rows; ++r) {
          auto& all = running[static_cast<std::size_t>(r)];
          all = merge(all, parts[static_cast<std::size_t>(k * r_max + r)]);
        }
      }
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto& all = running[static_cast<std::size_t>(r)];
      const std::int64_t n = index[begin + r];
      if (!(all.sum > 0)) refuse_logits(p, n);
      normaliser[n] = all.normaliser();
      logprob[n] = p.targets[n] < 0 ? 0.0 : all.log_probability(picked[static_cast<std::size_t>(r)]);
    }
  }
}

/// What a gradient starts from, of every row.
struct fused_upstream {
  const double *normaliser, *direct;  ///< normalisers of the forward pass, ∂L/∂logprob
  const double* through;              ///< ∂L/∂normaliser, or null
};

/// A matrix that gradients are added to; absent if data is null.
template <class G>
struct matrix_sink {
  G* data;
  std::int64_t row_stride, column_stride;
};

/// Columns of the gradient of the hidden states that one tile adds to.
inline constexpr std::int64_t fused_columns = 512;

/// Gradients of rows in `index`. grad_hidden's other rows are the caller's.
template <class T, class H, class W, class GH, class GW>
void fused_backward(const zm_detail::tile_scheduler& policy, const fused_problem<T, H, W>& p,
                    const fused_upstream& upstream, const std::int64_t* index, std::int64_t count,
                    const matrix_sink<GH>& grad_hidden, const matrix_sink<GW>& grad_weight, double* grad_bias) {
  using V = native_pack<T>;
  const double softcap = p.parameters.softcap;
  fused_sizes s(count, p.hidden.columns, p.weight.rows, policy.concurrency, p.parameters);
  s.copies_hidden = true;
  s.copies_weight = needs_copies<T>(p.weight);
  const bool direct_gradient = std::is_same_v<GW, T> && grad_weight.column_stride == 1;
  s.copies_gradient = grad_weight.data && !direct_gradient;
  const fused_buffers<T> buffer(s);
  const std::int64_t d = s.hidden, r_max = s.tile_rows, c_max = s.tile_vocabulary;
  const std::unique_ptr<T[]> gathered(new T[static_cast<std::size_t>(grad_hidden.data ? r_max * d : 1)]);
  struct slot {
    row_block<const T> weight;
    std::int64_t columns, bad;
    bool skipped;
  };
  const std::unique_ptr<slot[]> slots(new slot[static_cast<std::size_t>(s.slots)]);
  for (std::int64_t begin = 0; begin < count || begin == 0; begin += r_max) {
    const std::int64_t rows = (std::min)(r_max, count - begin);
    const auto h = rows_as<T>(p.hidden, 0, index + begin, rows, buffer.hidden);
    if (grad_hidden.data) std::fill_n(gathered.get(), rows * d, T(0));
    for (std::int64_t wave = 0; wave < s.chunks(); wave += s.slots) {
      const std::int64_t tiles = (std::min)(s.slots, s.chunks() - wave);
      const auto tile = [&](std::int64_t k) {
        slot& own = slots[static_cast<std::size_t>(k)];
        const std::int64_t first = (wave + k) * c_max, columns = (std::min)(c_max, s.vocabulary - first);
        const row_block<T> z{buffer.logits + k * r_max * c_max, c_max};
        double largest = 0;
        own = {{}, columns, -1, rows == 0};
        if (rows > 0) {
          own.weight = rows_as<T>(p.weight, first, nullptr, columns, buffer.weight + k * c_max * d);
          out(z, rows, columns).noalias() = in(h, rows, d) * in(own.weight, columns, d).transpose();
        }
        for (std::int64_t r = 0; r < rows; ++r) {
          T* const row = z.data + r * z.apart;
          const std::int64_t n = index[begin + r], target = p.targets[n] - first;
          if (p.bias) finish_logits<V>(row, p.bias + first, columns, 0);
          const double direct = upstream.direct[n], through = upstream.through ? upstream.through[n] : 0.0;
          const double lse = upstream.normaliser[n], a = through - direct;
          const bool here = target >= 0 && target < columns;
          const double x = here ? static_cast<double>(row[target]) : 0.0;
          const double sum = softcap > 0 ? capped_softmax<V>(row, columns, lse, a, softcap)
                                         : scaled_softmax<V>(row, columns, lse, a, row);
          if (is_nan(sum) && own.bad < 0) own.bad = n;
          if (here) {
            const double t = softcap > 0 ? x / softcap : 0.0, capped = softcap > 0 ? softcap * tanh(t) : x;
            const double slope = softcap > 0 ? 4 * sigmoid(2 * t) * sigmoid(-2 * t) : 1.0;
            const double log_p = capped - lse;
            row[target] = static_cast<T>(slope * (through * exp(log_p) - direct * expm1(log_p)));
          }
          if (p.parameters.negligible > 0)
            for (std::int64_t j = 0; j < columns; ++j)
              largest = (std::max)(largest, static_cast<double>(row[j] < 0 ? -row[j] : row[j]));
        }
        if (p.parameters.negligible > 0 && largest < p.parameters.negligible) own.skipped = true;
        if (grad_weight.data) {
          T* const to = direct_gradient
                            ? static_cast<T*>(static_cast<void*>(grad_weight.data + first * grad_weight.row_stride))
                            : buffer.gradient + k * c_max * d;
          auto sink = out(row_block<T>{to, direct_gradient ? grad_weight.row_stride : d}, columns, d);
          if (begin == 0 || !direct_gradient) sink.setZero();
          if (!own.skipped)
            sink.noalias() += in(row_block<const T>{z.data, z.apart}, rows, columns).transpose() * in(h, rows, d);
          if (!direct_gradient)
            for (std::int64_t i = 0; i < columns; ++i)
              for (std::int64_t j = 0; j < d; ++j) {
                GW& g = grad_weight.data[(first + i) * grad_weight.row_stride + j * grad_weight.column_stride];
                g = static_cast<GW>((begin == 0 ? T(0) : static_cast<T>(g)) + to[i * d + j]);
              }
        }
        if (grad_bias) {
          if (begin == 0) std::fill_n(grad_bias + first, columns, 0.0);
          for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t j = 0; j < columns; ++j)
              grad_bias[first + j] += static_cast<double>(z.data[r * z.apart + j]);
        }
      };
      for_each_tile(policy, tiles, tile);
      for (std::int64_t k = 0; k < tiles; ++k)
        if (slots[static_cast<std::size_t>(k)].bad >= 0) refuse_logits(p, slots[static_cast<std::size_t>(k)].bad);
      if (!grad_hidden.data || rows == 0) continue;
      const auto columns_of_hidden = [&](std::int64_t t) {
        const std::int64_t first = t * fused_columns, columns = (std::min)(fused_columns, d - first);
        auto to = out(row_block<T>{gathered.get() + first, d}, rows, columns);
        for (std::int64_t k = 0; k < tiles; ++k) {
          const slot& own = slots[static_cast<std::size_t>(k)];
          if (own.skipped) continue;
          const row_block<const T> g{buffer.logits + k * r_max * c_max, c_max};
          to.noalias() += in(g, rows, own.columns) *
                          in(row_block<const T>{own.weight.data + first, own.weight.apart}, own.columns, columns);
        }
      };
      for_each_tile(policy, (d + fused_columns - 1) / fused_columns, columns_of_hidden);
    }
    if (grad_hidden.data)
      for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t j = 0; j < d; ++j)
          grad_hidden.data[index[begin + r] * grad_hidden.row_stride + j * grad_hidden.column_stride] =
              static_cast<GH>(gathered[static_cast<std::size_t>(r * d + j)]);
  }
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment::detail
