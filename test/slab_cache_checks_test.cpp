// Each error of a user's, at each level, through each face, with and without a lock: what is told, and that the call has no effect.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <quarry/slab_cache.hpp>
#include <string>
#include <vector>

#include "support/in_child.hpp"
#include "support/sanitizers.hpp"

namespace {

using quarry::check_level;
using quarry::null_lock;
using quarry::slab_cache;
using quarry::slab_errc;
using quarry::spin_lock;
using quarry::violation;

struct plain {
  std::uint64_t words[4];
};
struct owning {
  std::string text = "longer than what a string keeps inside itself";
};
struct last final {
  std::string text = "longer than what a string keeps inside itself";
};

int told = 0;
slab_errc last_error = slab_errc::ok;
std::string last_message;
const void* last_pointer = nullptr;

void note(const violation& found) {
  ++told;
  last_error = found.error;
  last_message = found.message;
  last_pointer = found.pointer;
}

testing::AssertionResult was_told(slab_errc error, const char* section, const void* pointer) {
  if (told != 1) return testing::AssertionFailure() << told << " violations";
  told = 0;
  if (last_error != error) return testing::AssertionFailure() << quarry::describe(last_error);
  if (last_pointer != pointer) return testing::AssertionFailure() << "told of " << last_pointer;
  if (last_message.find(std::string("docs/checks.md#") + section + "\n") == std::string::npos)
    return testing::AssertionFailure() << last_message;
  return testing::AssertionSuccess();
}

template <class T, class Lock, check_level Level>
struct way {
  using object = T;
  using cache = slab_cache<T, Lock, 4096>;
  static constexpr check_level level = Level;
};

template <class Way>
class SlabCacheChecks : public testing::Test {
 protected:
  using cache_type = typename Way::cache;
  using object = typename Way::object;
  using ptr = typename cache_type::ptr;

  SlabCacheChecks() {
    told = 0;
    EXPECT_EQ(cache.set_checks(Way::level, note), slab_errc::ok);
  }
  ~SlabCacheChecks() override { EXPECT_EQ(told, 0) << last_message; }

  static object* moved(object* from, std::size_t bytes) {
    return reinterpret_cast<object*>(reinterpret_cast<std::uintptr_t>(from) + bytes);
  }
  quarry::core::slab& header_of(object* one) {
    return *quarry::core::home_of(one, quarry::core::make_typed_slab_layout(sizeof(object), 4096));
  }

  cache_type cache;
};

using ways =
    testing::Types<way<plain, null_lock, check_level::pointers>, way<plain, spin_lock, check_level::pointers>,
                   way<plain, null_lock, check_level::full>, way<plain, spin_lock, check_level::full>,
                   way<owning, null_lock, check_level::pointers>, way<owning, spin_lock, check_level::full>,
                   way<last, null_lock, check_level::pointers>, way<last, spin_lock, check_level::full>>;
TYPED_TEST_SUITE(SlabCacheChecks, ways, );

TYPED_TEST(SlabCacheChecks, CorrectUseIsToldOfNothing) {
  std::vector<typename TestFixture::ptr> owners;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1000; ++i) owners.push_back(this->cache.make());
    for (std::size_t i = 0; i < owners.size(); i += 2) owners[i].reset();
    std::vector<typename TestFixture::object*> raw;
    for (int i = 0; i < 700; ++i) raw.push_back(this->cache.allocate());
    for (auto* const each : raw) EXPECT_EQ(this->cache.try_deallocate(each), slab_errc::ok);
    std::size_t live = 0;
    this->cache.for_each_live([&](auto&) { ++live; });
    EXPECT_EQ(live, 500U);
    EXPECT_EQ(this->cache.stats().live_slots, 500U);
    owners.clear();
    EXPECT_EQ(this->cache.stats().live_slots, 0U);
    this->cache.trim();
    EXPECT_EQ(this->cache.stats().slab_count, 1U);
  }
}

TYPED_TEST(SlabCacheChecks, ASlotFreedTwice) {
  auto* const one = this->cache.allocate();
  this->cache.deallocate(one);
  this->cache.deallocate(one);
  EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", one));
  EXPECT_EQ(this->cache.try_deallocate(one), slab_errc::double_free);
  EXPECT_EQ(this->cache.stats().live_slots, 0U);
}

TYPED_TEST(SlabCacheChecks, AnObjectThatTwoOwnersEnd) {
  typename TestFixture::ptr owner = this->cache.make();
  auto* const raw = owner.get();
  typename TestFixture::ptr(raw).reset();
  owner.reset();  // no destructor runs on what is gone
  EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", raw));
  EXPECT_EQ(this->cache.stats().live_slots, 0U);
}

TYPED_TEST(SlabCacheChecks, AnOwnersObjectThatIsFreedAsASlotBefore) {
  typename TestFixture::ptr owner = this->cache.make();
  auto* const raw = owner.get();
  std::destroy_at(raw);
  this->cache.deallocate(raw);
  owner.reset();
  EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", raw));
}

