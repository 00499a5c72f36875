// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// a lazy expression has no numbers to point to. pass expression.eval.. instead
#include <Eigen/Core>

#include "zermelo/core/tensor.hpp"

double first_of(const Eigen::VectorXd& x, const Eigen::VectorXd& y) { return zermelo::view(x + y)(0); }
