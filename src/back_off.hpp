// How a thread waits for another where it has nothing to sleep on: it looks again and again, lets others run between the first
// looks, and sleeps between the later ones, so that a thread of high priority does not keep out the one it waits for.
//
// Threads    One thread at a time: who waits.
#pragma once

#include <quarry/locks.hpp>

#include "fork_gate.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class back_off {
 public:
  void operator()() noexcept {
    if (yields_ == most_yields) return fork_gate::nap();
    ++yields_;
    yield_thread();
  }

 private:
  static constexpr int most_yields = 64;

  int yields_ = 0;
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
