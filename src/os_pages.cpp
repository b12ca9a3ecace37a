#include "os_pages.hpp"

#include <cstdint>
#include <memory_resource>
#include <new>

#include "quarry/page_sources.hpp"
#include "quarry/slab_options.hpp"
#include "refusal.hpp"

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <quarry/detail/sleeping_lock.hpp>
#include <quarry/portability.hpp>

#include "spare_ranges.hpp"
#include "waiting_rooms.hpp"
#endif

#if defined(__linux__)
#include <sys/prctl.h>
#endif

#if defined(__ELF__)
// Defined where the program is built with a sanitizer that looks for leaks, however this file is built.
extern "C" {
QUARRY_WEAK void __lsan_register_root_region(const void* begin, std::size_t bytes);    // NOLINT
QUARRY_WEAK void __lsan_unregister_root_region(const void* begin, std::size_t bytes);  // NOLINT
}
#endif

namespace quarry {
inline namespace QUARRY_ABI {

#if defined(__ELF__)
// Typed caches ask the environment by a weak name, which takes no file out of a static library. Who takes pages here takes that file
// too.
QUARRY_USED static slab_options (slab_options::*const asked_by_typed_caches)() const =
    &slab_options::resolved;
#endif

namespace {

std::size_t page_bytes() noexcept {
#if defined(_WIN32)
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwAllocationGranularity;
#else
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
#endif
}

class os_page_resource_type final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    detail::require_alignment(alignment);
    void* const pages = os_page_source().allocate_pages(bytes == 0 ? 1 : bytes, alignment);
    if (pages == nullptr) detail::refuse_memory();
    return pages;
  }
  void do_deallocate(void* pages, std::size_t bytes, std::size_t) override {
    unmap_pages(pages, bytes == 0 ? 1 : bytes);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

std::size_t whole_pages(std::size_t bytes) noexcept {
  const std::size_t page = page_bytes();
  return (bytes + page - 1) & ~(page - 1);
}

void watch_pages([[maybe_unused]] void* pages, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__ELF__)
  if (__lsan_register_root_region != nullptr) __lsan_register_root_region(pages, bytes);
#endif
}

void unwatch_pages([[maybe_unused]] void* pages, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__ELF__)
  if (__lsan_unregister_root_region != nullptr) __lsan_unregister_root_region(pages, bytes);
#endif
}

#if defined(_WIN32)

void* map_pages(std::size_t bytes, std::size_t alignment, bool) noexcept {
  const std::size_t page = page_bytes();
  const std::size_t wanted = whole_pages(bytes);
  if (wanted < bytes) return nullptr;
  if (alignment <= page) return VirtualAlloc(nullptr, wanted, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (wanted > SIZE_MAX - alignment) return nullptr;
  for (int attempt = 0; attempt < 8; ++attempt) {  // find room, let it go, take the aligned part of it
    void* const room = VirtualAlloc(nullptr, wanted + alignment, MEM_RESERVE, PAGE_NOACCESS);
    if (room == nullptr) return nullptr;
    const std::uintptr_t aligned =
        (reinterpret_cast<std::uintptr_t>(room) + alignment - 1) & ~(alignment - 1);
    VirtualFree(room, 0, MEM_RELEASE);
    void* const pages =
        VirtualAlloc(reinterpret_cast<void*>(aligned), wanted, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (pages != nullptr) return pages;
  }
  return nullptr;
}

void unmap_pages(void* pages, std::size_t) noexcept {
  VirtualFree(pages, 0, MEM_RELEASE);
}

// There is no call that frees the memory behind pages, leaves them usable and makes them read as zero.
bool discard_pages(void*, std::size_t) noexcept {
  return false;
}

bool protect_pages(void* pages, std::size_t bytes, bool is_usable) noexcept {
  DWORD before = 0;
  return VirtualProtect(pages, bytes, is_usable ? PAGE_READWRITE : PAGE_NOACCESS, &before) != 0;
}

void advise_small_pages(void*, std::size_t) noexcept {}
void advise_huge_pages(void*, std::size_t) noexcept {}

#else

namespace {

// What unmapping small ranges may add to the process's mappings, of which Linux allows 65,530.
constexpr long most_torn_mappings = 16384;

detail::sleeping_lock spare_lock;         // guards `spare`; a leaf: nothing is taken or called under it
detail::spare_ranges spare;               // under the lock
std::atomic<std::size_t> spare_count{0};  // of its ranges; written under the lock
std::atomic<long> torn_mappings{0};       // an estimate: ranges below 2 MiB unmapped minus mapped; any thread

// Deallocation leaves errno as it was.
class errno_keeper {
 public:
  errno_keeper() noexcept = default;
  errno_keeper(const errno_keeper&) = delete;
  errno_keeper& operator=(const errno_keeper&) = delete;
  ~errno_keeper() { errno = kept_; }

 private:
  int kept_ = errno;
};

// The lock is taken last and let go first: registered when the program or library is loaded, before any handler
// of a resource, so that no thread waits for it with a resource's lock in hand that fork() waits for.
QUARRY_AT_LOAD(101) void install_fork_handlers() noexcept {
  pthread_atfork([] { spare_lock.lock(); }, [] { spare_lock.unlock(); },
                 [] {
                   detail::forget_waiting_threads();
                   spare_lock.unlock();
                 });
}

void name_pages([[maybe_unused]] void* pages, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__linux__)
  constexpr int set_mapping = 0x53564d41;  // PR_SET_VMA; the headers of older systems lack it
  constexpr unsigned long set_name = 0;    // PR_SET_VMA_ANON_NAME
  static std::atomic<bool> is_unknown{false};
  // Relaxed, both: all that a late look costs is a call of the system.
  if (is_unknown.load(std::memory_order_relaxed)) return;
  const errno_keeper kept;
  if (prctl(set_mapping, set_name, pages, bytes, "quarry") != 0 && errno != ENOMEM)
    is_unknown.store(true, std::memory_order_relaxed);
#endif
}

bool is_mapped(std::uintptr_t page_begin, std::size_t page) noexcept {
#if defined(__linux__)
  unsigned char is_resident = 0;
  return mincore(reinterpret_cast<void*>(page_begin), page, &is_resident) == 0;
#else
  static_cast<void>(page_begin);
  static_cast<void>(page);
  return false;
#endif
}

// Relaxed, as all accesses of torn_mappings: it is an estimate and orders nothing.
void count_torn(long change) noexcept {
  const long before = torn_mappings.load(std::memory_order_relaxed);
  if (before + change >= 0) torn_mappings.store(before + change, std::memory_order_relaxed);
}

// Unmaps a range unless the system refuses or a small range would tear one mapping too many.
bool try_unmap(void* pages, std::size_t bytes) noexcept {
  long torn = bytes < huge_page_bytes ? 1 : 0;
  if (torn != 0 && torn_mappings.load(std::memory_order_relaxed) >= most_torn_mappings) {
    const std::size_t page = page_bytes();
    const auto begin = reinterpret_cast<std::uintptr_t>(pages);
    torn = (is_mapped(begin - page, page) ? 1 : 0) + (is_mapped(begin + bytes, page) ? 1 : 0) - 1;
    if (torn > 0) return false;
  }
  if (munmap(pages, bytes) != 0) return false;
  count_torn(torn);
  return true;
}

// Runs `call` on the spare ranges and returns what it does.
template <class Call>
detail::spare_ranges::range with_spare(Call call) noexcept {
  const std::size_t page = page_bytes();
  const std::lock_guard<detail::sleeping_lock> held(spare_lock);
  const detail::spare_ranges::range result = call(page);
  // Relaxed: a count that says whether a look under the lock is worth it.
  spare_count.store(spare.count(), std::memory_order_relaxed);
  return result;
}

bool has_spare() noexcept {
  return spare_count.load(std::memory_order_relaxed) != 0;  // relaxed: as above
}

void add_spare(const detail::spare_ranges::range& added) noexcept {
  with_spare([&](std::size_t page) {
    spare.add(spare.join(added), page);  // another thread may have added a neighbour
    return added;
  });
}

// Where one range could be unmapped, a spare one often can, too.
void retry_spare() noexcept {
  if (!has_spare()) return;
  // Relaxed: as in count_torn().
  if (torn_mappings.load(std::memory_order_relaxed) >= most_torn_mappings) return;
  const detail::spare_ranges::range tried = with_spare([](std::size_t) { return spare.take_any(); });
  if (tried.pages != nullptr && !try_unmap(tried.pages, tried.bytes)) add_spare(tried);
}

// Together with its spare neighbours a range can often be unmapped where none of them can be alone.
void give_to_system(void* pages, std::size_t bytes) noexcept {
  detail::spare_ranges::range given{pages, bytes, true};
  if (has_spare()) given = with_spare([&](std::size_t) { return spare.join(given); });
  if (try_unmap(given.pages, given.bytes)) return retry_spare();
  if (!discard_pages(pages, bytes)) given.reads_as_zero = false;
  add_spare(given);
}

void* map_raw(std::size_t bytes) noexcept {
  void* const pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  if (bytes < huge_page_bytes) count_torn(-1);
  return pages;
}

// Requires whole pages and an alignment of at least one.
void* map_aligned(std::size_t bytes, std::size_t alignment) noexcept {
  const std::size_t slack = alignment - page_bytes();
  if (bytes > SIZE_MAX - slack) return nullptr;
  void* const exact = map_raw(bytes);  // beside the last mapping it is often aligned already
  if (exact == nullptr) return nullptr;
  if ((reinterpret_cast<std::uintptr_t>(exact) & (alignment - 1)) == 0) return exact;
  give_to_system(exact, bytes);
  void* const room = map_raw(bytes + slack);
  if (room == nullptr) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(room);
  const std::uintptr_t aligned = (begin + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
  if (aligned != begin) give_to_system(room, aligned - begin);
  const std::size_t behind = begin + slack - aligned;
  if (behind != 0) give_to_system(reinterpret_cast<void*>(aligned + bytes), behind);
  return reinterpret_cast<void*>(aligned);
}

// A spare range may carry the advice of its last use.
void* map_spare(std::size_t bytes, std::size_t alignment, bool huge_pages) noexcept {
  if (!has_spare()) return nullptr;
  const detail::spare_ranges::range taken =
      with_spare([&](std::size_t page) { return spare.take(bytes, alignment, page); });
  if (taken.pages == nullptr) return nullptr;
  if (!taken.reads_as_zero) std::memset(taken.pages, 0, taken.bytes);
  if (!huge_pages && bytes >= huge_page_bytes) advise_small_pages(taken.pages, bytes);
  return taken.pages;
}

}  // namespace

void* map_pages(std::size_t bytes, std::size_t alignment, bool huge_pages) noexcept {
  const std::size_t wanted = whole_pages(bytes);
  if (wanted < bytes) return nullptr;
  if (alignment < page_bytes()) alignment = page_bytes();
  huge_pages = huge_pages && wanted >= huge_page_bytes;
  if (huge_pages && alignment < huge_page_bytes) alignment = huge_page_bytes;
  void* pages = map_spare(wanted, alignment, huge_pages);
  if (pages == nullptr) {
    pages = map_aligned(wanted, alignment);
    if (pages == nullptr) return nullptr;
    name_pages(pages, wanted);
  }
  if (huge_pages) advise_huge_pages(pages, wanted);
  watch_pages(pages, wanted);
  return pages;
}

void unmap_pages(void* pages, std::size_t bytes) noexcept {
  const errno_keeper kept;
  const std::size_t mapped = whole_pages(bytes);
  unwatch_pages(pages, mapped);
  give_to_system(pages, mapped);
}

bool discard_pages([[maybe_unused]] void* pages, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__linux__)
  const errno_keeper kept;
  // The system would round the length up.
  return whole_pages(bytes) == bytes && madvise(pages, bytes, MADV_DONTNEED) == 0;
#else
  return false;  // elsewhere MADV_DONTNEED keeps the contents, or the memory
#endif
}

bool protect_pages(void* pages, std::size_t bytes, bool is_usable) noexcept {
  const errno_keeper kept;
  return mprotect(pages, bytes, is_usable ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
}

void advise_small_pages([[maybe_unused]] void* pages, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_NOHUGEPAGE)
  const errno_keeper kept;
  madvise(pages, bytes, MADV_NOHUGEPAGE);
#endif
}

void advise_huge_pages([[maybe_unused]] void* pages, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(MADV_HUGEPAGE)
  const errno_keeper kept;
  madvise(pages, bytes, MADV_HUGEPAGE);
#endif
}

#endif

// Exactly 2 MiB is an extent, about to be used whole; anything larger may be sparse.
void* os_page_source::allocate_pages(std::size_t bytes, std::size_t alignment) noexcept {
  return map_pages(bytes, alignment, bytes == huge_page_bytes);
}

void os_page_source::deallocate_pages(void* pages, std::size_t bytes, std::size_t) noexcept {
  unmap_pages(pages, bytes);
}

bool os_page_source::discard_pages(void* pages, std::size_t bytes) noexcept {
  return quarry::discard_pages(pages, bytes);
}

std::pmr::memory_resource* os_page_resource() noexcept {
  // Never destroyed, so that resources with static lifetime may use it until the process ends.
  alignas(os_page_resource_type) static unsigned char storage[sizeof(os_page_resource_type)];
  static os_page_resource_type* const resource = ::new (static_cast<void*>(storage)) os_page_resource_type;
  return resource;
}

}  // namespace QUARRY_ABI
}  // namespace quarry
