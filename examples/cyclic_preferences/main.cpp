// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cyclic_preferences: what strengths cannot learn and two numbers an item can.
//
// A > B > C > D > A: any strengths predict half of these battles, a general preference model all of them. Where there is no
// circle both agree, and held-out battles tell how many blocks the data bear.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/general_preference_operator.hpp>
#include <zermelo/game/solve.hpp>
#include <zermelo/preference/bradley_terry.hpp>
#include <zermelo/preference/general_preference.hpp>

#include "picture.hpp"
#include "worlds.hpp"

namespace {

namespace zp = zermelo::preference;
namespace zg = zermelo::game;

using predictor = std::function<double(std::int64_t, std::int64_t)>;

/// How well a model predicts battles: the share whose winner it names (½ where it cannot tell), and −log P of the outcome.
struct skill {
  double accuracy = 0, log_loss = 0;
};

skill judge(const zp::comparison_graph& battles, const predictor& probability) {
  double right = 0, loss = 0, all = 0;
  for (std::int64_t i = 0; i < battles.items; ++i)
    for (std::int64_t j = 0; j < battles.items; ++j) {
      const double wins = i == j ? 0 : battles.between(i, j).wins;
      if (wins == 0) continue;
      const double p = probability(i, j);
      right += wins * (std::abs(p - 0.5) < 1e-6 ? 0.5 : p > 0.5 ? 1.0 : 0.0);
      loss -= wins * std::log(std::max(p, 1e-300));
      all += wins;
    }
  return {right / all, loss / all};
}

struct fitted_world {
  world given;
  zp::bradley_terry_fit strengths;
  std::vector<zp::general_preference_fit> general;  ///< of one, two and three blocks

  explicit fitted_world(world w) : given(std::move(w)) {
    const double weight = 0.1;  // of the penalty on either model's numbers
    strengths = zp::fit(zp::bradley_terry{.prior = zp::gaussian_prior{.precision = weight}}, given.learned);
    for (const std::int64_t blocks : {1, 2, 3})
      general.push_back(zp::fit(zp::general_preference{.blocks = blocks, .weight_decay = weight}, given.learned));
  }
  predictor by_strengths() const {
    return [this](std::int64_t i, std::int64_t j) { return strengths.win_probability(i, j); };
  }
  predictor by_blocks(std::size_t k) const {
    return [this, k](std::int64_t i, std::int64_t j) { return general[k].win_probability(i, j); };
  }
};

void print_table(const std::vector<fitted_world>& worlds) {
  fmt::print("Held-out battles: the share predicted right, and −log P of the outcome in nats a battle.\n\n");
  fmt::print("{:<24}{:>9}{:>16}{:>10}{:>10}{:>10}{:>12}\n", "", "", "Bradley–Terry", "k = 1", "k = 2", "k = 3",
             "the truth");
  for (const fitted_world& w : worlds) {
    const auto truth = [&](std::int64_t i, std::int64_t j) { return w.given.probability(i, j); };
    std::vector<skill> skills{judge(w.given.held_out, w.by_strengths())};
    for (std::size_t k = 0; k < 3; ++k) skills.push_back(judge(w.given.held_out, w.by_blocks(k)));
    skills.push_back(judge(w.given.held_out, truth));
    fmt::print("{:<24}{:<9}", w.given.name, "accuracy");
    constexpr int widths[] = {16, 10, 10, 10, 12};
    for (std::size_t k = 0; k < 5; ++k)
      fmt::print("{:>{}}", fmt::format("{:.1f} %", 100 * skills[k].accuracy), widths[k]);
    fmt::print("\n{:<24}{:<9}", fmt::format("  {} items", w.given.size()), "log loss");
    for (std::size_t k = 0; k < 5; ++k)
      fmt::print("{:>{}}", fmt::format("{:.3f}", skills[k].log_loss + 0.0), widths[k]);
    fmt::print("\n{:<24}{:<9}{:>16}", "", "gap", "convex");
    for (const auto& f : w.general)
      fmt::print("{:>10}", fmt::format("{:.1e}", std::max(0.0, f.objective - f.certificate.lower_bound) / f.objective));
    fmt::print("\n");
  }
  fmt::print(
      "\ngap: how far, relatively, the objective can be from the least of any embedding, however many blocks it "
      "has.\n");
}

/// The policy that no other beats, by what was learned of the battles.
void print_winner(const fitted_world& w) {
  const auto game =
      zg::general_preference_game(w.general[0].matrix(), zp::unit_scales, {.temperature = w.general[0].temperature});
  const auto nash = zg::solve(game, zg::extragradient{.step = 0.4}, {.target = 1e-9});
  fmt::print("{}:", w.given.name);
  for (std::size_t k = 0; k < nash.policy.size(); ++k) fmt::print("  {} {:.3f}", w.given.items[k], nash.policy[k]);
  fmt::print("  (duality gap {:.0e})\n", std::max(0.0, nash.gap));
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("What strengths cannot learn and two numbers an item can.", "cyclic_preferences");
  std::int64_t battles = 10;
  std::uint64_t seed = 1;
  std::string plot;
  app.add_option("--battles", battles, "a pair of the circles; four times as many of the other worlds")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", seed, "of everything random")->capture_default_str();
  app.add_option("--plot", plot, "draw BASENAME.svg and BASENAME.png with gnuplot")->type_name("BASENAME");
  CLI11_PARSE(app, argc, argv);

  std::vector<fitted_world> worlds;
  worlds.reserve(4);
  worlds.emplace_back(circle_of_four(battles));
  worlds.emplace_back(five_gestures(battles));
  worlds.emplace_back(ladder(16, 4 * battles, seed));
  worlds.emplace_back(ladder_with_taste(16, 4 * battles, seed));
  print_table(worlds);
  fmt::print("\nThe policy that no other beats:\n");
  print_winner(worlds[0]);
  print_winner(worlds[1]);
  if (plot.empty()) return 0;
  std::vector<panel> panels;
  for (std::size_t k = 0; k < 2; ++k)
    panels.push_back({.of = &worlds[k].given,
                      .bradley_terry = worlds[k].by_strengths(),
                      .general = worlds[k].by_blocks(0),
                      .embedding = worlds[k].general[0].embedding});
  fmt::print("{}\n", draw(panels, plot));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "cyclic_preferences: %s\n", e.what());
  return 1;
}