TYPED_TEST(SlabCacheChecks, ASlotThatWasNeverAllocated) {
  auto* const one = this->cache.allocate();
  auto* const next = one + 1;
  this->cache.deallocate(next);
  EXPECT_TRUE(was_told(slab_errc::invalid_pointer, "never-allocated", next));
  EXPECT_EQ(this->cache.try_deallocate(next), slab_errc::invalid_pointer);
  this->cache.deallocate(one);
}

TYPED_TEST(SlabCacheChecks, APointerIntoAnObject) {
  auto* const one = this->cache.allocate();
  auto* const inside = this->moved(one, 8);
  this->cache.deallocate(inside);
  EXPECT_TRUE(was_told(slab_errc::invalid_pointer, "interior-pointer", inside));
  EXPECT_EQ(this->cache.try_deallocate(inside), slab_errc::invalid_pointer);
  typename TestFixture::ptr(inside).reset();
  EXPECT_TRUE(was_told(slab_errc::invalid_pointer, "interior-pointer", inside));
  this->cache.deallocate(one);
}

TYPED_TEST(SlabCacheChecks, AMisalignedPointer) {
  auto* const one = this->cache.allocate();
  auto* const crooked = this->moved(one, 1);
  this->cache.deallocate(crooked);
  EXPECT_TRUE(was_told(slab_errc::alignment_mismatch, "wrong-alignment", crooked));
  EXPECT_EQ(this->cache.try_deallocate(crooked), slab_errc::alignment_mismatch);
  this->cache.deallocate(one);
}

TYPED_TEST(SlabCacheChecks, AnObjectOfAnotherCacheOrOfNone) {
  typename TestFixture::cache_type other;
  auto* const others = other.allocate();
  alignas(16) unsigned char own[sizeof(*others)];
  for (auto* const wrong : {others, reinterpret_cast<decltype(others)>(own), this->moved(nullptr, 4096)}) {
    this->cache.deallocate(wrong);
    EXPECT_TRUE(was_told(slab_errc::invalid_pointer, "invalid-pointer", wrong));
    EXPECT_EQ(this->cache.try_deallocate(wrong), slab_errc::invalid_pointer);
  }
  this->cache.deallocate(nullptr);
  EXPECT_EQ(told, 0);
  EXPECT_EQ(other.stats().live_slots, 1U);
  other.deallocate(others);
}

TYPED_TEST(SlabCacheChecks, ASlabThatWentBack) {
  std::vector<typename TestFixture::ptr> owners;
  for (int i = 0; i < 1000; ++i) owners.push_back(this->cache.make());
  auto* const gone = owners.back().get();
  owners.clear();
  this->cache.trim();
  this->cache.deallocate(gone);
  EXPECT_TRUE(was_told(slab_errc::invalid_pointer, "invalid-pointer", gone));
}

TYPED_TEST(SlabCacheChecks, AHeaderThatWasOverwritten) {
  auto* const one = this->cache.allocate();
  quarry::core::slab& header = this->header_of(one);
  const quarry::core::slab before = header;
  std::memset(static_cast<void*>(&header), 0x5A, 16);  // the links, as a write behind the slab before does
  this->cache.deallocate(one);
  EXPECT_TRUE(was_told(slab_errc::corrupted, "overwritten-header", one));
  EXPECT_EQ(this->cache.try_deallocate(one), slab_errc::corrupted);
  EXPECT_EQ(this->cache.try_allocate(), nullptr);
  EXPECT_TRUE(was_told(slab_errc::corrupted, "overwritten-header", &header));
  typename TestFixture::ptr(one).reset();
  EXPECT_TRUE(was_told(slab_errc::corrupted, "overwritten-header", one));
  std::memcpy(static_cast<void*>(&header), static_cast<const void*>(&before), 16);
  this->cache.deallocate(one);
}

TYPED_TEST(SlabCacheChecks, AnObjectThatIsRecycledAndEnded) {
  if constexpr (quarry::keeps_recycled<typename TestFixture::object>) {
    typename TestFixture::ptr owner = this->cache.make();
    auto* const raw = owner.get();
    this->cache.recycle(std::move(owner));
    typename TestFixture::ptr(raw).reset();
    EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", raw));
    this->cache.recycle(typename TestFixture::ptr(raw));
    EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", raw));
    EXPECT_EQ(this->cache.stats().kept_slots, 1U);
    EXPECT_EQ(this->cache.reuse_kept().get(), raw);
  }
}

TYPED_TEST(SlabCacheChecks, AWriteAfterTheFree) {
  if (TypeParam::level != check_level::full || quarry_test::has_address_sanitizer) return;
  auto* const one = this->cache.allocate();
  this->cache.deallocate(one);
  auto* const bytes = reinterpret_cast<volatile unsigned char*>(one);
  bytes[5] = 1;
  this->cache.trim();  // ends the quarantine
  EXPECT_TRUE(was_told(slab_errc::corrupted, "write-after-free", one));
  EXPECT_NE(last_message.find("first written byte: 5\n"), std::string::npos) << last_message;
  bytes[6] = 1;
  EXPECT_EQ(this->cache.allocate(), one) << "told, and handed out all the same";
  EXPECT_TRUE(was_told(slab_errc::corrupted, "write-after-free", one));
  reinterpret_cast<volatile unsigned char*>(one)[sizeof(*one)] = 1;  // behind the object: in a free one
  auto* const next = this->cache.allocate();
  EXPECT_TRUE(was_told(slab_errc::corrupted, "write-after-free", next));
  this->cache.deallocate(one);
  this->cache.deallocate(next);
}

