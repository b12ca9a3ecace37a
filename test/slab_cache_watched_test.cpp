// What tools that watch memory say of the objects of typed caches, without any check set.
#include <gtest/gtest.h>

#include <quarry/slab_cache.hpp>
#include <string>

#include "support/memcheck.hpp"
#include "support/sanitizers.hpp"

namespace {

using quarry::null_lock;
using quarry::slab_cache;
using quarry::spin_lock;

struct message {
  int words[8];
};

template <class Lock>
class SlabCacheWatched : public testing::Test {
 protected:
  slab_cache<message, Lock> cache;
};
using locks = testing::Types<null_lock, spin_lock>;
TYPED_TEST_SUITE(SlabCacheWatched, locks, );

TYPED_TEST(SlabCacheWatched, AddressSanitizerSeesWhatIsUsedAfterItsEnd) {
  if (!quarry_test::has_address_sanitizer) return;
  auto owner = this->cache.make();
  volatile message* const gone = owner.get();
  gone->words[3] = 1;
  owner.reset();
  EXPECT_DEATH(gone->words[3] = 2, "use-after-poison");
  message* const slot = this->cache.allocate();
  slot->words[0] = 1;
  volatile message* const next = slot + 1;  // never allocated
  EXPECT_DEATH(next->words[0] = 1, "use-after-poison");
  this->cache.deallocate(slot);
  EXPECT_DEATH(this->cache.deallocate(slot), "use-after-poison") << "freed twice";
}

// Memory that was a slab may be used by others.
TYPED_TEST(SlabCacheWatched, SlabsGoBackAsTheyCame) {
  quarry::static_page_source<65536> pool;
  for (int round = 0; round < 3; ++round) {
    using cache_type = slab_cache<message, TypeParam, 4096, quarry::static_page_source<65536>>;
    {
      cache_type used(pool);
      auto owner = used.make();
      used.deallocate(used.allocate());
    }
    EXPECT_EQ(pool.lent_bytes(), 0U);
    auto* const pages = static_cast<unsigned char*>(pool.allocate_pages(4096, 4096));
    for (std::size_t i = 0; i < 4096; ++i) pages[i] = 1;
    pool.deallocate_pages(pages, 4096, 4096);
  }
}

void misuse_two_objects() {
  slab_cache<message> cache;
  auto owner = cache.make();
  volatile message* const gone = owner.get();
  owner.reset();
  gone->words[3] = 1;
  message* const slot = cache.allocate();
  cache.deallocate(slot);
  cache.deallocate(slot);
}

TEST(SlabCacheWatchedByMemcheck, SaysWhoFreedWhatIsUsedAfterItsEnd) {
  if (quarry_test::is_in_memcheck()) return misuse_two_objects();
  if (const char* const why = quarry_test::why_no_memcheck()) GTEST_SKIP() << why;
  const std::string output =
      quarry_test::output_in_memcheck("SlabCacheWatchedByMemcheck.SaysWhoFreedWhatIsUsedAfterItsEnd");
  for (const char* const wanted : {"Invalid write of size 4", "12 bytes inside a block of size 32 free'd",
                                   "Block was alloc'd at", "Invalid free()"})
    EXPECT_NE(output.find(wanted), std::string::npos) << wanted << " is missing in:\n" << output;
}

}  // namespace
