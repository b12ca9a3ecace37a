// The allocating face of a slab resource and of its views: what a hit does, and where a miss goes.
//
// Layer      1, behind the public face.
// Invariant  Whatever one face of a resource allocates every face of it may free.
// Threads    As the derived class.
// Source     docs/design.md walks one allocation down and one free up.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <quarry/core/bins/size_class.hpp>
#include <quarry/core/magazines/cache.hpp>
#include <quarry/core/slabs/slab.hpp>
#include <quarry/export.hpp>
#include <quarry/portability.hpp>
#include <quarry/slab_options.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

/// The hit of a caller that knows the size when it is compiled.
/// Returns     Null, or false, where the slow way must serve: there is no cache at hand, or its magazine does not.
template <std::size_t Bytes, std::size_t Alignment>
void* pop_fixed([[maybe_unused]] core::cache* own) noexcept {
  if constexpr (core::last_byte_of(Bytes, Alignment) < core::largest_slot_bytes)
    if (own != nullptr) return own->cursors[core::class_of(Bytes, Alignment)].pop();
  return nullptr;
}
template <std::size_t Bytes, std::size_t Alignment>
bool push_fixed([[maybe_unused]] core::cache* own, [[maybe_unused]] void* pointer) noexcept {
  if constexpr (core::last_byte_of(Bytes, Alignment) < core::largest_slot_bytes)
    if (own != nullptr) return own->cursors[core::class_of(Bytes, Alignment)].push(pointer);
  return false;
}

/// Whether a request has a class.
template <std::size_t Bytes, std::size_t Alignment>
inline constexpr bool has_class = core::last_byte_of(Bytes, Alignment) < core::largest_slot_bytes;

