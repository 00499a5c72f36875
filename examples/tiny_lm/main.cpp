// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tiny_lm: a character model learns a language from a corpus in which every other verb is wrong, and then, by direct
// preference optimisation, which of the two is right. Both through the fused head: no logits exist while it learns.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>
#include <zermelo/alignment/dpo.hpp>
#include <zermelo/alignment/token_logprobs.hpp>
#include <zermelo/alignment/token_weights.hpp>
#include <zermelo/core/error.hpp>
#include <zermelo/core/pair_loss.hpp>
#include <zermelo/core/primitives/row_reduce.hpp>

#include "gnuplot.hpp"
#include "language.hpp"
#include "model.hpp"

namespace {

namespace zm = zermelo;
namespace za = zermelo::alignment;
using tiny::batch;

/// What samples look like, and how sure of itself the model is.
struct sample_quality {
  double agrees = 0, disagrees = 0, top_mass = 0, entropy = 0;
};

sample_quality look_at_samples(tiny::model& m) {
  language::dice d(99);
  std::vector<std::string> prompts;
  std::vector<std::size_t> subject;
  for (std::size_t k = 0; k < 360; ++k) {
    subject.push_back(k % language::subjects.size());
    prompts.push_back(std::string(language::subjects[subject.back()].text) + " ");
  }
  const auto completions = m.complete(prompts, d);
  sample_quality q;
  batch b;
  for (std::size_t k = 0; k < completions.size(); ++k) {
    const auto verdict = language::judge(subject[k], completions[k]);
    q.agrees += verdict == language::verdict::agrees;
    q.disagrees += verdict == language::verdict::disagrees;
    b.add({prompts[k], completions[k]}, false);
  }
  q.agrees /= static_cast<double>(completions.size());
  q.disagrees /= static_cast<double>(completions.size());
  // How much of the probability the two likeliest characters have: what falls first when a model is over-optimised.
  const auto z = m.logits(b);
  std::vector<double> entropy(b.target.size()), mass(b.target.size());
  za::token_statistics(zm::matrix_view(z.data(), b.size(), tiny::symbols),
                       za::top_tokens(2, zm::discard, zm::discard, mass), za::entropies(entropy));
  for (std::size_t k = 0; k < mass.size(); ++k) {
    q.top_mass += mass[k] / static_cast<double>(mass.size());
    q.entropy += entropy[k] / static_cast<double>(mass.size());
  }
  return q;
}

/// Nats a character of sentences that were not learned from.
double held_out_cost(tiny::model& m, double agreeing) {
  language::dice d(4242);
  batch b;
  for (int k = 0; k < 200; ++k) b.add(language::draw_sentence(d, agreeing), false);
  std::vector<double> tokens;
  return -m.logprobs(b, tokens).mean_over_tokens();
}

/// Supervised steps; returns the cost of each.
std::vector<double> learn_corpus(tiny::model& m, int steps) {
  language::dice d(1);
  std::vector<double> cost, tokens;
  for (int step = 0; step < steps; ++step) {
    batch b;
    for (int k = 0; k < 48; ++k) b.add(language::draw_sentence(d, 0.5), true);
    cost.push_back(-m.logprobs(b, tokens).mean_over_tokens());
    m.gradient(b, std::vector<double>(b.target.size(), -1.0 / static_cast<double>(b.size())));
    m.descend(4e-3 * std::min(1.0, 2.0 * (steps - step) / steps));
  }
  return cost;
}

struct preference_step {
  double loss, accuracy, chosen_reward, rejected_reward;
};

/// Direct preference optimisation against the model as it was: the loss sees sums over completions, the head gets back what
/// it gives for every character.
std::vector<preference_step> learn_preferences(tiny::model& m, int steps, double beta) {
  tiny::model reference = m;
  m.forget_moments();
  language::dice d(2);
  std::vector<preference_step> history;
  std::vector<double> tokens;
  for (int step = 0; step < steps; ++step) {
    constexpr std::size_t pairs = 32;
    batch b;  // all chosen ones, then all rejected ones
    std::vector<language::preference> drawn;
    for (std::size_t k = 0; k < pairs; ++k) drawn.push_back(language::draw_preference(d));
    for (const auto& p : drawn) b.add(p.chosen, false);
    for (const auto& p : drawn) b.add(p.rejected, false);
    const za::ragged sequences(b.offsets);
    std::vector<double> before(2 * pairs), now(2 * pairs), slope(2 * pairs), upstream(b.target.size());
    reference.logprobs(b, tokens);
    za::sum_tokens(sequences, tokens, before, zm::discard);
    m.logprobs(b, tokens);
    za::sum_tokens(sequences, tokens, now, zm::discard);
    const auto half = [](std::vector<double>& x, bool second) {
      return zm::vector_view(x.data() + (second ? pairs : 0), static_cast<std::int64_t>(pairs));
    };
    const auto chosen = half(now, false), rejected = half(now, true);
    const auto sums = zm::pair_loss(za::dpo{.beta = beta}, chosen, rejected, half(before, false), half(before, true),
                                    zm::discard, half(slope, false), half(slope, true));
    preference_step s{sums.mean_over_pairs(), sums.accuracy(), 0, 0};
    for (std::size_t k = 0; k < pairs; ++k) {
      s.chosen_reward += beta * (now[k] - before[k]) / pairs;
      s.rejected_reward += beta * (now[pairs + k] - before[pairs + k]) / pairs;
    }
    history.push_back(s);
    for (double& g : slope) g /= pairs;
    za::spread_over_tokens(sequences, slope, upstream);
    m.gradient(b, upstream);
    m.descend(5e-4);
  }
  return history;
}

void print_samples(const char* when, tiny::model& m) {
  language::dice d(7);
  std::vector<std::string> prompts;
  constexpr std::size_t subject[] = {0, 7, 3, 10, 5, 8};
  for (const std::size_t s : subject) prompts.push_back(std::string(language::subjects[s].text) + " ");
  const auto completions = m.complete(prompts, d);
  fmt::print("{}\n", when);
  for (std::size_t k = 0; k < prompts.size(); ++k) {
    const auto v = language::judge(subject[k], completions[k]);
    std::string text = completions[k];
    for (char& c : text) c = c == '\n' ? ' ' : c;
    fmt::print("  {:<1} {}{}\n",
               v == language::verdict::agrees      ? "+"
               : v == language::verdict::disagrees ? "-"
                                                   : "?",
               prompts[k], text);
  }
}

std::string draw(const std::vector<double>& cost, const std::vector<preference_step>& history,
                 const sample_quality& learned, const sample_quality& preferred, const std::string& basename) {
  using namespace gnuplot;
  script to;
  to.line("$cost << END");
  for (std::size_t k = 0; k < cost.size(); ++k) to.line("{} {:.5f}", k + 1, cost[k]);
  to.line("END\n$pairs << END");
  for (std::size_t k = 0; k < history.size(); ++k)
    to.line("{} {:.5f} {:.5f} {:.5f} {:.5f}", k + 1, history[k].loss, history[k].accuracy, history[k].chosen_reward,
            history[k].rejected_reward);
  to.line("END\n$samples << END");
  for (const auto* q : {&learned, &preferred})
    to.line("{:.2f} {:.2f} {:.2f}", 100 * q->agrees, 100 * q->disagrees, 100 * (1 - q->agrees - q->disagrees));
  to.line("END");
  to.line("set multiplot");
  to.line("set border 3 lc rgb '{}'; set tics nomirror out scale 0.5 font ',10' tc rgb '{}'", faint, ink);
  to.line("set grid ytics lt 1 lw 0.6 lc rgb '{}'; unset key", grid);
  to.line("set tmargin at screen 0.87; set bmargin at screen 0.17");
  to.line("set lmargin at screen 0.065; set rmargin at screen 0.31");
  to.line("set title 'Supervised: half of the verbs are wrong' font ',12' offset 0, -0.3 tc rgb '{}'", ink);
  to.line("set xlabel 'step' font ',11' offset 0, 0.4; set ylabel 'nats a character' font ',11' offset 1, 0");
  to.line("set yrange [0:*]; plot $cost using 1:2 with lines lw 1.6 lc rgb '{}'", blue);
  to.line("set lmargin at screen 0.405; set rmargin at screen 0.65; set yrange [*:*]");
  to.line("set title 'DPO: implicit rewards' font ',12' offset 0, -0.3 tc rgb '{}'", ink);
  to.line("set ylabel 'β · log-ratio to the reference' font ',11' offset 1, 0; set xzeroaxis lt 1 lc rgb '{}'", faint);
  to.line("set label 'chosen' at graph 0.06, graph 0.22 font ',10' tc rgb '{}'", blue);
  to.line("set label 'rejected' at graph 0.06, graph 0.14 font ',10' tc rgb '{}'", vermilion);
  to.line("plot $pairs using 1:4 with lines lw 2 lc rgb '{}', '' using 1:5 with lines lw 2 lc rgb '{}'", blue,
          vermilion);
  to.line("unset label; unset xzeroaxis");
  to.line("set lmargin at screen 0.745; set rmargin at screen 0.98; set yrange [0:112]; set xrange [-0.6:1.6]");
  to.line("set title 'Sampled sentences' font ',12' offset 0, -0.3 tc rgb '{}'", ink);
  to.line(
      "set ylabel 'per cent of 360' font ',11' offset 1, 0; unset xlabel; set xtics ('supervised' 0, 'then DPO' 1)");
  to.line("set ytics 0, 25, 100; set style fill solid 0.85 noborder; set boxwidth 0.24");
  to.line("set label 'verb right' at graph 0.02, graph 0.97 font ',10' tc rgb '{}'", blue);
  to.line("set label 'verb wrong' at graph 0.40, graph 0.97 font ',10' tc rgb '{}'", vermilion);
  to.line("set label 'other' at graph 0.80, graph 0.97 font ',10' tc rgb '{}'", faint);
  to.line(
      "plot $samples using ($0 - 0.26):1 with boxes lc rgb '{}', '' using 0:2 with boxes lc rgb '{}', "
      "'' using ($0 + 0.26):3 with boxes lc rgb '{}', "
      "'' using ($0 - 0.26):($1 + 3):(sprintf('%.0f', $1)) with labels font ',10', "
      "'' using 0:($2 + 3):(sprintf('%.0f', $2)) with labels font ',10', "
      "'' using ($0 + 0.26):($3 + 3):(sprintf('%.0f', $3)) with labels font ',10'",
      blue, vermilion, faint);
  to.line("unset multiplot");
  return gnuplot::draw(to.text(), basename, 1080, 340);
}

void run(int supervised, int preference, double beta, const std::string& plot) {
  const auto start = std::chrono::steady_clock::now();
  tiny::model m;
  fmt::print("A model of {} characters behind {} of them, {} hidden units, {} parameters.\n\n", tiny::symbols,
             tiny::context, tiny::hidden,
             m.embedding.value.size() + m.inner.value.size() + m.inner_bias.value.size() + m.head.value.size() +
                 m.head_bias.value.size());
  fmt::print("{:<24}{:>14}{:>14}{:>14}{:>14}{:>10}{:>12}\n", "", "nats a char.", "nats a char.", "verb right",
             "verb wrong", "entropy", "top-2 mass");
  fmt::print("{:<24}{:>14}{:>14}{:>14}{:>14}{:>10}{:>12}\n", "", "right verbs", "wrong verbs", "% of samples",
             "% of samples", "nats", "");
  const auto report = [&](const char* when) {
    const auto q = look_at_samples(m);
    fmt::print("{:<24}{:>14.3f}{:>14.3f}{:>14.1f}{:>14.1f}{:>10.3f}{:>12.3f}\n", when, held_out_cost(m, 1),
               held_out_cost(m, 0), 100 * q.agrees, 100 * q.disagrees, q.entropy, q.top_mass);
    return q;
  };
  report("untrained");
  const auto cost = learn_corpus(m, supervised);
  const auto learned = report(fmt::format("{} supervised steps", supervised).c_str());
  tiny::model before = m;
  const auto history = learn_preferences(m, preference, beta);
  const auto preferred = report(fmt::format("{} steps of DPO", preference).c_str());
  fmt::print("\n{:<24}{:>12}{:>12}{:>12}{:>12}\n", "DPO, step", "loss", "accuracy", "chosen", "rejected");
  for (const double part : {0.0, 0.1, 0.25, 0.5, 1.0}) {
    const auto k = static_cast<std::size_t>(part * static_cast<double>(history.size() - 1));
    const auto& s = history[k];
    fmt::print("{:<24}{:>12.4f}{:>12.2f}{:>12.3f}{:>12.3f}\n", k + 1, s.loss, s.accuracy, s.chosen_reward,
               s.rejected_reward);
  }
  fmt::print("\n");
  print_samples("Supervised (+ verb right, - wrong, ? no sentence of the language)", before);
  print_samples("Then DPO", m);
  fmt::print("\n{:.1f} s\n", std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (!plot.empty()) fmt::print("{}\n", draw(cost, history, learned, preferred, plot));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A character model learns a language, then by DPO which of its sentences are right");
  int supervised = 800, preference = 120;
  double beta = 0.5;
  std::string plot;
  app.add_option("--supervised", supervised, "Steps on the corpus")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  app.add_option("--preference", preference, "Steps of DPO")->capture_default_str()->check(CLI::Range(1, 100000));
  app.add_option("--beta", beta, "Inverse temperature of DPO")->capture_default_str();
  app.add_option("--plot", plot, "Draw PLOT.svg and PLOT.png");
  CLI11_PARSE(app, argc, argv);
  try {
    run(supervised, preference, beta, plot);
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "tiny_lm: {}\n", e.what());
    return 1;
  }
}
