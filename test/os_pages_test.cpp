// Pages of the operating system, by themselves and as an upstream.
#include "../src/os_pages.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory_resource>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "support/sanitizers.hpp"

#if QUARRY_TEST_HAS_ADDRESS_SANITIZER
#include <sanitizer/lsan_interface.h>
#endif

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "quarry/page_sources.hpp"
#include "quarry/unsynchronized_slab_resource.hpp"
#include "support/process_memory.hpp"

namespace {

using quarry::huge_page_bytes;

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

TEST(OsPages, KeepNothingOfWhatAnAlignmentLeavesOver) {
  if (const char* const why = quarry_test::why_pages_are_not_counted()) GTEST_SKIP() << why;
  constexpr std::size_t few_bytes = 65536;
  constexpr std::size_t bytes = 20480;
  for (std::size_t alignment = 8192; alignment <= huge_page_bytes; alignment *= 4) {
    std::array<void*, 100> all{};
    const std::size_t before = quarry_test::mapped_bytes();
    for (void*& each : all) each = quarry::map_pages(bytes, alignment);
    EXPECT_LE(quarry_test::growth(before, quarry_test::mapped_bytes()), all.size() * bytes + few_bytes)
        << "aligned to " << alignment;
    for (void* const each : all) quarry::unmap_pages(each, bytes);
    EXPECT_LE(quarry_test::growth(before, quarry_test::mapped_bytes()), few_bytes);
  }
}

#if !defined(_WIN32)
TEST(OsPages, LieWhereHugePagesFitWhenTheseAreAskedFor) {
  void* const pages = quarry::map_pages(2 * huge_page_bytes, 4096, true);
  ASSERT_NE(pages, nullptr);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages) % huge_page_bytes, 0U);
  quarry::unmap_pages(pages, 2 * huge_page_bytes);
}
#endif

#if QUARRY_TEST_HAS_ADDRESS_SANITIZER

// Out of line, so that no register and no live frame holds the string's address.
__attribute__((noinline)) void leave_a_string_in(void* pages) {
  *static_cast<char**>(pages) = static_cast<char*>(std::malloc(12345));
}

TEST(OsPages, AreSearchedForWhatTheyOwnWhenLeaksAreLookedFor) {
  for (const bool huge_pages : {false, true}) {
    void* const pages = quarry::map_pages(huge_page_bytes, 1, huge_pages);
    leave_a_string_in(pages);
    EXPECT_EQ(__lsan_do_recoverable_leak_check(), 0);
    std::free(*static_cast<char**>(pages));
    quarry::unmap_pages(pages, huge_page_bytes);
  }
}

#endif

TEST(OsPages, AreNullForSizesThatCannotBe) {
  for (const std::size_t bytes : {SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX - 65536, SIZE_MAX / 2, SIZE_MAX / 4}) {
    for (const std::size_t alignment :
         {std::size_t{1}, std::size_t{4096}, std::size_t{65536}, SIZE_MAX / 2 + 1})
      EXPECT_EQ(quarry::map_pages(bytes, alignment), nullptr) << bytes << " aligned to " << alignment;
  }
}

#if defined(__linux__)

// Bytes of [begin, begin + bytes) that are in memory, and whether all of it is mapped.
struct residence {
  bool is_mapped;
  std::size_t bytes;
};
residence residence_of(void* begin, std::size_t bytes) {
  std::vector<unsigned char> pages(bytes / 4096);
  if (mincore(begin, bytes, pages.data()) != 0) return {false, 0};
  std::size_t resident = 0;
  for (const unsigned char each : pages) resident += each & 1U;
  return {true, resident * 4096};
}

