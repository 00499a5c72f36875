// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <tuple>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/io/battles.hpp>

#include "../io/trickle.hpp"

/// What must hold for any bytes whatever.
namespace fuzz {

namespace io = zermelo::io;

inline void require(bool fact) {
  if (!fact) std::abort();
}

struct table_of {
  io::battle_table table;
  void operator()(const io::battle& b) {
    table.first.push_back(b.first);
    table.second.push_back(b.second);
    table.outcome.push_back(b.outcome);
    table.weight.push_back(b.weight);
  }
};

struct failure {
  bool thrown = false;
  std::int64_t line = 0, column = 0;
  std::string reason;
};

template <class Read>
io::battle_table read(Read&& from, failure& f) {
  table_of sink;
  try {
    static_cast<io::battle_summary&>(sink.table) = from(sink);
  } catch (const zermelo::parse_error& e) {
    f = {true, e.line(), e.column(), e.reason()};
  }
  return sink.table;
}

inline void require_same(const io::battle_table& a, const failure& f, const io::battle_table& b, const failure& g) {
  require(f.thrown == g.thrown && f.line == g.line && f.column == g.column && f.reason == g.reason);
  require(a.first == b.first && a.second == b.second && a.outcome == b.outcome && a.weight == b.weight);
  require(a.items == b.items && a.records == b.records && a.accepted == b.accepted && a.lines == b.lines);
  require(a.bytes == b.bytes && a.blank_lines == b.blank_lines && a.rejected.size() == b.rejected.size());
  for (std::size_t k = 0; k < a.rejected.size(); ++k)
    require(a.rejected[k].line == b.rejected[k].line && a.rejected[k].column == b.rejected[k].column &&
            a.rejected[k].reason == b.rejected[k].reason);
}

/// Records are accepted or rejected; pieces, blocks and the whole say the same; refusing throws what collecting lists
/// first; ids name items.
inline void check(std::string_view text, io::battle_options options) {
  static zermelo::threads pool(2);
  io::battle_table by_policy[2];
  failure of_policy[2];
  for (const auto policy : {io::error_policy::refuse, io::error_policy::collect}) {
    options.on_error = policy;
    options.chunk_bytes = 1 << 20;
    const auto at = static_cast<std::size_t>(policy);
    io::battle_table& whole = by_policy[at];
    failure& f = of_policy[at];
    whole = read([&](table_of& s) { return io::stream_battles(text, s, options); }, f);
    require(whole.records == whole.accepted + static_cast<std::int64_t>(whole.rejected.size()));
    if (!f.thrown) {
      require(whole.bytes == static_cast<std::int64_t>(text.size()));
      const auto feeds = std::count(text.begin(), text.end(), '\n');
      require(whole.lines == feeds || whole.lines == feeds + 1);
      const auto items = static_cast<std::int32_t>(whole.items.size());
      for (std::size_t k = 0; k < whole.first.size(); ++k) {
        const auto a = whole.first[k], b = whole.second[k];
        require(a >= 0 && b >= 0 && a != b && a < items && b < items && whole.weight[k] >= 0);
      }
    }
    for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{64}}) {
      options.chunk_bytes = static_cast<std::int64_t>(piece);
      failure g;
      const auto pieces = read([&](table_of& s) { return io::stream_battles(trickle{text, piece}, s, options); }, g);
      require_same(whole, f, pieces, g);
      failure h;
      const auto blocks = read([&](table_of& s) { return io::stream_battles(pool, text, s, options); }, h);
      require_same(whole, f, blocks, h);
    }
  }
  const failure& thrown = of_policy[0];
  const auto& listed = by_policy[1].rejected;
  if (!of_policy[1].thrown && thrown.thrown)
    require(!listed.empty() && listed[0].line == thrown.line && listed[0].column == thrown.column &&
            listed[0].reason == thrown.reason);
  if (!thrown.thrown) require(listed.empty());
}

}  // namespace fuzz
