// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cmath>
#include <cstdio>
#include <zermelo/bandit/double_thompson.hpp>

namespace zm = zermelo;

/// Whoever says which of two prompts gave the better answer: a person, a judge, here a coin that leans to prompt 3.
bool first_is_better(std::int64_t first, std::int64_t second, double u) {
  const double quality[] = {0.1, 0.6, 0.3, 1.4, 0.8};
  return u < 1 / (1 + std::exp(quality[second] - quality[first]));
}

int main() {
  zm::bandit::double_thompson bandit(5);
  zm::bandit::draw_stream decisions(1, 0), answers(1, 1);
  double shown[5] = {};
  for (int question = 0; question < 2000; ++question) {
    const auto pair = bandit.next_pair(decisions);
    const bool won = first_is_better(pair.first, pair.second, answers.uniform());
    bandit.observe(pair.first, pair.second, won);
    shown[pair.first] += 0.5, shown[pair.second] += 0.5;
  }
  for (std::int64_t arm = 0; arm < 5; ++arm) {
    double wins = 0, duels = 0;
    for (std::int64_t other = 0; other < 5; ++other)
      if (other != arm) wins += bandit.tally.won(arm, other), duels += bandit.tally.duels(arm, other);
    std::printf("prompt %d: shown in %4.1f %% of the questions, preferred to others in %2.0f %%\n",
                static_cast<int>(arm), shown[arm] / 20, 100 * wins / duels);
  }
}
