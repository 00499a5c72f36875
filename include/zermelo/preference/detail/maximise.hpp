// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "../../core/certificate.hpp"
#include "../../core/laplacian.hpp"
#include "../../core/optimize.hpp"
#if defined(__CUDACC__)
#include "../../core/detail/dense_factor.hpp"  // nvcc warns of Eigen
#else
#include "../../core/primitives/solve.hpp"
#endif
#include "../fit.hpp"
#include "../priors.hpp"
#include "comparison_rows.hpp"

/// Maximum likelihood and maximum a posteriori for any link: one objective, several ways down.
namespace zermelo::inline v1::preference::detail {

/// f(θ) = Σᵢⱼ Wᵢⱼ ψ(θᵢ − θⱼ) + Σᵢ penalty(θᵢ)
template <class Link, class Rows = comparison_rows>
struct likelihood {
  const Rows& rows;
  Link link;
  strength_prior prior;

  /// Without a penalty of its own θ is determined up to a shift.
  ZERMELO_INLINE bool shift_invariant() const { return is_shift_invariant(prior); }

  /// Whether θ is kept at Σθ = 0: by choice where shifts are free, and because the optimum lies there where the penalty
  /// is Gaussian, of which a small precision tells the gradient too little.
  ZERMELO_INLINE bool sums_to_zero() const {
    return shift_invariant() || std::holds_alternative<gaussian_prior>(prior);
  }
};

struct optimum {
  std::vector<double> theta = {};  ///< padded to the length of the rows
  double value = 0;                ///< f
  double data_value = 0;           ///< f without the penalty
  zermelo::convergence convergence = {};
  optimum_certificate certificate = {};
};

inline namespace ZERMELO_ISA {

inline prior_terms<double> terms_of(const strength_prior& prior, double theta) {
  return std::visit(
      [theta](const auto& p) -> prior_terms<double> {
        if constexpr (requires { p(theta); })
          return p(theta);
        else
          return {};
      },
      prior);
}

/// The balance of every item at a point: what pulls it up, what pulls it down, and the derivatives of f.
/// The curvature of the pairs is kept apart: [entries] vᵢⱼ = −Hᵢⱼ.
struct balance {
  std::vector<double> won, lost;           ///< [items] the two sides, the prior's share included
  std::vector<double> gradient, diagonal;  ///< [items] of f; the diagonal is of its Hessian
  double value = 0, data_value = 0;        ///< if wanted
  double gradient_norm = 0;                ///< ‖gradient‖∞
  std::vector<double> tiles;
};

template <wanted Want, class P, class Link, class Rows>
void evaluate(P&& policy, const likelihood<Link, Rows>& f, const std::vector<double>& theta, balance& at,
              std::vector<double>* curvature = nullptr) {
  const auto n = static_cast<std::size_t>(f.rows.items);
  for (auto* v : {&at.won, &at.lost, &at.gradient, &at.diagonal}) v->resize(n);
  if constexpr (Want.curvature) curvature->resize(static_cast<std::size_t>(f.rows.entries()));
  at.data_value = sweep<Want>(
      policy, f.rows, f.link, theta.data(), Want.curvature ? curvature->data() : nullptr,
      [&](std::int64_t i, const row_sums& sums) {
        const auto k = static_cast<std::size_t>(i);
        at.won[k] = sums.won;
        at.lost[k] = sums.lost;
        at.gradient[k] = sums.lost - sums.won;
        at.diagonal[k] = sums.curvature;
      },
      at.tiles);
  at.value = at.data_value;
  if (!f.shift_invariant())
    for (std::size_t i = 0; i < n; ++i) {
      const prior_terms<double> p = terms_of(f.prior, theta[i]);
      at.value += p.value;
      at.won[i] += p.won;
      at.lost[i] += p.lost;
      at.gradient[i] += p.slope;
      at.diagonal[i] += p.curvature;
    }
  at.gradient_norm = 0;
  for (const double g : at.gradient) at.gradient_norm = (std::max)(at.gradient_norm, std::abs(g));
}

template <class P, class Rows, class Link>
double negative_log_likelihood(P&& policy, const Rows& rows, Link link, std::vector<double> theta) {
  theta.resize(static_cast<std::size_t>(rows.padded_items()), 0.0);
  std::vector<double> tiles;
  return sweep<wanted{.value = true}>(
      policy, rows, link, theta.data(), nullptr, [](std::int64_t, const row_sums&) {}, tiles);
}

/// max over items of the games played: what a gradient is measured by.
inline double gradient_scale(const comparison_rows& rows) {
  double most = 0;
  for (std::int64_t i = 0; i < rows.items; ++i) {
    double games = 0;
    for (std::int64_t e = rows.begin(i); e < rows.end(i); ++e)
      games += rows.wins[static_cast<std::size_t>(e)] + rows.losses[static_cast<std::size_t>(e)];
    most = (std::max)(most, games);
  }
  return most > 0 ? most : 1;
}

inline void centre(std::vector<double>& theta, std::int64_t items) {
  double sum = 0;
  for (std::int64_t i = 0; i < items; ++i) sum += theta[static_cast<std::size_t>(i)];
  const double mean = sum / static_cast<double>(items);
  for (std::int64_t i = 0; i < items; ++i) theta[static_cast<std::size_t>(i)] -= mean;
}

/// H of f as a dense matrix; without a penalty c·11ᵀ/n is added, c the mean of the diagonal, which makes it regular and
/// leaves steps with Σδ = 0 alone.
template <class Link>
void dense_hessian(const likelihood<Link>& f, const balance& at, const std::vector<double>& curvature,
                   std::vector<double>& h) {
  const std::int64_t n = f.rows.items;
  double lift = 0;
  if (f.shift_invariant()) {
    for (const double d : at.diagonal) lift += d;
    lift /= static_cast<double>(n) * static_cast<double>(n);
  }
  h.resize(static_cast<std::size_t>(n * n));
  for (std::int64_t i = 0; i < n; ++i) {
    const double* v = curvature.data() + i * f.rows.stride;
    double* row = h.data() + i * n;
    for (std::int64_t j = 0; j < n; ++j) row[j] = lift - v[j];
    row[i] = lift + at.diagonal[static_cast<std::size_t>(i)];
  }
}

#if defined(__CUDACC__)
/// Stands in for zermelo::cholesky, which is made of Eigen.
struct dense_cholesky {
  std::vector<double> c;
  std::int64_t n = 0;
  bool factor(const std::vector<double>& a, std::int64_t rows) {
    c = a, n = rows;
    return zermelo::detail::cholesky_factor(c, n) < 0;
  }
  void solve(std::vector<double>& x) const { zermelo::detail::cholesky_solve(c, n, x); }
};
#else
using dense_cholesky = cholesky;
#endif

/// Solves H δ = −gradient. Scratch for many steps on one graph.
template <class Rows = comparison_rows>
class newton_direction {
 public:
  /// False if H is not positive definite in this precision.
  template <class P, class Link>
  bool find(P&& policy, const likelihood<Link, Rows>& f, const balance& at, const std::vector<double>& curvature,
            double accuracy, std::vector<double>& delta) {
    const auto n = static_cast<std::size_t>(f.rows.items);
    right_.resize(n);
    for (std::size_t i = 0; i < n; ++i) right_[i] = -at.gradient[i];
    if (f.rows.full()) {
      dense_hessian(f, at, curvature, hessian_);
      if (!cholesky_.factor(hessian_, f.rows.items)) return false;
      delta = right_;
      cholesky_.solve(delta);
      return true;
    }
    if (!f.shift_invariant()) {  // the diagonal holds both; the prior's part is what exceeds the row's sum
      shift_.assign(n, 0.0);
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        for (std::int64_t e = f.rows.offsets[i]; e < f.rows.offsets[i + 1]; ++e)
          sum += curvature[static_cast<std::size_t>(e)];
        shift_[i] = (std::max)(0.0, at.diagonal[i] - sum);
      }
    }
    const laplacian_view h{
        .offsets = f.rows.offsets, .columns = f.rows.opponents, .weights = curvature, .shift = shift_};
    delta.assign(n, 0.0);
    laplacian_.solve(policy, h, right_, delta, {.tolerance = accuracy, .verify = false});
    return true;
  }

 private:
  dense_cholesky cholesky_;
  laplacian_solver laplacian_;
  std::vector<double> hessian_, right_, shift_;
};

/// Damped Newton from best.theta.
template <class P, class Link, class Rows>
void newton(P&& policy, const likelihood<Link, Rows>& f, const fit_parameters& p, optimum& best) {
  const std::int64_t n = f.rows.items;
  const std::int64_t limit = p.max_iterations > 0 ? p.max_iterations : 100;
  const double scale = best.certificate.scale;
  newton_direction<Rows> direction;
  balance at, next;
  std::vector<double> delta, curvature, trial = best.theta;
  evaluate<wanted{.value = true, .curvature = true}>(policy, f, best.theta, at, &curvature);
  const double first_norm = at.gradient_norm;
  best.convergence.status = status::limit;
  std::int64_t k = 0;
  for (;; ++k) {
    const bool arrived = at.gradient_norm <= p.tolerance * scale;
    if (arrived && (!f.rows.full() || at.gradient_norm == 0)) {
      best.convergence.status = status::converged;
      break;
    }
    if (k == limit) {
      if (arrived) best.convergence.status = status::converged;
      break;
    }
    // Far away a rough direction is as good as an exact one; near, the error must shrink with the gradient.
    const double relative = at.gradient_norm / (first_norm > 0 ? first_norm : 1);
    const double floor = 0.3 * p.tolerance * scale / at.gradient_norm;
    const double accuracy = (std::min)(0.1, (std::max)((std::min)(0.1, std::sqrt(relative)) * 0.1, floor));
    if (!direction.find(policy, f, at, curvature, accuracy, delta)) {
      best.convergence.status = arrived ? status::converged : status::stalled;
      break;
    }
    double decrement = 0, step = 0, size = 1;
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      decrement -= at.gradient[i] * delta[i];
      step = (std::max)(step, std::abs(delta[i]));
      size = (std::max)(size, std::abs(best.theta[i]));
    }
    best.certificate.newton_decrement = std::sqrt((std::max)(0.0, decrement));
    const double slack = 1e-13 * std::abs(at.value);  // two sums of the same costs differ by their rounding
    bool accepted = false;
    for (double t = 1; t > 1e-12; t /= 2) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) trial[i] = best.theta[i] + t * delta[i];
      if (f.sums_to_zero()) centre(trial, n);
      evaluate<wanted{.value = true, .curvature = true}>(policy, f, trial, next, &curvature);
      if (next.value < at.value || (next.value <= at.value + slack && next.gradient_norm < at.gradient_norm)) {
        accepted = true;
        break;
      }
      if (arrived) break;  // the last digits: a full step or none
    }
    if (!accepted || (arrived && next.gradient_norm >= at.gradient_norm)) {
      best.convergence.status = arrived ? status::converged : status::stalled;
      break;
    }
    std::swap(best.theta, trial);
    std::swap(at, next);
    if (at.gradient_norm <= p.tolerance * scale && f.rows.full() && step <= 1e-12 * size) {
      best.convergence.status = status::converged;
      ++k;
      break;
    }
  }
  best.convergence.iterations = k;
  best.value = at.value;
  best.data_value = at.data_value;
  best.certificate.gradient_norm = at.gradient_norm;
}

