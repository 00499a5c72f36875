// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading ten million battles between a hundred items, about 39 bytes a line, a fifth of them ties. The yardsticks come
// first: touching every byte, finding every line, and the reader that one writes in an afternoon.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "zermelo/core/execution/threads.hpp"
#include "zermelo/io/battles.hpp"

namespace {

using zermelo::preference::outcome;
namespace io = zermelo::io;

constexpr int items = 100;

struct counter {
  std::uint64_t state = 1;
  std::uint64_t operator()(std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  }
};

enum class shape { plain, quoted, not_ascii, weighted, json };

std::string lines(std::int64_t count, shape s = shape::plain) {
  std::vector<std::string> name;
  for (int k = 0; k < items; ++k) {
    char label[32];
    const char* const format = s == shape::not_ascii ? "modèle-%02d" : k % 3 == 0 ? "model-%02d" : "model-%02d-instr";
    std::snprintf(label, sizeof label, format, k);
    name.push_back(s == shape::quoted ? '"' + std::string(label) + '"' : label);
  }
  std::string text = s == shape::json       ? ""
                     : s == shape::weighted ? "model_a,model_b,winner,weight\n"
                                            : "model_a,model_b,winner\n";
  text.reserve(static_cast<std::size_t>(count) * (s == shape::json ? 80 : 44));
  counter draw;
  for (std::int64_t k = 0; k < count; ++k) {
    const auto a = draw(items), b = (a + 1 + draw(items - 1)) % items, u = draw(10);
    const char* winner = u < 2 ? "tie" : u < 6 ? "model_a" : "model_b";
    if (s == shape::json) {
      text.append("{\"model_a\": \"").append(name[a]).append("\", \"model_b\": \"").append(name[b]);
      text.append("\", \"winner\": \"").append(winner).append("\", \"turn\": 1}\n");
    } else {
      text.append(name[a]).append(",").append(name[b]).append(",").append(winner);
      if (s == shape::weighted) text.append(",0.").append(std::to_string(1 + draw(99)));
      text.append("\n");
    }
  }
  return text;
}

const std::string& ten_million() {
  static const std::string text = lines(10'000'000);
  return text;
}

/// Outcomes by pair: what a fit needs.
struct histogram {
  std::vector<std::int64_t> cell = std::vector<std::int64_t>(items * items * 3);
  void operator()(std::int32_t first, std::int32_t second, outcome won, double) {
    if (first >= items || second >= items) throw std::out_of_range("more items than generated");
    ++cell[static_cast<std::size_t>((first * items + second) * 3 + static_cast<int>(won))];
  }
  std::int64_t total() const { return std::accumulate(cell.begin(), cell.end(), std::int64_t{0}); }
};

void rate(benchmark::State& state, const std::string& text, std::int64_t count) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
  state.SetItemsProcessed(state.iterations() * count);
}

void require(benchmark::State& state, std::int64_t found, std::int64_t expected) {
  if (found != expected) state.SkipWithError("lines were lost");
}

void add_up_the_bytes(benchmark::State& state) {
  const std::string& text = ten_million();
  for (auto _ : state) {
    std::uint64_t sum[8] = {};
    for (std::size_t k = 0; k + 64 <= text.size(); k += 64)
      for (std::size_t j = 0; j < 8; ++j) {
        std::uint64_t word;
        std::memcpy(&word, text.data() + k + 8 * j, sizeof word);
        sum[j] += word;
      }
    benchmark::DoNotOptimize(sum);
  }
  rate(state, text, 10'000'000);
}

void find_lines_by_memchr(benchmark::State& state) {
  const std::string& text = ten_million();
  for (auto _ : state) {
    std::int64_t count = 0;
    const char* end = text.data() + text.size();
    for (const char* p = text.data(); p != end; ++p, ++count)
      p = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)));
    benchmark::DoNotOptimize(count);
  }
  rate(state, text, 10'000'000);
}

