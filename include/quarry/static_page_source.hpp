// Page sources over a buffer of fixed size, for machines without a heap: one that is its own memory, and one whose memory lies
// apart from it.
//
// Layer      Vocabulary of the public face; freestanding. core/memory/page_source.hpp states what a page source is.
// Invariant  A set bit of the map is a granule that is lent, or for a few instructions one that an allocation
//            is about to give back because its run was not free.
// Threads    Any number at a time, interrupt handlers included: nothing waits, nothing is locked. Needs
//            compare-and-swap on words, and says so where the processor has none.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <quarry/version.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

namespace detail {

// To how many bytes an object may be aligned: object files of Windows know no more than 8192.
#if defined(_WIN32)
inline constexpr std::size_t largest_static_alignment = 8192;
#else
inline constexpr std::size_t largest_static_alignment = SIZE_MAX / 2 + 1;
#endif

// Where most slabs may start, without asking linkers for more than they like to give.
constexpr std::size_t static_alignment_for(std::size_t bytes) noexcept {
  constexpr std::size_t wished = sizeof(void*) == 8 ? 65536 : 4096;
  constexpr std::size_t largest = wished < largest_static_alignment ? wished : largest_static_alignment;
  std::size_t alignment = 256;
  while (alignment < largest && alignment * 2 <= bytes) alignment *= 2;
  return alignment;
}

// The same where the map lies behind the buffer: the rounding up to the alignment adds no more than Bytes / 16 + 256.
constexpr std::size_t static_source_alignment_for(std::size_t bytes) noexcept {
  return static_alignment_for(bytes / 16);
}

// Which granules of a buffer are lent. The buffer itself is not touched.
template <std::size_t Bytes>
class granule_map {
  using word = std::uintptr_t;
  static_assert(Bytes != 0 && Bytes % 256 == 0,
                "quarry: static_page_source<Bytes> lends its buffer in granules of 256 bytes; write a "
                "multiple of 256.");
  static_assert(std::atomic<word>::is_always_lock_free || Bytes == 0,
                "quarry: this processor has no compare-and-swap, which a static_page_source needs; write a "
                "page source of your "
                "own that masks interrupts while it takes or gives a slab.");

 public:
  static constexpr std::size_t granule_bytes = 256;

