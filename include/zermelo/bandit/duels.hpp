// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../core/statistics.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// Dueling bandits: two arms are played against each other, and all that is seen is who won.
///
/// Every algorithm is a struct of state with the same three members, so that simulations, tests and applications treat
/// them alike:
///
///     duel next_pair(draws)                    whom to let play next; draws is any source of uniform numbers
///     void observe(first, second, first_won)   what came of it
///     std::int64_t items() const               the number of arms
///
/// What an algorithm remembers is public and plain; what it derives from that for speed is rebuilt by `rebuild()`, which
/// is to be called after the state was changed from outside: read from a file, or merged with that of another machine.
/// Decisions stand beside the structs as pure functions of counts and draws.
namespace zermelo::inline v1::bandit {

/// Two arms that meet; they may be the same.
struct duel {
  std::int64_t first = 0, second = 0;
  friend ZERMELO_FN constexpr bool operator==(duel a, duel b) { return a.first == b.first && a.second == b.second; }
};

/// A source of uniform numbers of (0, 1), in the order in which an algorithm asks for them.
template <class D>
concept draw_source = requires(D& draws) {
  { draws.uniform() } -> std::convertible_to<double>;
};

/// Element `position` of stream (seed, stream), and so on: the counter-based generator of core/random.hpp in order.
class draw_stream {
 public:
  ZERMELO_INLINE explicit draw_stream(std::uint64_t seed, std::uint64_t stream = 0) : engine_(seed, stream) {}
  ZERMELO_INLINE double uniform() { return open_unit_interval(engine_()); }
  ZERMELO_INLINE std::uint64_t position() const { return engine_.position(); }
  ZERMELO_INLINE void set_position(std::uint64_t i) { engine_.set_position(i); }

 private:
  random_engine engine_;
};

/// What the algorithms have in common.
template <class B>
concept dueling_algorithm = requires(B& b, const B& c, draw_stream& draws, std::int64_t i) {
  { b.next_pair(draws) } -> std::same_as<duel>;
  b.observe(i, i, true);
  { c.items() } -> std::convertible_to<std::int64_t>;
};

namespace detail::inline ZERMELO_ISA {

[[noreturn]] inline void refuse_arm(const char* argument, std::int64_t i, std::int64_t n) {
  throw domain_error(argument, domain_error::whole,
                     "arm " + std::to_string(i) + " is not among the " + std::to_string(n) + " arms");
}
ZERMELO_INLINE void require_arm(const char* argument, std::int64_t i, std::int64_t n) {
  if (i < 0 || i >= n) refuse_arm(argument, i, n);
}

inline void require_arms(std::int64_t n) {
  if (n < 1) throw domain_error("items", domain_error::whole, "at least one arm, not " + std::to_string(n));
}

/// A real parameter that must be positive and finite.
inline void require_positive(const char* argument, double x) {
  if (!is_finite(x) || x <= 0)
    throw domain_error(argument, domain_error::whole, "must be positive and finite, got " + zermelo::detail::text(x));
}

inline std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The first of {0, …, n − 1} whose value is largest, n ≥ 1.
template <class Value>
std::int64_t first_argmax(std::int64_t n, Value value) {
  std::int64_t best = 0;
  double most = value(std::int64_t{0});
  for (std::int64_t i = 1; i < n; ++i) {
    const double x = value(i);
    if (x > most) best = i, most = x;
  }
  return best;
}

}  // namespace detail::inline ZERMELO_ISA

/// Who won how often against whom: all that most algorithms know. Duels of an arm with itself are not counted.
struct duel_tally {
  std::int64_t items = 0;
  std::vector<double> wins = {};  ///< [items, items]; W[i, j]: duels that i won against j; the diagonal is never read