/// Derived has: core::cache* cache_at_hand() const noexcept, null where the slow way must look; core::cache* cache_or_open(),
/// null without memory for one; is_for_one_thread, whether that is always the same one; and a host() with a setup() and an engine().
template <class Derived>
class QUARRY_EXPORT slab_face : public std::pmr::memory_resource {
 public:
  /// Returns `bytes` bytes aligned to `alignment`, uninitialised; the caller's until deallocate(). The pmr face without its
  /// virtual call.
  /// Units       `bytes`, `alignment`: bytes; `alignment` is a power of two.
  /// Errors      What upstream throws; std::bad_alloc past max_bytes; one whose what() names
  ///             upstream and the values where that breaks a promise: memory that is null or not aligned. A miss also
  ///             throws std::invalid_argument for another alignment. Then nothing has changed.
  /// Complexity  Hit: O(1). Miss: O(magazine slots).
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) {
    return slab_face::do_allocate(bytes, alignment);
  }

  /// Takes back what any face of the resource allocated for the same two numbers; null is dropped.
  /// Complexity  Hit: O(1). Miss: O(1), a few slots go to their slabs.
  void deallocate(void* pointer, std::size_t bytes,
                  std::size_t alignment = alignof(std::max_align_t)) noexcept {
    slab_face::do_deallocate(pointer, bytes, alignment);
  }

  /// Returns memory as allocate() does, or null where that throws. Complexity as allocate().
  void* try_allocate(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) noexcept;

  /// Returns the bytes that a request really gets, all of them usable.
  /// Units       bytes; `alignment` is a power of two.
  /// Complexity  O(1).
  std::size_t good_size(std::size_t bytes, std::size_t alignment = alignof(std::max_align_t)) const noexcept {
    return self().host().setup().good_size(bytes, alignment);
  }

  // The typed face of a resource: for callers that know sizes when they are compiled. slab_allocator works
  // over any resource that has it.

  /// Returns memory as allocate(Bytes, Alignment) does; the size class is a constant.
  /// Complexity  Hit: O(1), 6 instructions. Miss and requests beyond the largest class: as allocate().
  template <std::size_t Bytes, std::size_t Alignment>
  [[nodiscard]] void* allocate_fixed() {
    if constexpr (has_class<Bytes, Alignment>)
      if (core::cache* const own = self().cache_at_hand()) {
        constexpr core::class_key key = core::key_of_class(core::class_of(Bytes, Alignment));
        core::cursor& loaded = own->cursor_at(key);
        if (void* const slot = loaded.pop()) return slot;
        return allocate_slow(Bytes, Alignment, key, loaded);
      }
    return allocate_missed(Bytes, Alignment);
  }

  /// Takes memory back as deallocate(pointer, Bytes, Alignment) does. Complexity as allocate_fixed().
  template <std::size_t Bytes, std::size_t Alignment>
  void deallocate_fixed(void* pointer) noexcept {
    if constexpr (has_class<Bytes, Alignment>)
      if (core::cache* const own = self().cache_at_hand()) {
        constexpr core::class_key key = core::key_of_class(core::class_of(Bytes, Alignment));
        core::cursor& loaded = own->cursor_at(key);
        if (loaded.push(pointer)) return;
        return deallocate_slow(pointer, Bytes, Alignment, key, loaded);
      }
    deallocate_missed(pointer, Bytes, Alignment);
  }

  /// Calls f(void*) with at most `count` blocks as allocate_fixed() returns them, out of the loaded magazine.
  /// Returns     How many there were; 0 when allocate_fixed() would not hit.
  /// Complexity  O(count).
  template <std::size_t Bytes, std::size_t Alignment, class F>
  std::size_t allocate_hits(std::size_t count, F f) {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::largest_slot_bytes)
      if (core::cache* const own = self().cache_at_hand())
        return core::pop_each(own->cursors[core::class_of(Bytes, Alignment)], count, f);
    return 0;
  }

  /// Frees the highest of `count` blocks that are good_size(Bytes, Alignment) bytes apart, of which `first` is the
  /// lowest: as many as the loaded magazine has room for.
  /// Returns     How many those were.
  /// Complexity  O(count).
  template <std::size_t Bytes, std::size_t Alignment>
  std::size_t deallocate_hits(void* first, std::size_t count) noexcept {
    if constexpr (core::last_byte_of(Bytes, Alignment) < core::largest_slot_bytes)
      if (core::cache* const own = self().cache_at_hand())
        return core::push_run(own->cursors[core::class_of(Bytes, Alignment)], first, count,
                              core::slot_bytes_of(core::class_of(Bytes, Alignment)));
    return 0;
  }

  /// Returns at most `count` blocks as allocate(bytes, alignment) returns them, neighbours in one slab.
  /// Requires    count > 0
  /// Returns     At least one block; one where no run of neighbours is at hand.
  /// Errors      As allocate(); then nothing has changed.
  /// Complexity  O(count / 64).
  [[nodiscard]] core::slot_run allocate_run(std::size_t count, std::size_t bytes, std::size_t alignment);

  /// Frees `count` blocks as deallocate(block, bytes, alignment) does; they are good_size(bytes, alignment) bytes
  /// apart and the lowest is `first`.
  /// Complexity  O(slabs + count / 64).
  void deallocate_run(void* first, std::size_t count, std::size_t bytes, std::size_t alignment) noexcept;

  /// Returns the bytes of the slot or oversize block that holds `pointer`, 0 when none does; deallocate takes
  /// them for the block's size. At check_level::full they are those that a live block was asked for with.
  /// Complexity  O(1) expected.
  std::size_t block_bytes(const void* pointer) const noexcept;

 protected:
  slab_face() = default;
  ~slab_face() override = default;

  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  const Derived& self() const noexcept { return static_cast<const Derived&>(*this); }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) final {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    core::class_key key = 0;
    if (core::find_key(last_byte, key))
      if (core::cache* const own = self().cache_at_hand()) {
        core::cursor& loaded = own->cursor_at(key);
        if (void* const slot = loaded.pop()) return slot;
        return allocate_slow(bytes, alignment, key, loaded);
      }
    return allocate_missed(bytes, alignment);
  }

  void do_deallocate(void* pointer, std::size_t bytes, std::size_t alignment) final {
    const std::size_t last_byte = core::last_byte_of(bytes, alignment);
    core::class_key key = 0;
    if (core::find_key(last_byte, key))
      if (core::cache* const own = self().cache_at_hand()) {
        core::cursor& loaded = own->cursor_at(key);
        if (loaded.push(pointer)) return;
        return deallocate_slow(pointer, bytes, alignment, key, loaded);
      }
    deallocate_missed(pointer, bytes, alignment);
  }

  core::cache& cache_missed(core::cursor& missed, core::class_key key) noexcept;
  // After a miss in the cache at hand, whose cursor of the class of `key` is `missed`.
  QUARRY_NOINLINE void* allocate_slow(std::size_t bytes, std::size_t alignment, core::class_key key,
                                      core::cursor& missed);
  QUARRY_NOINLINE void deallocate_slow(void* pointer, std::size_t bytes, std::size_t alignment,
                                       core::class_key key, core::cursor& missed) noexcept;
  QUARRY_NOINLINE void* allocate_pooled(std::size_t bytes, std::size_t alignment, core::class_key key,
                                        core::cursor& missed);
  QUARRY_NOINLINE void deallocate_pooled(void* pointer, std::size_t bytes, std::size_t alignment,
                                         core::class_key key, core::cursor& missed) noexcept;
  QUARRY_NOINLINE void* allocate_watched(std::size_t bytes, std::size_t alignment, core::class_key key);
  QUARRY_NOINLINE void deallocate_watched(void* pointer, std::size_t bytes, std::size_t alignment,
                                          core::class_key key) noexcept;
  // Where no cache is at hand, or the request has no class.
  QUARRY_NOINLINE void* allocate_missed(std::size_t bytes, std::size_t alignment);
  QUARRY_NOINLINE void deallocate_missed(void* pointer, std::size_t bytes, std::size_t alignment) noexcept;
  void* serve(std::size_t bytes, std::size_t alignment);
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
