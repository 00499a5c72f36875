// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <vector>
#include <zermelo/alignment/rewards.hpp>
#include <zermelo/core/pair_loss.hpp>

#include "conformance.hpp"

/// What the adaptors of losses over pairs share.
namespace alignment_losses {

using namespace conformance;
namespace zm = zermelo;
namespace al = zermelo::alignment;

inline constexpr const char* cluster = "alignment-losses";

/// The tensors of one case. Lengths of the rejected may be missing where only the chosen's count.
struct pair_inputs {
  std::vector<double> chosen, rejected, chosen_before, rejected_before, n, m;
  std::vector<double> losses, for_chosen, for_rejected;

  pair_inputs(const inputs& in, bool referenced = true, const char* first = "policy_chosen",
              const char* second = "policy_rejected")
      : chosen(in.vector(first)), rejected(in.vector(second)) {
    if (referenced) {
      chosen_before = in.vector("ref_chosen");
      rejected_before = in.vector("ref_rejected");
    }
    if (in.has("len_chosen")) n = in.vector("len_chosen");
    m = in.has("len_rejected") ? in.vector("len_rejected") : n;
    resize();
  }

  void resize() {
    losses.resize(chosen.size());
    for_chosen.resize(chosen.size());
    for_rejected.resize(chosen.size());
  }

  template <class P, class Kernel, class... Options>
  results run(P&& policy, const Kernel& kernel, const Options&... options) {
    return named(zm::pair_loss(policy, kernel, chosen, rejected, chosen_before, rejected_before, losses, for_chosen,
                               for_rejected, options...));
  }
  template <class P, class Kernel, class... Options>
  results run_without_reference(P&& policy, const Kernel& kernel, const Options&... options) {
    return named(zm::pair_loss(policy, kernel, chosen, rejected, zm::no_reference, zm::no_reference, losses, for_chosen,
                               for_rejected, options...));
  }

  results named(const zm::pair_sums& sums) const {
    return {{"losses", losses},
            {"loss", sums.mean_over_pairs()},
            {"grad_policy_chosen", for_chosen},
            {"grad_policy_rejected", for_rejected}};
  }
};

/// Rewards, margins and accuracy, added to the results of a loss.
template <class P>
results with_rewards(const inputs& in, P&& policy, double beta, results loss) {
  pair_inputs x(in);
  const auto sums = zm::pair_loss(policy, al::implicit_reward{.beta = beta}, x.chosen, x.rejected, x.chosen_before,
                                  x.rejected_before, x.losses, x.for_chosen, x.for_rejected);
  loss["chosen_rewards"] = x.for_chosen;
  loss["rejected_rewards"] = x.for_rejected;
  loss["margins"] = x.losses;
  loss["accuracy"] = sums.accuracy();
  return loss;
}

/// A loss of log-ratios, with rewards.
template <class P, class Kernel>
results pairs(const inputs& in, P&& policy, const Kernel& kernel, double beta) {
  return with_rewards(in, policy, beta, pair_inputs(in).run(policy, kernel));
}

}  // namespace alignment_losses
