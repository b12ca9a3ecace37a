// Pages of the operating system, by themselves and as an upstream.
#include "../src/os_pages.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <new>
#include <vector>

#include "quarry/page_sources.hpp"
#include "quarry/unsynchronized_slab_resource.hpp"

namespace {

constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;

TEST(OsPages, AreAlignedZeroedAndWritableToTheLastByte) {
  for (std::size_t alignment = 1; alignment <= std::size_t{64} << 20; alignment *= 2) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}, std::size_t{100001}}) {
      auto* const pages = static_cast<unsigned char*>(quarry::map_pages(bytes, alignment));
      ASSERT_NE(pages, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages) % alignment, 0U);
      EXPECT_EQ(pages[0] + pages[bytes / 2] + pages[bytes - 1], 0);
      std::memset(pages, 0xA5, bytes);
      quarry::unmap_pages(pages, bytes);
    }
  }
}

TEST(OsPages, LargeOnesLieWhereHugePagesFit) {
  void* const pages = quarry::map_pages(2 * huge_page_bytes, 4096);
  ASSERT_NE(pages, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages) % huge_page_bytes, 0U);
  quarry::unmap_pages(pages, 2 * huge_page_bytes);
}

TEST(OsPages, AreNullForSizesThatCannotBe) {
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX - 65536, SIZE_MAX / 2, SIZE_MAX / 4}) {
    for (const std::size_t alignment :
         {std::size_t{1}, std::size_t{4096}, std::size_t{65536}, SIZE_MAX / 2 + 1})
      EXPECT_EQ(quarry::map_pages(bytes, alignment), nullptr) << bytes << " aligned to " << alignment;
  }
}

TEST(OsPageResource, IsOneResourceThatEqualsOnlyItself) {
  std::pmr::memory_resource* const pages = quarry::os_page_resource();
  EXPECT_EQ(pages, quarry::os_page_resource());
  EXPECT_TRUE(pages->is_equal(*quarry::os_page_resource()));
  EXPECT_FALSE(pages->is_equal(*std::pmr::new_delete_resource()));
}

TEST(OsPageResource, ServesEvenABlockOfNoBytes) {
  std::pmr::memory_resource* const pages = quarry::os_page_resource();
  void* const first = pages->allocate(0, 1);
  void* const second = pages->allocate(0, 1);
  EXPECT_NE(first, nullptr);
  EXPECT_NE(first, second);
  pages->deallocate(first, 0, 1);
  pages->deallocate(second, 0, 1);
}

TEST(OsPageResource, ThrowsBadAllocForWhatTheSystemRefuses) {
  // Read from memory, so that no compiler judges the call by the number.
  for (const volatile std::size_t bytes : {SIZE_MAX, SIZE_MAX / 2})
    EXPECT_THROW(static_cast<void>(quarry::os_page_resource()->allocate(bytes, 8)), std::bad_alloc);
}

TEST(OsPageResource, IsAnUpstreamForAResource) {
  quarry::unsynchronized_slab_resource resource(quarry::os_page_resource());
  std::pmr::vector<std::pmr::vector<int>> rows(&resource);
  for (int i = 0; i < 2000; ++i) rows.emplace_back(static_cast<std::size_t>(i % 40), i);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(rows[static_cast<std::size_t>(i)].size(), static_cast<std::size_t>(i % 40));
    for (const int each : rows[static_cast<std::size_t>(i)]) ASSERT_EQ(each, i);
  }
}

}  // namespace