TYPED_TEST(SlabCacheChecks, AWriteThatIsFoundWhenTheCacheEnds) {
  if (TypeParam::level != check_level::full || quarry_test::has_address_sanitizer) return;
  {
    typename TestFixture::cache_type ending;
    ASSERT_EQ(ending.set_checks(TypeParam::level, note), slab_errc::ok);
    auto* const one = ending.allocate();
    auto* const other = ending.allocate();
    ending.deallocate(one);
    reinterpret_cast<volatile unsigned char*>(one)[0] = 1;  // waits in quarantine
    ending.deallocate(other);
  }
  EXPECT_EQ(told, 1);
  told = 0;
}

TYPED_TEST(SlabCacheChecks, AnObjectThatOutlivesItsCache) {
  typename TestFixture::ptr survivor;
  {
    typename TestFixture::cache_type ending;
    ASSERT_EQ(ending.set_checks(TypeParam::level, note), slab_errc::ok);
    survivor = ending.make();
    auto second = ending.make();
    auto* const raw = second.get();
    second.reset();
    typename TestFixture::ptr(raw).reset();
    EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", raw));
  }
  survivor.reset();
  EXPECT_EQ(told, 0);
}

TYPED_TEST(SlabCacheChecks, TheDefaultHandlerEndsTheProgramWithTheMessage) {
  auto* const one = this->cache.allocate();
  this->cache.deallocate(one);
  EXPECT_DEATH(
      {
        (void)this->cache.set_checks(TypeParam::level);
        this->cache.deallocate(one);
      },
      "an object is freed that is free already(.|\n)*docs/checks.md#double-free");
}

TYPED_TEST(SlabCacheChecks, WithoutAHandlerTheProgramEndsInATrap) {
  const int result = quarry_test::run_in_child(10, [&] {
    (void)this->cache.set_checks(TypeParam::level, nullptr);
    this->cache.deallocate(this->moved(nullptr, 4096));
    return 0;
  });
  EXPECT_EQ(result, -1);
}

TYPED_TEST(SlabCacheChecks, SetToOffNothingIsTold) {
  auto* const one = this->cache.allocate();
  this->cache.deallocate(one);
  auto owner = this->cache.make();
  ASSERT_EQ(this->cache.set_checks(check_level::off, note), slab_errc::ok);
  this->cache.deallocate(nullptr);
  std::vector<typename TestFixture::ptr> more;
  for (int i = 0; i < 1000; ++i) more.push_back(this->cache.make());
  more.clear();
  owner.reset();
  this->cache.trim();
  EXPECT_EQ(this->cache.stats().live_slots, 0U);
  EXPECT_EQ(this->cache.stats().slab_count, 1U);
  ASSERT_EQ(this->cache.set_checks(TypeParam::level, note), slab_errc::ok);
  auto* const two = this->cache.allocate();
  this->cache.deallocate(two);
  this->cache.deallocate(two);
  EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", two));
}

struct base {
  std::uint64_t tag = 0;
};
struct other_base {
  std::uint64_t words[2] = {};
};
struct derived : other_base, base {
  std::string text = "longer than what a string keeps inside itself";
};

TEST(SlabCacheChecksOfBases, AnOwnerOfABaseEndsTheObjectOnceAndNoMore) {
  slab_cache<derived, null_lock, 4096> cache;
  ASSERT_EQ(cache.set_checks(check_level::pointers, note), slab_errc::ok);
  quarry::slab_ptr<base, slab_cache<base, null_lock, 4096>> owner = cache.make();
  base* const inside = owner.get();
  derived* const whole = static_cast<derived*>(inside);
  ASSERT_NE(static_cast<void*>(inside), static_cast<void*>(whole));
  owner.reset();
  EXPECT_EQ(told, 0);
  owner.reset(inside);
  owner.reset();
  EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", whole));
}

struct selfish {
  static inline int ended = 0;
  selfish* self = nullptr;
  ~selfish() {
    ++ended;
    if (self != nullptr) slab_cache<selfish>::ptr(std::exchange(self, nullptr)).reset();
  }
};

TEST(SlabCacheChecksOfBases, AnObjectThatEndsItselfWhileItEnds) {
  slab_cache<selfish> cache;
  ASSERT_EQ(cache.set_checks(check_level::pointers, note), slab_errc::ok);
  auto owner = cache.make();
  owner->self = owner.get();
  auto* const raw = owner.get();
  owner.reset();
  EXPECT_TRUE(was_told(slab_errc::double_free, "double-free", raw));
  EXPECT_EQ(selfish::ended, 1);
  EXPECT_EQ(cache.stats().live_slots, 0U);
}

}  // namespace
