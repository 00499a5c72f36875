// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../../core/config.hpp"
#include "../../../core/detail/cuda/columns.hpp"
#include "../../../core/detail/cuda/faults.hpp"
#include "../../../core/half.hpp"
#include "../../../core/value.hpp"
#include "../logit_rows.hpp"

/// What the threads of a block do with a row of logits. Plain code: the tests run it on the host, thread after thread.
namespace zermelo::inline v1::alignment::detail {

/// The tensors among the inputs, as faults number them.
inline constexpr int logits_argument = 0, targets_argument = 1, upstream_argument = 2;

/// What a thread holds of a row.
struct token_part {
  fault_word fault;
  softmax_moments moments;
};
ZERMELO_FN void merge_parts(token_part& to, const token_part& from) {
  to.fault = from.fault < to.fault ? from.fault : to.fault;
  to.moments = merge(to.moments, from.moments);
}

/// Numbers of a row in accesses of 16 bytes, where they lie side by side at such an address, else one by one; thread `lane`
/// of `lanes` takes every so-many-th access. f(first, count, numbers) sees at most a chunk of them.
template <class M, class F>
ZERMELO_FN void for_chunks_of_lane(const M* z, std::int64_t width, std::int64_t step, int lane, int lanes, F&& f) {
  using chunk = zm_detail::chunk<M>;
  std::int64_t done = 0;
  if (step == 1 && reinterpret_cast<std::uintptr_t>(z) % zm_detail::access_bytes == 0) {
    const std::int64_t chunks = width / chunk::width;
    for (std::int64_t c = lane; c < chunks; c += lanes) {
      const chunk x = *reinterpret_cast<const chunk*>(z + c * chunk::width);
      f(c * chunk::width, static_cast<int>(chunk::width), x);
    }
    done = chunks * chunk::width;
  }
  for (std::int64_t j = done + lane; j < width; j += lanes) {
    chunk x;
    x.lane[0] = z[j * step];
    f(j, 1, x);
  }
}

/// Sums over what one thread sees of a row, about the largest number that it has met.
template <class M, bool Moments>
struct token_walk {
  using T = typename zm_detail::computed_as<M>::type;
  logit_rows<M> rows;

  ZERMELO_FN token_part of_lane(std::int64_t r, int lane, int lanes) const {
    T most = -zm_detail::infinity<T>(), sum = 0, moment = 0, squares = 0;
    softmax_moments all;
    bool bad = false;
    int run = 0;
    const auto flush = [&] {
      all = merge(all, softmax_moments{static_cast<double>(most), static_cast<double>(sum), static_cast<double>(moment),
                                       static_cast<double>(squares)});
      sum = moment = squares = 0;
      run = 0;
    };
    for_chunks_of_lane(rows.row(r), rows.width, rows.step, lane, lanes, [&](std::int64_t, int count, const auto& x) {
      T largest = most;
      for (int j = 0; j < count; ++j) {
        const T v = static_cast<T>(x.lane[j]);
        bad = bad || is_nan(v) || zm_detail::is_plus_infinity(v);
        largest = largest < v ? v : largest;
      }
      if (largest > most) {  // rare, behind the first few
        if (run > 0) flush();
        most = largest;
      }
      if (most == -zm_detail::infinity<T>()) return;
      for (int j = 0; j < count; ++j) {
        const T below = static_cast<T>(x.lane[j]) - most;
        const T e = zm_detail::exp_nonpositive(below);
        sum += e;
        if constexpr (Moments) {
          moment += e * (below < T(-1000) ? T(-1000) : below);
          squares += e * e;
        }
      }
      run += count;
      if (run >= zm_detail::lane_run) flush();
    });
    if (run > 0) flush();
    return {bad ? word_of(fault_code::refused, logits_argument, r) : no_fault, all};
  }

  /// Whether a row that was merged has no softmax.
  ZERMELO_FN fault_word fault_of_row(std::int64_t r, const softmax_moments& all) const {
    return all.sum > 0 ? no_fault : word_of(fault_code::refused, logits_argument, r);
  }
  ZERMELO_FN double at(std::int64_t r, std::int64_t j) const { return static_cast<double>(rows.row(r)[j * rows.step]); }
};

/// Writes what one thread does of a row of the gradient; the target's element is written by whoever comes behind.
template <class M, class O>
struct token_gradient_walk {
  using T = typename zm_detail::computed_as<M>::type;
  logit_rows<M> rows;
  logit_rows<O> gradient;

  ZERMELO_FN void write_lane(std::int64_t r, double normaliser, double a, int lane, int lanes) const {
    const T high = static_cast<T>(normaliser), low = static_cast<T>(normaliser - static_cast<double>(high));
    O* const out = const_cast<O*>(gradient.row(r));
    const std::int64_t step = gradient.step;
    const bool wide =
        step == 1 && sizeof(O) == sizeof(M) && reinterpret_cast<std::uintptr_t>(out) % zm_detail::access_bytes == 0;
    for_chunks_of_lane(rows.row(r), rows.width, rows.step, lane, lanes,
                       [&](std::int64_t first, int count, const auto& x) {
                         zm_detail::chunk<O> y;
                         for (int j = 0; j < count && j < zm_detail::chunk<O>::width; ++j)
                           y.lane[j] = static_cast<O>(one(static_cast<T>(x.lane[j]), high, low, a));
                         if (wide && count == zm_detail::chunk<O>::width) {
                           *reinterpret_cast<zm_detail::chunk<O>*>(out + first) = y;
                         } else {
                           for (int j = 0; j < count; ++j)
                             out[(first + j) * step] = static_cast<O>(one(static_cast<T>(x.lane[j]), high, low, a));
                         }
                       });
  }
  ZERMELO_FN void clear_lane(std::int64_t r, int lane, int lanes) const {
    O* const out = const_cast<O*>(gradient.row(r));
    for (std::int64_t j = lane; j < gradient.width; j += lanes) out[j * gradient.step] = static_cast<O>(T(0));
  }
  /// The target's element z:  direct (1 − p) + through p.
  ZERMELO_FN void write_target(std::int64_t r, std::int64_t target, double z, double normaliser, double direct,
                               double through) const {
    const double log_p = z - normaliser;
    const_cast<O*>(gradient.row(r))[target * gradient.step] =
        static_cast<O>(static_cast<T>(through * exp(log_p) - direct * expm1(log_p)));
  }

 private:
  ZERMELO_FN static T one(T z, T high, T low, double a) {
    return static_cast<T>(a) * zm_detail::exp_nonpositive((z - high) - low);
  }
};

/// Which token a row scores, as tensors on the device say: one a row, or the next one of a sequence.
template <class Ids, class Mask>
struct token_source {
  Ids ids;
  Mask mask;                                 ///< or no_column
  std::int64_t rows, length, width, ignore;  ///< length 0: one a row

  /// no_target where nothing is scored, or where the id is out of range, which is noted.
  ZERMELO_FN std::int64_t target(std::int64_t r, fault_word& fault) const {
    std::int64_t k = r;
    if (length > 0) {
      if (r % length == length - 1) return no_target;
      k = r + 1;
    }
    if constexpr (!std::is_same_v<Mask, zm_detail::no_column>)
      if (!mask.at(k)) return no_target;
    const auto id = static_cast<std::int64_t>(ids.at(k));
    if (id == ignore) return no_target;
    if (id < 0 || id >= width) {
      const fault_word w = word_of(fault_code::out_of_range, targets_argument, k);
      fault = w < fault ? w : fault;
      return no_target;
    }
    return id;
  }
};

}  // namespace zermelo::inline v1::alignment::detail
