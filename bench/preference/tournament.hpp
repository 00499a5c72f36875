// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "zermelo/core/error.hpp"
#include "zermelo/core/tensor.hpp"
#include "zermelo/preference/comparison_graph.hpp"
#include "zermelo/preference/outcome.hpp"

/// Tournaments drawn from known strengths, the same on every machine, and what benchmarks measure besides time.
namespace tournament {

using std::int64_t;
using zermelo::preference::comparison_graph;
using zermelo::preference::outcome;

inline std::size_t z(int64_t i) { return static_cast<std::size_t>(i); }

/// SplitMix64: fast, and good enough to draw data.
struct random {
  std::uint64_t state;
  std::uint64_t bits() {
    std::uint64_t x = state += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  int64_t below(int64_t n) {
    return static_cast<int64_t>(((bits() >> 32) * static_cast<std::uint64_t>(n)) >> 32);  // n < 2³²
  }
};

inline double win_probability(double difference) { return 1 / (1 + std::exp(-difference)); }

/// Log-strengths spread evenly over [−width/2, width/2], in an order that has nothing to do with the ids.
inline std::vector<double> strengths(int64_t items, double width) {
  std::vector<double> theta(z(items));
  for (int64_t i = 0; i < items; ++i)
    theta[z(i)] = width * (static_cast<double>(i) / static_cast<double>(std::max(items - 1, int64_t{1})) - 0.5);
  random draw{1913};
  for (int64_t i = items - 1; i > 0; --i) std::swap(theta[z(i)], theta[z(draw.below(i + 1))]);
  return theta;
}

template <class Id>
struct battle_list {
  std::vector<Id> first, second;
  std::vector<outcome> outcomes;
};

/// Battles between two different items drawn at random; `ties` of them end without a winner.
template <class Id>
battle_list<Id> battles(int64_t items, int64_t count, double ties, double width = 3) {
  const auto theta = strengths(items, width);
  std::vector<double> first_wins(z(items * items));
  for (int64_t i = 0; i < items; ++i)
    for (int64_t j = 0; j < items; ++j)
      first_wins[z(i * items + j)] = ties + (1 - ties) * win_probability(theta[z(i)] - theta[z(j)]);
  battle_list<Id> list;
  list.first.resize(z(count)), list.second.resize(z(count)), list.outcomes.resize(z(count));
  random draw{1929};
  for (int64_t k = 0; k < count; ++k) {
    const int64_t i = draw.below(items);
    const int64_t j = (i + 1 + draw.below(items - 1)) % items;
    const double u = draw.uniform();
    list.first[z(k)] = static_cast<Id>(i), list.second[z(k)] = static_cast<Id>(j);
    list.outcomes[z(k)] = u < ties ? outcome::tie : u < first_wins[z(i * items + j)] ? outcome::first : outcome::second;
  }
  return list;
}

/// The same battles as CSV: labels of 8 to 14 characters, about 33 bytes a line.
template <class Id>
std::string csv(const battle_list<Id>& list, int64_t items) {
  std::vector<std::string> label;
  for (int64_t i = 0; i < items; ++i)
    label.push_back("model-" + std::to_string(100 + i).substr(1) + (i % 3 == 0 ? "" : "-instr"));
  std::string text = "model_a,model_b,winner\n";
  text.reserve(list.first.size() * 44);
  for (std::size_t k = 0; k < list.first.size(); ++k) {
    text.append(label[z(static_cast<int64_t>(list.first[k]))]).append(",");
    text.append(label[z(static_cast<int64_t>(list.second[k]))]).append(",");
    text.append(list.outcomes[k] == outcome::tie ? "tie" : list.outcomes[k] == outcome::first ? "model_a" : "model_b");
    text.append("\n");
  }
  return text;
}

/// Unique pairs, and how often each side won.
struct record_list {
  int64_t items = 0;
  std::vector<std::int32_t> first = {}, second = {};
  std::vector<float> wins = {}, losses = {};
};

/// Every item meets `partners` different ones among the `reach` after it; all pairs are unique. On a ring the last items
/// meet the first ones, and a reach of (items − 1)/2 makes a graph without any order.
inline record_list records(int64_t items, int64_t partners, int64_t reach, bool ring, int games, double width) {
  const auto theta = strengths(items, width);
  record_list list{.items = items};
  for (auto* ids : {&list.first, &list.second}) ids->reserve(z(items * partners));
  for (auto* counts : {&list.wins, &list.losses}) counts->reserve(z(items * partners));
  random draw{1957};
  std::vector<int64_t> steps;
  for (int64_t i = 0; i < items; ++i) {
    const int64_t room = ring ? reach : std::min(reach, items - 1 - i);
    steps.clear();
    while (static_cast<int64_t>(steps.size()) < std::min(partners, room)) {
      const int64_t step = 1 + draw.below(room);
      if (std::find(steps.begin(), steps.end(), step) == steps.end()) steps.push_back(step);
    }
    for (const int64_t step : steps) {
      const int64_t j = (i + step) % items;
      const double p = win_probability(theta[z(i)] - theta[z(j)]);
      int won = 0;
      for (int g = 0; g < games; ++g) won += draw.uniform() < p;
      list.first.push_back(static_cast<std::int32_t>(i)), list.second.push_back(static_cast<std::int32_t>(j));
      list.wins.push_back(static_cast<float>(won)), list.losses.push_back(static_cast<float>(games - won));
    }
  }
  return list;
}

/// A sink for io::stream_battles: counts without keeping any battle, for up to `capacity` items.
class dense_counter {
 public:
  explicit dense_counter(int64_t capacity) : capacity_(capacity), table_(z(capacity * capacity * 4)) {}

  void operator()(std::int32_t first, std::int32_t second, outcome who, double) {
    if (first >= capacity_ || second >= capacity_) throw zermelo::shape_error("battles", "more items than expected");
    ++table_[z((first * capacity_ + second) * 4 + static_cast<int64_t>(who))];
  }

  comparison_graph graph(int64_t items) const {
    std::vector<double> wins(z(items * items)), ties(z(items * items));
    for (int64_t i = 0; i < items; ++i)
      for (int64_t j = 0; j < items; ++j) {
        const std::uint32_t* count = &table_[z((i * capacity_ + j) * 4)];
        wins[z(i * items + j)] += count[static_cast<int>(outcome::first)];
        wins[z(j * items + i)] += count[static_cast<int>(outcome::second)];
        ties[z(i * items + j)] += count[static_cast<int>(outcome::tie)];
        ties[z(j * items + i)] += count[static_cast<int>(outcome::tie)];
      }
    const auto square = [items](const std::vector<double>& x) {
      return zermelo::tensor_view<const double, 2>{.data = x.data(), .shape = {items, items}, .strides = {items, 1}};
    };
    return zermelo::preference::graph_from_wins(square(wins), square(ties));
  }

 private:
  int64_t capacity_;
  std::vector<std::uint32_t> table_;
};

/// The peak of the process's memory since `reset`, in GB. Linux; 0 elsewhere.
struct peak_memory {
  static void reset() { std::ofstream("/proc/self/clear_refs") << "5"; }
  static double gigabytes() {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
      if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) * 1024 / 1e9;
    return 0;
  }
};

}  // namespace tournament
