// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "certificate.hpp"
#include "config.hpp"
#include "detail/tile_scheduler.hpp"
#include "detail/vector_tiles.hpp"
#include "error.hpp"
#include "execution/policy.hpp"
#include "value.hpp"

/// Minimisers for many unknowns: conjugate gradients for A x = b, L-BFGS for a smooth function.
namespace zermelo::inline v1 {

struct lbfgs_parameters {
  std::int64_t memory = 10;            ///< pairs of steps and gradient changes that the curvature is read from, ≥ 1
  double tolerance = 1e-8;             ///< stop at max |∂f/∂xᵢ| ≤ tolerance
  std::int64_t max_iterations = 1000;  ///< steps; each evaluates the objective once, seldom more often
};

struct conjugate_gradient_parameters {
  double tolerance = 1e-10;         ///< stop at ‖b − A x‖ ≤ tolerance · ‖b‖ (2-norms)
  std::int64_t max_iterations = 0;  ///< 0: ten for every unknown, at least 100
  bool project = false;             ///< A's kernel is the constants: work in Σx = 0
  bool verify = true;  ///< recompute b − A x before reporting convergence, and go on from it if it is not met
};

/// Vectors of conjugate gradients; an object can be used again, and then nothing is allocated.
struct conjugate_gradient_workspace {
  std::vector<double> residual, preconditioned, direction, image;
  std::vector<std::array<double, 3>> partial;
};

namespace detail::inline ZERMELO_ISA {

inline void refuse_not_finite(std::span<const double> v, const char* name) {
  for (std::size_t i = 0; i < v.size(); ++i)
    if (!is_finite(v[i])) throw domain_error(name, static_cast<std::int64_t>(i), "a finite number, not " + text(v[i]));
}

/// One type, and so one instantiation whatever the policy.
struct unconditionally {
  ZERMELO_INLINE bool operator()(std::int64_t, double) const { return true; }
};

/// Preconditioned conjugate gradients. keep_going(iterations, relative residual) → bool may end them early
/// (status::limit). β is the flexible one, −zᵀAp / pᵀAp, so the preconditioner may be slightly non-linear.
template <class Apply, class Precondition, class KeepGoing>
convergence run_conjugate_gradients(const tile_scheduler& policy, Apply&& apply, Precondition&& precondition,
                                    KeepGoing&& keep_going, std::span<const double> b, std::span<double> x,
                                    const conjugate_gradient_parameters& parameters,
                                    conjugate_gradient_workspace& work) {
  const auto n = static_cast<std::int64_t>(b.size());
  const std::int64_t limit =
      parameters.max_iterations > 0 ? parameters.max_iterations : (std::max)(std::int64_t{100}, 10 * n);
  for (auto* v : {&work.residual, &work.preconditioned, &work.direction, &work.image}) v->resize(b.size());
  double *const r = work.residual.data(), *const z = work.preconditioned.data(), *const p = work.direction.data(),
                *const q = work.image.data();
  const double count = static_cast<double>((std::max)(n, std::int64_t{1}));
  const auto sum = [&](auto&& f) { return sum_over_tiles(policy, n, vector_tile, work.partial, f); };
  const auto pass = [&](auto&& f) { over_tiles(policy, n, vector_tile, f); };
  const auto centre = [&](double* v, double total) {
    pass([&](std::int64_t first, std::int64_t m) { shift_tile(total / count, v + first, m); });
  };
  const auto image_of = [&](const double* v) -> double {  // q = A v, and vᵀ A v
    const std::span<const double> in{v, b.size()};
    if constexpr (std::is_void_v<decltype(apply(in, std::span<double>{}))>) {
      apply(in, std::span<double>{q, b.size()});
      return sum([&](std::int64_t first, std::int64_t m) -> sums3 {
        return {dot_tile(v + first, q + first, m), 0, 0};
      })[0];
    } else {
      return apply(in, std::span<double>{q, b.size()});
    }
  };

  const sums3 of_b = sum([&](std::int64_t first, std::int64_t m) { return moments_tile(b.data() + first, m); });
  if (!is_finite(of_b[2])) refuse_not_finite(b, "b");
  const double b_mean = parameters.project ? of_b[1] / count : 0;
  const double b_norm = std::sqrt((std::max)(of_b[0] - count * b_mean * b_mean, 0.0));
  constexpr double smallest_square = 1e-280;
  if (of_b[2] == 0 || (parameters.project && of_b[0] >= smallest_square && b_norm <= 1e-15 * std::sqrt(of_b[0]))) {
    std::fill(x.begin(), x.end(), 0.0);  // a constant b is nothing but the rounding of zero, once projected
    return {};
  }
  if (of_b[0] < smallest_square || !is_finite(of_b[0])) return {0, 1, status::stalled};
  const sums3 of_x = sum([&](std::int64_t first, std::int64_t m) { return moments_tile(x.data() + first, m); });
  if (!is_finite(of_x[2])) refuse_not_finite(x, "x");
  if (parameters.project && of_x[1] != 0) centre(x.data(), of_x[1]);

  double norm = 0;
  const auto true_residual = [&] {  // r = b − A x
    image_of(x.data());
    const sums3 s = sum(
        [&](std::int64_t first, std::int64_t m) { return residual_tile(b.data() + first, q + first, r + first, m); });
    const double mean = parameters.project ? s[1] / count : 0;
    if (mean != 0) centre(r, s[1]);
    norm = std::sqrt((std::max)(s[0] - count * mean * mean, 0.0));
  };
  if (of_x[2] == 0) {
    pass([&](std::int64_t first, std::int64_t m) { std::copy_n(b.data() + first, m, r + first); });
    if (b_mean != 0) centre(r, of_b[1]);
    norm = b_norm;
  } else {
    true_residual();
  }

  const auto finish = [&](std::int64_t iterations, status s) {
    if (parameters.project && iterations > 0) {
      const sums3 m = sum([&](std::int64_t first, std::int64_t k) { return moments_tile(x.data() + first, k); });
      centre(x.data(), m[1]);
    }
    return convergence{iterations, norm / b_norm, s};
  };
  const double goal = parameters.tolerance * b_norm;
  double verified = norm;  // the last residual that was computed from x itself
  bool exact = true, restart = true;
  double curvature = 1;
  for (std::int64_t iteration = 0;;) {
    if (is_nan(norm) || norm <= goal) {
      if (is_nan(norm)) return finish(iteration, status::stalled);
      if (exact || !parameters.verify) return finish(iteration, status::converged);
      true_residual();
      if (norm <= goal) return finish(iteration, status::converged);
      if (norm > 0.5 * verified) return finish(iteration, status::stalled);
      verified = norm;
      exact = restart = true;
    }
    if (iteration >= limit || !keep_going(iteration, norm / b_norm)) return finish(iteration, status::limit);
    precondition(std::span<const double>{r, b.size()}, std::span<double>{z, b.size()});
    const sums3 dots =
        sum([&](std::int64_t first, std::int64_t m) { return dots_tile(z + first, r + first, q + first, m); });
    const double mean = parameters.project ? dots[2] / count : 0;
    if (restart) {
      pass([&](std::int64_t first, std::int64_t m) {
        std::copy_n(z + first, m, p + first);
        if (mean != 0) shift_tile(mean, p + first, m);
      });
    } else {
      const double beta = -dots[1] / curvature;
      pass([&](std::int64_t first, std::int64_t m) { direction_tile(z + first, mean, beta, p + first, m); });
    }
    restart = false;
    curvature = image_of(p);
    const double alpha = dots[0] / curvature;
    if (!is_finite(alpha) || curvature <= 0 || dots[0] <= 0) {  // beyond what this precision can resolve
      if (!exact) true_residual();
      return finish(iteration, norm <= goal ? status::converged : status::stalled);
    }
    const sums3 s = sum([&](std::int64_t first, std::int64_t m) {
      return step_tile(alpha, p + first, q + first, x.data() + first, r + first, m);
    });
    norm = std::sqrt(s[0]);
    if (parameters.project && std::abs(s[1]) > 1e-6 * norm * std::sqrt(count)) centre(r, s[1]);  // rounding adds up
    exact = false;
    ++iteration;
  }
}

}  // namespace detail::inline ZERMELO_ISA

namespace detail::inline ZERMELO_ISA {

inline double dot(std::span<const double> a, std::span<const double> b, tile_sums& partial) {
  const auto n = static_cast<std::int64_t>(a.size());
  return sum_over_tiles(schedule_on(simd{}), n, vector_tile, partial, [&](std::int64_t first, std::int64_t m) -> sums3 {
    return {dot_tile(a.data() + first, b.data() + first, m), 0, 0};
  })[0];
}

/// The inverse curvature that L-BFGS remembers: H g by the two-loop recursion.
struct curvature_memory {
  std::size_t n;
  std::int64_t capacity, count = 0, next = 0;
  std::vector<double> steps, changes, inverse_product;  // s, y [capacity, n], 1 / sᵀy
  double scale = 1;                                     // of the initial H: sᵀy / yᵀy of the newest pair

