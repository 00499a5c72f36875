// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "../../core/config.hpp"
#include "../../core/error.hpp"
#include "../../core/execution/policy.hpp"
#include "../../core/half.hpp"
#include "../../core/lanes.hpp"
#include "../../core/primitives/arguments.hpp"
#include "../../core/value.hpp"

/// Rows of logits: what one look at a row gives, and the gradient of what was made of it.
namespace zermelo::inline v1::alignment::detail {

namespace zm_detail = zermelo::detail;

/// A row z about its largest element m, or a number near it:  Σ e^{z−m},  Σ e^{z−m} (z − m),  Σ e^{2(z−m)}. Merges as a
/// monoid.
struct softmax_moments {
  double largest = -zm_detail::infinity<double>(), sum = 0, moment = 0, squares = 0;

  ZERMELO_FN double normaliser() const { return largest + log(sum); }
  /// −Σ p log p.
  ZERMELO_FN double entropy() const { return log(sum) - moment / sum; }
  /// log Σ p².
  ZERMELO_FN double log_collision() const { return log(squares) - 2 * log(sum); }
  /// log p of an element z; of the two differences the first is exact where it matters.
  ZERMELO_FN double log_probability(double z) const { return (z - largest) - log(sum); }

  ZERMELO_FN friend softmax_moments merge(const softmax_moments& a, const softmax_moments& b) {
    const bool first = a.largest > b.largest;
    const softmax_moments &high = first ? a : b, &low = first ? b : a;
    const double apart = low.largest == high.largest ? 0.0 : low.largest - high.largest;
    const double scale = zm_detail::exp_nonpositive(apart);
    const double distance = scale == 0 ? 0.0 : apart;  // infinitely far below nothing is left of the moment
    return {high.largest, high.sum + scale * low.sum, high.moment + scale * (low.moment + distance * low.sum),
            high.squares + scale * scale * low.squares};
  }
};

/// What is reported of a row.
struct row_scores {
  double logprob = 0, normaliser = 0, entropy = 0, log_collision = 0;
  double top_entropy = 0, top_raw_entropy = 0, top_mass = 0;
};

/// `count` rows of `width` logits, in sequences of `length` rows; numbers of a row are `step` apart.
template <class M>
struct logit_rows {
  const M* data;
  std::int64_t count, width, length;
  std::int64_t sequence_stride, row_stride, step;

