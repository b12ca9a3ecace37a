// The resource of a tag: made at its first use, and never destroyed.
//
// Layer      1, behind the public face.
// Invariant  What is static is constant-initialised and has no destructor, so the resource may be used before main() begins
//            and after it has ended, and a hit asks neither a guard nor itself whether there is one. A module that hides
//            these words has a resource of its own.
// Threads    Any number at a time; of several that come first at once, one makes the resource.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory_resource>
#include <new>
#include <quarry/portability.hpp>
#include <quarry/resource_page_source.hpp>
#include <quarry/slab_options.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <type_traits>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

template <class Tag, class Resource>
class static_resource {
 public:
  /// Returns the resource; makes it of default options when nobody has. Complexity O(1).
  static Resource& get() {
    if (Resource* const made = at_hand()) return *made;
    make(slab_options(), nullptr);
    return *at_hand();
  }

  /// Makes the resource, over std::pmr::new_delete_resource() where `upstream` is null: what never ends needs an upstream
  /// that does not end either. Takes pages of its own for it, so that this may run inside an operator new.
  /// Returns     False when it was made before; then nothing has changed.
  /// Errors      What the constructor throws; std::bad_alloc when the system refuses a page; then nothing has changed.
  static bool make(const slab_options& options, std::pmr::memory_resource* upstream);

  /// The resource's allocate_fixed().
  template <std::size_t Bytes, std::size_t Alignment>
  static void* allocate_fixed() {
    if constexpr (has_key) {
      if (void* const slot = pop_fixed<Bytes, Alignment>(cache_at_hand())) return slot;
    } else {
      if (Resource* const made = at_hand()) return made->template allocate_fixed<Bytes, Alignment>();
    }
    return allocate_slow<Bytes, Alignment>();
  }

  /// The resource's deallocate_fixed().
  template <std::size_t Bytes, std::size_t Alignment>
  static void deallocate_fixed(void* pointer) noexcept {
    if constexpr (has_key) {
      if (push_fixed<Bytes, Alignment>(cache_at_hand(), pointer)) return;
    } else {
      if (Resource* const made = at_hand()) return made->template deallocate_fixed<Bytes, Alignment>(pointer);
    }
    deallocate_slow<Bytes, Alignment>(pointer);
  }

 private:
  static constexpr bool has_key = std::is_same_v<Resource, synchronized_slab_resource>;

  static Resource* at_hand() noexcept {
    return made_.load(std::memory_order_acquire);  // Acquire: pairs with the release in make().
  }
  static core::cache* cache_at_hand() noexcept {
    return key_.load(std::memory_order_acquire)->find();  // Acquire: pairs with the release in get_slow().
  }

  // Whoever misses sees to it that hits find the resource.
  static Resource& get_slow() {
    Resource& made = get();
    if constexpr (has_key)
      // Relaxed: only a look. Release: pairs with the acquire in cache_at_hand().
      if (key_.load(std::memory_order_relaxed) == &no_key_)
        key_.store(&made.caches_, std::memory_order_release);
    return made;
  }
  template <std::size_t Bytes, std::size_t Alignment>
  QUARRY_NOINLINE static void* allocate_slow() {
    return get_slow().template allocate_fixed<Bytes, Alignment>();
  }
  template <std::size_t Bytes, std::size_t Alignment>
  QUARRY_NOINLINE static void deallocate_slow(void* pointer) noexcept {
    if (pointer != nullptr) get_slow().template deallocate_fixed<Bytes, Alignment>(pointer);
  }

  inline static constexpr thread_key no_key_{};
  inline static std::atomic<Resource*> made_{nullptr};  // any thread
  inline static std::atomic<const thread_key*> key_{
      &no_key_};  // of `made_`, once somebody has missed; any thread
};

// Whoever comes second gives its own back: so nobody waits, and a fork at any moment leaves nothing half made.
template <class Tag, class Resource>
bool static_resource<Tag, Resource>::make(const slab_options& options, std::pmr::memory_resource* upstream) {
  if (made_.load(std::memory_order_relaxed) != nullptr) return false;  // Relaxed: only a look.
  struct pages {
    void* const begin = os_page_resource()->allocate(sizeof(Resource), alignof(Resource));
    bool is_used = false;
    ~pages() {
      if (!is_used) os_page_resource()->deallocate(begin, sizeof(Resource), alignof(Resource));
    }
  } memory;
  auto* const fresh = ::new (memory.begin)
      Resource(options, upstream != nullptr ? upstream : std::pmr::new_delete_resource());
  Resource* none = nullptr;
  // Release: pairs with the acquire in at_hand(). Relaxed: another's is not used here.
  memory.is_used =
      made_.compare_exchange_strong(none, fresh, std::memory_order_release, std::memory_order_relaxed);
  if (!memory.is_used) fresh->~Resource();
  return memory.is_used;
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