  /// Returns memory of the buffer at `base`, or null when no aligned run of granules is free.
  void* allocate(std::uintptr_t base, std::size_t bytes, std::size_t alignment) noexcept {
    if (bytes == 0 || bytes > Bytes) return nullptr;
    const std::size_t wanted = (bytes + granule_bytes - 1) / granule_bytes;
    const std::size_t step = alignment > granule_bytes ? alignment / granule_bytes : 1;
    const std::uintptr_t first = (base + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
    std::size_t at = (first - base) / granule_bytes;
    if (first == 0) at += step;  // the address 0 would say that there is none
    for (; at < granules && wanted <= granules - at; at += step)
      if (take(at, wanted)) return reinterpret_cast<void*>(base + at * granule_bytes);
    return nullptr;
  }
  void deallocate(std::uintptr_t base, void* pages, std::size_t bytes) noexcept {
    give((reinterpret_cast<std::uintptr_t>(pages) - base) / granule_bytes,
         (bytes + granule_bytes - 1) / granule_bytes);
  }
  std::size_t lent_bytes() const noexcept {
    std::size_t lent = 0;
    for (std::size_t at = 0; at < granules; ++at)
      // Relaxed: a count of the moment, nothing is read by it.
      lent += (map_[at / word_bits].load(std::memory_order_relaxed) >> (at % word_bits) & 1) != 0
                  ? granule_bytes
                  : 0;
    return lent;
  }

 private:
  static constexpr std::size_t word_bits = sizeof(word) * 8;
  static constexpr std::size_t granules = Bytes / granule_bytes;
  static constexpr std::size_t words = (granules + word_bits - 1) / word_bits;

  // The bits of granules [at, at + count) that lie in the word of `at`.
  static word bits_from(std::size_t at, std::size_t count) noexcept {
    const std::size_t room = word_bits - at % word_bits;
    const std::size_t here = count < room ? count : room;
    return (~word{0} >> (word_bits - here)) << (at % word_bits);
  }

  // Claims a run of granules word by word; a run that meets a lent granule is given back.
  bool take(std::size_t at, std::size_t count) noexcept {
    for (std::size_t taken = 0; taken < count;) {
      const std::size_t here = at + taken;
      const word bits = bits_from(here, count - taken);
      // Relaxed: only a first look, the exchange below decides.
      word seen = map_[here / word_bits].load(std::memory_order_relaxed);
      do {
        if ((seen & bits) != 0) {
          give(at, taken);
          return false;
        }
        // Acquire: pairs with the release in give(), so that the last user's accesses lie before ours.
      } while (!map_[here / word_bits].compare_exchange_weak(seen, seen | bits, std::memory_order_acquire,
                                                             std::memory_order_relaxed));
      taken += word_bits - here % word_bits;
    }
    return true;
  }

  // From the last word to the first, which take() asks first: where runs of one size follow each other, none is claimed while the rest
  // of it is still lent, and so nobody meets a claim that is about to be given back.
  void give(std::size_t at, std::size_t count) noexcept {
    while (count != 0) {
      const std::size_t in_word = (at + count - 1) % word_bits + 1;  // granules up to the end of the run
      const std::size_t here = count < in_word ? count : in_word;
      count -= here;
      // Release: pairs with the acquire in take().
      map_[(at + count) / word_bits].fetch_and(~bits_from(at + count, here), std::memory_order_release);
    }
  }

  std::atomic<word> map_[words]{};  // a set bit is a lent granule; any thread
};

template <std::size_t Alignment>
constexpr bool check_static_alignment() noexcept {
  static_assert(
      Alignment >= 256 && (Alignment & (Alignment - 1)) == 0,
      "quarry: the alignment of a static_page_source is a power of two from 256 on; write the size of the "
      "largest slab that is taken from it.");
  static_assert(
      Alignment <= detail::largest_static_alignment,
      "quarry: a program for Windows aligns no object to more than 8192 bytes; write 8192 or less as "
      "the alignment of a static_page_source, and as the size of the slabs that are taken from it.");
  return true;
}

}  // namespace detail

/// A buffer of `Bytes` bytes from which caches take their slabs. Give every cache a reference to it; a cache
/// that is given none uses the one that the program has for this type.
/// Units       bytes; `Bytes` is a multiple of 256. `Alignment` is a power of two from 256 on, the largest slab that is lent;
///             write the size of the slabs where it is larger than the default. The object takes `Bytes` and a bit for each 256
///             of them, rounded up to `Alignment`. The default is the largest power of two in `Bytes` / 16, from 256 up to 65536
///             (4096 where a word has 32 bits, 8192 on Windows, where none can be larger), so that no more than
///             `Bytes` / 16 + 256 are added; a buffered_page_source adds nothing to the buffer.
/// Requires    It outlives every cache on it and every object of theirs. Where slabs of several sizes are taken from it, those of
///             more granules than a word has bits may be refused while another context allocates at that moment.
/// Complexity  Each member, where it says nothing else: O(1).
template <std::size_t Bytes, std::size_t Alignment = detail::static_source_alignment_for(Bytes)>
class static_page_source {
  using map = detail::granule_map<Bytes>;
  static_assert(detail::check_static_alignment<Alignment>());

 public:
  /// The unit in which it lends, and the most that it lends at once to one slab.
  static constexpr std::size_t granule_bytes = map::granule_bytes;
  static constexpr std::size_t largest_slab_bytes = Alignment;

  /// Lends nothing yet; constant-initialised.
  constexpr static_page_source() noexcept = default;
  static_page_source(const static_page_source&) = delete;
  static_page_source& operator=(const static_page_source&) = delete;

