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
#include <vector>

#include "certificate.hpp"
#include "config.hpp"
#include "detail/vector_tiles.hpp"
#include "error.hpp"
#include "execution/policy.hpp"

/// Minimisers for many unknowns: conjugate gradients for A x = b, L-BFGS for a smooth function.
namespace zermelo::inline v1 {

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

/// Preconditioned conjugate gradients. keep_going(iterations, relative residual) → bool may end them early
/// (status::limit). β is the flexible one, −zᵀAp / pᵀAp, so the preconditioner may be slightly non-linear.
template <host_policy P, class Apply, class Precondition, class KeepGoing>
convergence run_conjugate_gradients(P&& policy, Apply&& apply, Precondition&& precondition, KeepGoing&& keep_going,
                                    std::span<const double> b, std::span<double> x,
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
  const double b_mean = parameters.project ? of_b[1] / count : 0;
  const double b_norm = std::sqrt((std::max)(0.0, of_b[0] - count * b_mean * b_mean));
  // A constant b is nothing but rounding of zero once projected.
  if (of_b[2] == 0 || (parameters.project && b_norm <= 1e-15 * std::sqrt(of_b[0]))) {
    std::fill(x.begin(), x.end(), 0.0);
    return {};
  }
  const sums3 of_x = sum([&](std::int64_t first, std::int64_t m) { return moments_tile(x.data() + first, m); });
  if (parameters.project && of_x[1] != 0) centre(x.data(), of_x[1]);

  double norm = 0;
  const auto true_residual = [&] {  // r = b − A x
    image_of(x.data());
    const sums3 s = sum(
        [&](std::int64_t first, std::int64_t m) { return residual_tile(b.data() + first, q + first, r + first, m); });
    const double mean = parameters.project ? s[1] / count : 0;
    if (mean != 0) centre(r, s[1]);
    norm = std::sqrt((std::max)(0.0, s[0] - count * mean * mean));
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
    if (!(norm > goal)) {
      if (norm != norm) return finish(iteration, status::stalled);
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
    if (!(curvature > 0 && dots[0] > 0 && std::isfinite(alpha))) {  // beyond what this precision can resolve
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

inline namespace ZERMELO_ISA {

/// Preconditioned conjugate gradients for A x = b, A symmetric positive (semi-)definite.
///
/// apply(v, y)        writes y = A v; it may return vᵀ A v where that comes for free
/// precondition(r, z) writes z ≈ A⁻¹ r, symmetric positive definite, or nearly so
/// b [n]; x [n] the start, overwritten by the solution; both functions take (span<const double>, span<double>)
///
/// The residual of the result is ‖b − A x‖ / ‖b‖. With `project`, b and x are taken modulo constants and Σx = 0.
/// status::stalled: no further digit can be had, or b is not in the range of A. Sums are added in an order that n alone
/// decides, so the bits depend on the policy only as far as `apply` and `precondition` let them.
/// Errors: shape_error.   Cost: one apply, one precondition and about 13 n numbers of memory traffic an iteration.
/// Source: Hestenes & Stiefel 1952; β: Golub & Ye 1999.
template <host_policy P, class Apply, class Precondition>
convergence conjugate_gradients(P&& policy, Apply&& apply, Precondition&& precondition, std::span<const double> b,
                                std::span<double> x, const conjugate_gradient_parameters& parameters,
                                conjugate_gradient_workspace& work) {
  if (x.size() != b.size())
    throw shape_error("x", std::to_string(x.size()) + " unknowns, but b has " + std::to_string(b.size()));
  return detail::run_conjugate_gradients(
      policy, apply, precondition, [](std::int64_t, double) { return true; }, b, x, parameters, work);
}

template <host_policy P, class Apply, class Precondition>
convergence conjugate_gradients(P&& policy, Apply&& apply, Precondition&& precondition, std::span<const double> b,
                                std::span<double> x, const conjugate_gradient_parameters& parameters = {}) {
  conjugate_gradient_workspace work;
  return conjugate_gradients(policy, apply, precondition, b, x, parameters, work);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
