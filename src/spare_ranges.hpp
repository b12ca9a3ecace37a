// Spare ranges: address space that stays mapped, because unmapping it would cost a mapping more than the system
// allows. There is no memory behind it; what is mapped next lies there again.
//
// Layer      Under os_pages.cpp; knows nothing of the system.
// Invariant  A tree ordered by address, and by a hash of the address from the root down, so that it is balanced.
//            No two ranges in it touch. Records lie in the first page of some ranges, one page for some eighty
//            others, so that no other spare page is ever touched.
// Threads    One at a time.
// Source     Treaps: Seidel & Aragon 1996.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

class spare_ranges {
 public:
  struct range {
    void* pages = nullptr;      // null: none
    std::size_t bytes = 0;      // whole pages
    bool reads_as_zero = true;  // false: the system refused to discard the contents
  };

  constexpr spare_ranges() noexcept = default;
  spare_ranges(const spare_ranges&) = delete;
  spare_ranges& operator=(const spare_ranges&) = delete;

  /// Takes the ranges that touch `added` out and returns their union with it, which is in no tree.
  /// Complexity  O(log n).
  range join(range added) noexcept {
    if (record* const before = last_before(begin_of(added)))
      if (begin_of(before->value) + before->value.bytes == begin_of(added)) {
        added = {before->value.pages, before->value.bytes + added.bytes,
                 before->value.reads_as_zero && added.reads_as_zero};
        remove(*before);
      }
    if (record* const behind = find(begin_of(added) + added.bytes)) {
      added.bytes += behind->value.bytes;
      added.reads_as_zero = added.reads_as_zero && behind->value.reads_as_zero;
      remove(*behind);
    }
    return added;
  }

  /// Adds a range that touches no other; it never fails, because the range's own first page serves where a page
  /// for records is missing.
  /// Units       `page_bytes`: bytes, a power of two; the range begins at a multiple of it and is one long.
  /// Complexity  O(log n).
  void add(range added, std::size_t page_bytes) noexcept {
    if (unused_ == nullptr && fresh_ == fresh_end_) {
      fresh_ = static_cast<unsigned char*>(added.pages);
      fresh_end_ = fresh_ + page_bytes / sizeof(record) * sizeof(record);
      added.pages = static_cast<unsigned char*>(added.pages) + page_bytes;
      added.bytes -= page_bytes;
      if (added.bytes == 0) return;
    }
    record* const made = unused_record();
    *made = {added, added.bytes, nullptr, nullptr};
    root_ = inserted(root_, *made);
    ++count_;
  }

  /// Takes `bytes` bytes out of a range that holds them; what lies before and behind them stays.
  /// Units       bytes, whole pages; `alignment` and `page_bytes` are powers of two.
  /// Returns     The part, or none when none of the first few ranges that are large enough holds it aligned.
  /// Complexity  O(log n): at most sixteen ranges are looked at.
  range take(std::size_t bytes, std::size_t alignment, std::size_t page_bytes) noexcept {
    int looks = most_looks;
    record* const found = first_that_holds(root_, bytes, alignment, looks);
    if (found == nullptr) return {};
    const range from = found->value;
    remove(*found);
    const std::size_t before = bytes_before(from, alignment);
    const std::size_t behind = from.bytes - before - bytes;
    auto* const begin = static_cast<unsigned char*>(from.pages);
    if (before != 0) add({begin, before, from.reads_as_zero}, page_bytes);
    if (behind != 0) add({begin + before + bytes, behind, from.reads_as_zero}, page_bytes);
    return {begin + before, bytes, from.reads_as_zero};
  }

  /// Takes some whole range, or none when there is none. Complexity O(log n).
  range take_any() noexcept {
    if (root_ == nullptr) return {};
    const range taken = root_->value;
    remove(*root_);
    return taken;
  }

  std::size_t count() const noexcept { return count_; }

 private:
  static constexpr int most_looks = 16;

  struct record {
    range value;
    std::size_t largest_bytes = 0;  // of the ranges in this subtree
    record* left = nullptr;         // lower addresses; the next record of the list of unused ones
    record* right = nullptr;        // higher addresses
  };