  /// Returns memory of the buffer, or null when no aligned run of granules is free.
  /// Units       bytes, rounded up to granules; `alignment` is a power of two.
  /// Complexity  O(Bytes / granule_bytes).
  void* allocate_pages(std::size_t bytes, std::size_t alignment) noexcept {
    return map_.allocate(reinterpret_cast<std::uintptr_t>(buffer_), bytes, alignment);
  }

  /// Takes back what allocate_pages() returned for the same numbers.
  /// Complexity  O(bytes / granule_bytes).
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t) noexcept {
    map_.deallocate(reinterpret_cast<std::uintptr_t>(buffer_), pages, bytes);
  }

  /// Returns the bytes that are lent now. Complexity O(Bytes / granule_bytes).
  std::size_t lent_bytes() const noexcept { return map_.lent_bytes(); }

  /// Returns `Bytes`: how much may be lent at once.
  static constexpr std::size_t capacity_bytes() noexcept { return Bytes; }

 private:
  alignas(Alignment) unsigned char buffer_[Bytes]{};
  map map_;
};

/// Memory for a buffered_page_source: `Bytes` bytes and nothing else, aligned by its type. It may lie in any section, one that
/// nobody clears among them; no byte of it is read before it was written.
/// Units       bytes; both as for static_page_source, and `Bytes` is a multiple of `Alignment`. The default adds nothing and is
///             larger: the largest power of two in `Bytes`, within the same limits.
template <std::size_t Bytes, std::size_t Alignment = detail::static_alignment_for(Bytes)>
struct alignas(Alignment) static_pages {
  static_assert(detail::check_static_alignment<Alignment>());
  static_assert(Bytes % Alignment == 0,
                "quarry: static_pages<Bytes, Alignment> would be padded; write a multiple of the alignment.");

  /// The memory.
  unsigned char bytes[Bytes];
};

/// The same as static_page_source with its memory apart from it: this object is the map, a word for each 8 KiB (4 KiB where a
/// word has 32 bits), and a pointer. Where the buffer begins at address 0, its first slab is not lent, since null means none.
/// Requires    The buffer outlives it; it outlives every cache on it and every object of theirs.
/// Complexity  Each member, where it says nothing else: O(1).
template <std::size_t Bytes, std::size_t Alignment = detail::static_alignment_for(Bytes)>
class buffered_page_source {
  using map = detail::granule_map<Bytes>;
  static_assert(detail::check_static_alignment<Alignment>());

 public:
  /// The unit in which it lends, and the most that it lends at once to one slab.
  static constexpr std::size_t granule_bytes = map::granule_bytes;
  static constexpr std::size_t largest_slab_bytes = Alignment;

  /// Lends nothing yet; constant-initialised.
  explicit constexpr buffered_page_source(static_pages<Bytes, Alignment>& memory) noexcept
      : memory_(&memory) {}
  buffered_page_source(const buffered_page_source&) = delete;
  buffered_page_source& operator=(const buffered_page_source&) = delete;

  /// As static_page_source's. Complexity O(Bytes / granule_bytes).
  void* allocate_pages(std::size_t bytes, std::size_t alignment) noexcept {
    return map_.allocate(reinterpret_cast<std::uintptr_t>(memory_), bytes, alignment);
  }

  /// Takes back what allocate_pages() returned for the same numbers.
  /// Complexity  O(bytes / granule_bytes).
  void deallocate_pages(void* pages, std::size_t bytes, std::size_t) noexcept {
    map_.deallocate(reinterpret_cast<std::uintptr_t>(memory_), pages, bytes);
  }

  /// Returns the bytes that are lent now. Complexity O(Bytes / granule_bytes).
  std::size_t lent_bytes() const noexcept { return map_.lent_bytes(); }

  /// Returns `Bytes`: how much may be lent at once.
  static constexpr std::size_t capacity_bytes() noexcept { return Bytes; }

 private:
  static_pages<Bytes, Alignment>* memory_;
  map map_;
};

}  // namespace QUARRY_ABI
}  // namespace quarry
