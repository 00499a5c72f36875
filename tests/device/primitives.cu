// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Segments, rows, scans, indices and sorts on a device, against the same functions on the host.
#include <algorithm>

#include "check.cuh"
#include "zermelo/core/primitives/count_pairs.hpp"
#include "zermelo/core/primitives/gather.hpp"
#include "zermelo/core/primitives/row_reduce.hpp"
#include "zermelo/core/primitives/scan.hpp"
#include "zermelo/core/primitives/segment_reduce.hpp"
#include "zermelo/core/primitives/sort.hpp"

namespace {

struct sum_and_largest {
  template <class V>
  ZERMELO_FN auto operator()(V x) const {
    return zm::bundle(zm::total(x), zm::largest(x), zm::log_sum_exp(x));
  }
};

struct recurrence {
  template <class V>
  ZERMELO_FN auto operator()(V a, V b) const {
    return zm::affine(a, b);
  }
};

std::vector<std::int32_t> ragged_offsets(std::int64_t n) {
  std::vector<std::int32_t> offsets{0, 0};
  for (std::uint64_t s = 0; offsets.back() < n; ++s) {
    const double u = zm::uniform(3, 1, s);
    const double length = u < 0.2 ? 0 : u < 0.98 ? 40 * u : 20000 * u;
    offsets.push_back(static_cast<std::int32_t>(std::min(n, offsets.back() + static_cast<std::int64_t>(length))));
  }
  offsets.push_back(static_cast<std::int32_t>(n));
  return offsets;
}

template <class T>
void segments(const zm::cuda& gpu, const std::vector<T>& x, const std::vector<std::int32_t>& offsets) {
  const std::size_t count = offsets.size() - 1;
  const on_device<T> device_x(x, 1);
  const on_device<std::int32_t> device_offsets(offsets);
  const on_device<double> sum(static_cast<std::int64_t>(count)), most(static_cast<std::int64_t>(count)),
      log_sum(static_cast<std::int64_t>(count));
  std::vector<double> expected_sum(count), expected_most(count), expected_log_sum(count);
  const auto v = device_x.view();
  const auto s = sum.view(), m = most.view(), l = log_sum.view();
  zm::segment_reduce(gpu, sum_and_largest{}, zm::inputs(v), device_offsets.view(), zm::outputs(s, m, l));
  zm::segment_reduce(sum_and_largest{}, zm::inputs(x), offsets,
                     zm::outputs(expected_sum, expected_most, expected_log_sum));
  const auto got = sum.get();
  bool close = true;
  for (std::size_t k = 0; k < count; ++k)
    close = close && std::fabs(got[k] - expected_sum[k]) <= 32 * epsilon<T>() * (offsets[k + 1] - offsets[k]);
  CHECK(close);
  CHECK(distance(most.get(), expected_most) == 0);
  CHECK(distance(log_sum.get(), expected_log_sum) <= 64 * epsilon<T>());
}

template <class T>
void segments_and_rows(const zm::cuda& gpu) {
  constexpr std::int32_t n = 1000003;
  auto x = random_numbers<T>(n, 1);
  segments<T>(gpu, x, ragged_offsets(n));
  segments<T>(gpu, x, {0, n});
  segments<T>(gpu, x, {0, 0, 1, n - 1, n, n});
  segments<T>(gpu, {}, {0, 0, 0});
  x[4711] = NAN;
  const on_device<T> bad(x);
  const on_device<double> out(2);
  const on_device<std::int32_t> right({0, 10, n}), wrong({0, n + 1, n});
  const auto v = bad.view();
  const auto o = out.view();
  const auto none = zm::discard;
  CHECK(refusal([&] {
          zm::segment_reduce(gpu, sum_and_largest{}, zm::inputs(v), right.view(), zm::outputs(o, none, none));
        }) == "input 0[4711]");
  CHECK(refusal([&] {
          zm::segment_reduce(gpu, sum_and_largest{}, zm::inputs(v), wrong.view(), zm::outputs(o, none, none));
        }) == "offsets[2]");

  for (const std::int64_t width : {1, 31, 1000, 70001}) {
    constexpr std::int64_t rows = 7;
    auto matrix = random_numbers<T>(rows * width, 2);
    for (T& e : matrix) e *= 20;
    const on_device<T> device_matrix(matrix), device_out(rows * width);
    std::vector<T> expected(matrix.size());
    const auto from = zm::matrix_view(static_cast<const T*>(matrix.data()), rows, width);
    const auto to = zm::matrix_view(expected.data(), rows, width);
    const auto device_from = device_matrix.matrix(rows, width), device_to = device_out.matrix(rows, width);
    zm::softmax_rows(gpu, device_from, device_to);
    zm::softmax_rows(from, to);
    CHECK(distance(device_out.get(), expected) <= 64 * epsilon<T>());
    zm::log_softmax_rows(device_from, device_to);
    zm::log_softmax_rows(from, to);
    CHECK(distance(device_out.get(), expected) <= 64 * 40 * epsilon<T>());
    const on_device<double> sums(rows), largest(rows), logarithms(rows);
    std::vector<double> expected_sums(rows), expected_largest(rows), expected_logarithms(rows);
    const auto s = sums.view(), m = largest.view(), l = logarithms.view();
    zm::row_reduce(gpu, sum_and_largest{}, zm::inputs(device_from), zm::outputs(s, m, l));
    zm::row_reduce(sum_and_largest{}, zm::inputs(from),
                   zm::outputs(expected_sums, expected_largest, expected_logarithms));
    CHECK(distance(sums.get(), expected_sums) <= 32 * 20 * epsilon<T>() * static_cast<double>(width));
    CHECK(distance(largest.get(), expected_largest) == 0);
    CHECK(distance(logarithms.get(), expected_logarithms) <= 64 * 20 * epsilon<T>());
    // Columns of the other matrix are the same rows.
    zm::softmax_rows(gpu, zm::transposed(device_from), zm::transposed(device_to));
    zm::softmax_rows(zm::transposed(from), zm::transposed(to));
    CHECK(distance(device_out.get(), expected) <= 64 * epsilon<T>());
  }
  const on_device<T> undefined({T(1), T(-INFINITY), T(-INFINITY), T(-INFINITY)});
  const auto u = undefined.matrix(2, 2);
  CHECK(refusal([&] { zm::softmax_rows(gpu, u, u); }) == "x[2]");
}

void scans(const zm::cuda& gpu) {
  constexpr std::int64_t n = 300007;
  auto a = random_numbers<double>(n, 1);
  const auto b = random_numbers<double>(n, 2);
  const auto offsets = ragged_offsets(n);
  const on_device<double> device_a(a), device_b(b), out(n);
  const on_device<std::int32_t> device_offsets(offsets);
  std::vector<double> expected(n);
  const auto x = device_a.view(), y = device_b.view(), z = out.view();
  // Products of factors between −1 and 1 die away: what was rounded long ago does not count.
  for (const bool reverse : {false, true})
    for (const bool exclusive : {false, true}) {
      const zm::scan_parameters p{.reverse = reverse, .exclusive = exclusive};
      zm::scan(gpu, recurrence{}, zm::inputs(x, y), zm::outputs(z, zm::discard), p);
      zm::scan(recurrence{}, zm::inputs(a, b), zm::outputs(expected, zm::discard), p);
      CHECK(distance(out.get(), expected) <= 1e-13);
      zm::segment_scan(gpu, recurrence{}, zm::inputs(x, y), device_offsets.view(), zm::outputs(z, zm::discard), p);
      zm::segment_scan(recurrence{}, zm::inputs(a, b), offsets, zm::outputs(expected, zm::discard), p);
      CHECK(distance(out.get(), expected) <= 1e-13);
    }
  a[100] = a[200000] = NAN;
  const on_device<double> bad(a);
  const auto w = bad.view();
  CHECK(refusal([&] {
          zm::scan(gpu, recurrence{}, zm::inputs(w, y), zm::outputs(z, zm::discard), {.reverse = true});
        }) == "input 0[200000]");
}

void indices(const zm::cuda& gpu) {
  constexpr std::int64_t m = 200003, n = 1777;
  const auto source = random_numbers<double>(m, 1), table = random_numbers<double>(n, 2);
  std::vector<std::int32_t> index(m), ones(m);
  for (std::size_t k = 0; k < m; ++k) {  // half of them fall on one
    const double u = zm::uniform(5, 5, k);
    index[k] = u < 0.5 ? 7 : static_cast<std::int32_t>(u * n), ones[k] = static_cast<std::int32_t>(k % 5);
  }
  on_device<std::int32_t> device_index(index);
  const on_device<double> device_source(source), device_table(table), out(m);
  std::vector<double> expected(m), expected_table = table;
  zm::gather(gpu, device_table.view(), device_index.view(), out.view());
  zm::gather(table, index, expected);
  CHECK(distance(out.get(), expected) == 0);
  zm::scatter_add(gpu, device_source.view(), device_index.view(), device_table.view());
  zm::scatter_add(source, index, expected_table);
  const auto first = device_table.get();
  CHECK(distance(first, expected_table) <= 1e-15 * m);
  const on_device<double> again(table);
  zm::scatter_add(gpu, device_source.view(), device_index.view(), again.view());
  CHECK(again.get() == first);  // the same bits
  const on_device<std::int32_t> device_ones(ones);
  const on_device<std::int64_t> counts(std::vector<std::int64_t>(n, 1));
  std::vector<std::int64_t> expected_counts(n, 1);
  zm::scatter_add(gpu, device_ones.view(), device_index.view(), counts.view());
  zm::scatter_add(ones, index, expected_counts);
  CHECK(counts.get() == expected_counts);
  auto wrong = index;
  wrong[5000] = n, wrong[9000] = -1;
  device_index.set(wrong);
  CHECK(refusal([&] { zm::gather(gpu, device_table.view(), device_index.view(), out.view()); }) == "index[5000]");
  CHECK(refusal([&] { zm::scatter_add(gpu, out.view(), device_index.view(), device_table.view()); }) == "index[5000]");

  constexpr std::int64_t items = 50;
  std::vector<std::int32_t> winner(m), loser(m);
  std::vector<std::uint8_t> outcome(m);
  for (std::size_t k = 0; k < m; ++k) {
    winner[k] = static_cast<std::int32_t>(k * 7 % items),
    loser[k] = static_cast<std::int32_t>((k * 7 + 1 + k % 49) % items);
    outcome[k] = static_cast<std::uint8_t>(k % 3);
  }
  const on_device<std::int32_t> i(winner), j(loser);
  on_device<std::uint8_t> c(outcome);
  const on_device<std::int64_t> pairs(std::vector<std::int64_t>(items * items * 4, 2));
  std::vector<std::int64_t> expected_pairs(items * items * 4, 2);
  zm::count_pairs(gpu, i.view(), j.view(), c.view(), items, 3, pairs.view());
  zm::count_pairs(winner, loser, outcome, items, 3, expected_pairs);
  CHECK(pairs.get() == expected_pairs);
  outcome[31] = 3;
  c.set(outcome);
  CHECK(refusal([&] { zm::count_pairs(gpu, i.view(), j.view(), c.view(), items, 3, pairs.view()); }) == "outcomes[31]");
}

/// What a kernel takes for the size of the parts that it leaves in memory.
template <class Part>
__global__ void size_there(std::int64_t* size) {
  *size = static_cast<std::int64_t>(sizeof(Part));
}
template <class Kernel>
void same_layouts() {
  using view = zm::tensor_view<const float, 1, zm::memory::device>;
  using column = zm::detail::device_column<view>;
  using walk = zm::detail::segment_walk<float, Kernel, zm::detail::equal_offsets, zm::bundle<column>,
                                        zm::bundle<column, column, column>>;
  const on_device<std::int64_t> sizes(2);
  size_there<typename walk::part><<<1, 1>>>(sizes.data());
  size_there<typename walk::tile_part><<<1, 1>>>(sizes.data() + 1);
  CHECK((sizes.get() == std::vector<std::int64_t>{sizeof(typename walk::part), sizeof(typename walk::tile_part)}));
}

template <class T>
void sorts(const zm::cuda& gpu) {
  for (const std::int64_t n : {0, 1, 1000, 300001}) {
    std::vector<T> keys(static_cast<std::size_t>(n));
    for (std::size_t k = 0; k < keys.size(); ++k)  // many are equal
      keys[k] = static_cast<T>(100 * zm::uniform(3, 8, k) - 50);
    for (const auto direction : {zm::order::ascending, zm::order::descending}) {
      on_device<T> device_keys(keys, 1);
      const on_device<std::int64_t> device_indices(n), device_top(n / 10);
      std::vector<std::int64_t> indices(keys.size()), top(keys.size() / 10);
      zm::argsort(gpu, device_keys.view(), device_indices.view(), direction);
      zm::argsort(keys, indices, direction);
      CHECK(device_indices.get() == indices);
      zm::top_k(gpu, device_keys.view(), n / 10, device_top.view(), direction);
      zm::top_k(keys, n / 10, top, direction);
      CHECK(device_top.get() == top);
      auto sorted = keys;
      zm::sort(sorted, direction);
      zm::sort(device_keys.view(), direction);
      CHECK(device_keys.get() == sorted);
    }
  }
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  segments_and_rows<float>(gpu);
  segments_and_rows<double>(gpu);
  same_layouts<sum_and_largest>();
  scans(gpu);
  indices(gpu);
  sorts<float>(gpu);
  sorts<double>(gpu);
  sorts<std::int32_t>(gpu);
  on_device<float> keys(std::vector<float>{3, NAN, 1});
  CHECK(refusal([&] { zm::sort(gpu, keys.view()); }) == "keys[1]");
  CHECK(keys.get()[0] == 3);
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
