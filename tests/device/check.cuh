// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "zermelo/core/error.hpp"
#include "zermelo/core/execution/cuda.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/core/tensor.hpp"

/// What the programs that test a device share: numbers there, checks that are counted, and the code that says that there is
/// no device.
namespace zm = zermelo;

inline int failures = 0, checks = 0;

inline void check(bool fact, const char* what, int line) {
  ++checks;
  if (fact) return;
  ++failures;
  std::printf("line %d: not so: %s\n", line, what);
}
#define CHECK(fact) check(static_cast<bool>(fact), #fact, __LINE__)

/// What ctest takes for "skipped".
inline constexpr int skipped = 77;

inline bool no_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return false;
  std::printf("skipped: %s\n", status == cudaSuccess ? "there is no device" : cudaGetErrorString(status));
  return true;
}

inline int verdict() {
  std::printf("%d checks, %d of them failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}

inline void require(cudaError_t status) {
  if (status != cudaSuccess) throw zm::error(cudaGetErrorString(status));
}

/// Numbers in device memory, filled with rubbish before anything is written, `shift` elements behind an aligned address.
template <class T>
class on_device {
 public:
  explicit on_device(std::int64_t n, std::int64_t shift = 0) : n_(n), shift_(shift) {
    require(cudaMalloc(&memory_, static_cast<std::size_t>(n + shift + 1) * sizeof(T)));
    require(cudaMemset(memory_, 0x5a, static_cast<std::size_t>(n + shift + 1) * sizeof(T)));
  }
  explicit on_device(const std::vector<T>& x, std::int64_t shift = 0)
      : on_device(static_cast<std::int64_t>(x.size()), shift) {
    set(x);
  }
  on_device(const on_device&) = delete;
  on_device& operator=(const on_device&) = delete;
  ~on_device() { cudaFree(memory_); }

  void set(const std::vector<T>& x) {
    require(cudaMemcpy(data(), x.data(), x.size() * sizeof(T), cudaMemcpyHostToDevice));
  }
  std::vector<T> get() const {
    require(cudaDeviceSynchronize());
    std::vector<T> x(static_cast<std::size_t>(n_));
    require(cudaMemcpy(x.data(), data(), x.size() * sizeof(T), cudaMemcpyDeviceToHost));
    return x;
  }
  T* data() const { return memory_ + shift_; }
  zm::tensor_view<T, 1, zm::memory::device> view() const { return zm::vector_view<zm::memory::device>(data(), n_); }
  zm::tensor_view<T, 2, zm::memory::device> matrix(std::int64_t rows, std::int64_t columns) const {
    return zm::matrix_view<zm::memory::device>(data(), rows, columns);
  }
  /// Every `step`-th number, from the end if negative.
  zm::tensor_view<T, 1, zm::memory::device> strided(std::int64_t step) const {
    const std::int64_t n = n_ / (step < 0 ? -step : step);
    return {.data = step < 0 ? data() - (n - 1) * step : data(), .shape = {n}, .strides = {step}};
  }

 private:
  T* memory_ = nullptr;
  std::int64_t n_, shift_;
};

template <class T>
std::vector<T> random_numbers(std::int64_t n, std::uint64_t stream) {
  std::vector<T> x(static_cast<std::size_t>(n));
  for (std::int64_t k = 0; k < n; ++k)
    x[static_cast<std::size_t>(k)] = 2 * zm::uniform<T>(11, stream, static_cast<std::uint64_t>(k)) - 1;
  return x;
}

/// The largest |a − b|, infinite where lengths differ or one of the two is not a number.
template <class T>
double distance(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return INFINITY;
  double most = 0;
  for (std::size_t k = 0; k < a.size(); ++k) {
    if (a[k] == b[k]) continue;
    const double d = std::fabs(static_cast<double>(a[k]) - static_cast<double>(b[k]));
    most = d <= most ? most : std::isnan(d) ? INFINITY : d;
  }
  return most;
}

template <class T>
constexpr double epsilon() {
  return sizeof(T) == 4 ? 1.1920929e-07 : 2.2204460492503131e-16;
}

/// The argument and index of the domain_error that f throws, as "argument[index]".
template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const zm::domain_error& e) {
    return e.argument() + "[" + std::to_string(e.index()) + "]";
  } catch (const zm::error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

/// Memory by cudaMalloc that counts how often it is asked for.
struct counting_memory {
  int allocations = 0;
  zm::device_memory_resource resource() {
    return {this,
            [](void* self, void** memory, std::size_t bytes, cudaStream_t) {
              ++static_cast<counting_memory*>(self)->allocations;
              return cudaMalloc(memory, bytes);
            },
            [](void*, void* memory, cudaStream_t) { return cudaFree(memory); }};
  }
};
