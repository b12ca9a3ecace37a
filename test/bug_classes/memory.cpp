#include "memory.hpp"

#include <array>
#include <functional>
#include <map>
#include <memory_resource>
#include <new>
#include <utility>

#include "quarry/quarry.hpp"

#if defined(QUARRY_HAS_BOOST)
#include <boost/container/pmr/memory_resource.hpp>
#include <boost/container/pmr/synchronized_pool_resource.hpp>
#include <boost/container/pmr/unsynchronized_pool_resource.hpp>
#include <boost/pool/pool_alloc.hpp>
#endif

namespace bug_classes {
namespace {

using block = std::array<std::uint64_t, usual_bytes / sizeof(std::uint64_t)>;
static_assert(sizeof(block) == usual_bytes && alignof(block) == usual_alignment);

// A resource with the verbs of std::pmr::memory_resource and release().
template <class Resource, bool IsShared>
class pool final : public memory {
 public:
  template <class... Arguments>
  explicit pool(const Arguments&... arguments) : resource_(arguments...) {}

  void* allocate(std::size_t bytes, std::size_t alignment) override {
    return resource_.allocate(bytes, alignment);
  }
  void deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
    resource_.deallocate(pointer, bytes, alignment);
  }
  bool release() override {
    resource_.release();
    return true;
  }
  bool is_shared() const override { return IsShared; }

 private:
  Resource resource_;
};

class view final : public memory {
 public:
  explicit view(const quarry::slab_options& options) : resource_(options), view_(resource_) {}

  void* allocate(std::size_t bytes, std::size_t alignment) override {
    return view_.allocate(bytes, alignment);
  }
  void deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
    view_.deallocate(pointer, bytes, alignment);
  }

 private:
  quarry::synchronized_slab_resource resource_;
  quarry::slab_thread_view view_;
};

// Every block between guard pages as long as there are places, each fault reported.
template <class Resource, bool IsShared>
class guarded final : public memory {
 public:
  guarded() { quarry::guarded_resource::install_fault_reports(); }

  void* allocate(std::size_t bytes, std::size_t alignment) override {
    return guarded_.allocate(bytes, alignment);
  }
  void deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
    guarded_.deallocate(pointer, bytes, alignment);
  }
  bool is_shared() const override { return IsShared; }

 private:
  static quarry::guard_options options() {
    quarry::guard_options options;
    options.every = 1;
    options.pause_us = 0;
    options.blocks = 1024;  // more than are live at a time where a bug is made
    options.leaks = quarry::leak_action::report;
    return options;
  }

  Resource resource_;
  quarry::guarded_resource guarded_{options(), &resource_};
};

// Slots of a typed cache.
template <class Lock>
class typed final : public memory {
 public:
  explicit typed(quarry::check_level level) {
    if (level != quarry::check_level::off && cache_.set_checks(level) != quarry::slab_errc::ok)
      throw std::bad_alloc();
  }

  void* allocate(std::size_t /*bytes*/, std::size_t /*alignment*/) override { return cache_.allocate(); }
  void deallocate(void* pointer, std::size_t /*bytes*/, std::size_t /*alignment*/) override {
    cache_.deallocate(static_cast<block*>(pointer));
  }
  bool serves_any_size() const override { return false; }
  bool is_shared() const override { return !std::is_same_v<Lock, quarry::null_lock>; }

 private:
  quarry::slab_cache<block, Lock> cache_;
};

// What operator new and delete serve, with all that they may be told.
class heap final : public memory {
 public:
  void* allocate(std::size_t bytes, std::size_t alignment) override {
    if (alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
      return ::operator new (bytes, std::align_val_t{alignment});
    return ::operator new(bytes);
  }
  void deallocate(void* pointer, std::size_t bytes, std::size_t alignment) override {
#if defined(__cpp_sized_deallocation)
    if (alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
      return ::operator delete (pointer, bytes, std::align_val_t{alignment});
    ::operator delete(pointer, bytes);
#else
    static_cast<void>(bytes);
    if (alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
      return ::operator delete (pointer, std::align_val_t{alignment});
    ::operator delete(pointer);
#endif
  }
  bool is_shared() const override {
    return true;
  }
  bool is_the_heap() const override {
    return true;
  }
};

#if defined(QUARRY_HAS_BOOST)

class fast_pool final : public memory {
 public:
  void* allocate(std::size_t /*bytes*/, std::size_t /*alignment*/) override { return pool_.allocate(1); }
  void deallocate(void* pointer, std::size_t /*bytes*/, std::size_t /*alignment*/) override {
    pool_.deallocate(static_cast<block*>(pointer), 1);
  }
  bool serves_any_size() const override { return false; }
  bool is_shared() const override { return true; }
  bool is_the_heap() const override { return true; }  // all of one size share one pool

 private:
  boost::fast_pool_allocator<block> pool_;
};

#endif

using maker = std::function<std::unique_ptr<memory>()>;

template <class Resource, bool IsShared>
maker pool_maker() {
  return [] { return std::make_unique<pool<Resource, IsShared>>(); };
}

std::map<std::string, maker> all_makers() {
  std::map<std::string, maker> all;
  using quarry::check_level;
  for (const auto& [level, name] :
       {std::pair(check_level::off, "off"), std::pair(check_level::pointers, "pointers"),
        std::pair(check_level::full, "full")}) {
    quarry::slab_options options;
    options.checks = level;
    const std::string suffix = std::string("_") + name;
    all["unsynchronized" + suffix] = [=] {
      return std::make_unique<pool<quarry::unsynchronized_slab_resource, false>>(options);
    };
    all["synchronized" + suffix] = [=] {
      return std::make_unique<pool<quarry::synchronized_slab_resource, true>>(options);
    };
    all["view" + suffix] = [=] { return std::make_unique<view>(options); };
    all["typed" + suffix] = [which = level] { return std::make_unique<typed<quarry::null_lock>>(which); };
    all["typed_locked" + suffix] = [which = level] {
      return std::make_unique<typed<quarry::spin_lock>>(which);
    };
  }
  all["guarded"] = [] { return std::make_unique<guarded<quarry::unsynchronized_slab_resource, false>>(); };
  all["guarded_synchronized"] = [] {
    return std::make_unique<guarded<quarry::synchronized_slab_resource, true>>();
  };
  all["std_pool"] = pool_maker<std::pmr::unsynchronized_pool_resource, false>();
  all["std_pool_synchronized"] = pool_maker<std::pmr::synchronized_pool_resource, true>();
#if defined(QUARRY_HAS_BOOST)
  all["boost_pool"] = pool_maker<boost::container::pmr::unsynchronized_pool_resource, false>();
  all["boost_pool_synchronized"] = pool_maker<boost::container::pmr::synchronized_pool_resource, true>();
  all["boost_fast_pool"] = [] { return std::make_unique<fast_pool>(); };
#endif
  all["heap"] = [] { return std::make_unique<heap>(); };
  return all;
}

}  // namespace

std::unique_ptr<memory> make_memory(const std::string& kind) {
  const auto makers = all_makers();
  const auto found = makers.find(kind);
  return found == makers.end() ? nullptr : found->second();
}

std::vector<std::string> kinds_of_memory() {
  std::vector<std::string> names;
  for (const auto& each : all_makers()) names.push_back(each.first);
  return names;
}

}  // namespace bug_classes