  static std::uintptr_t begin_of(const range& of) noexcept {
    return reinterpret_cast<std::uintptr_t>(of.pages);
  }

  static std::size_t bytes_before(const range& in, std::size_t alignment) noexcept {
    return (std::size_t{0} - begin_of(in)) & (alignment - 1);
  }

  // The upper half of a product depends on every bit of the address.
  static std::uint32_t priority_of(const record& of) noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{begin_of(of.value)} * 0x9E3779B97F4A7C15U) >> 32);
  }

  static void update(record& of) noexcept {
    of.largest_bytes = of.value.bytes;
    if (of.left != nullptr) of.largest_bytes = std::max(of.largest_bytes, of.left->largest_bytes);
    if (of.right != nullptr) of.largest_bytes = std::max(of.largest_bytes, of.right->largest_bytes);
  }

  // Splits a subtree into what lies before an address and what lies behind.
  static void split(record* tree, std::uintptr_t at, record*& before, record*& behind) noexcept {
    if (tree == nullptr) {
      before = behind = nullptr;
      return;
    }
    if (begin_of(tree->value) < at) {
      before = tree;
      split(tree->right, at, tree->right, behind);
    } else {
      behind = tree;
      split(tree->left, at, before, tree->left);
    }
    update(*tree);
  }

  static record* merged(record* before, record* behind) noexcept {
    if (before == nullptr) return behind;
    if (behind == nullptr) return before;
    if (priority_of(*before) > priority_of(*behind)) {
      before->right = merged(before->right, behind);
      update(*before);
      return before;
    }
    behind->left = merged(before, behind->left);
    update(*behind);
    return behind;
  }

  static record* inserted(record* tree, record& added) noexcept {
    if (tree == nullptr || priority_of(added) > priority_of(*tree)) {
      split(tree, begin_of(added.value), added.left, added.right);
      update(added);
      return &added;
    }
    record*& side = begin_of(added.value) < begin_of(tree->value) ? tree->left : tree->right;
    side = inserted(side, added);
    update(*tree);
    return tree;
  }

  static record* without(record* tree, const record& removed) noexcept {
    if (tree == &removed) return merged(tree->left, tree->right);
    record*& side = begin_of(removed.value) < begin_of(tree->value) ? tree->left : tree->right;
    side = without(side, removed);
    update(*tree);
    return tree;
  }

  static record* first_that_holds(record* tree, std::size_t bytes, std::size_t alignment,
                                  int& looks) noexcept {
    if (tree == nullptr || tree->largest_bytes < bytes || looks == 0) return nullptr;
    if (record* const found = first_that_holds(tree->left, bytes, alignment, looks)) return found;
    if (tree->value.bytes >= bytes && looks != 0) {
      --looks;
      if (bytes_before(tree->value, alignment) <= tree->value.bytes - bytes) return tree;
    }
    return first_that_holds(tree->right, bytes, alignment, looks);
  }

  record* last_before(std::uintptr_t address) const noexcept {
    record* found = nullptr;
    for (record* each = root_; each != nullptr;) {
      const bool is_before = begin_of(each->value) < address;
      if (is_before) found = each;
      each = is_before ? each->right : each->left;
    }
    return found;
  }

  record* find(std::uintptr_t begin) const noexcept {
    record* each = root_;
    while (each != nullptr && begin_of(each->value) != begin)
      each = begin < begin_of(each->value) ? each->left : each->right;
    return each;
  }

  void remove(record& removed) noexcept {
    root_ = without(root_, removed);
    removed.left = unused_;
    unused_ = &removed;
    --count_;
  }

  record* unused_record() noexcept {
    if (record* const reused = unused_; reused != nullptr) {
      unused_ = reused->left;
      return reused;
    }
    auto* const made = ::new (static_cast<void*>(fresh_)) record;
    fresh_ += sizeof(record);
    return made;
  }

  record* root_ = nullptr;              // of the tree
  record* unused_ = nullptr;            // records that hold no range
  unsigned char* fresh_ = nullptr;      // records that never held one
  unsigned char* fresh_end_ = nullptr;  // their end
  std::size_t count_ = 0;               // ranges in the tree
};

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
