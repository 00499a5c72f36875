// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Maps, pair losses and random numbers on a device, against the same functions on the host.
#include "check.cuh"
#include "zermelo/alignment/dpo.hpp"
#include "zermelo/alignment/ipo.hpp"
#include "zermelo/core/pair_loss.hpp"
#include "zermelo/core/primitives/map_reduce.hpp"

namespace {

/// x, y → x·y and x + y, with the sum of products, the largest sum and the smallest.
struct product_and_sum {
  template <class V>
  ZERMELO_FN auto operator()(V x, V y) const {
    return zm::mapped{zm::bundle(x * y, x + y), zm::bundle(zm::total(x * y), zm::largest(x + y), zm::smallest(x + y))};
  }
};

struct doubled {
  template <class V>
  ZERMELO_FN V operator()(V x) const {
    return V(2) * x;
  }
};

template <class T, class X>
void map_layout(const zm::cuda& gpu, const std::vector<T>& x, const X& device_x) {
  const auto n = static_cast<std::int64_t>(x.size());
  const auto y = random_numbers<T>(n, 2);
  const on_device<T> device_y(y), product(n), sum(n);
  std::vector<T> expected_product(x.size()), expected_sum(x.size());
  const auto expected =
      zm::map_reduce(product_and_sum{}, zm::inputs(x, y), zm::outputs(expected_product, expected_sum));
  const auto b = device_y.view(), p = product.view(), s = sum.view();
  const auto got = zm::map_reduce(gpu, product_and_sum{}, zm::inputs(device_x, b), zm::outputs(p, s));
  CHECK(distance(product.get(), expected_product) == 0);
  CHECK(distance(sum.get(), expected_sum) == 0);
  // Lanes of 32 terms of at most one.
  CHECK(std::fabs(zm::get<0>(got).value - zm::get<0>(expected).value) <= 32 * epsilon<T>() * static_cast<double>(n));
  CHECK(zm::get<1>(got).value == zm::get<1>(expected).value);
  CHECK(zm::get<2>(got).value == zm::get<2>(expected).value);
  const auto again = zm::map_reduce(gpu, product_and_sum{}, zm::inputs(device_x, b), zm::outputs(p, s));
  CHECK(zm::get<0>(again).value == zm::get<0>(got).value);
}

template <class T>
void map_types(const zm::cuda& gpu) {
  for (const std::int64_t n : {0, 1, 3, 1000, 4099, 3000017}) {
    const auto x = random_numbers<T>(n, 1);
    map_layout(gpu, x, on_device<T>(x).view());
    map_layout(gpu, x, on_device<T>(x, 1).view());
    std::vector<T> spread(3 * x.size()), reversed(x.rbegin(), x.rend());
    for (std::size_t k = 0; k < x.size(); ++k) spread[3 * k] = x[k];
    map_layout(gpu, x, on_device<T>(spread).strided(3));
    if (n > 0) map_layout(gpu, x, on_device<T>(reversed).strided(-1));
  }
  const on_device<T> in(random_numbers<T>(600, 3)), out(600);
  const auto a = zm::transposed(in.matrix(20, 30)), b = out.matrix(30, 20);
  zm::map_reduce(doubled{}, zm::inputs(a), zm::outputs(b));  // the memory of the tensors chooses the policy
  const auto x = in.get(), y = out.get();
  bool same = true;
  for (std::size_t i = 0; i < 30; ++i)
    for (std::size_t j = 0; j < 20; ++j) same = same && y[i * 20 + j] == 2 * x[j * 30 + i];
  CHECK(same);
}

void masks_and_faults(const zm::cuda& gpu) {
  constexpr std::int64_t n = 100003;
  auto x = random_numbers<float>(n, 5);
  const auto y = random_numbers<float>(n, 6);
  std::vector<char> mask(n, 1);
  for (std::size_t k = 0; k < n; k += 3) mask[k] = 0, x[k] = k % 2 ? NAN : INFINITY;
  std::vector<float> expected(n), expected_sum(n);
  const auto host =
      zm::map_reduce(product_and_sum{}, zm::inputs(x, y), zm::outputs(expected, expected_sum), zm::counted_where(mask));
  on_device<float> device_x(x), device_y(y), product(n), sum(n);
  const on_device<char> device_mask(mask);
  const auto a = device_x.view(), b = device_y.view(), p = product.view(), s = sum.view();
  const auto m = device_mask.view();
  const auto got = zm::map_reduce(gpu, product_and_sum{}, zm::inputs(a, b), zm::outputs(p, s), zm::counted_where(m));
  CHECK(distance(product.get(), expected) == 0);
  CHECK(std::fabs(zm::get<0>(got).value - zm::get<0>(host).value) <= 32 * epsilon<float>() * static_cast<double>(n));
  x = random_numbers<float>(n, 5), x[70001] = x[99999] = NAN;
  device_x.set(x);
  CHECK(refusal([&] { zm::map_reduce(gpu, product_and_sum{}, zm::inputs(b, a), zm::outputs(p, s)); }) ==
        "input 1[70001]");
  CHECK(refusal([&] { zm::map_reduce(gpu, doubled{}, zm::inputs(a), zm::outputs(b)); }) == "input 0[70001]");
}

template <class T>
void losses(const zm::cuda& gpu) {
  constexpr std::int64_t n = 50021;
  std::vector<T> columns[5];
  for (std::size_t c = 0; c < 5; ++c) {
    columns[c] = random_numbers<T>(n, 10 + c);
    for (T& v : columns[c]) v = c < 4 ? 30 * (v - 1) : (v + 1) / 2;
  }
  std::vector<T> loss(n), for_chosen(n), for_rejected(n);
  const zm::alignment::dpo kernel{.beta = 0.3, .label_smoothing = 0.1};
  const auto expected = zm::pair_loss(kernel, columns[0], columns[1], columns[2], columns[3], loss, for_chosen,
                                      for_rejected, zm::weighted_by(columns[4]));
  on_device<T> in[5] = {on_device<T>(columns[0]), on_device<T>(columns[1]), on_device<T>(columns[2]),
                        on_device<T>(columns[3]), on_device<T>(columns[4])};
  const on_device<T> device_loss(n), device_chosen(n), device_rejected(n);
  const auto c = in[0].view(), r = in[1].view(), rc = in[2].view(), rr = in[3].view(), w = in[4].view();
  const auto l = device_loss.view(), gc = device_chosen.view(), gr = device_rejected.view();
  const auto sums = zm::pair_loss(gpu, kernel, c, r, rc, rr, l, gc, gr, zm::weighted_by(w));
  // Products are fused with sums in other places on a device: margins of up to 120 differ by units of theirs.
  CHECK(distance(device_loss.get(), loss) <= 200 * epsilon<T>());
  CHECK(distance(device_chosen.get(), for_chosen) <= 200 * epsilon<T>());
  CHECK(distance(device_rejected.get(), for_rejected) <= 200 * epsilon<T>());
  CHECK(std::fabs(sums.loss - expected.loss) <= 200 * epsilon<T>() * static_cast<double>(n));
  CHECK(std::fabs(sums.weight - expected.weight) <= 32 * epsilon<T>() * static_cast<double>(n));
  CHECK(sums.pairs == n);
  CHECK(sums.correct == expected.correct);

  columns[4][12345] = -1;
  in[4].set(columns[4]);
  CHECK(refusal([&] { zm::pair_loss(gpu, kernel, c, r, rc, rr, l, gc, gr, zm::weighted_by(w)); }) == "weights[12345]");
  columns[1][777] = std::numeric_limits<T>::infinity();
  in[1].set(columns[1]);
  CHECK(refusal([&] { zm::pair_loss(gpu, kernel, c, r, rc, rr, l, gc, gr); }) == "chosen[777]");
}

/// A call in a graph: captured once, it allocates nothing, waits for nothing, and its record holds every launch's answer.
void graphs() {
  constexpr std::int64_t n = 4096;
  cudaStream_t stream = nullptr;
  require(cudaStreamCreate(&stream));
  {
    counting_memory memory;
    const zm::cuda gpu(stream, memory.resource());
    zm::device_record record(gpu);
    on_device<double> chosen(random_numbers<double>(n, 1)), rejected(random_numbers<double>(n, 2));
    const auto c = chosen.view(), r = rejected.view();
    const zm::alignment::ipo kernel{.tau = 0.2};
    const auto call = [&](const auto& policy) {
      return zm::pair_loss(policy, kernel, c, r, zm::no_reference, zm::no_reference, zm::discard, zm::discard,
                           zm::discard);
    };
    const double expected = call(gpu).loss;
    const int allocations = memory.allocations;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t ready = nullptr;
    require(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    const auto later = call(gpu.into(record));
    require(cudaStreamEndCapture(stream, &graph));
    require(cudaGraphInstantiate(&ready, graph, 0));
    CHECK(memory.allocations == allocations);
    require(cudaGraphLaunch(ready, stream));
    CHECK(later.value().loss == expected);
    CHECK(later.fault().code == zm::fault_code::none);
    auto x = chosen.get();
    x[99] = NAN;
    chosen.set(x);
    require(cudaGraphLaunch(ready, stream));
    CHECK(later.fault().index == 99);
    CHECK(refusal([&] { later.value(); }) == "chosen[99]");
    require(cudaGraphExecDestroy(ready));
    require(cudaGraphDestroy(graph));
  }
  require(cudaStreamDestroy(stream));
}

template <class T>
void random(const zm::cuda& gpu) {
  for (const std::uint64_t first : {0u, 1u, 3u, 1000001u})
    for (const std::int64_t shift : {0, 1}) {
      const on_device<T> out(10007, shift);
      std::vector<T> expected(10007);
      zm::fill_uniform(7, 3, expected, first);
      zm::fill_uniform(gpu, 7, 3, out.view(), first);
      CHECK(out.get() == expected);
    }
}

}  // namespace

int main() try {
  if (no_device()) return skipped;
  const zm::cuda gpu;
  map_types<float>(gpu);
  map_types<double>(gpu);
  masks_and_faults(gpu);
  losses<float>(gpu);
  losses<double>(gpu);
  graphs();
  random<float>(gpu);
  random<double>(gpu);
  return verdict();
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
