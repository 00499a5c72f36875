// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <vector>
#include <zermelo/alignment/inpo.hpp>
#include <zermelo/alignment/ipo.hpp>
#include <zermelo/alignment/sppo.hpp>
#include <zermelo/core/pair_loss.hpp>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace zm = zermelo;
namespace al = zermelo::alignment;

constexpr const char* cluster = "games";

/// A loss of pairs (w, l) under the names of this cluster: log-probabilities l_, references of which the names begin with
/// `reference`.
template <class P, class Kernel, class... Options>
results pairs(const inputs& in, P&& policy, const Kernel& kernel, const std::string& reference,
              const std::string& first, const std::string& second, const Options&... options) {
  const auto w = in.vector("l" + first), l = in.vector("l" + second);
  const auto w_before = in.vector(reference + first), l_before = in.vector(reference + second);
  std::vector<double> losses(w.size()), for_w(w.size()), for_l(w.size());
  const auto sums = zm::pair_loss(policy, kernel, w, l, w_before, l_before, losses, for_w, for_l, options...);
  return {
      {"loss", losses}, {"loss_mean", sums.mean_over_pairs()}, {"grad_l" + first, for_w}, {"grad_l" + second, for_l}};
}

const method ipo{cluster, "ipo", [](const inputs& in, auto&& policy) {
                   return pairs(in, policy, al::ipo{.tau = in.number("tau")}, "r", "w", "l");
                 }};
const method inpo_loss{cluster, "inpo_loss", [](const inputs& in, auto&& policy) {
                         const auto w = in.vector("tw"), l = in.vector("tl");
                         return pairs(in, policy, al::inpo{.eta = in.number("eta"), .tau = in.number("tau")}, "r", "w",
                                      "l", zm::alongside(w, l));
                       }};
const method sppo_loss{cluster, "sppo_loss", [](const inputs& in, auto&& policy) {
                         const auto w = in.vector("pw"), l = in.vector("pl");
                         const double beta = in.number("beta");
                         al::parameters::require_positive("beta", beta);
                         return pairs(in, policy, al::sppo_soft{.eta = 1 / beta}, "t", "w", "l", zm::alongside(w, l));
                       }};
const method gpo_loss{cluster, "gpo_loss", [](const inputs& in, auto&& policy) {
                        const auto w = in.vector("sw"), l = in.vector("sl");
                        return pairs(in, policy, al::gpm_pair{.beta = in.number("beta"), .log_z = in.number("logz", 0)},
                                     "t", "w", "l", zm::alongside(w, l));
                      }};
const method dno_loss{cluster, "dno_loss", [](const inputs& in, auto&& policy) {
                        const auto a = in.vector("ra"), b = in.vector("rb");
                        return pairs(in, policy, al::dno{.beta = in.number("beta")}, "t", "a", "b",
                                     zm::alongside(a, b));
                      }};

}  // namespace
