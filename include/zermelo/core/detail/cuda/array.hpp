// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../execution/cuda.hpp"

#if defined(__CUDACC__)

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "../../tensor.hpp"

namespace zermelo::inline v1::detail {

/// n numbers in device memory that a policy's resource gives, until it is destroyed. The policy's stream must outlive it.
template <class T>
class device_array {
 public:
  device_array() = default;
  ZERMELO_INLINE device_array(const cuda& policy, std::int64_t n)
      : stream_(policy.stream()), resource_(policy.resource()), n_(n) {
    void* memory = nullptr;
    if (n > 0)
      require_cuda(resource_.allocate(resource_.context, &memory, static_cast<std::size_t>(n) * sizeof(T), stream_),
                   "allocating an array");
    data_ = static_cast<T*>(memory);
  }
  ZERMELO_INLINE device_array(const cuda& policy, std::span<const T> x)
      : device_array(policy, static_cast<std::int64_t>(x.size())) {
    set(x);
  }
  ZERMELO_INLINE device_array(device_array&& other) noexcept { swap(other); }
  ZERMELO_INLINE device_array& operator=(device_array&& other) noexcept {
    swap(other);
    return *this;
  }
  ZERMELO_INLINE ~device_array() {
    if (data_ != nullptr) static_cast<void>(resource_.deallocate(resource_.context, data_, stream_));
  }

  /// Copies from the host, in stream order; x may be given back at once. At most as many numbers as there are.
  ZERMELO_INLINE void set(std::span<const T> x) const {
    if (x.empty()) return;
    require_cuda(cudaMemcpyAsync(data_, x.data(), x.size_bytes(), cudaMemcpyHostToDevice, stream_),
                 "copying to the device");
    require_cuda(cudaStreamSynchronize(stream_), "waiting for a copy");
  }
  /// Copies to the host, and waits for it.
  ZERMELO_INLINE void get(std::span<T> x) const {
    if (x.empty()) return;
    require_cuda(cudaMemcpyAsync(x.data(), data_, x.size_bytes(), cudaMemcpyDeviceToHost, stream_),
                 "copying from the device");
    require_cuda(cudaStreamSynchronize(stream_), "waiting for a copy");
  }

  ZERMELO_INLINE T* data() const { return data_; }
  ZERMELO_INLINE std::int64_t size() const { return n_; }
  ZERMELO_INLINE tensor_view<T, 1, memory::device> view() const { return vector_view<memory::device>(data_, n_); }

 private:
  ZERMELO_INLINE void swap(device_array& other) noexcept {
    std::swap(stream_, other.stream_);
    std::swap(resource_, other.resource_);
    std::swap(data_, other.data_);
    std::swap(n_, other.n_);
  }

  cudaStream_t stream_ = nullptr;
  device_memory_resource resource_ = {};
  T* data_ = nullptr;
  std::int64_t n_ = 0;
};

}  // namespace zermelo::inline v1::detail

#endif
