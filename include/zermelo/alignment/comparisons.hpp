// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// What trained models are compared by: run times of programs, and tables of methods by benchmarks.
namespace zermelo::inline v1::alignment {

/// Parameters of code_optimisation.
struct code_parameters {
  double threshold = 0.1;    ///< θ: optimised programs take at least so much less time, in [0, 1)
  bool floor_at_one = true;  ///< speedups below 1 count as 1

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(threshold) || !(threshold >= 0 && threshold < 1))
      throw domain_error("threshold", domain_error::whole,
                         zermelo::detail::text(threshold) + ", expected a number in [0, 1)");
  }
};

/// Figures of code_optimisation.
struct code_figures {
  double percent_optimised = 0, mean_speedup = 0, geometric_mean_speedup = 0, percent_correct = 0;
};

/// The reward of a program by what becomes of it; a correct one earns its gain in run time on top.
struct program_rewards {
  double compile_error = -1.0, runtime_error = -0.6, wrong_answer = -0.3, correct = 1.0;
};
enum class program_outcome : std::uint8_t { compile_error, runtime_error, wrong_answer, correct };

/// One method in an ablation.
struct ablation_row {
  std::vector<double> gain;  ///< over the first method, by benchmark
  double mean_gain = 0;
  double mean = 0;
  std::int64_t rank = 0;  ///< by mean, from 1; ties share the smallest
};

inline namespace ZERMELO_ISA {

/// How much faster programs became.
///
///   speedup = old/new if the new program is correct, else 1;   optimised if it is and new ≤ (1−θ) old
///
/// old_time, new_time, correct [N]  positive times, 0 or 1;  speedup [N]  written, or discard
/// Errors: shape_error, also for none; domain_error at times that are not positive.
/// Source: Shypula et al. 2024 (PIE); Duan et al. 2023.
template <tensor A, tensor B, tensor C, class O>
code_figures code_optimisation(const A& old_time, const B& new_time, const C& correct, O&& speedup,
                               const code_parameters& with = {}) {
  with.require_valid();
  const auto a = view(old_time);
  const auto b = view(new_time);
  const auto c = view(correct);
  const std::int64_t n = a.size();
  if (n == 0) throw shape_error("old_time", "is empty");
  const auto same = [&](const auto& v, const char* name) {
    if (v.size() != n)
      throw shape_error(name,
                        std::to_string(v.size()) + " elements, expected as many as old_time, " + std::to_string(n));
  };
  same(b, "new_time");
  same(c, "correct");
  code_figures all;
  double logs = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    const double before = static_cast<double>(a.element(k)), after = static_cast<double>(b.element(k));
    if (!(before > 0) || !is_finite(before))
      throw domain_error("old_time", k, zermelo::detail::text(before) + ", expected a positive time");
    if (!(after > 0) || !is_finite(after))
      throw domain_error("new_time", k, zermelo::detail::text(after) + ", expected a positive time");
    const bool right = c.element(k) != 0;
    const double raw = right ? before / after : 1.0;
    const double s = with.floor_at_one ? (std::max)(raw, 1.0) : raw;
    all.percent_optimised += right && after <= (1 - with.threshold) * before ? 1 : 0;
    all.percent_correct += right ? 1 : 0;
    all.mean_speedup += s;
    logs += log(s);
    if constexpr (!std::is_same_v<std::remove_cvref_t<O>, discard_t>) {
      const auto to = view(speedup);
      same(to, "speedup");
      to.element(k) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(s);
    }
  }
  const double count = static_cast<double>(n);
  all.percent_optimised *= 100 / count;
  all.percent_correct *= 100 / count;
  all.mean_speedup /= count;
  all.geometric_mean_speedup = exp(logs / count);
  return all;
}

/// The reward of a program; `gain` counts where it is correct.   Source: Le et al. 2022 (CodeRL) for the table.
inline double program_reward(program_outcome outcome, double gain, const program_rewards& table = {}) {
  switch (outcome) {
    case program_outcome::compile_error:
      return table.compile_error;
    case program_outcome::runtime_error:
      return table.runtime_error;
    case program_outcome::wrong_answer:
      return table.wrong_answer;
    default:
      return table.correct + gain;
  }
}

/// A table of an ablation: every method's gain over the first, by benchmark and on average, and its rank.
///
/// scores [methods, benchmarks].   Errors: shape_error for an empty table; domain_error at a score that is not finite.
/// Source: the tables of Ivison et al. 2024, "Unpacking DPO and PPO".
template <tensor S>
std::vector<ablation_row> ablation_table(const S& scores) {
  const auto s = view(scores);
  const std::int64_t methods = s.shape[0], benchmarks = s.shape[1];
  if (methods == 0 || benchmarks == 0) throw shape_error("scores", "is empty");
  std::vector<ablation_row> rows(static_cast<std::size_t>(methods));
  for (std::int64_t m = 0; m < methods; ++m) {
    auto& row = rows[static_cast<std::size_t>(m)];
    for (std::int64_t b = 0; b < benchmarks; ++b) {
      const double x = static_cast<double>(s(m, b));
      if (!is_finite(x))
        throw domain_error("scores", m * benchmarks + b, zermelo::detail::text(x) + ", expected a score");
      row.gain.push_back(x - static_cast<double>(s(0, b)));
      row.mean_gain += row.gain.back() / static_cast<double>(benchmarks);
      row.mean += x / static_cast<double>(benchmarks);
    }
  }
  for (auto& row : rows) {
    row.rank = 1;
    for (const auto& other : rows) row.rank += other.mean > row.mean ? 1 : 0;
  }
  return rows;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
