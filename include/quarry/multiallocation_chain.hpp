// A chain of free slots, as the version 2 allocators of Boost.Container hand them over: one link in each.
//
// Layer      1 (what a container holds for a moment).
// Invariant  last_ is the newest link, the root's when the chain is empty; the last link is null.
// Threads    One thread at a time.
// Source     boost/container/detail/multiallocation_chain.hpp (the members and their corner rules).
#pragma once

#include <cstddef>
#include <iterator>
#include <new>
#include <quarry/portability.hpp>
#include <quarry/version.hpp>
#include <utility>

namespace quarry {
inline namespace QUARRY_ABI {

/// Slots of the size of T, linked by their first word. The chain owns nothing: dropping it loses the slots.
/// Requires    Each slot holds a pointer, which every slot of a slab does.
template <class T>
class multiallocation_chain {
  struct link {
    link* next;
  };

 public:
  using size_type = std::size_t;
  using pointer = T*;
  using pointer_pair = std::pair<T*, T*>;

  /// Visits the slots of a chain. An increment reads the slot's link, so it comes before the slot is used.
  class iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = T*;
    using reference = T&;

    iterator() noexcept = default;

    T& operator*() const noexcept { return *slot_of(at_); }
    T* operator->() const noexcept { return slot_of(at_); }  // null at the end
    iterator& operator++() noexcept {
      at_ = behind(at_);
      return *this;
    }
    iterator operator++(int) noexcept {
      const iterator before = *this;
      at_ = behind(at_);
      return before;
    }
    friend bool operator==(iterator a, iterator b) noexcept { return a.at_ == b.at_; }
    friend bool operator!=(iterator a, iterator b) noexcept { return a.at_ != b.at_; }

   private:
    friend class multiallocation_chain;
    explicit iterator(link* at) noexcept : at_(at) {}

    link* at_ = nullptr;
  };

  multiallocation_chain() noexcept = default;
  multiallocation_chain(multiallocation_chain&& other) noexcept { take(other); }
  multiallocation_chain& operator=(multiallocation_chain&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }
  multiallocation_chain(const multiallocation_chain&) = delete;
  multiallocation_chain& operator=(const multiallocation_chain&) = delete;

  void push_back(T* slot) noexcept {
    last_ = last_->next = ::new (static_cast<void*>(slot)) link{nullptr};
    ++size_;
  }

  void push_front(T* slot) noexcept {
    root_.next = ::new (static_cast<void*>(slot)) link{root_.next};
    if (size_++ == 0) last_ = root_.next;
  }

  /// Appends `count` slots that are `step_bytes` bytes apart, the lowest first.
  void push_back_run(void* first, size_type count, std::size_t step_bytes) noexcept {
    auto* place = static_cast<std::byte*>(first);
    last_->next = reinterpret_cast<link*>(place);
    for (size_type i = 1; i < count; ++i, place += step_bytes)
      ::new (place) link{reinterpret_cast<link*>(place + step_bytes)};
    last_ = ::new (place) link{nullptr};
    size_ += count;
  }

  /// Takes slots from the front as long as each lies `step_bytes` bytes above the one before it, or each below.
  /// Returns     The lowest slot and how many they are.
  /// Requires    !empty()
  std::pair<void*, size_type> pop_front_run(std::size_t step_bytes) noexcept {
    auto* const first = reinterpret_cast<std::byte*>(root_.next);
    std::byte* place = first;
    auto step = static_cast<std::ptrdiff_t>(step_bytes);
    if (next_of(place) == place - step) step = -step;
    size_type run = 1;
    while (next_of(place) == place + step) {
      place += step;
      ++run;
    }
    root_.next = reinterpret_cast<link*>(next_of(place));
    if ((size_ -= run) == 0) last_ = &root_;
    return {step > 0 ? first : place, run};
  }

  /// Requires    !empty()
  T* pop_front() noexcept {
    link* const first = root_.next;
    root_.next = first->next;
    if (--size_ == 0) last_ = &root_;
    return slot_of(first);
  }

  /// Puts the linked slots [first, last], `count` of them, behind `position`; nothing when `count` is 0.
  void incorporate_after(iterator position, T* first, T* last, size_type count) noexcept {
    if (count == 0) return;
    link* const final = link_of(last);
    final->next = position.at_->next;
    position.at_->next = link_of(first);
    if (position.at_ == last_) last_ = final;
    size_ += count;
  }

  /// Moves the `count` slots (before_first, last] of `other` behind `position`.
  void splice_after(iterator position, multiallocation_chain& other, iterator before_first, iterator last,
                    size_type count) noexcept {
    if (count == 0) return;
    link* const first = before_first.at_->next;
    before_first.at_->next = last.at_->next;
    if (other.last_ == last.at_) other.last_ = before_first.at_;
    other.size_ -= count;
    incorporate_after(position, slot_of(first), slot_of(last.at_), count);
  }

  /// Moves every slot of `other` behind `position`.
  void splice_after(iterator position, multiallocation_chain& other) noexcept {
    splice_after(position, other, other.before_begin(), other.last(), other.size());
  }

  /// Returns the first and the last slot, both null when there is none, and leaves the chain empty.
  pointer_pair extract_data() noexcept {
    if (empty()) return pointer_pair(nullptr, nullptr);
    const pointer_pair result(slot_of(root_.next), slot_of(last_));
    clear();
    return result;
  }

  void swap(multiallocation_chain& other) noexcept {
    multiallocation_chain held(std::move(other));
    other.take(*this);
    take(held);
  }

  /// Forgets the slots.
  void clear() noexcept {
    root_.next = nullptr;
    last_ = &root_;
    size_ = 0;
  }

  bool empty() const noexcept { return size_ == 0; }
  size_type size() const noexcept { return size_; }
  iterator before_begin() noexcept { return iterator(&root_); }
  iterator begin() noexcept { return iterator(root_.next); }
  iterator last() noexcept { return iterator(last_); }  // before_begin() when the chain is empty
  iterator end() noexcept { return iterator(nullptr); }
  static iterator iterator_to(T* slot) noexcept { return iterator(link_of(slot)); }

 private:
  static std::byte* next_of(std::byte* place) noexcept {
    return reinterpret_cast<std::byte*>(std::launder(reinterpret_cast<link*>(place))->next);
  }

  // The link behind `at`. In a burst it is mostly the neighbour: a guess that the processor checks while it goes
  // on, so that walking a chain does not wait for one load after the other.
  static link* behind(link* at) noexcept {
    link* const next = at->next;
    link* guess = link_of(slot_of(at) + 1);
    if (QUARRY_UNLIKELY(next != guess)) return next;
    QUARRY_FORGET(guess);  // else the compiler finds that it may as well return next
    return guess;
  }

  static link* link_of(T* slot) noexcept { return static_cast<link*>(static_cast<void*>(slot)); }
  static T* slot_of(link* at) noexcept { return static_cast<T*>(static_cast<void*>(at)); }

  void take(multiallocation_chain& other) noexcept {
    root_ = other.root_;
    last_ = other.empty() ? &root_ : other.last_;
    size_ = other.size_;
    other.clear();
  }

  link root_{nullptr};
  link* last_ = &root_;
  size_type size_ = 0;  // slots
};

}  // namespace QUARRY_ABI
}  // namespace quarry
