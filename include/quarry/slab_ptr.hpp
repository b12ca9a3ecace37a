// slab_ptr: the one-word owner of an object in a slab.
//
// Layer      1 (what a user holds). Freestanding; on hosted builds it also turns into standard smart
//            pointers.
// Invariant  Null, or the address of an object (or of a base of it) in a slot of a slab_cache with the same
//            slab size; the slab's header, found by mask, knows how to destroy that object.
// Threads    As a raw pointer; destroying the object needs what the cache's lock gives.
#pragma once

#include <quarry/core/typed/cache_layout.hpp>
#include <quarry/locks.hpp>
#include <quarry/page_sources.hpp>
#include <quarry/recycle_policy.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#if __STDC_HOSTED__
#include <functional>
#include <memory>
#endif

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {

/// The smallest slab that a cache chooses by itself: a 64-bit hosted program has address space to spare.
inline constexpr std::size_t smallest_default_slab_bytes =
    __STDC_HOSTED__ != 0 && sizeof(void*) == 8 ? 65536 : 4096;

template <class T>
constexpr std::size_t choose_default_slab_bytes() noexcept {
  core::cache_parts parts;
  parts.slot_bytes = sizeof(T);
  parts.slot_alignment = alignof(T);
  parts.marks_kept = keeps_recycled<std::remove_cv_t<T>>;
  return core::choose_slab_bytes(parts, smallest_default_slab_bytes);
}

}  // namespace detail

/// The slab size that a cache of T chooses: the smallest that makes at least 8 slots and wastes at most 1/8.
/// Units       bytes; a power of two.
/// Requires    T is complete.
template <class T>
inline constexpr std::size_t default_slab_bytes = detail::choose_default_slab_bytes<T>();

/// As SlabBytes: default_slab_bytes<T>, asked for when T is complete, so that caches and owners of T may be named before.
inline constexpr std::size_t slab_bytes_by_size = 0;

template <class T, class Lock = null_lock, std::size_t SlabBytes = slab_bytes_by_size,
          class PageSource = default_page_source>
class slab_cache;

namespace detail {

template <class T, std::size_t SlabBytes>
constexpr std::size_t slab_bytes_in_force() noexcept {
  if constexpr (SlabBytes == slab_bytes_by_size) {
    return default_slab_bytes<T>;
  } else {
    return SlabBytes;
  }
}

// What decides whether objects of one cache may be owned as objects of another.
template <class Cache>
struct cache_traits;

template <class T, class Lock, std::size_t SlabBytes, class PageSource>
struct cache_traits<slab_cache<T, Lock, SlabBytes, PageSource>> {
  static constexpr std::size_t slab_bytes = slab_bytes_in_force<T, SlabBytes>();
  using in_force = slab_cache<T, Lock, slab_bytes, PageSource>;
};

// An owner of U from cache From may become an owner of T that names cache To: through To when it is the same
// cache, else through the slab's header, which both find only when their slabs have one size. A final T
// has no derived classes, so that its owners need not ask whose object they hold.
template <class U, class From, class T, class To>
constexpr bool can_own_of() noexcept {
  if constexpr (!std::is_convertible_v<U*, T*>) {
    return false;
  } else if constexpr (std::is_same_v<From, To>) {
    return true;
  } else if constexpr (std::is_class_v<T> && !std::is_final_v<T>) {
    return cache_traits<From>::slab_bytes == cache_traits<To>::slab_bytes;
  } else {
    return std::is_same_v<typename cache_traits<From>::in_force, typename cache_traits<To>::in_force>;
  }
}
template <class U, class From, class T, class To>
inline constexpr bool is_safe_conversion = can_own_of<U, From, T, To>();
// Moving is no conversion; T need not be complete.
template <class T, class Cache>
inline constexpr bool is_safe_conversion<T, Cache, T, Cache> = false;

}  // namespace detail

template <class T, class Cache = slab_cache<T>>
class slab_ptr;

#if __STDC_HOSTED__
/// The deleter of slab_ptr::into_unique(): empty, because the slab's header knows the cache.
template <class T, class Cache = slab_cache<T>>
struct slab_deleter {
  /// Destroys the object and frees its slot. Complexity as slab_ptr.
  void operator()(T* object) const noexcept { slab_ptr<T, Cache> owner(object); }
};
#endif

/// Owns one object in a slab and gives its slot back when it goes; the interface of std::unique_ptr.
/// T may be a base of the object's type, with or without a virtual destructor: the object that was made is
/// destroyed. A slab_ptr<Base> takes objects of every cache whose slabs have the size that its own cache has.
/// A chain of owners ends from its head, one call inside the other; a long one is taken apart by
/// `while (head != nullptr) head = std::move(head->next);`.
/// Complexity  O(1), and where an object is destroyed what its destructor and slab_cache::deallocate() cost.
template <class T, class Cache>
class slab_ptr {
 public:
  /// The names that the standard asks for, and the cache.
  using pointer = T*;
  using element_type = T;
  using cache_type = Cache;

  /// Owns nothing.
  constexpr slab_ptr() noexcept = default;
  constexpr slab_ptr(std::nullptr_t) noexcept {}

