// A bound on the memory that several resources hold together.
//
// Layer      Vocabulary of the public face.
// Invariant  held_bytes() is what was charged and not discharged, and never above limit_bytes().
// Threads    Any number at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <quarry/export.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// A hard limit on the bytes that all resources whose slab_options::budget points here hold from upstream, the page pool and
/// the system together. A hit does not know of it.
///
/// What would pass the limit is refused, as past max_bytes: the resource gives back what rests in it, tries again with less,
/// then calls on_pressure once, which may trim other resources, and tries once more.
class QUARRY_EXPORT memory_budget {
 public:
  /// Units       `bytes`: bytes; with 0 nothing may be held.
  /// Requires    The budget outlives every resource that shares it. on_pressure may use these resources, also the one that is
  ///             refused: what it asks for beyond the limit is refused without calling it again; but it releases none that is
  ///             being served by the refused one, as its upstream. Several threads may be in it at the same time.
  /// Complexity  O(1).
  explicit memory_budget(std::size_t bytes, std::function<void()> on_pressure = nullptr);
  memory_budget(const memory_budget&) = delete;
  memory_budget& operator=(const memory_budget&) = delete;

  /// Returns the bytes that may be held. Complexity O(1).
  std::size_t limit_bytes() const noexcept { return limit_bytes_; }

  /// Returns the bytes that are held at the moment. Complexity O(1).
  std::size_t held_bytes() const noexcept {
    return held_bytes_.load(std::memory_order_relaxed);  // Relaxed: a number; it orders nothing.
  }

  /// Returns how often something was refused, since construction; a resource that asks again with less counts each time.
  /// Complexity  O(1).
  std::size_t refusals() const noexcept {
    return refusals_.load(std::memory_order_relaxed);  // Relaxed: a number; it orders nothing.
  }

  /// Counts `bytes` bytes as held unless they would pass the limit. A resource does so by itself; here for memory of other
  /// kinds that is to count as well.
  /// Returns     Whether they are counted.
  /// Complexity  O(1).
  bool try_charge(std::size_t bytes) noexcept;

  /// Counts `bytes` bytes as held no longer. Requires that they were charged. Complexity O(1).
  void discharge(std::size_t bytes) noexcept {
    held_bytes_.fetch_sub(bytes, std::memory_order_relaxed);  // Relaxed: as held_bytes().
  }

  /// Calls on_pressure, unless there is none or the calling thread is inside it already. Holds nothing meanwhile.
  /// Returns     Whether it was called.
  /// Errors      What on_pressure throws.
  /// Complexity  That of on_pressure.
  bool relieve();

 private:
  const std::size_t limit_bytes_;
  const std::function<void()> on_pressure_;  // empty: none
  std::atomic<std::size_t> held_bytes_{0};   // any thread
  std::atomic<std::size_t> refusals_{0};     // any thread
};

namespace detail {

/// Returns serve(), or, when that is null and the budget has refused something meanwhile, what it returns after on_pressure
/// was called.
template <class Serve>
auto serve_within(memory_budget* budget, Serve serve) {
  if (budget == nullptr) return serve();
  const std::size_t refusals = budget->refusals();
  const auto served = serve();
  if (served || budget->refusals() == refusals || !budget->relieve()) return served;
  return serve();
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