void getline_and_unordered_map(benchmark::State& state) {
  const std::string text = lines(1'000'000);
  for (auto _ : state) {
    histogram counts;
    std::unordered_map<std::string, std::int32_t> ids;
    std::istringstream in(text);
    std::string line;
    std::getline(in, line);
    while (std::getline(in, line)) {
      const auto a = line.find(','), b = line.find(',', a + 1);
      const auto first = ids.try_emplace(line.substr(0, a), static_cast<std::int32_t>(ids.size())).first->second;
      const auto second =
          ids.try_emplace(line.substr(a + 1, b - a - 1), static_cast<std::int32_t>(ids.size())).first->second;
      const std::string won = line.substr(b + 1);
      counts(first, second, won == "model_a" ? outcome::first : won == "model_b" ? outcome::second : outcome::tie, 1);
    }
    require(state, counts.total(), 1'000'000);
  }
  rate(state, text, 1'000'000);
}

void csv_to_counts(benchmark::State& state) {
  const std::string& text = ten_million();
  for (auto _ : state) {
    histogram counts;
    io::stream_battles(text, counts);
    require(state, counts.total(), 10'000'000);
  }
  rate(state, text, 10'000'000);
}

void csv_to_counts_on_threads(benchmark::State& state) {
  const std::string& text = ten_million();
  zermelo::threads pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    histogram counts;
    io::stream_battles(pool, text, counts);
    require(state, counts.total(), 10'000'000);
  }
  rate(state, text, 10'000'000);
}

void csv_to_table(benchmark::State& state) {
  const std::string& text = ten_million();
  for (auto _ : state) {
    const auto table = io::read_battles(text);
    require(state, table.battles, 10'000'000);
  }
  rate(state, text, 10'000'000);
}

void csv_to_table_on_threads(benchmark::State& state) {
  const std::string& text = ten_million();
  zermelo::threads pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    const auto table = io::read_battles(pool, text);
    require(state, table.battles, 10'000'000);
  }
  rate(state, text, 10'000'000);
}

/// From a file in the system's cache.
struct temporary_file {
  std::string path = "/tmp/zermelo_battles_XXXXXX";
  explicit temporary_file(const std::string& text) {
    const int descriptor = ::mkstemp(path.data());
    if (descriptor < 0) throw std::runtime_error("no temporary file");
    ::close(descriptor);
    std::ofstream(path, std::ios::binary) << text;
  }
  ~temporary_file() { std::remove(path.c_str()); }
};

void file_to_counts(benchmark::State& state) {
  const temporary_file file(ten_million());
  for (auto _ : state) {
    histogram counts;
    io::stream_battles_file(file.path, counts);
    require(state, counts.total(), 10'000'000);
  }
  rate(state, ten_million(), 10'000'000);
}

void million_to_counts(benchmark::State& state, shape s) {
  const std::string text = lines(1'000'000, s);
  for (auto _ : state) {
    histogram counts;
    io::stream_battles(text, counts);
    require(state, counts.total(), 1'000'000);
  }
  rate(state, text, 1'000'000);
}

BENCHMARK(add_up_the_bytes)->Unit(benchmark::kMillisecond);
BENCHMARK(find_lines_by_memchr)->Unit(benchmark::kMillisecond);
BENCHMARK(getline_and_unordered_map)->Unit(benchmark::kMillisecond);
BENCHMARK(csv_to_counts)->Unit(benchmark::kMillisecond);
BENCHMARK(csv_to_counts_on_threads)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(csv_to_table)->Unit(benchmark::kMillisecond);
BENCHMARK(csv_to_table_on_threads)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(file_to_counts)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(million_to_counts, plain, shape::plain)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(million_to_counts, weighted, shape::weighted)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(million_to_counts, quoted, shape::quoted)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(million_to_counts, not_ascii, shape::not_ascii)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(million_to_counts, json, shape::json)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
