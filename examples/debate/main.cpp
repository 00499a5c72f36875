// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// debate: two sides argue about a decision by revealing facts. Who reveals what, who wins, and how often the winner is whom
// the judge would choose if all facts were known.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>
#include <zermelo/core/distributions.hpp>
#include <zermelo/core/error.hpp>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/game/debate.hpp>

#include "gnuplot.hpp"

namespace {

namespace zm = zermelo;
using namespace zm::game;

constexpr std::int64_t facts = 10;
const char* const fact_names[facts] = {"blood pressure", "lactate",    "heart rate",  "urine output", "fluid balance",
                                       "lung sounds",    "creatinine", "temperature", "age",          "white cells"};
const char* const decisions[2] = {"fluids", "vasopressor"};

/// What each fact of an invented patient says for giving fluids, and for a vasopressor.
constexpr double scores[2][facts] = {{0.9, 1.1, 0.8, 0.7, 0.1, -0.6, 0.2, 0.5, -0.1, 0.4},
                                     {1.3, 0.5, 0.1, 0.9, 1.4, 0.8, 0.6, -0.2, 0.3, 0.1}};

/// A judge for whom pairs of facts mean more, or less, than their sum.
struct weighing_judge {
  std::vector<double> single, pair;  // [d], [d, d]

  double operator()(std::uint64_t revealed) const {
    double margin = 0;
    for (std::uint64_t rest = revealed; rest; rest &= rest - 1) {
      const auto f = static_cast<std::size_t>(__builtin_ctzll(rest));
      margin += single[f];
      for (std::uint64_t more = rest & (rest - 1); more; more &= more - 1)
        margin += pair[f * facts + static_cast<std::size_t>(__builtin_ctzll(more))];
    }
    return margin;
  }
};

weighing_judge draw_judge(std::uint64_t seed) {
  weighing_judge j;
  for (std::uint64_t k = 0; k < facts; ++k) j.single.push_back(zm::normal(seed, 0, k));
  for (std::uint64_t k = 0; k < facts * facts; ++k) j.pair.push_back(0.4 * zm::normal(seed, 1, k));
  return j;
}

/// How often a way to reveal L facts leads to the judgement of all facts.
struct agreement {
  double debate = 0, chance = 0, advocate = 0;
};

/// The margin after a lone advocate of decision 0 revealed what speaks for it most, of what it may choose.
double advocated(const weighing_judge& judge, std::int64_t length) {
  double best = -HUGE_VAL;
  for (std::uint64_t set = 0; set < std::uint64_t{1} << facts; ++set)
    if (__builtin_popcountll(set) == length) best = std::max(best, judge(set));
  return best;
}

std::vector<agreement> measure(const zm::threads& pool, std::int64_t states) {
  std::vector<agreement> sums(static_cast<std::size_t>(states) * (facts + 1));
  zm::for_each_tile(pool, states, [&](std::int64_t state) {
    const auto judge = draw_judge(static_cast<std::uint64_t>(state));
    const bool truth = judge((std::uint64_t{1} << facts) - 1) > 0;
    std::vector<std::uint64_t> order;  // facts as a coin reveals them
    for (std::uint64_t k = 0; k < facts; ++k) order.push_back(k);
    for (std::uint64_t k = facts; k-- > 1;)
      std::swap(order[k],
                order[static_cast<std::size_t>(zm::index_below(zm::random_bits(static_cast<std::uint64_t>(state), 2, k),
                                                               static_cast<std::int64_t>(k) + 1))]);
    std::uint64_t at_random = 0;
    for (std::int64_t length = 0; length <= facts; ++length) {
      agreement& a = sums[static_cast<std::size_t>(state * (facts + 1) + length)];
      const auto half_if = [&](double margin) { return margin == 0 ? 0.25 : (margin > 0) == truth ? 0.5 : 0.0; };
      for (const bool second : {false, true})
        a.debate += half_if(
            solve_debate(judge, facts, {.length = length, .payoff = debate_payoff::margin, .second_starts = second})
                .value);
      a.chance = 2 * half_if(judge(at_random));
      a.advocate = 2 * half_if(advocated(judge, length));
      if (length < facts) at_random |= std::uint64_t{1} << order[static_cast<std::size_t>(length)];
    }
  });
  std::vector<agreement> mean(facts + 1);
  for (std::size_t k = 0; k < sums.size(); ++k) {
    agreement& m = mean[k % (facts + 1)];
    m.debate += sums[k].debate / static_cast<double>(states);
    m.chance += sums[k].chance / static_cast<double>(states);
    m.advocate += sums[k].advocate / static_cast<double>(states);
  }
  return mean;
}

void print_patient(const additive_judge& judge) {
  fmt::print("A patient: what each fact says for either decision\n  {:<16} {:>10} {:>12} {:>8}\n", "", decisions[0],
             decisions[1], "margin");
  for (std::size_t f = 0; f < facts; ++f)
    fmt::print("  {:<16} {:>10.1f} {:>12.1f} {:>+8.1f}\n", fact_names[f], scores[0][f], scores[1][f],
               scores[0][f] - scores[1][f]);
  const double all = judge((std::uint64_t{1} << facts) - 1);
  fmt::print("  {:<16} {:>32.1f}, for {}\n\n", "all facts", all, decisions[all > 0 ? 0 : 1]);
}

/// The debate, move by move.
void print_debate(const additive_judge& judge, const debate_parameters& p) {
  const auto r = solve_debate(judge, facts, p);
  fmt::print("{} facts are revealed, {} begins: margin {:+.1f}, for {}\n", p.length, decisions[p.second_starts ? 1 : 0],
             r.value,
             r.value > 0   ? decisions[0]
             : r.value < 0 ? decisions[1]
                           : "neither");
  std::uint64_t set = 0;
  for (std::size_t k = 0; k < r.line.size(); ++k) {
    const auto f = static_cast<std::size_t>(r.line[k]);
    set |= std::uint64_t{1} << f;
    const bool first = (k % 2 == 0) != p.second_starts;
    fmt::print("  {}. {:<12} reveals {:<16} margin so far {:+.1f}\n", k + 1, decisions[first ? 0 : 1], fact_names[f],
               judge(set));
  }
  fmt::print("\n");
}

std::string draw(const additive_judge& judge, const std::vector<agreement>& measured, std::int64_t states,
                 const std::string& basename) {
  using namespace gnuplot;
  const debate_parameters p{.length = 6, .payoff = debate_payoff::margin};
  const auto r = solve_debate(judge, facts, p);
  constexpr int width = 980, height = 400;
  script to;
  std::uint64_t set = 0;
  double before = 0, high = 0, low = 0;
  to.line("$moves << END");
  for (std::size_t k = 0; k < r.line.size(); ++k) {
    set |= std::uint64_t{1} << r.line[k];
    to.line("{} {:.4f} {:.4f} {}", k + 1, before, judge(set), k % 2);
    before = judge(set);
    high = std::max(high, before), low = std::min(low, before);
  }
  to.line("END");
  to.line("$agreement << END");
  for (std::size_t k = 0; k < measured.size(); ++k) {
    to.line("{} {:.4f} {:.4f} {:.4f} {:.4f}", k, 100 * measured[k].debate, 100 * measured[k].chance,
            100 * measured[k].advocate,
            196 * std::sqrt(measured[k].debate * (1 - measured[k].debate) / static_cast<double>(states)));
  }
  to.line("END");
  to.line("set multiplot");
  to.line("set border 3 lc rgb '{}'; set tics nomirror out scale 0.5 font ',10' tc rgb '{}'", faint, ink);
  to.line("set grid ytics lt 1 lw 0.6 lc rgb '{}'; unset key", grid);
  to.line("set tmargin at screen 0.89; set bmargin at screen 0.15");

  to.line("set lmargin at screen 0.075; set rmargin at screen 0.475");
  to.line("set title 'A debate of six facts, by best play' font ',12' offset 0, -0.4 tc rgb '{}'", ink);
  to.line("set xlabel 'fact revealed' font ',11' offset 0, 0.4");
  to.line("set ylabel 'judge’s margin' font ',11' offset 0.8, 0");
  to.line("set xrange [0.4:6.6]; set yrange [{:.3f}:{:.3f}]; set xtics 1; set boxwidth 0.62", low - 0.75, high + 0.75);
  to.line("set xzeroaxis lt 1 lc rgb '{}'", faint);
  before = 0, set = 0;
  for (std::size_t k = 0; k < r.line.size(); ++k) {
    set |= std::uint64_t{1} << r.line[k];
    const double now = judge(set), edge = k % 2 == 0 ? std::max(before, now) : std::min(before, now);
    to.line("set label {} at {}, {:.4f} center font ',9' tc rgb '{}' offset 0, {}",
            literal(fact_names[static_cast<std::size_t>(r.line[k])]), k + 1, edge, ink, k % 2 == 0 ? 0.6 : -0.7);
    before = now;
  }
  to.line("set label 'revealed for {}' at graph 0.62, graph 0.94 left font ',10' tc rgb '{}'", decisions[0], blue);
  to.line("set label 'revealed for {}' at graph 0.62, graph 0.88 left font ',10' tc rgb '{}'", decisions[1], vermilion);
  to.line(
      "plot $moves using ($4 == 0 ? $1 : NaN):(($2 + $3)/2):(0.31):(($3 - $2)/2) with boxxyerror fs solid 0.75 lc rgb "
      "'{}', '' using ($4 == 1 ? $1 : NaN):(($2 + $3)/2):(0.31):(($3 - $2)/2) with boxxyerror fs solid 0.75 lc rgb "
      "'{}', "
      "'' using 1:3:(0.69):(0) with vectors nohead lw 1 dt 3 lc rgb '{}'",
      blue, vermilion, faint);

  to.line("unset label; unset xzeroaxis");
  to.line("set lmargin at screen 0.575; set rmargin at screen 0.975");
  to.line("set title 'Judged as if all ten facts were known' font ',12' offset 0, -0.4 tc rgb '{}'", ink);
  to.line("set xlabel 'facts revealed' font ',11'");
  to.line("set ylabel 'states (%)' font ',11'");
  to.line("set xrange [0:10]; set yrange [45:101]; set xtics 2");
  to.line("set key top left samplen 2 spacing 1.2 font ',10' Left reverse");
  to.line(
      "plot $agreement using 1:($2 - $5):($2 + $5) with filledcurves fs transparent solid 0.15 noborder lc rgb '{0}' "
      "notitle, '' using 1:2 with linespoints pt 7 ps 0.5 lw 2 lc rgb '{0}' title 'debate, best play', '' using 1:3 "
      "with "
      "linespoints pt 5 ps 0.45 lw 1.6 lc rgb '{1}' title 'facts at random', '' using 1:4 with linespoints pt 9 ps 0.5 "
      "lw 1.6 lc rgb '{2}' title 'one advocate alone'",
      blue, faint, orange);
  to.line("unset multiplot");
  return gnuplot::draw(to.text(), basename, width, height);
}

/// A state as large as the ones of the paper, 44 features of which six are revealed.
void print_large(const zm::threads& pool) {
  additive_judge judge{.features = 44};
  for (std::uint64_t k = 0; k < 88; ++k) judge.scores.push_back(zm::normal(1, 7, k));
  const auto start = std::chrono::steady_clock::now();
  const auto r = solve_debate(pool, judge, 44, {.length = 6, .payoff = debate_payoff::margin});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print("44 facts, six revealed: {} positions, margin {:+.3f}, {:.2f} s\n", r.positions, r.value, took.count());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Solves debates: two sides reveal facts in turn, a judge compares two decisions by what was revealed.",
               "debate");
  std::string plot;
  std::int64_t states = 1000;
  int threads = 0;
  app.add_option("--states", states, "of which the judgement is compared")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--plot", plot, "draw BASENAME.svg and BASENAME.png with gnuplot")->type_name("BASENAME");
  app.add_option("--threads", threads, "0: as many as the machine has")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, argc, argv);
  try {
    const zm::threads pool(threads);
    const auto judge = judge_of(scores);
    print_patient(judge);
    for (const std::int64_t length : {2, 4, 6})
      print_debate(judge, {.length = length, .payoff = debate_payoff::margin});
    print_debate(judge, {.length = 6, .payoff = debate_payoff::margin, .second_starts = true});
    const auto blind = solve_upfront_debate(judge, facts, {.length = 6, .payoff = debate_payoff::margin});
    fmt::print("Three facts a side, named blindly: margin {:+.2f}\n\n", blind.value);
    const auto measured = measure(pool, states);
    fmt::print("{} random states, a judge who weighs pairs too: judged as if all facts were known, per cent\n", states);
    fmt::print("  {:>14} {:>8} {:>8} {:>10}\n", "facts revealed", "debate", "chance", "advocate");
    for (std::size_t k = 0; k < measured.size(); ++k)
      fmt::print("  {:>14} {:>8.1f} {:>8.1f} {:>10.1f}\n", k, 100 * measured[k].debate, 100 * measured[k].chance,
                 100 * measured[k].advocate);
    fmt::print("\n");
    print_large(pool);
    std::fflush(stdout);
    if (!plot.empty()) fmt::print(stderr, "{}\n", draw(judge, measured, states, plot));
  } catch (const std::exception& e) {
    fmt::print(stderr, "debate: {}\n", e.what());
    return 1;
  }
  return 0;
}