/// How a sweep moves one item, as an addition to its log-strength.
template <class V>
ZERMELO_FN V sweep_step(fit_method method, const prior_terms<V>& prior, V total_wins, V won, V lost) {
  if (method == fit_method::mm || method == fit_method::mm_cyclic) {
    const V expected = lost - won + total_wins;  // Σⱼ Nᵢⱼ pᵢⱼ
    return log((total_wins + prior.decided) / (expected + prior.expected));
  }
  const V quotient = log((won + prior.won) / (lost + prior.lost));
  return method == fit_method::newman_parallel ? V(0.5) * quotient : quotient;
}

inline bool moves_one_after_another(fit_method method) {
  return method == fit_method::mm_cyclic || method == fit_method::newman;
}

inline std::int64_t limit_of_sweeps(const fit_parameters& p) {
  return p.max_iterations > 0 ? p.max_iterations : 1'000'000;
}

/// [items] what MM divides by what is expected.
inline std::vector<double> wins_of_items(const comparison_rows& rows) {
  std::vector<double> wins(static_cast<std::size_t>(rows.items), 0.0);
  for (std::int64_t i = 0; i < rows.items; ++i)
    for (std::int64_t e = rows.begin(i); e < rows.end(i); ++e)
      wins[static_cast<std::size_t>(i)] += rows.wins[static_cast<std::size_t>(e)];
  return wins;
}