  curvature_memory(std::size_t unknowns, std::int64_t pairs)
      : n(unknowns),
        capacity(pairs),
        steps(unknowns * static_cast<std::size_t>(pairs)),
        changes(steps.size()),
        inverse_product(static_cast<std::size_t>(pairs)) {}

  std::span<double> row(std::vector<double>& v, std::int64_t k) const { return {v.data() + k * width(), n}; }
  std::int64_t width() const { return static_cast<std::int64_t>(n); }
  /// The pair that `age` newer ones follow.
  std::int64_t slot(std::int64_t age) const { return (next - 1 - age + 2 * capacity) % capacity; }

  /// d = −H g
  void direction(std::span<const double> g, std::span<double> d, tile_sums& partial) {
    for (std::size_t i = 0; i < n; ++i) d[i] = -g[i];
    std::vector<double> along(static_cast<std::size_t>(count));
    for (std::int64_t age = 0; age < count; ++age) {
      const std::int64_t k = slot(age);
      const double a = inverse_product[static_cast<std::size_t>(k)] * dot(row(steps, k), d, partial);
      along[static_cast<std::size_t>(age)] = a;
      add_scaled_tile(-a, row(changes, k).data(), d.data(), width());
    }
    for (double& x : d) x *= scale;
    for (std::int64_t age = count - 1; age >= 0; --age) {
      const std::int64_t k = slot(age);
      const double a = inverse_product[static_cast<std::size_t>(k)] * dot(row(changes, k), d, partial);
      add_scaled_tile(along[static_cast<std::size_t>(age)] - a, row(steps, k).data(), d.data(), width());
    }
  }

