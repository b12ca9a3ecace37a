// Other mallocs as memory resources, in this process.
//
// Each library is opened with RTLD_LOCAL | RTLD_DEEPBIND: its `malloc` binds to itself and to nobody else, so
// glibc stays the process's heap and all rivals take turns in one run, interleaved. The other honest way, one
// process per malloc under LD_PRELOAD, could not interleave them, and would put each malloc under the pools
// that refill from it. A call costs one indirect jump, as it does through a program's linkage table. Each
// malloc runs by its fastest door: the plain call for the alignments that malloc promises anyway
// (std::pmr::new_delete_resource always takes the aligned one), sized frees where the library has a faster
// path for them.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>

namespace bench {

enum class malloc_library { glibc, mimalloc, jemalloc, gperftools, tbb, mimalloc_secure, scudo };

/// The calls of one malloc library; `allocate` is null where the library is not installed.
struct malloc_calls {
  void* (*allocate)(std::size_t bytes) = nullptr;
  void* (*allocate_aligned)(std::size_t,
                            std::size_t) = nullptr;  // (alignment, bytes), TBB's the other way round
  void (*free)(void* block) = nullptr;
  void (*free_sized)(void* block, std::size_t bytes, int flags) = nullptr;  // null: the library has none
};

/// The library's calls, loaded on first use and kept for the life of the process.
const malloc_calls& calls_of(malloc_library library);

/// Lets the library give back to the system what it keeps of freed memory, by the call that it has for that.
void trim_malloc(malloc_library library);

/// A resource without state of its own whose calls go to one malloc.
template <malloc_library Library>
class malloc_resource final : public std::pmr::memory_resource {
 public:
  explicit malloc_resource(std::pmr::memory_resource* /*upstream: a malloc has none*/)
      : calls_(calls_of(Library)) {}

 private:
  static constexpr bool sized = Library == malloc_library::jemalloc || Library == malloc_library::gperftools;

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    void* block = nullptr;
    if (alignment <= alignof(std::max_align_t)) {
      block = calls_.allocate(bytes + (bytes == 0));
    } else if constexpr (Library == malloc_library::tbb) {
      block = calls_.allocate_aligned(bytes, alignment);
    } else {
      block = calls_.allocate_aligned(alignment, (bytes + alignment - 1) & ~(alignment - 1));
    }
    if (block == nullptr) throw std::bad_alloc();
    return block;
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    if (sized && alignment <= alignof(std::max_align_t)) {
      calls_.free_sized(block, bytes + (bytes == 0), 0);
    } else {
      calls_.free(block);
    }
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return dynamic_cast<const malloc_resource*>(&other) != nullptr;
  }

  const malloc_calls calls_;  // copied here: one load less on the way to the library
};

}  // namespace bench
