// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdio>
#include <vector>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/matrix_game.hpp>

namespace zm = zermelo;

/// Replicator dynamics, by Euler's method:  πᵢ ← πᵢ (1 + η (qᵢ − ⟨π, q⟩)),  q = P π.
struct replicator {
  double step = 0.5;

  void require_valid() const {}
  template <class Round>
  void operator()(Round& round) const {
    const auto q = round.win_rate();
    double mean = 0;
    for (std::size_t i = 0; i < q.size(); ++i) mean += round.policy[i] * q[i];
    for (std::size_t i = 0; i < q.size(); ++i) {
      round.policy[i] *= 1 + step * (q[i] - mean);
      round.log_policy[i] = zm::log(round.policy[i]);
    }
  }
};

int main() {
  // Three answers of which each beats the next: no reward says that.
  const double wins[3][3] = {{0.5, 0.8, 0.3}, {0.2, 0.5, 0.6}, {0.7, 0.4, 0.5}};
  const auto preferences = zm::game::preference_matrix(wins);

  const auto exact = zm::game::nash_policy(preferences);
  std::printf("Nash policy        %.3f %.3f %.3f\n", exact.policy[0], exact.policy[1], exact.policy[2]);

  const auto show = [](const char* name, const auto& s) {
    std::printf("%-18s %.3f %.3f %.3f   gap %.0e after %lld rounds: %s\n", name, s.policy[0], s.policy[1], s.policy[2],
                s.gap, static_cast<long long>(s.convergence.iterations), zm::name(s.convergence.status));
  };
  const std::vector<double> start{0.2, 0.2, 0.6};
  const auto reference = zm::game::uniform_policy;
  show("extragradient", zm::game::solve(preferences, zm::game::extragradient{.step = 1.5}, start, reference));
  show("Nash mirror prox",
       zm::game::solve(preferences, zm::game::nash_mirror_prox{.step = 0.2, .kl_weight = 0.1}, start, reference));
  show("replicator", zm::game::solve(preferences, replicator{}, start, reference, {.limit = 1000}));
}