  /// Takes x_new − x and g_new − g, unless they tell of no positive curvature.
  void learn(std::span<const double> x, std::span<const double> x_new, std::span<const double> g,
             std::span<const double> g_new, tile_sums& partial) {
    const std::span<double> s = row(steps, next), y = row(changes, next);
    for (std::size_t i = 0; i < n; ++i) {
      s[i] = x_new[i] - x[i];
      y[i] = g_new[i] - g[i];
    }
    const double sy = dot(s, y, partial), yy = dot(y, y, partial);
    const double newest = sy / yy, inverse = 1 / sy;
    if (sy <= 0 || !is_finite(newest) || !is_finite(inverse) || newest <= 0) return;
    inverse_product[static_cast<std::size_t>(next)] = inverse;
    scale = newest;
    next = (next + 1) % capacity;
    count = (std::min)(count + 1, capacity);
  }
};

inline double largest_magnitude(std::span<const double> v) {
  double largest = 0;
  for (const double x : v) {
    if (is_nan(x)) return x;
    largest = (std::max)(largest, std::abs(x));
  }
  return largest;
}

/// A step t > 0 along d from (f, slope < 0) that meets Wolfe's conditions, or Hager and Zhang's approximate ones where
/// f no longer resolves the decrease. try_step(t) → {f, slope} at x + t d, and leaves x + t d behind. Returns t, or 0.
template <class TryStep>
double line_search(TryStep&& try_step, double f, double slope, double start) {
  constexpr double decrease = 1e-4, flatness = 0.9, resolution = 1e-11;
  constexpr int trials = 60;
  const double ceiling = f + resolution * std::abs(f);
  double low = 0, low_slope = slope, high = 0, high_slope = 0, t = start;  // high = 0: not bracketed yet
  for (int k = 0; k < trials; ++k) {
    const auto [f_t, slope_t] = try_step(t);
    const bool usable = is_finite(f_t) && is_finite(slope_t);
    const bool flat = usable && slope_t >= flatness * slope;
    if (flat && f_t <= f + decrease * t * slope) return t;
    if (flat && f_t <= ceiling && slope_t <= (2 * decrease - 1) * slope) return t;
    if (!usable || slope_t >= 0 || f_t > ceiling) {
      high = t;
      high_slope = usable ? slope_t : 0;
    } else {
      low = t;
      low_slope = slope_t;
    }
    if (high == 0) {
      t *= 4;
      if (!is_finite(t)) return 0;
      continue;
    }
    const double width = high - low;
    if (width <= 4e-16 * high) return 0;
    // The secant of the slopes where they change sign, a bisection where only the height is known.
    const double share = high_slope > 0 && k % 4 != 3 ? low_slope / (low_slope - high_slope) : usable ? 0.5 : 0.1;
    t = low + width * (std::min)((std::max)(share, 0.02), 0.98);
  }
  return 0;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Preconditioned conjugate gradients for A x = b, A symmetric positive (semi-)definite.
///
/// apply(v, y)        writes y = A v; it may return vᵀ A v where that comes for free
/// precondition(r, z) writes z ≈ A⁻¹ r, symmetric positive definite, or nearly so
/// b [n]; x [n] the start, overwritten by the solution; both functions take (span<const double>, span<double>)
///
/// The residual of the result is ‖b − A x‖ / ‖b‖. With `project`, b and x are taken modulo constants and Σx = 0.
/// status::stalled: no further digit can be had, or b is not in the range of A, or ‖b‖² leaves the range of doubles. Sums are added in an order that n alone
/// decides, so the bits depend on the policy only as far as `apply` and `precondition` let them.
/// Errors: shape_error; domain_error for a number in b or x that is not finite.
/// Cost: one apply, one precondition and about 13 n numbers of memory traffic an iteration.
/// Source: Hestenes & Stiefel 1952; β: Golub & Ye 1999.
template <host_policy P, class Apply, class Precondition>
convergence conjugate_gradients(P&& policy, Apply&& apply, Precondition&& precondition, std::span<const double> b,
                                std::span<double> x, const conjugate_gradient_parameters& parameters,
                                conjugate_gradient_workspace& work) {
  if (x.size() != b.size())
    throw shape_error("x", std::to_string(x.size()) + " unknowns, but b has " + std::to_string(b.size()));
  return detail::run_conjugate_gradients(detail::schedule_on(policy), apply, precondition, detail::unconditionally{}, b,
                                         x, parameters, work);
}

template <host_policy P, class Apply, class Precondition>
convergence conjugate_gradients(P&& policy, Apply&& apply, Precondition&& precondition, std::span<const double> b,
                                std::span<double> x, const conjugate_gradient_parameters& parameters = {}) {
  conjugate_gradient_workspace work;
  return conjugate_gradients(policy, apply, precondition, b, x, parameters, work);
}

template <class Apply, class Precondition>
convergence conjugate_gradients(Apply&& apply, Precondition&& precondition, std::span<const double> b,
                                std::span<double> x, const conjugate_gradient_parameters& parameters = {}) {
  return conjugate_gradients(simd{}, apply, precondition, b, x, parameters);
}

/// Minimises a smooth function by limited-memory BFGS.
///
/// objective(x, g) → f(x), and writes g = ∇f(x); both arguments are spans of n doubles (x const). Values that are not
/// finite are steps too far: the search turns back. x [n] is the start, overwritten by the last point.
///
/// The residual of the result is max |gᵢ| there. status::stalled: from this point no step makes progress that double
/// precision can see, or f is not finite at the start.
/// Errors: domain_error for memory < 1.   Cost: about one evaluation and 4·memory·n multiplications a step.
/// Source: Liu & Nocedal 1989; line search: Hager & Zhang 2005.
template <class Objective>
convergence lbfgs(Objective&& objective, std::span<double> x, const lbfgs_parameters& parameters = {}) {
  if (parameters.memory < 1)
    throw domain_error("memory", domain_error::whole, "at least 1, not " + std::to_string(parameters.memory));
  const std::size_t n = x.size();
  const auto width = static_cast<std::int64_t>(n);
  std::vector<double> g(n), x_new(n), g_new(n), d(n);
  detail::tile_sums partial;
  detail::curvature_memory memory(n, parameters.memory);
  double f = objective(std::span<const double>(x), std::span<double>(g));
  double residual = detail::largest_magnitude(g), least = residual;
  std::int64_t idle = 0;  // steps without a visible decrease or a new smallest gradient
  for (std::int64_t iteration = 0;; ++iteration) {
    if (residual <= parameters.tolerance && !is_nan(residual)) return {iteration, residual, status::converged};
    if (!is_finite(f) || !is_finite(residual)) return {iteration, residual, status::stalled};
    if (iteration >= parameters.max_iterations) return {iteration, residual, status::limit};
    double taken = 0, f_new = f;
    for (int attempt = memory.count > 0 ? 0 : 1; attempt < 2 && taken == 0; ++attempt) {
      if (attempt == 1) memory.count = 0;  // what was remembered misled: steepest descent
      if (memory.count == 0) memory.scale = 1 / (std::max)(residual, 1e-300);
      memory.direction(g, d, partial);
      const double slope = detail::dot(g, d, partial);
      if (slope >= 0 || !is_finite(slope)) continue;
      const auto try_step = [&](double t) {
        std::copy(x.begin(), x.end(), x_new.begin());
        detail::add_scaled_tile(t, d.data(), x_new.data(), width);
        f_new = objective(std::span<const double>(x_new), std::span<double>(g_new));
        return std::pair(f_new, detail::dot(g_new, d, partial));
      };
      taken = detail::line_search(try_step, f, slope, 1.0);
    }
    if (taken == 0) return {iteration, residual, status::stalled};
    memory.learn(x, x_new, g, g_new, partial);
    const double residual_new = detail::largest_magnitude(g_new);
    idle = f_new < f || residual_new < least ? 0 : idle + 1;
    least = (std::min)(least, residual_new);
    std::copy(x_new.begin(), x_new.end(), x.begin());
    std::swap(g, g_new);
    f = f_new;
    residual = residual_new;
    if (idle >= 100 && residual > parameters.tolerance) return {iteration + 1, residual, status::stalled};
  }
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