  /// Adopts what release() gave, or a pointer to an object constructed in a slot of such a cache.
  explicit constexpr slab_ptr(T* released) noexcept : object_(released) {}

  /// Takes the object of `other` over, which then owns nothing.
  slab_ptr(slab_ptr&& other) noexcept : object_(other.release()) {}

  /// Takes an object of a derived class over, when its slab has the size that this owner's cache has.
  template <class U, class From, class = std::enable_if_t<detail::is_safe_conversion<U, From, T, Cache>>>
  slab_ptr(slab_ptr<U, From>&& other) noexcept : object_(other.release()) {}

  slab_ptr(const slab_ptr&) = delete;
  slab_ptr& operator=(const slab_ptr&) = delete;

  /// Destroys the object, if there is one, and frees its slot.
  ~slab_ptr() {
    if (object_ != nullptr) Cache::destroy(object_);
  }

  /// Destroys what it owns and takes the object of `other` over, or none.
  slab_ptr& operator=(slab_ptr&& other) noexcept {
    reset(other.release());
    return *this;
  }
  slab_ptr& operator=(std::nullptr_t) noexcept {
    reset();
    return *this;
  }

  /// Adopts what release() gave.
  static slab_ptr adopt(T* released) noexcept { return slab_ptr(released); }

  /// Gives the object up without destroying it; adopt() takes it back.
  [[nodiscard]] T* release() noexcept { return std::exchange(object_, nullptr); }

  /// Destroys the object, if any, and owns `released` from now on. Requires that it is not the same object.
  void reset(T* released = nullptr) noexcept {
    T* const old = std::exchange(object_, released);
    if (old != nullptr) Cache::destroy(old);
  }

  /// Exchanges the objects.
  void swap(slab_ptr& other) noexcept { std::swap(object_, other.object_); }

  /// The object, which stays owned.
  T* get() const noexcept { return object_; }
  /// Requires    *this != nullptr
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }

#if __STDC_HOSTED__
  /// Hands the object to a std::unique_ptr that destroys it as this owner would.
  std::unique_ptr<T, slab_deleter<T, Cache>> into_unique() && noexcept {
    return std::unique_ptr<T, slab_deleter<T, Cache>>(release());
  }

  /// Hands the object to a std::shared_ptr.
  /// Errors      std::bad_alloc for its control block; then the object is destroyed.
  template <class U, class = std::enable_if_t<std::is_convertible_v<T*, U*>>>
  operator std::shared_ptr<U>() && {
    return std::shared_ptr<U>(std::move(*this).into_unique());
  }
#endif

 private:
  T* object_ = nullptr;
};

/// Exchanges the objects. Complexity O(1).
template <class T, class Cache>
void swap(slab_ptr<T, Cache>& left, slab_ptr<T, Cache>& right) noexcept {
  left.swap(right);
}

/// Owners compare as the pointers that they hold. Complexity O(1).
template <class T, class C, class U, class D>
bool operator==(const slab_ptr<T, C>& left, const slab_ptr<U, D>& right) noexcept {
  return left.get() == right.get();
}
template <class T, class C, class U, class D>
bool operator!=(const slab_ptr<T, C>& left, const slab_ptr<U, D>& right) noexcept {
  return left.get() != right.get();
}
template <class T, class C, class U, class D>
bool operator<(const slab_ptr<T, C>& left, const slab_ptr<U, D>& right) noexcept {
  return reinterpret_cast<std::uintptr_t>(static_cast<std::common_type_t<T*, U*>>(left.get())) <
         reinterpret_cast<std::uintptr_t>(static_cast<std::common_type_t<T*, U*>>(right.get()));
}
template <class T, class C, class U, class D>
bool operator>(const slab_ptr<T, C>& left, const slab_ptr<U, D>& right) noexcept {
  return right < left;
}
template <class T, class C, class U, class D>
bool operator<=(const slab_ptr<T, C>& left, const slab_ptr<U, D>& right) noexcept {
  return !(right < left);
}
template <class T, class C, class U, class D>
bool operator>=(const slab_ptr<T, C>& left, const slab_ptr<U, D>& right) noexcept {
  return !(left < right);
}
template <class T, class C>
bool operator==(const slab_ptr<T, C>& left, std::nullptr_t) noexcept {
  return !left;
}
template <class T, class C>
bool operator==(std::nullptr_t, const slab_ptr<T, C>& right) noexcept {
  return !right;
}
template <class T, class C>
bool operator!=(const slab_ptr<T, C>& left, std::nullptr_t) noexcept {
  return static_cast<bool>(left);
}
template <class T, class C>
bool operator!=(std::nullptr_t, const slab_ptr<T, C>& right) noexcept {
  return static_cast<bool>(right);
}

}  // namespace QUARRY_ABI
}  // namespace quarry

#if __STDC_HOSTED__
template <class T, class Cache>
struct std::hash<quarry::slab_ptr<T, Cache>> {
  std::size_t operator()(const quarry::slab_ptr<T, Cache>& owner) const noexcept {
    return std::hash<T*>()(owner.get());
  }
};
#endif