/// Sweeps from best.theta: one pass over the pairs moves every item once.
template <class P, class Link>
void sweeps(P&& policy, const likelihood<Link>& f, const fit_parameters& p, optimum& best) {
  using V = value_of<P, double>;
  const std::int64_t n = f.rows.items;
  const std::int64_t limit = limit_of_sweeps(p);
  const double target = p.tolerance * best.certificate.scale;
  const bool cyclic = moves_one_after_another(p.method);
  const std::vector<double> total_wins = wins_of_items(f.rows);

  balance at;
  std::vector<double> next = best.theta;
  std::int64_t k = 0;
  best.convergence.status = status::limit;
  double seen = 0;  // largest gradient met on the way of a cyclic sweep: a cheap sign that a full check may pass
  for (;; ++k) {
    if (!cyclic || k == 0 || k == limit || seen <= target) {
      evaluate<wanted{.value = true}>(policy, f, best.theta, at);
      if (at.gradient_norm <= target) {
        best.convergence.status = status::converged;
        break;
      }
    }
    if (k == limit) break;
    if (cyclic) {
      seen = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const auto item = static_cast<std::size_t>(i);
        const row_sums sums = sweep_row<V, wanted{}>(f.rows, f.link, best.theta.data(), i, nullptr);
        const prior_terms<double> prior = terms_of(f.prior, best.theta[item]);
        seen = (std::max)(seen, std::abs(sums.lost - sums.won + prior.slope));
        best.theta[item] += sweep_step(p.method, prior, total_wins[item], sums.won, sums.lost);
      }
    } else {
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        const prior_terms<double> prior = terms_of(f.prior, best.theta[i]);  // the balance has it; the step adds it
        next[i] =
            best.theta[i] + sweep_step(p.method, prior, total_wins[i], at.won[i] - prior.won, at.lost[i] - prior.lost);
      }
      std::swap(best.theta, next);
    }
    if (f.sums_to_zero()) centre(best.theta, n);
  }
  best.convergence.iterations = k;
  best.value = at.value;
  best.data_value = at.data_value;
  best.certificate.gradient_norm = at.gradient_norm;
}

