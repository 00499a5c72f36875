// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Primitives on a device beside what bounds them: a copy of device memory, and CUB's own sort. Times are medians between
// events over repeated calls; inputs are random and larger than caches.
#include <algorithm>
#include <cstdio>
#include <cub/device/device_radix_sort.cuh>
#include <vector>

#include "zermelo/alignment/dpo.hpp"
#include "zermelo/core/pair_loss.hpp"
#include "zermelo/core/primitives/gather.hpp"
#include "zermelo/core/primitives/row_reduce.hpp"
#include "zermelo/core/primitives/scan.hpp"
#include "zermelo/core/primitives/segment_reduce.hpp"
#include "zermelo/core/primitives/sort.hpp"
#include "zermelo/core/random.hpp"

namespace zm = zermelo;

namespace {

constexpr std::int64_t n = std::int64_t{1} << 26;

struct summed {
  template <class V>
  ZERMELO_FN auto operator()(V x) const {
    return zm::mapped{zm::bundle<>(), zm::bundle(zm::total(x))};
  }
};
struct sum_of {
  template <class V>
  ZERMELO_FN auto operator()(V x) const {
    return zm::total(x);
  }
};

void require(cudaError_t status) {
  if (status != cudaSuccess) throw zm::error(cudaGetErrorString(status));
}

/// The median time of a call in milliseconds.
template <class F>
double milliseconds(const zm::cuda& gpu, F&& f) {
  cudaEvent_t begin = nullptr, end = nullptr;
  require(cudaEventCreate(&begin));
  require(cudaEventCreate(&end));
  std::vector<float> times;
  for (int repeat = 0; repeat < 25; ++repeat) {
    require(cudaEventRecord(begin, gpu.stream()));
    f();
    require(cudaEventRecord(end, gpu.stream()));
    require(cudaEventSynchronize(end));
    float time = 0;
    require(cudaEventElapsedTime(&time, begin, end));
    if (repeat >= 5) times.push_back(time);  // the first ones grow the scratch memory and load the code
  }
  require(cudaEventDestroy(begin));
  require(cudaEventDestroy(end));
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return static_cast<double>(times[times.size() / 2]);
}

double copied = 0;  ///< GB/s of a copy, read and written bytes together

void row(const char* name, double bytes, double time) {
  const double rate = bytes / time * 1e-6;
  std::printf("%-44s %9.3f ms %9.1f GB/s %6.1f %% of a copy\n", name, time, rate, 100 * rate / copied);
}

float* numbers(std::int64_t count) {
  float* memory = nullptr;
  require(cudaMalloc(&memory, static_cast<std::size_t>(count) * sizeof(float)));
  return memory;
}

}  // namespace

