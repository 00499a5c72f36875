// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// dpo_bandit: losses of direct alignment side by side on an offline preference bandit. Few pairs of responses were compared,
// with noise; the policy is softmax in features, so that what it learns of some responses it believes of others. How much true
// reward does a loss gain for how much divergence from the reference, when does it turn into a loss, and what becomes of the
// likelihood of the chosen responses?
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>
#include <zermelo/alignment/apo.hpp>
#include <zermelo/alignment/bco.hpp>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/dpop.hpp>
#include <zermelo/alignment/exo.hpp>
#include <zermelo/alignment/ipo.hpp>
#include <zermelo/alignment/mixture.hpp>
#include <zermelo/alignment/nca.hpp>
#include <zermelo/alignment/optimum.hpp>
#include <zermelo/alignment/rdpo.hpp>
#include <zermelo/alignment/slic.hpp>
#include <zermelo/alignment/sppo.hpp>
#include <zermelo/core/distributions.hpp>
#include <zermelo/core/pair_loss.hpp>
#include <zermelo/core/primitives/row_reduce.hpp>
#include <zermelo/core/random.hpp>

#include "gnuplot.hpp"

namespace {

namespace zm = zermelo;
namespace al = zermelo::alignment;
using numbers = std::vector<double>;

struct options {
  std::size_t responses = 300, features = 80, pairs = 120;
  int data = 8, steps = 600;
  std::string plot;
};

/// Responses with features, true rewards and a reference.
struct bandit {
  std::size_t arms, features;
  numbers phi, reward, base;  // [arms, features], [arms], [arms]

  bandit(const options& o, std::uint64_t seed) : arms(o.responses), features(o.features) {
    numbers direction;
    for (std::uint64_t j = 0; j < features; ++j) direction.push_back(zm::normal(seed, 1, j));
    for (std::uint64_t y = 0; y < arms; ++y) {
      double r = 0.7 * zm::normal(seed, 2, y);  // what no policy in features can tell
      for (std::uint64_t j = 0; j < features; ++j) {
        const double x = zm::normal(seed, 3, y * features + j) / std::sqrt(static_cast<double>(features));
        phi.push_back(x);
        r += direction[j] * x;
      }
      reward.push_back(r);
      base.push_back(zm::normal(seed, 4, y));
    }
  }

  /// log π of all responses.
  numbers log_policy(const numbers& theta) const {
    numbers z = base, log_p(arms);
    for (std::size_t y = 0; y < arms; ++y)
      for (std::size_t j = 0; j < features; ++j) z[y] += phi[y * features + j] * theta[j];
    const auto rows = static_cast<std::int64_t>(arms);
    zm::log_softmax_rows(zm::matrix_view(z.data(), 1, rows), zm::matrix_view(log_p.data(), 1, rows));
    return log_p;
  }
};

/// Pairs drawn from the reference, labelled by Bradley and Terry's model of the true rewards.
struct comparisons {
  std::vector<std::size_t> chosen, rejected;

