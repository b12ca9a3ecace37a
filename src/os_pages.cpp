#include "os_pages.hpp"

#include <cstdint>
#include <memory_resource>
#include <new>

#include "quarry/page_sources.hpp"

#if defined(_WIN32)
#include <windows.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace quarry {
namespace {

std::size_t page_bytes() noexcept {
#if defined(_WIN32)
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwAllocationGranularity;
#else
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
#endif
}

// Returns `bytes` rounded up to whole pages, or 0 when that overflows.
std::size_t whole_pages(std::size_t bytes) noexcept {
  const std::size_t page = page_bytes();
  return (bytes + page - 1) & ~(page - 1);
}

class os_page_resource_type final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    void* const pages = map_pages(bytes == 0 ? 1 : bytes, alignment);
    if (pages == nullptr) throw std::bad_alloc();
    return pages;
  }
  void do_deallocate(void* pages, std::size_t bytes, std::size_t) override {
    unmap_pages(pages, bytes == 0 ? 1 : bytes);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }
};

}  // namespace

#if defined(_WIN32)

void* map_pages(std::size_t bytes, std::size_t alignment) noexcept {
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

#else

void* map_pages(std::size_t bytes, std::size_t alignment) noexcept {
  constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;
  const std::size_t page = page_bytes();
  const std::size_t wanted = whole_pages(bytes);
  if (wanted < bytes) return nullptr;
  if (wanted >= huge_page_bytes && alignment < huge_page_bytes) alignment = huge_page_bytes;
  const std::size_t slack = alignment > page ? alignment - page : 0;
  if (wanted > SIZE_MAX - slack) return nullptr;
  if (slack != 0 && wanted < huge_page_bytes) {  // beside the last mapping it is often aligned already
    void* const exact = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (exact == MAP_FAILED) return nullptr;
    if ((reinterpret_cast<std::uintptr_t>(exact) & (alignment - 1)) == 0) return exact;
    munmap(exact, wanted);
  }
  void* const room =
      mmap(nullptr, wanted + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(room);
  const std::uintptr_t aligned = (begin + alignment - 1) & ~(std::uintptr_t{alignment} - 1);
  if (aligned != begin) munmap(room, aligned - begin);
  const std::size_t behind = begin + wanted + slack - (aligned + wanted);
  if (behind != 0) munmap(reinterpret_cast<void*>(aligned + wanted), behind);
#if defined(MADV_HUGEPAGE)
  if (wanted >= huge_page_bytes) madvise(reinterpret_cast<void*>(aligned), wanted, MADV_HUGEPAGE);
#endif
  return reinterpret_cast<void*>(aligned);
}

void unmap_pages(void* pages, std::size_t bytes) noexcept {
  munmap(pages, whole_pages(bytes));
}

#endif

void* os_page_source::allocate_pages(std::size_t bytes, std::size_t alignment) noexcept {
  return map_pages(bytes, alignment);
}

void os_page_source::deallocate_pages(void* pages, std::size_t bytes, std::size_t) noexcept {
  unmap_pages(pages, bytes);
}

std::pmr::memory_resource* os_page_resource() noexcept {
  // Never destroyed, so that resources with static lifetime may use it until the process ends.
  alignas(os_page_resource_type) static unsigned char storage[sizeof(os_page_resource_type)];
  static os_page_resource_type* const resource = ::new (static_cast<void*>(storage)) os_page_resource_type;
  return resource;
}

}  // namespace quarry