// The value of a row of /proc/self/smaps for the mapping that holds `address`.
std::string row_of_mapping(const void* address, const std::string& name) {
  std::ifstream rows("/proc/self/smaps");
  bool is_inside = false;
  for (std::string line; std::getline(rows, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    // NOLINTNEXTLINE(cert-err34-c): a row that is no range of addresses does not match.
    if (std::sscanf(line.c_str(), "%zx-%zx ", &begin, &end) == 2)
      is_inside = begin <= reinterpret_cast<std::uintptr_t>(address) &&
                  reinterpret_cast<std::uintptr_t>(address) < end;
    else if (is_inside && line.compare(0, name.size(), name) == 0)
      return line.substr(name.size());
  }
  return "";
}

bool is_advised_for_huge_pages(const void* address) {
  return row_of_mapping(address, "VmFlags:").find(" hg") != std::string::npos;
}

// Runs `body` in a child and returns its exit status.
template <class Body>
int status_of_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

std::size_t most_mappings() {
  std::size_t most = 0;
  std::ifstream("/proc/sys/vm/max_map_count") >> most;
  return most;
}

TEST(OsPages, ThatAreProtectedFaultAndKeepWhatTheyHold) {
  const std::size_t page = quarry::whole_pages(1);
  auto* const pages = static_cast<volatile char*>(quarry::map_pages(3 * page, 1));
  void* const middle = const_cast<char*>(pages) + page;
  pages[page] = 7;
  ASSERT_TRUE(quarry::protect_pages(middle, page, false));
  EXPECT_DEATH(pages[page] = 8, "");
  EXPECT_DEATH(static_cast<void>(pages[2 * page - 1]), "");
  pages[page - 1] = pages[2 * page] = 1;
  ASSERT_TRUE(quarry::protect_pages(middle, page, true));
  EXPECT_EQ(pages[page], 7);
  quarry::unmap_pages(const_cast<char*>(pages), 3 * page);
}

TEST(OsPages, AreAdvisedForHugePagesOnlyWhenTheseAreAskedFor) {
  void* const huge = quarry::map_pages(huge_page_bytes, 4096, true);
  void* const plain = quarry::map_pages(4 * huge_page_bytes, 4096, false);
  ASSERT_NE(huge, nullptr);
  ASSERT_NE(plain, nullptr);
  EXPECT_TRUE(is_advised_for_huge_pages(huge));
  EXPECT_FALSE(is_advised_for_huge_pages(plain));
  quarry::advise_small_pages(huge, huge_page_bytes);
  EXPECT_FALSE(is_advised_for_huge_pages(huge));
  quarry::advise_huge_pages(huge, huge_page_bytes);
  EXPECT_TRUE(is_advised_for_huge_pages(huge));
  quarry::unmap_pages(huge, huge_page_bytes);
  quarry::unmap_pages(plain, 4 * huge_page_bytes);
}

TEST(OsPageSource, AdvisesExtentsAndLeavesLargerBlocksSparse) {
  quarry::os_page_source source;
  constexpr std::size_t large_bytes = 16 * huge_page_bytes;
  void* const extent = source.allocate_pages(huge_page_bytes, 65536);
  auto* const large = static_cast<unsigned char*>(source.allocate_pages(large_bytes, 16));
  EXPECT_TRUE(is_advised_for_huge_pages(extent));
  EXPECT_FALSE(is_advised_for_huge_pages(large));
  source.deallocate_pages(extent, huge_page_bytes, 65536);
  source.deallocate_pages(large, large_bytes, 16);
}

TEST(OsPageSource, DiscardsPartOfWhatItAllocated) {
  quarry::os_page_source source;
  constexpr std::size_t bytes = 65536;
  auto* const pages = static_cast<unsigned char*>(source.allocate_pages(bytes, bytes));
  std::memset(pages, 0xA5, bytes);
  ASSERT_EQ(residence_of(pages, bytes).bytes, bytes);
  EXPECT_TRUE(source.discard_pages(pages + 16384, 32768));
  EXPECT_EQ(residence_of(pages + 16384, 32768).bytes, 0U);
  EXPECT_EQ(residence_of(pages, bytes).bytes, bytes - 32768);
  EXPECT_EQ(pages[16383] + pages[16384] + pages[49151] + pages[49152], 0xA5 + 0xA5);
  source.deallocate_pages(pages, bytes, bytes);
}

TEST(OsPages, ThatAreLockedOrNoWholePagesAreNotDiscarded) {
  constexpr std::size_t bytes = 16384;
  auto* const pages = static_cast<unsigned char*>(quarry::map_pages(bytes, 1));
  std::memset(pages, 0xA5, bytes);
  EXPECT_FALSE(quarry::discard_pages(pages, bytes - 1));
  if (syscall(SYS_mlock, pages, bytes) == 0) {  // the address sanitizer makes nothing of mlock()
    errno = 0;
    EXPECT_FALSE(quarry::discard_pages(pages, bytes));
    EXPECT_EQ(errno, 0);
    syscall(SYS_munlock, pages, bytes);
  }
  EXPECT_EQ(pages[0] + pages[bytes - 1], 2 * 0xA5);
  quarry::unmap_pages(pages, bytes);
}

#if defined(__linux__)
/// Returns whether the system can name mappings, asked with a mapping of its own that no code of the library names.
bool system_names_mappings() {
  constexpr std::size_t bytes = 4096;
  void* const page = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  const bool is_named =
      prctl(0x53564d41 /* PR_SET_VMA */, 0UL /* PR_SET_VMA_ANON_NAME */, page, bytes, "probe") == 0;
  munmap(page, bytes);
  return is_named;
}

TEST(OsPages, AreNamedInTheSystemsListOfMappingsWhereItKnowsNames) {
  if (!system_names_mappings()) GTEST_SKIP() << "the kernel is built without CONFIG_ANON_VMA_NAME";
  void* const pages = quarry::map_pages(1U << 20, 1);
  std::ifstream rows("/proc/self/maps");
  bool is_named = false;
  for (std::string line; std::getline(rows, line);)
    is_named = is_named || line.find("[anon:quarry]") != std::string::npos;
  quarry::unmap_pages(pages, 1U << 20);
  EXPECT_TRUE(is_named);
}
#endif

// A process at its limit of mappings: every second page of a large range is made another mapping. Locked pages cannot be
// discarded either.
constexpr int no_pages_to_lock = 100;
int unmap_at_the_limit_of_mappings(bool locked) {
  constexpr std::size_t bytes = std::size_t{1} << 20;
  std::array<unsigned char*, 3> ranges{};  // neighbours, in one mapping
  for (int attempt = 0;
       ranges[1] == nullptr || ranges[1] != ranges[0] + bytes || ranges[2] != ranges[1] + bytes; ++attempt) {
    if (attempt == 20) return 1;
    for (unsigned char*& each : ranges) each = static_cast<unsigned char*>(quarry::map_pages(bytes, 1));
    std::sort(ranges.begin(), ranges.end());
  }
  for (unsigned char* const each : ranges) std::memset(each, 0xA5, bytes);
  if (locked && syscall(SYS_mlock, ranges[0], 3 * bytes) != 0) return no_pages_to_lock;
  const std::size_t torn_bytes = most_mappings() * 2 * 4096;
  auto* const torn = static_cast<unsigned char*>(
      mmap(nullptr, torn_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  if (torn == MAP_FAILED) return 2;
  std::size_t at = 4096;
  while (at < torn_bytes && mprotect(torn + at, 4096, PROT_NONE) == 0) at += 8192;
  if (at >= torn_bytes) return 3;  // no limit was met

  quarry::unmap_pages(ranges[1], bytes);
  const residence middle = residence_of(ranges[1], bytes);
  if (!middle.is_mapped) return 4;                            // the system could unmap it after all
  if (!locked && middle.bytes > std::size_t{4096}) return 5;  // the memory was not freed
  auto* const again = static_cast<unsigned char*>(quarry::map_pages(bytes / 2, 1));
  if (again < ranges[1] || again >= ranges[2]) return 6;  // it was not mapped again
  if (std::any_of(again, again + bytes / 2, [](unsigned char each) { return each != 0; })) return 7;
  quarry::unmap_pages(again, bytes / 2);

  // With room for mappings again, giving back the neighbours gives back what was refused, too.
  munmap(torn, torn_bytes);
  quarry::unmap_pages(ranges[0], bytes);
  quarry::unmap_pages(ranges[2], bytes);
  std::size_t still_mapped = 0;
  for (std::size_t i = 0; i < 3 * bytes; i += 4096)
    still_mapped += residence_of(ranges[0] + i, 4096).is_mapped ? 1U : 0U;
  return still_mapped <= 1 ? 0 : 8;  // a page of records
}

TEST(OsPages, ThatTheSystemDoesNotUnmapAreFreedAndMappedNext) {
  if (most_mappings() == 0 || most_mappings() > 200000)
    GTEST_SKIP() << "vm.max_map_count is " << most_mappings()
                 << "; the test makes that many mappings, and above 200000 takes minutes";
  EXPECT_EQ(status_of_child([] { return unmap_at_the_limit_of_mappings(false); }), 0);
}

TEST(OsPages, ThatTheSystemNeitherUnmapsNorDiscardsReadAsZeroWhenTheyAreMappedNext) {
  if (most_mappings() == 0 || most_mappings() > 200000)
    GTEST_SKIP() << "vm.max_map_count is " << most_mappings()
                 << "; the test makes that many mappings, and above 200000 takes minutes";
  const int status = status_of_child([] { return unmap_at_the_limit_of_mappings(true); });
  if (status == no_pages_to_lock) GTEST_SKIP() << "the system lets this process lock less than 3 MiB";
  EXPECT_EQ(status, 0);
}

TEST(OsPages, ThatStayedMappedGoWithTheLastNeighbourThatHeldThem) {
  EXPECT_EQ(status_of_child([] {
              constexpr std::size_t blocks = 36000;
              constexpr std::size_t bytes = 12288;
              std::vector<void*> all(blocks);
              for (void*& each : all) each = quarry::map_pages(bytes, 1);
              std::sort(all.begin(), all.end());
              for (std::size_t i = 2000; i < blocks; i += 2) quarry::unmap_pages(all[i], bytes);
              for (std::size_t i = 100; i > 0; --i) quarry::unmap_pages(all[i], bytes);
              if (!residence_of(all[50], bytes).is_mapped) return 1;  // it would have torn a mapping
              quarry::unmap_pages(all[0], bytes);
              return residence_of(all[50], bytes).is_mapped ? 2 : 0;
            }),
            0);
}

TEST(OsPages, OfSmallBlocksFreedInHolesTakeNoMoreThanAThirdOfTheMappings) {
  if (most_mappings() < 60000)
    GTEST_SKIP() << "vm.max_map_count is " << most_mappings()
                 << "; the third that is held needs at least 60000";
  EXPECT_EQ(status_of_child([] {
              constexpr std::size_t blocks = 60000;
              std::vector<void*> all(blocks);
              for (void*& each : all) {
                each = quarry::map_pages(12000, 16);
                if (each == nullptr) return 1;
                *static_cast<unsigned char*>(each) = 1;
              }
              const auto mappings = [] {
                std::ifstream rows("/proc/self/maps");
                std::size_t lines = 0;
                for (std::string line; std::getline(rows, line);) ++lines;
                return lines;
              };
              std::shuffle(all.begin(), all.end(), std::mt19937(1));  // NOLINT: the same each time
              for (std::size_t i = 0; i < blocks; i += 2) quarry::unmap_pages(all[i], 12000);
              if (mappings() > most_mappings() / 3) return 2;
              for (std::size_t i = 0; i < blocks; i += 2)
                if (residence_of(all[i], 12288).bytes > 4096) return 3;
              for (std::size_t i = 1; i < blocks; i += 2) quarry::unmap_pages(all[i], 12000);
              return mappings() < 1000 ? 0 : 4;
            }),
            0);
}

#endif

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

TEST(OsPageResource, RefusesAnAlignmentThatIsNoPowerOfTwo) {
  for (const volatile std::size_t alignment : {std::size_t{0}, std::size_t{3}, std::size_t{12288}, SIZE_MAX})
    EXPECT_THROW(static_cast<void>(quarry::os_page_resource()->allocate(8, alignment)),
                 std::invalid_argument);
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
