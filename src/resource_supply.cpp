#include "quarry/detail/resource_supply.hpp"

#include <cstdint>
#include <new>
#include <quarry/portability.hpp>

#include "os_pages.hpp"
#include "page_pool.hpp"
#include "quarry/detail/ask_resource.hpp"
#include "quarry/detail/type_of.hpp"
#include "quarry/memory_budget.hpp"
#include "quarry/page_sources.hpp"
#include "upstream_fault.hpp"

namespace quarry {
inline namespace QUARRY_ABI {
namespace detail {

resource_supply::resource_supply(std::pmr::memory_resource* upstream, const slab_options& options,
                                 std::size_t granule_bytes) noexcept
    : upstream_(upstream), budget_(options.budget), huge_pages_(options.huge_pages) {
  is_new_delete_ = upstream == std::pmr::new_delete_resource();
  has_memory_ = upstream != std::pmr::null_memory_resource();
  takes_back_ = is_new_delete_ || as_final<std::pmr::monotonic_buffer_resource>(*upstream) == nullptr;
  if (options.upstream_only || granule_bytes < whole_pages(1)) return;
  const bool is_pool = upstream == pooled_page_resource();
  if (upstream == os_page_resource()) kind_ = kind::system;
  if (is_pool || is_new_delete_) kind_ = kind::pool;
  if (kind_ == kind::pool) pool_ = &page_pool::of_this_module();
  keeps_blocks_ = kind_ != kind::upstream;
  blocks_are_lazy_ = is_pool || kind_ == kind::system;
}

namespace {

// Returns what `upstream` returns. Without exceptions, upstreams that would throw are asked in ways that yield null.
void* ask(std::pmr::memory_resource& upstream, std::size_t bytes, std::size_t alignment) {
#if !defined(__cpp_exceptions)
  if (&upstream == std::pmr::null_memory_resource()) return nullptr;
  if (&upstream == os_page_resource()) return os_page_source().allocate_pages(bytes, alignment);
  if (&upstream == pooled_page_resource()) return take_pooled_pages(bytes, alignment);
#endif
  return ask_resource(upstream, bytes, alignment);
}

// What std::pmr::new_delete_resource() is, but that it asks for an alignment that every block has: glibc takes twice as long then.
void* ask_new(std::size_t bytes, std::size_t alignment) {
#if defined(__cpp_exceptions)
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator new(bytes);
  return ::operator new(bytes, std::align_val_t(alignment));
#else
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator new(bytes, std::nothrow);
  return ::operator new(bytes, std::align_val_t(alignment), std::nothrow);
#endif
}
void delete_new(void* pages, [[maybe_unused]] std::size_t bytes, std::size_t alignment) noexcept {
#if defined(__cpp_sized_deallocation)
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator delete(pages, bytes);
  ::operator delete(pages, bytes, std::align_val_t(alignment));
#else
  if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) return ::operator delete(pages);
  ::operator delete(pages, std::align_val_t(alignment));
#endif
}

// Throws it; without exceptions it is null that says so.
void* fail(const upstream_fault& fault) {
#if defined(__cpp_exceptions)
  throw upstream_fault(fault);
#else
  static_cast<void>(fault);
  return nullptr;
#endif
}

}  // namespace

template <class Ask>
void* resource_supply::charge(std::size_t bytes, Ask ask) {
  if (budget_ == nullptr) return ask();
  struct charged {
    ~charged() {
      if (!is_used) budget.discharge(bytes);
    }
    memory_budget& budget;
    std::size_t bytes;
    bool is_used;
  };
  if (!budget_->try_charge(bytes)) return nullptr;
  charged now{*budget_, bytes, false};
  void* const memory = ask();
  now.is_used = memory != nullptr;
  return memory;
}

void resource_supply::discharge(std::size_t bytes) noexcept {
  if (budget_ != nullptr) budget_->discharge(bytes);
}

void* resource_supply::allocate_pages(std::size_t bytes, std::size_t alignment) {
  return charge(bytes, [&] { return ask_for_pages(bytes, alignment); });
}

void resource_supply::deallocate_pages(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  hand_back(pages, bytes, alignment);
  discharge(bytes);
}

void resource_supply::hand_back(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  is_new_delete_ ? delete_new(pages, bytes, alignment) : upstream_->deallocate(pages, bytes, alignment);
}

void* resource_supply::allocate_extent(std::size_t bytes, std::size_t alignment) {
  return charge(bytes, [&] { return ask_for_extent(bytes, alignment); });
}

void* resource_supply::ask_for_pages(std::size_t bytes, std::size_t alignment) {
  struct asking {
    explicit asking(bool& flag) noexcept : is_asking(flag) { is_asking = true; }
    ~asking() { is_asking = false; }
    asking(const asking&) = delete;
    asking& operator=(const asking&) = delete;
    bool& is_asking;
  };
  if (is_asking_) return fail(upstream_fault(*upstream_, bytes));
  const asking now(is_asking_);
  void* pages = is_new_delete_ ? ask_new(bytes, alignment) : ask(*upstream_, bytes, alignment);
  // Standard libraries declare that it is neither null nor less aligned, and compilers believe them.
  QUARRY_FORGET(pages);
  // The analyzer loses sight of them there. NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks)
  const bool is_aligned = (reinterpret_cast<std::uintptr_t>(pages) & (alignment - 1)) == 0;
  if (QUARRY_LIKELY(pages != nullptr && is_aligned)) return pages;
  if (pages != nullptr) hand_back(pages, bytes, alignment);
  return fail(upstream_fault(*upstream_, pages, bytes, alignment));
}

void* resource_supply::ask_for_extent(std::size_t bytes, std::size_t alignment) {
  switch (kind_) {
    case kind::pool:
      return pool_->take(bytes, alignment, huge_pages_);
    case kind::system:
      return map_pages(bytes, alignment, huge_pages_);
    default:
      return ask_for_pages(bytes, alignment);
  }
}

void resource_supply::deallocate_extent(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  switch (kind_) {
    case kind::pool:
      pool_->give_back(pages, bytes);
      break;
    case kind::system:
      unmap_pages(pages, bytes);
      break;
    default:
      hand_back(pages, bytes, alignment);
  }
  discharge(bytes);
}

void resource_supply::keep_extent(void* pages, std::size_t bytes, std::size_t alignment) noexcept {
  if (kind_ != kind::pool) return deallocate_extent(pages, bytes, alignment);
  pool_->keep(pages, bytes);
  discharge(bytes);
}

bool resource_supply::discard_pages(void* pages, std::size_t bytes) noexcept {
  return kind_ != kind::upstream && quarry::discard_pages(pages, bytes);
}

void resource_supply::expect_holes(void* pages, std::size_t bytes) noexcept {
  if (kind_ != kind::upstream) advise_small_pages(pages, bytes);
}

}  // namespace detail
}  // namespace QUARRY_ABI
}  // namespace quarry