  ZERMELO_FN const M* row(std::int64_t r) const {
    return data + r / length * sequence_stride + r % length * row_stride;
  }
};

/// The target of a row that scores no token; of one that never does, behind which no token of its sequence comes.
inline constexpr std::int64_t no_target = -1, no_row = -2;

inline namespace ZERMELO_ISA {

/// Elements of a row between two looks at the largest one.
inline constexpr std::int64_t logit_block = 4096;
/// Elements in a tile; a row is one piece of work.
inline constexpr std::int64_t logit_tile = 16384;

/// `count` numbers, 0 < count < lanes, with −∞ in the lanes behind them.
template <class V, class M>
ZERMELO_INLINE V load_some(const M* from, std::int64_t count) {
  using T = scalar_t<V>;
  T lane[lanes<V>];
  for (std::int64_t j = 0; j < lanes<V>; ++j) lane[j] = j < count ? static_cast<T>(from[j]) : -zm_detail::infinity<T>();
  return load<V>(lane);
}

/// The largest of n > 0 numbers; a NaN may or may not come out.
template <class V, class M>
ZERMELO_INLINE scalar_t<V> largest_of(const M* z, std::int64_t n) {
  constexpr std::int64_t width = lanes<V>;
  V a = -zm_detail::infinity<V>(), b = a, c = a, d = a;
  std::int64_t k = 0;
  for (; k + 4 * width <= n; k += 4 * width) {
    a = (max)(a, zm_detail::load_as<V>(z + k));
    b = (max)(b, zm_detail::load_as<V>(z + k + width));
    c = (max)(c, zm_detail::load_as<V>(z + k + 2 * width));
    d = (max)(d, zm_detail::load_as<V>(z + k + 3 * width));
  }
  for (; k + width <= n; k += width) a = (max)(a, zm_detail::load_as<V>(z + k));
  if constexpr (width > 1)
    if (k < n) b = (max)(b, load_some<V>(z + k, n - k));
  return reduce_max((max)((max)(a, b), (max)(c, d)));
}

/// eˣ for x below 5, as fast as it is good enough for sums and gradients of probabilities: in float to 2e-7, from −86 down
/// either 0 or, where sums may as well hold that, e⁻⁸⁶; e⁰ is 1.
template <bool ExactZero, class V>
ZERMELO_INLINE V exp_of_difference(V x) {
  if constexpr (std::is_same_v<scalar_t<V>, double>) {
    return zm_detail::keep_nan(x, zm_detail::exp_nonpositive(x));
  } else {
    using traits = value_traits<V>;
    constexpr float log2_e = 1.44269504F, rounder = 12583039.0F;  // 1.5·2²³ and the bias of exponents
    const V low = ExactZero ? x : (max)(V(-86.0F), x);
    const V rounded = traits::settle(multiply_add(low, V(log2_e), V(rounder)));
    const V f = multiply_add(low, V(log2_e), -traits::settle(rounded - V(rounder)));
    V power = multiply_add(V(0.00132764725F), f, V(0.00967554096F));  // 2ᶠ on |f| ≤ ½
    power = multiply_add(power, f, V(0.0555071309F));
    power = multiply_add(power, f, V(0.240221202F));
    power = multiply_add(power, f, V(0.693146944F));
    power = multiply_add(power, f, V(1.0F));
    const V e = power * traits::from_bits(traits::to_bits(rounded) << 23);  // a factor, which hides no NaN
    return zm_detail::keep_nan(x, ExactZero ? select(x < V(-86.0F), V(0), e) : e);
  }
}

/// Sums over n > 0 numbers about `shift`, which they exceed by less than 5; and the largest of them.
template <class V, bool Moments, class M>
ZERMELO_INLINE softmax_moments moments_about(const M* z, std::int64_t n, scalar_t<V> shift, scalar_t<V>& most) {
  constexpr std::int64_t width = lanes<V>;
  softmax_moments all{.largest = static_cast<double>(shift)};
  const V none = V(0);
  V largest[2] = {-zm_detail::infinity<V>(), -zm_detail::infinity<V>()};
  V sum[2] = {none, none}, moment[2] = {none, none}, squares[2] = {none, none};
  const auto take = [&](int j, V x) ZERMELO_LAMBDA_INLINE {
    const V below = x - V(shift);
    const V e = exp_of_difference<false>(below);
    largest[j] = (max)(largest[j], x);
    sum[j] += e;
    if constexpr (Moments) {
      moment[j] = multiply_add(e, (max)(V(-1000), below), moment[j]);  // −∞ times nothing is nothing
      squares[j] = multiply_add(e, e, squares[j]);
    }
  };
  std::int64_t k = 0;
  do {
    const std::int64_t flush = (std::min)(n, k + 2 * zm_detail::lane_run * width);
    sum[0] = sum[1] = moment[0] = moment[1] = squares[0] = squares[1] = none;
    for (; k + 2 * width <= flush; k += 2 * width) {
      V a, b;
      zm_detail::load_two(z + k, a, b);
      take(0, a);
      take(1, b);
    }
    for (; k + width <= flush; k += width) take(0, zm_detail::load_as<V>(z + k));
    if constexpr (width > 1)
      if (k < flush) {
        take(1, load_some<V>(z + k, flush - k));
        k = flush;
      }
    all.sum += static_cast<double>(reduce_add(sum[0] + sum[1]));
    if constexpr (Moments) {
      all.moment += static_cast<double>(reduce_add(moment[0] + moment[1]));
      all.squares += static_cast<double>(reduce_add(squares[0] + squares[1]));
    }
  } while (k < n);
  most = reduce_max((max)(largest[0], largest[1]));
  return all;
}

/// The k largest numbers seen, as a heap whose root is the smallest of them.
class top_values {
 public:
  explicit top_values(std::int64_t k) : heap_(k > 0 ? new double[static_cast<std::size_t>(k)] : nullptr), k_(k) {}

  void clear() { count_ = 0; }
  double threshold() const { return count_ < k_ ? -zm_detail::infinity<double>() : heap_[0]; }
  bool full() const { return count_ == k_; }

  template <class V, class M>
  void take(const M* z, std::int64_t n) {
    constexpr std::int64_t width = lanes<V>;
    using T = scalar_t<V>;
    std::int64_t k = 0;
    while (k < n) {
      if (full() && k + width <= n && !any(zm_detail::load_as<V>(z + k) > V(static_cast<T>(threshold())))) {
        k += width;
        continue;
      }
      const std::int64_t end = (std::min)(n, k + width);
      for (; k < end; ++k) offer(static_cast<double>(z[k]));
    }
  }

  /// Entropies and mass among a whole of which these are the largest.
  void report(const softmax_moments& whole, row_scores& to) const {
    double most = heap_[0];
    for (std::int64_t i = 1; i < count_; ++i) most = heap_.get()[i] > most ? heap_.get()[i] : most;
    double sum = 0;
    for (std::int64_t i = 0; i < count_; ++i) sum += zm_detail::exp_nonpositive(heap_.get()[i] - most);
    const double log_sum = log(sum), log_whole = whole.normaliser() - most;
    double entropy = 0, raw = 0;
    for (std::int64_t i = 0; i < count_; ++i) {
      const double below = heap_.get()[i] - most, e = zm_detail::exp_nonpositive(below);
      if (e == 0) continue;
      entropy += e * (log_sum - below);
      raw += e * (log_whole - below);
    }
    const double mass = zm_detail::exp_nonpositive(most - whole.largest) / whole.sum;
    to.top_mass = mass * sum;
    to.top_entropy = entropy / sum;
    to.top_raw_entropy = mass * raw;
  }

 private:
  void offer(double x) {
    if (count_ < k_) {
      heap_.get()[count_++] = x;
      std::push_heap(heap_.get(), heap_.get() + count_, above{});
    } else if (x > heap_[0]) {
      std::pop_heap(heap_.get(), heap_.get() + k_, above{});
      heap_.get()[k_ - 1] = x;
      std::push_heap(heap_.get(), heap_.get() + k_, above{});
    }
  }
  struct above {
    bool operator()(double a, double b) const { return a > b; }
  };

  std::unique_ptr<double[]> heap_;
  std::int64_t k_, count_ = 0;
};

/// One row, in one look at every block but the first: sums are about a number that no element exceeds by more than
/// `slack`, and are taken again where one does. False if an element is not a number or +∞; a sum of 0 if all are −∞.
template <class V, bool Moments, class M>
ZERMELO_INLINE bool moments_of_row(const M* z, std::int64_t n, softmax_moments& all, top_values* top = nullptr) {
  using T = scalar_t<V>;
  constexpr T slack = 4;
  all = {};
  if (top) top->clear();
  for (std::int64_t begin = 0; begin < n; begin += logit_block) {
    const std::int64_t length = (std::min)(logit_block, n - begin);
    const M* const block = z + begin;
    auto shift = static_cast<T>(all.largest), most = shift;
    softmax_moments part;
    bool again = !is_finite(shift);
    if (again) {
      most = largest_of<V>(block, length);
    } else {
      part = moments_about<V, Moments>(block, length, shift, most);
      again = !(most <= shift + slack);
    }
    if (again) {
      if (!is_finite(most)) {
        for (std::int64_t k = 0; k < length; ++k)
          if (is_nan(static_cast<T>(block[k]))) return false;
        if (most > 0) return false;
        if (top && !top->full()) top->template take<V>(block, length);
        continue;
      }
      shift = most;
      part = moments_about<V, Moments>(block, length, shift, most);
    }
    if (is_nan(part.sum)) return false;
    all = merge(all, part);
    if (top && (!top->full() || static_cast<double>(most) > top->threshold())) top->template take<V>(block, length);
  }
  return is_finite(all.sum);
}

/// Says what is wrong with row r.
template <class M>
[[noreturn]] __attribute__((cold, noinline)) void refuse_row(const logit_rows<M>& rows, std::int64_t r) {
  const M* const z = rows.row(r);
  const auto at = [&](std::int64_t j) { return static_cast<double>(z[j * rows.step]); };
  for (std::int64_t j = 0; j < rows.width; ++j)
    if (is_nan(at(j))) throw domain_error("logits", r * rows.width + j, "is not a number");
  for (std::int64_t j = 0; j < rows.width; ++j)
    if (zm_detail::is_plus_infinity(at(j)))
      throw domain_error("logits", r * rows.width + j, "is +inf: the softmax of its row is undefined");
  throw domain_error("logits", r * rows.width, "all of this row is -inf: its softmax is undefined");
}

/// Numbers of row r side by side: where they are, or copied.
template <class T, class M, class F>
ZERMELO_INLINE auto with_row(const logit_rows<M>& rows, std::int64_t r, T* copy, F&& f) {
  const M* const z = rows.row(r);
  if (!copy) return f(z);
  for (std::int64_t j = 0; j < rows.width; ++j) copy[j] = static_cast<T>(z[j * rows.step]);
  return f(static_cast<const T*>(copy));
}

template <class T, class M>
std::unique_ptr<T[]> room_for_row(const logit_rows<M>& rows) {
  return std::unique_ptr<T[]>(rows.step == 1 || rows.width <= 1 ? nullptr
                                                                : new T[static_cast<std::size_t>(rows.width)]);
}

template <class M>
std::int64_t rows_in_tile(const logit_rows<M>& rows) {
  return (std::max)(std::int64_t{1}, logit_tile / (std::max)(rows.width, std::int64_t{1}));
}

/// Scores every row that has a target, or every row; the others are not looked at, and their scores are zero.
template <class V, bool Moments, class P, class M>
void score_rows(P&& policy, const logit_rows<M>& rows, const std::int64_t* targets, bool every, std::int64_t top,
                row_scores* scores) {
  using T = scalar_t<V>;
  const std::int64_t per_tile = rows_in_tile(rows);
  for_each_tile(policy, (rows.count + per_tile - 1) / per_tile, [&](std::int64_t t) {
    const auto copy = room_for_row<T>(rows);
    top_values largest(top);
    for (std::int64_t r = t * per_tile; r < (std::min)(rows.count, (t + 1) * per_tile); ++r) {
      const std::int64_t target = targets ? targets[r] : no_target;
      scores[r] = {};
      if (target == no_row || (target == no_target && !every)) continue;
      softmax_moments all;
      const bool good = with_row(rows, r, copy.get(), [&](const auto* z) {
        return moments_of_row<V, Moments>(z, rows.width, all, top > 0 ? &largest : nullptr);
      });
      if (!good || !(all.sum > 0)) [[unlikely]]
        refuse_row(rows, r);
      row_scores& to = scores[r];
      to.normaliser = all.normaliser();
      if constexpr (Moments) {
        to.entropy = all.entropy();
        to.log_collision = all.log_collision();
      }
      if (top > 0) largest.report(all, to);
      if (target >= 0) to.logprob = all.log_probability(static_cast<double>(rows.row(r)[target * rows.step]));
    }
  });
}

/// out[j] = a e^{z[j] − normaliser}. Returns Σ e^{z[j] − normaliser}, not a number if an element is none.
template <class V, class M, class O>
ZERMELO_INLINE double scaled_softmax(const M* z, std::int64_t n, double normaliser, double a, O* out) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  // In two steps, of which the first is exact where it matters: their sum would round at the size of the logits.
  const T high = static_cast<T>(normaliser), low = static_cast<T>(normaliser - static_cast<double>(high));
  const V factor(static_cast<T>(a));
  const auto term = [&](V x) ZERMELO_LAMBDA_INLINE {
    const V below = (x - V(high)) - V(low);
    return exp_of_difference<true>(below);
  };
  double sum = 0;
  std::int64_t k = 0;
  while (k + width <= n) {
    V some = V(0), others = V(0);
    const std::int64_t flush = (std::min)(n, k + 2 * zm_detail::lane_run * width);
    if constexpr (std::is_same_v<M, O>)
      for (; k + 2 * width <= flush; k += 2 * width) {
        V x, y;
        zm_detail::load_two(z + k, x, y);
        x = term(x);
        y = term(y);
        some += x;
        others += y;
        zm_detail::store_two(out + k, factor * x, factor * y);
      }
    for (; k + width <= flush; k += width) {
      const V e = term(zm_detail::load_as<V>(z + k));
      some += e;
      zm_detail::store_as(out + k, factor * e);
    }
    sum += static_cast<double>(reduce_add(some + others));
  }
  if constexpr (width > 1)
    if (k < n) {
      const V e = term(load_some<V>(z + k, n - k));
      const V rest = factor * e;
      sum += static_cast<double>(reduce_add(e));
      for (int j = 0; k + j < n; ++j) out[k + j] = static_cast<O>(rest[j]);
    }
  return sum;
}

/// Row r of the gradient:  upstream (1[v = target] − p) + normaliser_upstream p,  p = softmax z.
/// `normalisers` may be absent, and then are computed.
template <class V, class P, class M, class O>
void differentiate_rows(P&& policy, const logit_rows<M>& rows, const std::int64_t* targets, const double* upstream,
                        const double* normaliser_upstream, const double* normalisers, const logit_rows<O>& gradient) {
  using T = scalar_t<V>;
  const std::int64_t per_tile = rows_in_tile(rows);
  for_each_tile(policy, (rows.count + per_tile - 1) / per_tile, [&](std::int64_t t) {
    const auto copy = room_for_row<T>(rows), made = room_for_row<T>(gradient);
    for (std::int64_t r = t * per_tile; r < (std::min)(rows.count, (t + 1) * per_tile); ++r) {
      O* const out = const_cast<O*>(gradient.row(r));
      const std::int64_t target = targets[r];
      const double direct = target < 0 ? 0.0 : upstream[r];
      const double through = normaliser_upstream && target >= 0 ? normaliser_upstream[r] : 0.0;
      if (direct == 0 && through == 0) {
        for (std::int64_t j = 0; j < rows.width; ++j) out[j * gradient.step] = static_cast<O>(T(0));
        continue;
      }
      const auto z_target = static_cast<double>(rows.row(r)[target * rows.step]);
      const bool good = with_row(rows, r, copy.get(), [&](const auto* z) {
        double normaliser;
        if (normalisers) {
          normaliser = normalisers[r];
        } else {
          softmax_moments all;
          if (!moments_of_row<V, false>(z, rows.width, all) || !(all.sum > 0)) return false;
          normaliser = all.normaliser();
        }
        const double a = through - direct;
        const auto write = [&](auto* to) {
          const double others =
              scaled_softmax<V>(z, target, normaliser, a, to) +
              scaled_softmax<V>(z + target + 1, rows.width - target - 1, normaliser, a, to + target + 1);
          // 1 − p is what the others have: exact where p is nearly 1, and rows add up to nothing.
          const double at_target = direct * others + (through == 0 ? 0.0 : through * exp(z_target - normaliser));
          to[target] = static_cast<std::remove_reference_t<decltype(*to)>>(static_cast<T>(at_target));
          return !is_nan(others) && !is_nan(z_target);
        };
        if (!made) return write(out);
        const bool fine = write(made.get());
        for (std::int64_t j = 0; j < rows.width; ++j)
          out[j * gradient.step] = static_cast<O>(made[static_cast<std::size_t>(j)]);
        return fine;
      });
      if (!good) [[unlikely]]
        refuse_row(rows, r);
    }
  });
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment::detail
