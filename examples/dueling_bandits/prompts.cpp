// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "prompts.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <zermelo/bandit/apohf.hpp>
#include <zermelo/core/distributions.hpp>

namespace {

using namespace zm::bandit;

constexpr std::int64_t prompts = 60, dimensions = 6;

struct prompt_world {
  arm_features embeddings;
  std::vector<double> reward;  // standardised, times four
};

prompt_world make_world() {
  prompt_world w{.embeddings = {.arms = prompts, .dimensions = dimensions}, .reward = {}};
  for (std::int64_t i = 0; i < prompts; ++i) {
    double square = 0;
    for (std::int64_t k = 0; k < dimensions; ++k) {
      w.embeddings.values.push_back(zm::normal(11, 2, static_cast<std::uint64_t>(i * dimensions + k)));
      square += w.embeddings.values.back() * w.embeddings.values.back();
    }
    for (std::int64_t k = 0; k < dimensions; ++k)
      w.embeddings.values[static_cast<std::size_t>(i * dimensions + k)] /= std::sqrt(square);
  }
  const auto likeness = [&](std::int64_t i, std::int64_t j) {
    double sum = 0;
    for (std::size_t k = 0; k < dimensions; ++k) sum += w.embeddings.row(i)[k] * w.embeddings.row(j)[k];
    return sum;
  };
  double mean = 0, square = 0;
  for (std::int64_t i = 0; i < prompts; ++i) {
    w.reward.push_back(std::exp(4 * (likeness(i, 3) - 1)) + 0.7 * std::exp(4 * (likeness(i, 41) - 1)));
    mean += w.reward.back() / prompts;
  }
  for (const double r : w.reward) square += (r - mean) * (r - mean) / prompts;
  for (double& r : w.reward) r = 4 * (r - mean) / std::sqrt(square);
  return w;
}

}  // namespace

std::vector<prompt_row> optimise_prompts(const zm::threads& pool, const contest_settings& settings) {
  const prompt_world world = make_world();
  const double best = *std::max_element(world.reward.begin(), world.reward.end());
  const apohf_parameters linear{.model = reward_model::linear, .norm = uncertainty_norm::full},
      neural{.norm = uncertainty_norm::full, .hidden = 16, .steps = 60, .learning_rate = 1e-2};
  struct way {
    const char* name;
    apohf_parameters parameters;
    bool random;
  };
  const way ways[] = {{"linear reward, random pairs", linear, true},
                      {"linear reward, chosen pairs", linear, false},
                      {"neural reward, random pairs", neural, true},
                      {"neural reward, chosen pairs", neural, false}};
  constexpr std::size_t checks = std::size(prompt_checks);
  const std::int64_t repetitions = std::min<std::int64_t>(settings.repetitions, 8);
  std::vector<prompt_row> rows;
  for (const way& w : ways) {
    std::vector<double> reported(static_cast<std::size_t>(repetitions) * checks);
    zm::for_each_tile(pool, repetitions, [&](std::int64_t r) {
      apohf_parameters p = w.parameters;
      p.seed = settings.seed + static_cast<std::uint64_t>(r);
      apohf bandit(world.embeddings, p);
      random_pairs coin(prompts);
      draw_stream draws(settings.seed, 2 * static_cast<std::uint64_t>(r)),
          answers(settings.seed, 2 * static_cast<std::uint64_t>(r) + 1);
      for (std::size_t c = 0, t = 0; c < checks; ++c) {
        for (; static_cast<std::int64_t>(t) < prompt_checks[c]; ++t) {
          const duel d = w.random ? coin.next_pair(draws) : bandit.next_pair(draws);
          const double lead =
              world.reward[static_cast<std::size_t>(d.first)] - world.reward[static_cast<std::size_t>(d.second)];
          bandit.observe(d.first, d.second, answers.uniform() < 1 / (1 + std::exp(-lead)));
        }
        reported[static_cast<std::size_t>(r) * checks + c] =
            world.reward[static_cast<std::size_t>(bandit.report())] / best;
      }
    });
    prompt_row row{w.name, std::vector<double>(checks)};
    for (std::size_t k = 0; k < reported.size(); ++k)
      row.share[k % checks] += reported[k] / static_cast<double>(repetitions);
    rows.push_back(std::move(row));
  }
  return rows;
}
