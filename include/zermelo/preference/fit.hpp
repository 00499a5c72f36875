// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"

/// How paired-comparison models are fitted, and what proves a fit.
namespace zermelo::inline v1::preference {

/// All of them reach the same optimum; they differ in how fast. The sweeps need one pass over the pairs each.
enum class fit_method : std::uint8_t {
  newton,     ///< damped Newton: dense Cholesky, or conjugate gradients on the graph's Laplacian
  lbfgs,      ///< limited-memory BFGS
  mm,         ///< πᵢ ← wᵢ / Σⱼ Nᵢⱼ/(πᵢ+πⱼ), all at once (Zermelo 1929, Hunter 2004)
  mm_cyclic,  ///< the same, one after another
  newman,  ///< πᵢ ← Σⱼ Wᵢⱼπⱼ/(πᵢ+πⱼ) / Σⱼ Wⱼᵢ/(πᵢ+πⱼ), one after another (Newman 2023)
  newman_parallel,      ///< geometric mean of π and Newman's step from it, all at once
  newman_simultaneous,  ///< Newman's step all at once. Oscillates for ever where the graph is bipartite: to be studied
};

/// What to do where no finite maximum exists and there is no prior.
enum class existence : std::uint8_t {
  required,     ///< throw not_identifiable or no_maximum
  by_component  ///< fit every strong component by itself
};

struct fit_parameters {
  fit_method method = fit_method::newton;
  /// Stop at ‖gradient‖∞ ≤ tolerance · max over items of the games played, ≥ 0. Newton with dense systems then goes on
  /// for as long as its steps are larger than rounding, which takes one or two.
  double tolerance = 1e-10;
  std::int64_t max_iterations = 0;  ///< 0: 100 for Newton, 10 000 for L-BFGS, 1 000 000 sweeps
  preference::existence existence = preference::existence::required;
  std::span<const double> start = {};  ///< [items] log-strengths to begin with; empty: all zero
};

/// What proves an optimum of a convex objective: at zero gradient there is nothing left to gain.
struct optimum_certificate {
  double gradient_norm = 0;     ///< ‖gradient‖∞ at the point returned
  double scale = 0;             ///< what the gradient is measured by: max over items of the games played
  double newton_decrement = 0;  ///< √(gᵀH⁻¹g) at the last Newton step; 0 for other methods
};

namespace detail {

ZERMELO_INLINE void require_valid(const fit_parameters& p, std::int64_t items) {
  if (is_nan(p.tolerance) || p.tolerance < 0)
    throw domain_error("tolerance", domain_error::whole,
                       zermelo::detail::text(p.tolerance) + ", expected zero or more");
  if (p.max_iterations < 0) throw domain_error("max_iterations", domain_error::whole, "expected zero or more");
  if (!p.start.empty() && static_cast<std::int64_t>(p.start.size()) != items)
    throw shape_error("start",
                      std::to_string(p.start.size()) + " log-strengths for " + std::to_string(items) + " items");
  for (std::size_t i = 0; i < p.start.size(); ++i)
    if (!is_finite(p.start[i]))
      throw domain_error("start", static_cast<std::int64_t>(i),
                         zermelo::detail::text(p.start[i]) + ", expected a finite log-strength");
}

}  // namespace detail
}  // namespace zermelo::inline v1::preference