template <class P, class Link, class Rows>
void by_lbfgs(P&& policy, const likelihood<Link, Rows>& f, const fit_parameters& p, optimum& best) {
  const auto n = static_cast<std::size_t>(f.rows.items);
  balance at;
  const auto objective = [&](std::span<const double> x, std::span<double> gradient) {
    std::copy(x.begin(), x.end(), best.theta.begin());
    evaluate<wanted{.value = true}>(policy, f, best.theta, at);
    std::copy(at.gradient.begin(), at.gradient.end(), gradient.begin());
    return at.value;
  };
  std::vector<double> x(best.theta.begin(), best.theta.begin() + static_cast<std::ptrdiff_t>(n));
  best.convergence = lbfgs(objective, std::span<double>(x),
                           {.tolerance = p.tolerance * best.certificate.scale,
                            .max_iterations = p.max_iterations > 0 ? p.max_iterations : 10'000});
  std::copy(x.begin(), x.end(), best.theta.begin());
  if (f.sums_to_zero()) centre(best.theta, f.rows.items);
  evaluate<wanted{.value = true}>(policy, f, best.theta, at);
  best.value = at.value;
  best.data_value = at.data_value;
  best.certificate.gradient_norm = at.gradient_norm;
}

template <class P, class Link, class Rows>
optimum maximise(P&& policy, const likelihood<Link, Rows>& f, const fit_parameters& p) {
  const std::int64_t n = f.rows.items;
  optimum best;
  best.theta.assign(static_cast<std::size_t>(f.rows.padded_items()), 0.0);
  std::copy(p.start.begin(), p.start.end(), best.theta.begin());
  if (f.sums_to_zero()) centre(best.theta, n);
  best.certificate.scale = gradient_scale(f.rows);
  switch (p.method) {
    case fit_method::newton:
      newton(policy, f, p, best);
      break;
    case fit_method::lbfgs:
      by_lbfgs(policy, f, p, best);
      break;
    default:
      if (std::holds_alternative<gaussian_prior>(f.prior))
        throw domain_error("method", domain_error::whole,
                           "sweeps have no closed-form step for a Gaussian prior; use newton or lbfgs");
      sweeps(policy, f, p, best);
      break;
  }
  best.convergence.residual = best.certificate.gradient_norm / best.certificate.scale;
  return best;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference::detail