int main() try {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: there is no device");
    return 77;
  }
  cudaDeviceProp device;
  require(cudaGetDeviceProperties(&device, 0));
  std::printf("%s, %lld elements of float\n", device.name, static_cast<long long>(n));
  const zm::cuda gpu;
  zm::device_record record(gpu);
  const auto on = gpu.into(record);  // launches only: what is timed is the device
  float* memory[7];
  for (auto& m : memory) m = numbers(n);
  const auto view = [&](int i) { return zm::vector_view<zm::memory::device>(memory[i], n); };
  const auto a = view(0), b = view(1), c = view(2), d = view(3), x = view(4), y = view(5), z = view(6);
  std::uint64_t stream = 0;
  for (const auto& v : {a, b, c, d}) zm::fill_uniform(gpu, 1, stream++, v);
  const double bytes = 4.0 * static_cast<double>(n);

  const double copy = milliseconds(gpu, [&] {
    require(
        cudaMemcpyAsync(memory[4], memory[0], static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, gpu.stream()));
  });
  copied = 2 * bytes / copy * 1e-6;
  row("copy of device memory", 2 * bytes, copy);
  row("fill_uniform, float", bytes, milliseconds(gpu, [&] { zm::fill_uniform(gpu, 1, 9, x); }));
  row("map_reduce, sum", bytes,
      milliseconds(gpu, [&] { zm::map_reduce(on, summed{}, zm::inputs(a), zm::outputs<>()); }));
  row("pair_loss, dpo, losses and gradients", 7 * bytes,
      milliseconds(gpu, [&] { zm::pair_loss(on, zm::alignment::dpo{}, a, b, c, d, x, y, z); }));
  row("pair_loss, dpo, sums only", 4 * bytes, milliseconds(gpu, [&] {
        zm::pair_loss(on, zm::alignment::dpo{}, a, b, c, d, zm::discard, zm::discard, zm::discard);
      }));
  row("scan, sums", 3 * bytes, milliseconds(gpu, [&] { zm::scan(on, sum_of{}, zm::inputs(a), zm::outputs(x)); }));
  for (const std::int64_t width : {128, 4096, 131072}) {
    const auto rows = zm::matrix_view<zm::memory::device>(memory[0], n / width, width);
    const auto out = zm::matrix_view<zm::memory::device>(memory[4], n / width, width);
    const auto sums = zm::vector_view<zm::memory::device>(memory[5], n / width);
    char name[64];
    std::snprintf(name, sizeof name, "softmax_rows, width %lld", static_cast<long long>(width));
    row(name, 2 * bytes, milliseconds(gpu, [&] { zm::softmax_rows(on, rows, out); }));
    std::snprintf(name, sizeof name, "row_reduce, sums, width %lld", static_cast<long long>(width));
    row(name, bytes, milliseconds(gpu, [&] { zm::row_reduce(on, sum_of{}, zm::inputs(rows), zm::outputs(sums)); }));
  }
  std::vector<std::int32_t> index(static_cast<std::size_t>(n));
  for (std::size_t k = 0; k < index.size(); ++k)
    index[k] = static_cast<std::int32_t>(zm::index_below(zm::random_bits(3, 3, k), n / 16));
  std::int32_t* device_index = nullptr;
  require(cudaMalloc(&device_index, index.size() * sizeof(std::int32_t)));
  require(cudaMemcpy(device_index, index.data(), index.size() * sizeof(std::int32_t), cudaMemcpyHostToDevice));
  const auto where = zm::vector_view<zm::memory::device>(device_index, n);
  const auto table = zm::vector_view<zm::memory::device>(memory[6], n / 16);
  row("gather, random indices", 3 * bytes, milliseconds(gpu, [&] { zm::gather(on, a, where, x); }));
  row("scatter_add, 16 elements an output", 2 * bytes,
      milliseconds(gpu, [&] { zm::scatter_add(on, a, where, table); }));

  // Sorts of keys that are put back in disorder, whose time is taken off.
  const auto shuffled = [&] {
    require(
        cudaMemcpyAsync(memory[4], memory[0], static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, gpu.stream()));
  };
  cub::DoubleBuffer<float> keys(memory[4], memory[5]);
  std::size_t scratch_bytes = 0;
  require(cub::DeviceRadixSort::SortKeys(nullptr, scratch_bytes, keys, n, 0, 32, gpu.stream()));
  void* scratch = nullptr;
  require(cudaMalloc(&scratch, scratch_bytes));
  const double theirs = milliseconds(gpu, [&] {
    keys = cub::DoubleBuffer<float>(memory[4], memory[5]);
    shuffled();
    require(cub::DeviceRadixSort::SortKeys(scratch, scratch_bytes, keys, n, 0, 32, gpu.stream()));
  });
  const double ours = milliseconds(gpu, [&] {
    shuffled();
    zm::sort(on, x);
  });
  std::printf("%-44s %9.3f ms; cub::DeviceRadixSort %.3f ms, ratio %.2f\n", "sort", ours - copy, theirs - copy,
              (ours - copy) / (theirs - copy));
  require(cudaFree(scratch));
  require(cudaFree(device_index));
  for (auto& m : memory) require(cudaFree(m));
  return 0;
} catch (const std::exception& e) {
  std::printf("%s\n", e.what());
  return 1;
}