  ZERMELO_INLINE double won(std::int64_t i, std::int64_t j) const { return wins[detail::at(i * items + j)]; }
  ZERMELO_INLINE double duels(std::int64_t i, std::int64_t j) const { return won(i, j) + won(j, i); }
  /// μ̂ᵢⱼ, the share of their duels that i won against j; ½ if they never met.
  ZERMELO_INLINE double share(std::int64_t i, std::int64_t j) const {
    const double n = duels(i, j);
    return i == j || n == 0 ? 0.5 : won(i, j) / n;
  }
  /// Errors: domain_error for an arm out of range.
  ZERMELO_INLINE void record(std::int64_t i, std::int64_t j, bool first_won) {
    detail::require_arm("first", i, items);
    detail::require_arm("second", j, items);
    if (i != j) wins[detail::at(first_won ? i * items + j : j * items + i)] += 1;
  }
  /// Adds what another tally of the same arms has counted. Errors: shape_error.
  ZERMELO_INLINE void merge(const duel_tally& other) {
    if (other.items != items)
      throw shape_error("other", std::to_string(other.items) + " arms, expected " + std::to_string(items));
    for (std::size_t k = 0; k < wins.size(); ++k) wins[k] += other.wins[k];
  }
  /// All duels of different arms.
  ZERMELO_INLINE double total() const {
    double sum = 0;
    for (std::int64_t i = 0; i < items; ++i)
      for (std::int64_t j = 0; j < items; ++j) sum += i == j ? 0 : won(i, j);
    return sum;
  }
};

inline namespace ZERMELO_ISA {

/// A tally of n arms that have not met yet. Errors: domain_error for n < 1.
inline duel_tally empty_tally(std::int64_t n) {
  detail::require_arms(n);
  return {.items = n, .wins = std::vector<double>(detail::at(n * n), 0.0)};
}

/// A tally from a matrix of wins [n, n].
/// Errors: shape_error if it is not square or has no arm; domain_error for counts that are negative or not finite.
template <tensor W>
duel_tally tally_of(const W& wins) {
  const auto w = view(wins);
  static_assert(decltype(w)::rank == 2, "zermelo: wins are a matrix");
  const std::int64_t n = w.shape[0];
  if (w.shape[1] != n || n == 0)
    throw shape_error("wins",
                      std::to_string(n) + " × " + std::to_string(w.shape[1]) + " counts, expected n × n, n ≥ 1");
  duel_tally tally = empty_tally(n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const double count = static_cast<double>(w(i, j));
      if (!is_finite(count) || count < 0)
        throw domain_error("wins", i * n + j, "a finite count, not negative, got " + zermelo::detail::text(count));
      tally.wins[detail::at(i * n + j)] = i == j ? 0 : count;
    }
  return tally;
}

/// One of {0, …, n − 1}, each with probability 1/n.
template <draw_source D>
std::int64_t draw_index(D& draws, std::int64_t n) {
  const auto k = static_cast<std::int64_t>(draws.uniform() * static_cast<double>(n));
  return k < n ? k : n - 1;
}

/// Gamma(shape, 1) for shape ≥ 1, by squeezed rejection.   Source: Marsaglia and Tsang 2000.
template <draw_source D>
double draw_gamma(D& draws, double shape) {
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal_quantile(draws.uniform());
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root, u = draws.uniform(), square = x * x;
    if (u < 1 - 0.0331 * square * square || log(u) < 0.5 * square + d * (1 - v + log(v))) return d * v;
  }
}

/// Beta(a, b) for a, b ≥ 1: what is believed of a chance of winning after a − 1 wins and b − 1 losses.
template <draw_source D>
double draw_beta(D& draws, double a, double b) {
  if (a == 1 && b == 1) return draws.uniform();
  const double x = draw_gamma(draws, a), y = draw_gamma(draws, b);
  return x / (x + y);
}

/// Whether a draw of Beta(wins + 1, losses + 1) exceeds ½, without drawing it: of wins + losses + 1 fair coins, no more than
/// `wins` must fall on heads. (The number wins + 1 in order of as many uniform numbers is such a draw.) A uniform number
/// holds 52 coins; where that would be many, or counts are not whole, the Beta draw itself is compared.
template <draw_source D>
bool draw_above_half(D& draws, double wins, double losses) {
  constexpr double most = 16 * 52;
  if (wins + losses + 1 > most || wins != std::floor(wins) || losses != std::floor(losses))
    return draw_beta(draws, wins + 1, losses + 1) > 0.5;
  int heads = 0;
  auto coins = static_cast<int>(wins + losses) + 1;
  for (; coins > 0; coins -= 52) {
    auto bits = static_cast<std::uint64_t>(draws.uniform() * 0x1p52);
    if (coins < 52) bits &= (std::uint64_t{1} << coins) - 1;
    heads += __builtin_popcountll(bits & 0xFFFFFFFFFFFFFu);
  }
  return heads <= static_cast<int>(wins);
}

/// Relative entropy of coins,  kl(p, q) = p log(p/q) + (1−p) log((1−p)/(1−q)),  0 log 0 = 0; q in (0, 1).
ZERMELO_FN double coin_divergence(double p, double q) {
  return (p > 0 ? p * zermelo::log(p / q) : 0.0) + (p < 1 ? (1 - p) * zermelo::log((1 - p) / (1 - q)) : 0.0);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::bandit