  comparisons(const bandit& b, std::size_t n, std::uint64_t seed) {
    numbers upto;
    double sum = 0;
    for (const double l : b.log_policy(numbers(b.features, 0.0))) upto.push_back(sum += std::exp(l));
    const auto draw = [&](std::uint64_t stream, std::uint64_t k) {
      const double u = sum * zm::uniform(seed, stream, k);
      const auto y = static_cast<std::size_t>(std::lower_bound(upto.begin(), upto.end(), u) - upto.begin());
      return std::min(y, b.arms - 1);
    };
    for (std::uint64_t k = 0; k < n; ++k) {
      std::size_t first = draw(5, k), second = draw(6, k);
      if (first == second) second = (second + 1) % b.arms;
      const double wins = 1 / (1 + std::exp(b.reward[second] - b.reward[first]));
      if (zm::uniform(seed, 7, k) >= wins) std::swap(first, second);
      chosen.push_back(first);
      rejected.push_back(second);
    }
  }
};

/// Where a policy stands.
struct standing {
  double step = 0, kl = 0, reward = 0, chosen = 0, rejected = 0, unseen = 0, accuracy = 0;
};

struct curve {
  std::string name, colour;
  std::vector<standing> path;  ///< averaged over data sets
};

bool worth_recording(int step, int steps) {
  return step == steps || step < 10 || (step < 100 && step % 5 == 0) || step % 25 == 0;
}

/// Adam on the sum of losses over all pairs.
template <class Loss>
std::vector<standing> train(const bandit& b, const comparisons& data, const Loss& loss, int steps) {
  const std::size_t n = data.chosen.size();
  numbers theta(b.features, 0.0), speed(b.features, 0.0), size(b.features, 0.0);
  const numbers reference = b.log_policy(theta), lengths(n, 1.0);
  std::vector<bool> seen(b.arms, false);
  for (std::size_t k = 0; k < n; ++k) seen[data.chosen[k]] = seen[data.rejected[k]] = true;
  numbers w(n), l(n), w_before(n), l_before(n), for_w(n), for_l(n);
  for (std::size_t k = 0; k < n; ++k)
    w_before[k] = reference[data.chosen[k]], l_before[k] = reference[data.rejected[k]];
  double before = 0;
  for (std::size_t y = 0; y < b.arms; ++y) before += std::exp(reference[y]) * b.reward[y];

  std::vector<standing> path;
  for (int step = 0; step <= steps; ++step) {
    const numbers log_p = b.log_policy(theta);
    for (std::size_t k = 0; k < n; ++k) w[k] = log_p[data.chosen[k]], l[k] = log_p[data.rejected[k]];
    const auto sums =
        zm::pair_loss(loss, w, l, w_before, l_before, zm::discard, for_w, for_l, zm::with_lengths(lengths, lengths));
    if (worth_recording(step, steps)) {
      standing s{.step = static_cast<double>(step), .reward = -before, .accuracy = sums.accuracy()};
      for (std::size_t y = 0; y < b.arms; ++y) {
        const double p = std::exp(log_p[y]);
        s.kl += p * (log_p[y] - reference[y]);
        s.reward += p * b.reward[y];
        s.unseen += seen[y] ? 0 : p;
      }
      for (std::size_t k = 0; k < n; ++k) {
        s.chosen += (w[k] - w_before[k]) / static_cast<double>(n);
        s.rejected += (l[k] - l_before[k]) / static_cast<double>(n);
      }
      path.push_back(s);
    }
    // ∇ log π(y) = φ(y) − E φ: gradients by log-probabilities gathered on responses, less their sum spread by π.
    numbers pull(b.arms, 0.0), slope(b.features, 0.0);
    double total = 0;
    for (std::size_t k = 0; k < n; ++k) {
      pull[data.chosen[k]] += for_w[k];
      pull[data.rejected[k]] += for_l[k];
      total += for_w[k] + for_l[k];
    }
    for (std::size_t y = 0; y < b.arms; ++y)
      for (std::size_t j = 0; j < b.features; ++j)
        slope[j] += (pull[y] - total * std::exp(log_p[y])) * b.phi[y * b.features + j];
    for (std::size_t j = 0; j < b.features; ++j) {
      const double g = slope[j] / static_cast<double>(n), t = step + 1;
      speed[j] = 0.9 * speed[j] + 0.1 * g;
      size[j] = 0.999 * size[j] + 0.001 * g * g;
      theta[j] -= 0.05 * (speed[j] / (1 - std::pow(0.9, t))) / (std::sqrt(size[j] / (1 - std::pow(0.999, t))) + 1e-10);
    }
  }
  return path;
}

/// Reward and divergence of the best policies of all, by β.
std::vector<standing> frontier(const std::vector<bandit>& all) {
  std::vector<standing> path;
  for (double beta = 8; beta > 0.12; beta *= 0.9) {
    standing mean;
    for (const bandit& b : all) {
      const numbers log_p = b.log_policy(numbers(b.features, 0.0));
      numbers reference, best(b.arms);
      for (const double x : log_p) reference.push_back(std::exp(x));
      const auto optimum = al::kl_regularized_optimum(reference, b.reward, beta, best, zm::discard);
      mean.kl += optimum.kl / static_cast<double>(all.size());
      for (std::size_t y = 0; y < b.arms; ++y)
        mean.reward += (best[y] - reference[y]) * b.reward[y] / static_cast<double>(all.size());
    }
    path.push_back(mean);
  }
  return path;
}

const standing& best_of(const curve& c) {
  return *std::max_element(c.path.begin(), c.path.end(),
                           [](const standing& a, const standing& b) { return a.reward < b.reward; });
}

std::string plot(const std::vector<curve>& curves, const std::vector<standing>& best, const std::string& prefix) {
  gnuplot::script s;
  const auto block = [&](const std::string& name, const std::vector<standing>& path) {
    s.line("${} << EOD", name);
    for (const standing& p : path) s.line("{} {} {} {} {} {}", p.step, p.kl, p.reward, p.chosen, p.rejected, p.unseen);
    s.line("EOD");
  };
  block("best", best);
  for (std::size_t k = 0; k < curves.size(); ++k) block(fmt::format("c{}", k), curves[k].path);
  s.line("set multiplot layout 1,2 margins 0.07,0.985,0.16,0.9 spacing 0.09,0");
  s.line("set grid lc rgb '{}' lt 1", gnuplot::grid);
  s.line("set border 3 lc rgb '{}'", gnuplot::faint);
  s.line("set tics nomirror out scale 0.5 textcolor rgb '{}'", gnuplot::ink);
  s.line("set title 'true reward against divergence' textcolor rgb '{}'", gnuplot::ink);
  s.line("set xlabel 'KL(π ‖ π_{{ref}}) in nats' textcolor rgb '{}'", gnuplot::ink);
  s.line("set ylabel 'true reward gained' textcolor rgb '{}'", gnuplot::ink);
  s.line("set xrange [0:7]");
  s.line("set yrange [0:*]");
  s.line("unset key");  // the other panel's serves both
  s.line("set label 'the best of all policies' at 3.1,3.25 right textcolor rgb '{}'", gnuplot::ink);
  std::string what = fmt::format("$best using 2:3 with lines lw 2 dt 2 lc rgb '{}'", gnuplot::black);
  for (std::size_t k = 0; k < curves.size(); ++k)
    if (!curves[k].colour.empty())
      what += fmt::format(", $c{} using 2:3 with lines lw 2 lc rgb '{}'", k, curves[k].colour);
  s.line("plot {}", what);
  s.line("set title 'what becomes of likelihoods: chosen (lines), rejected (dashes)' textcolor rgb '{}'", gnuplot::ink);
  s.line("set xlabel 'step of Adam' textcolor rgb '{}'", gnuplot::ink);
  s.line("set ylabel 'mean change of log π in nats' textcolor rgb '{}'", gnuplot::ink);
  s.line("set logscale x");
  s.line("set xrange [1:{}]", best_of(curves[0]).step > 0 ? curves[0].path.back().step : 10);
  s.line("set yrange [-30:2]");
  s.line("unset label");
  s.line("set key bottom left opaque samplen 2 textcolor rgb '{}'", gnuplot::ink);
  what.clear();
  for (std::size_t k = 0; k < curves.size(); ++k)
    if (!curves[k].colour.empty())
      what += fmt::format(
          "{}$c{} using 1:4 with lines lw 2 lc rgb '{}' title {}, $c{} using 1:5 with lines lw 2 dt 3 lc rgb '{}' "
          "notitle",
          what.empty() ? "" : ", ", k, curves[k].colour, gnuplot::literal(curves[k].name), k, curves[k].colour);
  s.line("plot {}, 0 with lines lc rgb '{}' notitle", what, gnuplot::faint);
  s.line("unset multiplot");
  return gnuplot::draw(s.text(), prefix, 1080, 420);
}

void run(const options& o) {
  std::vector<bandit> bandits;
  std::vector<comparisons> data;
  for (int d = 0; d < o.data; ++d) {
    bandits.emplace_back(o, static_cast<std::uint64_t>(100 + d));
    data.emplace_back(bandits.back(), o.pairs, static_cast<std::uint64_t>(500 + d));
  }
  std::vector<curve> curves;
  const auto show = [&](const char* name, const char* colour, const auto& loss) {
    curve c{name, colour, {}};
    for (std::size_t d = 0; d < data.size(); ++d) {
      const auto path = train(bandits[d], data[d], loss, o.steps);
      c.path.resize(path.size());
      const double share = 1 / static_cast<double>(data.size());
      for (std::size_t k = 0; k < path.size(); ++k) {
        c.path[k].step = path[k].step;
        c.path[k].kl += share * path[k].kl, c.path[k].reward += share * path[k].reward;
        c.path[k].chosen += share * path[k].chosen, c.path[k].rejected += share * path[k].rejected;
        c.path[k].unseen += share * path[k].unseen, c.path[k].accuracy += share * path[k].accuracy;
      }
    }
    curves.push_back(c);
  };
  show("DPO", gnuplot::vermilion, al::dpo{.beta = 0.1});
  show("cDPO, 10 % smoothing", gnuplot::orange, al::dpo{.beta = 0.1, .label_smoothing = 0.1});
  show("rDPO", "", al::rdpo{.beta = 0.1, .label_smoothing = 0.1});
  show("IPO, τ = 0.05", gnuplot::blue, al::ipo{.tau = 0.05});
  show("hinge", "", al::dpo_hinge{.beta = 0.1});
  show("EXO", "", al::exo_pair{.beta = 0.1, .label_smoothing = 0.1});
  show("DPOP", "", al::dpop{.beta = 0.1, .lambda = 1});
  show("SPPO", "", al::sppo_hard{.beta = 0.1});
  show("APO-zero", gnuplot::sky, al::apo_zero{.beta = 0.1});
  show("BCO", "", al::bco_pair{.beta = 0.1});
  show("NCA", gnuplot::purple, al::nca_pair{.beta = 0.1});
  show("RPO, η = 0.02", gnuplot::green, al::rpo{.beta = 0.1, .eta = 0.02});
  const auto best = frontier(bandits);

  fmt::print("{} data sets of {} noisy comparisons among {} responses with {} features; Adam, {} steps\n\n", o.data,
             o.pairs, o.responses, o.features, o.steps);
  fmt::print("{:<22} {:>21}   {:>21}   {:>16}   {:>7}\n", "", "at its best", "after all steps", "change of log π",
             "on what");
  fmt::print("{:<22} {:>6} {:>6} {:>7}   {:>6} {:>6} {:>7}   {:>7} {:>8}   {:>7}\n", "loss", "step", "KL", "reward",
             "KL", "reward", "optimum", "chosen", "rejected", "is new");
  for (const curve& c : curves) {
    const standing &top = best_of(c), &last = c.path.back();
    double possible = 0;  // the most reward at that divergence
    for (const standing& p : best)
      if (p.kl <= last.kl) possible = p.reward;
    fmt::print("{:<22} {:>6.0f} {:>6.2f} {:>7.3f}   {:>6.2f} {:>6.3f} {:>7.3f}   {:>7.2f} {:>8.2f}   {:>6.0f}%\n",
               c.name, top.step, top.kl, top.reward, last.kl, last.reward, possible, last.chosen, last.rejected,
               100 * last.unseen);
  }
  fmt::print(
      "\nreward is what a response is worth above the reference's average; optimum is the most that is possible at "
      "that\n"
      "KL. \"New\" are responses that were in no comparison.\n");
  if (!o.plot.empty()) fmt::print("{}\n", plot(curves, best, o.plot));
}

}  // namespace

int main(int argc, char** argv) try {
  options o;
  CLI::App app("Losses of direct alignment on an offline preference bandit", "dpo_bandit");
  app.add_option("--responses", o.responses, "responses to choose from")
      ->check(CLI::Range(2, 100000))
      ->capture_default_str();
  app.add_option("--features", o.features, "features of a response")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--pairs", o.pairs, "comparisons in a data set")->check(CLI::Range(1, 1000000))->capture_default_str();
  app.add_option("--data", o.data, "data sets to average over")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--steps", o.steps, "steps of Adam")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--plot", o.plot, "prefix of the picture");
  CLI11_PARSE(app, argc, argv);
  run(o);
  return 0;
} catch (const std::exception& e) {
  fmt::print(stderr, "dpo_bandit: {}\n", e.what());
  return 1;
}
