# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The optional parts of the package: component, the CMake package it needs, the target it links. The build tree and the
# installed package both read this list; a component is the target zermelo::<component>.

set(zermelo_components eigen threads openmp tbb thrust xtensor dlpack cuda cuda_blas)
set(zermelo_component_eigen Eigen3 Eigen3::Eigen)
set(zermelo_component_threads Threads Threads::Threads)
set(zermelo_component_openmp OpenMP OpenMP::OpenMP_CXX)
set(zermelo_component_tbb TBB TBB::tbb)
set(zermelo_component_thrust Thrust Thrust::Thrust)
set(zermelo_component_xtensor xtensor xtensor)
set(zermelo_component_dlpack dlpack dlpack::dlpack)
set(zermelo_component_cuda CUDAToolkit CUDA::cudart) # wants CUDA_STANDARD 20
set(zermelo_component_cuda_blas CUDAToolkit CUDA::cusolver) # with cuBLAS: core/primitives/device_matmul.hpp

# Before 3.26, CMake does not know how nvcc is told of C++20.
if(CMAKE_VERSION VERSION_LESS 3.26)
  set(zermelo_options_cuda "$<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-std=c++20>")
endif()

# Thrust's target is an alias of others that are seen in one directory only: its headers are all that is needed. C++ that
# nvcc does not compile has no device.
set(zermelo_headers_only thrust)
set(zermelo_definitions_thrust "$<$<COMPILE_LANGUAGE:CXX>:THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP>")

# Defines zermelo::<component> if its package is found. With GLOBAL, projects that add this one as a subdirectory see it.
macro(zermelo_find_component component)
  list(GET zermelo_component_${component} 0 zermelo_package)
  list(GET zermelo_component_${component} 1 zermelo_dependency)
  if(NOT TARGET ${zermelo_dependency})
    if("${zermelo_package}" STREQUAL CUDAToolkit AND "${ARGN}" STREQUAL "GLOBAL")
      set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON) # its targets need each other
    endif()
    find_package(${zermelo_package} QUIET)
    unset(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL)
    if("${ARGN}" STREQUAL "GLOBAL" AND TARGET ${zermelo_dependency} AND NOT ${component} IN_LIST zermelo_headers_only)
      set_target_properties(${zermelo_dependency} PROPERTIES IMPORTED_GLOBAL TRUE)
    endif()
  endif()
  if(TARGET ${zermelo_dependency} AND NOT TARGET zermelo::${component})
    add_library(zermelo::${component} INTERFACE IMPORTED ${ARGN})
    if(${component} IN_LIST zermelo_headers_only)
      get_target_property(zermelo_headers ${zermelo_dependency} INTERFACE_INCLUDE_DIRECTORIES)
      target_link_libraries(zermelo::${component} INTERFACE zermelo::zermelo)
      target_include_directories(zermelo::${component} INTERFACE ${zermelo_headers})
    else()
      target_link_libraries(zermelo::${component} INTERFACE zermelo::zermelo ${zermelo_dependency})
    endif()
    target_compile_definitions(zermelo::${component} INTERFACE ${zermelo_definitions_${component}})
    target_compile_options(zermelo::${component} INTERFACE ${zermelo_options_${component}})
  endif()
endmacro()
