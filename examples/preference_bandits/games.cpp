// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "games.hpp"

#include <fstream>
#include <stdexcept>
#include <utility>

namespace zm = zermelo;

namespace {

struct given_start {
  const char* name;
  std::vector<double> policy;
};

/// Softmax of half a normal number an item, drawn once.
const std::vector<given_start>& starts() {
  static const std::vector<given_start> all = {
      {"rps_biased", {0.3298407832338626, 0.38274453456835356, 0.2874146821977838}},
      {"cycle5_p07",
       {0.12732899758976574, 0.15833844448594275, 0.12105523280353918, 0.2048221393656278, 0.38845518575512455}},
      {"condorcet_cycle6",
       {0.1378885057129142, 0.12932275266990653, 0.22530830604480678, 0.2108173655081809, 0.1859087222676601,
        0.11075434779653155}},
      {"bt5", {0.2407229610106678, 0.34582201712995325, 0.12473174240796545, 0.19431193178856795, 0.09441134766284569}},
      {"gpm6_rank4",
       {0.11484593863816514, 0.087137986784488, 0.19457445085270866, 0.1161215160969358, 0.250633726272242,
        0.23668638135546047}},
      {"egpo_random10",
       {0.11071773737356409, 0.034538328313974284, 0.09286093769473472, 0.11865250031668469, 0.12865109130119112,
        0.05656450371632447, 0.09573394046471115, 0.0745291250588943, 0.08112822345780245, 0.206623612302119}},
  };
  return all;
}

/// The number of items, the lower triangle of P in thousandths, the start.
contest read_contest(const std::string& name, const std::string& path) {
  std::ifstream in(path);
  contest c;
  c.game.name = name;
  if (!(in >> c.game.items)) throw std::runtime_error("cannot read " + path);
  const auto n = static_cast<std::size_t>(c.game.items);
  c.game.preferences.assign(n * n, 0.5);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) {
      double thousandths = 0;
      in >> thousandths;
      c.game.preferences[i * n + j] = thousandths / 1000;
      c.game.preferences[j * n + i] = 1 - thousandths / 1000;
    }
  c.start.resize(n);
  for (double& x : c.start) in >> x;
  if (!in) throw std::runtime_error("cannot read " + path);
  return c;
}

}  // namespace

std::vector<contest> contests(const std::string& data_folder) {
  std::vector<contest> all;
  for (auto& g : zm::bandit::toy_games())
    for (const given_start& s : starts())
      if (g.name == s.name) all.push_back({g, s.policy});
  all.push_back(read_contest("random100", data_folder + "/random100.txt"));
  return all;
}
