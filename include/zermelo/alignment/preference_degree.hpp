// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/list_loss.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

/// How preferred a response is, learnt without labels: key content is removed by degrees, and a head tells the degree.
namespace zermelo::inline v1::alignment {

namespace degrees::inline ZERMELO_ISA {

/// mean over variants of −log softmax(logits)[degree], added to `loss`, and γ(softmax − onehot)/m into the gradient.
template <class Z, class D, class G>
double cross_entropy(const char* name, const Z& logits, const char* label_name, const D& label, std::int64_t i,
                     double gamma, G&& gradient) {
  const std::int64_t variants = logits.shape[1], classes = logits.shape[2];
  if (variants == 0 || classes == 0) throw shape_error(name, "expected at least one variant and one degree");
  double sum = 0;
  for (std::int64_t m = 0; m < variants; ++m) {
    const std::int64_t at = i * variants + m, truth = static_cast<std::int64_t>(label(i, m));
    if (truth < 0 || truth >= classes)
      throw domain_error(label_name, at,
                         std::to_string(truth) + ", expected a degree from 0 to " + std::to_string(classes - 1));
    double most = -zermelo::detail::infinity<double>();
    for (std::int64_t d = 0; d < classes; ++d) {
      const double z = static_cast<double>(logits(i, m, d));
      if (!is_finite(z)) throw domain_error(name, at * classes + d, zermelo::detail::text(z) + ", expected a number");
      most = z > most ? z : most;
    }
    double mass = 0;
    for (std::int64_t d = 0; d < classes; ++d) mass += exp(static_cast<double>(logits(i, m, d)) - most);
    sum += log(mass) - (static_cast<double>(logits(i, m, truth)) - most);
    if constexpr (!std::is_same_v<std::remove_cvref_t<G>, discard_t>) {
      const auto to = view(gradient);
      for (std::int64_t d = 0; d < classes; ++d) {
        const double p = exp(static_cast<double>(logits(i, m, d)) - most) / mass;
        to(i, m, d) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(
            gamma * (d == truth ? -((mass - exp(static_cast<double>(logits(i, m, d)) - most)) / mass) : p) /
            static_cast<double>(variants));
      }
    }
  }
  return sum / static_cast<double>(variants);
}

}  // namespace degrees::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// An alignment loss with a term that classifies degrees of removal:
///
///   losses = base + γ (mean over variants of −log softmax(z_w)[degree] + the same of the rejected)
///
/// base [B]; chosen [B, m, D], rejected [B, m′, D] logits of the head for m variants; degrees [B, m] in [0, D)
/// losses [B], grad_… of the logits' shapes: written, `discard` what is not wanted. γ = 0 is the base
/// Errors: shape_error; domain_error for degrees outside, logits that are not finite, a NaN in the base, γ < 0.
/// Source: Li et al. 2024, "Self-supervised preference optimization: Enhance your language model with preference degree
/// awareness".
template <tensor A, tensor C, tensor DC, tensor R, tensor DR, class L, class GC, class GR>
list_sums preference_degree_loss(const A& base, const C& chosen, const DC& chosen_degrees, const R& rejected,
                                 const DR& rejected_degrees, L&& losses, GC&& grad_chosen, GR&& grad_rejected,
                                 double gamma = 0.1) {
  parameters::require_nonnegative("gamma", gamma);
  const auto a = view(base);
  const auto c = view(chosen);
  const auto dc = view(chosen_degrees);
  const auto r = view(rejected);
  const auto dr = view(rejected_degrees);
  const std::int64_t n = a.size();
  const auto fits = [&](const auto& logits, const char* name, const auto& label, const char* label_name) {
    if (logits.shape[0] != n)
      throw shape_error(name, std::to_string(logits.shape[0]) + " pairs, expected " + std::to_string(n));
    if (label.shape[0] != n || label.shape[1] != logits.shape[1])
      throw shape_error(label_name, "expected a degree for every variant of every pair");
  };
  fits(c, "chosen", dc, "chosen_degrees");
  fits(r, "rejected", dr, "rejected_degrees");
  const auto same_shape = []<class G>(const G& gradient, const auto& logits, const char* name) {
    if constexpr (!std::is_same_v<std::remove_cvref_t<G>, discard_t>) {
      const auto to = view(gradient);
      for (int d = 0; d < 3; ++d)
        if (to.shape[d] != logits.shape[d]) throw shape_error(name, "expected the shape of its logits");
    }
  };
  same_shape(grad_chosen, c, "grad_chosen");
  same_shape(grad_rejected, r, "grad_rejected");
  list_sums sums;
  for (std::int64_t i = 0; i < n; ++i) {
    const double own = static_cast<double>(a.element(i));
    if (is_nan(own)) throw domain_error("base", i, "is not a number");
    const double degree = degrees::cross_entropy("chosen", c, "chosen_degrees", dc, i, gamma, grad_chosen) +
                          degrees::cross_entropy("rejected", r, "rejected_degrees", dr, i, gamma, grad_rejected);
    const double loss = own + gamma * degree;
    if constexpr (!std::is_same_v<std::remove_cvref_t<L>, discard_t>) {
      const auto to = view(losses);
      if (to.size() != n)
        throw shape_error("losses", std::to_string(to.size()) + " elements, expected " + std::to_string(n));
      to.element(i) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(loss);
    }
    sums.loss += loss;
    sums.weight += 1;
    ++sums.lists;
  }
  return sums;
}

/// How many of the units of key content are removed at a degree:  ⌊units·degree/degrees⌋, the most important first.
/// Errors: domain_error unless 0 ≤ degree < degrees and units ≥ 0.
inline std::int64_t removed_units(std::int64_t units, std::int64_t degree, std::int64_t degrees_) {
  if (units < 0 || degrees_ < 1 || degree < 0 || degree >= degrees_)
    throw domain_error("degree", domain_error::whole,
                       std::to_string(degree) + ", expected a degree from 0 to below " + std::to_string(degrees_));
  return units * degree / degrees_;
}

/// The units that are left at a degree, in their order in the text.
///
/// importance [units]  the positions of units, the most important first: a permutation
template <tensor N>
std::vector<std::int64_t> degraded(const N& importance, std::int64_t degree, std::int64_t degrees_) {
  const auto order = view(importance);
  const std::int64_t units = order.size(), removed = removed_units(units, degree, degrees_);
  std::vector<char> state(static_cast<std::size_t>(units), 0);
  for (std::int64_t k = 0; k < units; ++k) {
    const std::int64_t at = static_cast<std::int64_t>(order.element(k));
    if (at < 0 || at >= units || state[static_cast<std::size_t>(at)] != 0)
      throw domain_error("importance", k, std::to_string(at) + ", expected every position once");
    state[static_cast<std::size_t>(at)] = k < removed ? 1 : 2;
  }
  std::vector<std::int64_t> left;
  for (std::int64_t k = 0; k < units; ++k)
    if (state[static_cast<std::size_t>(k)] == 2) left.push_back(k);
  return left;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
