// A memory resource that puts one allocation in many between pages that nobody may touch: a check for production.
//
// Layer      1 (what a container or user holds), in front of any std::pmr::memory_resource.
// Invariant  A guarded block has pages of its own. They can be touched while it lives and at no other time; of all that were freed
//            those that were freed first are used again first.
// Threads    As upstream. A call that guards nothing takes no lock and writes nothing that another thread reads.
// Source     GWP-ASan: Serebryany et al., ICSE 2024.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <quarry/check_level.hpp>
#include <quarry/export.hpp>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {
class guarded_pool;
}

/// Options of a guarded_resource.
/// Threads     A value; no sharing.
struct guard_options {
  std::size_t every = 1000;       // allocations, of which one is guarded; 1: each; 0: none
  std::size_t blocks = 64;        // that may be guarded at a time, freed ones that wait included
  std::size_t most_bytes = 4096;  // of a guarded block; larger ones go upstream
  std::size_t pause_us = 5000;    // microseconds between two guarded blocks at the least; 0: no pause
  leak_action leaks = leak_action::quiet;  // about guarded blocks that live at the end; by_level is quiet
  const char* name = nullptr;              // stands in messages; outlives the resource; null: none
};

/// Hands every call on to another resource, but one allocation in `every`, which it guards: a read or write behind the end of that
/// block, ahead of its begin or after its free is a fault of the processor (SIGSEGV) at the instruction that did it, and a wrong free
/// of it is a violation. docs/checks.md tells how to use it.
///
/// Which allocation is guarded is left to chance. Blocks lie at the end of their pages and at the begin in turns.
/// Errors      What upstream throws; then nothing has changed.
/// Complexity  A call that is handed on: some 7 instructions more, and upstream's virtual call. A guarded block: two calls of the
///             system and two walks of the stack, 10 to 50 us.
class QUARRY_EXPORT guarded_resource final : public std::pmr::memory_resource {
 public:
  /// Guards with default options.
  explicit guarded_resource(std::pmr::memory_resource* upstream)
      : guarded_resource(guard_options(), upstream) {}

  /// Requires    upstream != nullptr; it outlives the resource.
  /// Effects     Maps (blocks + 1) * (a page + most_bytes in pages) of address space. Where the system refuses, nothing is
  ///             guarded, and places() is 0.
  /// Errors      std::invalid_argument when upstream is null.
  /// Complexity  O(blocks), some calls of the system: a resource for the life of a program, not of a request.
  guarded_resource(const guard_options& options, std::pmr::memory_resource* upstream);
  guarded_resource(const guarded_resource&) = delete;
  guarded_resource& operator=(const guarded_resource&) = delete;

  /// Unmaps guarded blocks, also those that live; tells of these where `leaks` asks for it. Complexity O(blocks).
  ~guarded_resource() override;

  /// Returns the resource that was given. Complexity O(1).
  std::pmr::memory_resource* upstream() const noexcept { return upstream_; }

  /// Returns whether an address lies in a guarded block or in the pages around one. Complexity O(1).
  bool guards(const void* address) const noexcept {
    return reinterpret_cast<std::uintptr_t>(address) - pool_begin_ < pool_bytes_;
  }

  /// Returns how many blocks can be guarded at a time: `blocks`, or 0 where none can. Complexity O(1).
  std::size_t places() const noexcept;

  /// Returns how many allocations were guarded so far. Complexity O(1). Threads Any number at a time.
  std::size_t guarded_allocations() const noexcept;

  /// Writes to the standard error stream what is known of an address that any guarded_resource of this copy of the library guards:
  /// the block, how far from it the address lies, whether it lives, who allocated and who freed it.
  /// Returns     Whether one guards it. The first 64 resources that live at a time are looked at.
  /// Complexity  O(resources).
  /// Threads     Any number at a time, handlers of signals included: takes no memory, and no lock that the faulting code can hold.
  ///             While a thread is inside, others write nothing.
  static bool describe(const void* address) noexcept;

  /// Has describe() called for each fault of the processor, from now on and for the process, before what was installed for SIGSEGV
  /// and SIGBUS till then gets the signal: by default that ends the program, with a core where the fault is.
  /// Returns     Whether the system knows such a thing.
  /// Complexity  O(1); again: nothing.
  static bool install_fault_reports() noexcept;

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;

  // What one of them guards, upstream and another one do not know.
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  void* allocate_slow(std::size_t bytes, std::size_t alignment);

  std::pmr::memory_resource* const upstream_;
  std::int64_t weight_ = 0;        // of an allocation in the countdown; 0: none is guarded
  std::uintptr_t pool_begin_ = 0;  // address
  std::size_t pool_bytes_ = 0;     // 0: none is guarded
  detail::guarded_pool* pool_ = nullptr;
};

}  // namespace QUARRY_ABI
}  // namespace quarry
