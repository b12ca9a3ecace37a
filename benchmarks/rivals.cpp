#include "rivals.hpp"

#include <malloc.h>
#include <unistd.h>

#include <boost/container/pmr/memory_resource.hpp>
#include <boost/container/pmr/synchronized_pool_resource.hpp>
#include <boost/container/pmr/unsynchronized_pool_resource.hpp>
#include <cstdlib>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <type_traits>
#include <utility>

#include "malloc_library.hpp"

namespace bench {
namespace {

// A Boost pool seen as a std resource. Its cost over a bare Boost pool is one direct jump: `opened` calls
// do_allocate by its qualified name, not through Boost's virtual table a second time.
class boost_upstream final : public boost::container::pmr::memory_resource {
 public:
  explicit boost_upstream(std::pmr::memory_resource* upstream) : upstream_(upstream) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return upstream_->allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    upstream_->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const boost::container::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
  std::pmr::memory_resource* upstream_;
};

template <class Pool>
class boost_resource final : public std::pmr::memory_resource {
 public:
  explicit boost_resource(std::pmr::memory_resource* upstream) : upstream_(upstream), pool_(&upstream_) {}
  void release() { pool_.release(); }

 private:
  struct opened : Pool {
    using Pool::Pool;
    void* take(std::size_t bytes, std::size_t alignment) { return Pool::do_allocate(bytes, alignment); }
    void give(void* block, std::size_t bytes, std::size_t alignment) {
      Pool::do_deallocate(block, bytes, alignment);
    }
  };
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return pool_.take(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    pool_.give(block, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  boost_upstream upstream_;
  opened pool_;
};

// Hands out its one block to everybody, at every time.
class one_block_resource final : public std::pmr::memory_resource {
 public:
  explicit one_block_resource(std::pmr::memory_resource* /*upstream: the block is in here*/) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    if (__builtin_expect(bytes > sizeof block_ || alignment > alignof(std::max_align_t), 0))
      throw std::bad_alloc();
    return block_;
  }
  void do_deallocate(void* /*block*/, std::size_t /*bytes*/, std::size_t /*alignment*/) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  alignas(std::max_align_t) std::byte block_[4096];
};

template <class Resource>
rival make_rival(std::string name, rival_kind kind, bool synchronized) {
  rival made{std::move(name), kind,    synchronized, kind != rival_kind::malloc, nullptr, nullptr,
             nullptr,         nullptr, nullptr};
  made.with = [](std::pmr::memory_resource* upstream, const resource_body& body) {
    Resource resource(upstream);
    body(resource);
  };
  if constexpr (std::is_constructible_v<Resource, void*, std::size_t, std::pmr::memory_resource*>) {
    made.with_buffer = [](void* buffer, std::size_t bytes, std::pmr::memory_resource* upstream,
                          const resource_body& body) {
      Resource resource(buffer, bytes, upstream);
      body(resource);
    };
  }
  return made;
}

template <class Resource>
rival make_quarry(std::string name, bool synchronized) {
  rival made = make_rival<Resource>(std::move(name), rival_kind::quarry, synchronized);
  made.trim = [](std::pmr::memory_resource& resource) {
    static_cast<Resource&>(resource).trim();
    malloc_trim(0);
  };
  return made;
}

template <class Resource>
rival make_pool(std::string name, bool synchronized) {
  rival made = make_rival<Resource>(std::move(name), rival_kind::pool, synchronized);
  made.trim = [](std::pmr::memory_resource&) { malloc_trim(0); };
  made.release = [](std::pmr::memory_resource& resource) { static_cast<Resource&>(resource).release(); };
  return made;
}

template <class Resource, quarry::check_level Level>
rival make_checked(std::string name, bool synchronized) {
  rival made = make_quarry<Resource>(std::move(name), synchronized);
  made.with = [](std::pmr::memory_resource* upstream, const resource_body& body) {
    quarry::slab_options options;
    options.checks = Level;
    Resource resource(options, upstream);
    body(resource);
  };
  made.with_buffer = nullptr;
  return made;
}

struct found_rivals {
  std::vector<rival> present;
  std::vector<std::string> absent;
  std::string only;  // the one name to look for; empty: all

  template <malloc_library Library>
  void add_malloc(const char* name, const char* package) {
    if (!only.empty() && only != name) return;  // before its library is loaded
    if (calls_of(Library).allocate != nullptr) {
      present.push_back(make_rival<malloc_resource<Library>>(name, rival_kind::malloc, true));
      present.back().trim = [](std::pmr::memory_resource&) { trim_malloc(Library); };
    } else {
      absent.push_back(std::string(name) + " (Debian package " + package + ")");
    }
  }

  explicit found_rivals(std::string name = {}) : only(std::move(name)) {
    present.push_back(make_quarry<quarry::unsynchronized_slab_resource>("quarry", false));
    present.push_back(make_quarry<quarry::synchronized_slab_resource>("quarry_sync", true));
    namespace boost_pmr = boost::container::pmr;
    using boost_pool = boost_resource<boost_pmr::unsynchronized_pool_resource>;
    using boost_sync_pool = boost_resource<boost_pmr::synchronized_pool_resource>;
    present.push_back(make_pool<std::pmr::unsynchronized_pool_resource>("std_pool", false));
    present.push_back(make_pool<std::pmr::synchronized_pool_resource>("std_sync_pool", true));
    present.push_back(make_pool<boost_pool>("boost_pool", false));
    present.push_back(make_pool<boost_sync_pool>("boost_sync_pool", true));
    add_new_delete();
    add_malloc<malloc_library::glibc>("malloc", "libc6");
    add_malloc<malloc_library::mimalloc>("mimalloc", "libmimalloc2.0");
    add_malloc<malloc_library::jemalloc>("jemalloc", "libjemalloc2");
    add_malloc<malloc_library::gperftools>("gperftools", "libtcmalloc-minimal4");
    add_malloc<malloc_library::tbb>("tbb", "libtbbmalloc2");
    add_monotonic();
  }

  void add_new_delete() {
    rival made{"new_delete", rival_kind::malloc, true, false, nullptr, nullptr, nullptr, nullptr, nullptr};
    made.with = [](std::pmr::memory_resource*, const resource_body& body) {
      body(*std::pmr::new_delete_resource());
    };
    made.trim = [](std::pmr::memory_resource&) { malloc_trim(0); };
    present.push_back(made);
  }

  void add_monotonic() {
    rival made = make_rival<std::pmr::monotonic_buffer_resource>("monotonic", rival_kind::floor, false);
    made.end_round = [](std::pmr::memory_resource& resource) {
      static_cast<std::pmr::monotonic_buffer_resource&>(resource).release();
    };
    made.release = made.end_round;
    made.trim = [](std::pmr::memory_resource&) { malloc_trim(0); };
    present.push_back(made);
  }
};

std::vector<rival> find_checking_rivals() {
  using quarry::check_level;
  using alone = quarry::unsynchronized_slab_resource;
  using shared = quarry::synchronized_slab_resource;
  std::vector<rival> present{make_checked<alone, check_level::off>("quarry_off", false),
                             make_checked<alone, check_level::pointers>("quarry_pointers", false),
                             make_checked<alone, check_level::full>("quarry_full", false),
                             make_checked<shared, check_level::off>("quarry_sync_off", true),
                             make_checked<shared, check_level::pointers>("quarry_sync_pointers", true),
                             make_checked<shared, check_level::full>("quarry_sync_full", true)};
  const auto add = [&present](rival malloc, malloc_library library) {
    if (calls_of(library).allocate != nullptr) present.push_back(std::move(malloc));
  };
  const auto kind = rival_kind::malloc;
  add(make_rival<malloc_resource<malloc_library::glibc>>("malloc", kind, true), malloc_library::glibc);
  add(make_rival<malloc_resource<malloc_library::mimalloc>>("mimalloc", kind, true),
      malloc_library::mimalloc);
  add(make_rival<malloc_resource<malloc_library::mimalloc_secure>>("mimalloc_secure", kind, true),
      malloc_library::mimalloc_secure);
  add(make_rival<malloc_resource<malloc_library::scudo>>("scudo", kind, true), malloc_library::scudo);
  return present;
}

const found_rivals& found() {
  static const found_rivals all;
  return all;
}

}  // namespace

const std::vector<rival>& rivals() {
  return found().present;
}
const rival* only_rival(const std::string& name) {
  static const found_rivals one(name);
  for (const rival& each : one.present) {
    if (each.name == name) return &each;
  }
  return nullptr;
}
const std::vector<rival>& checking_rivals() {
  static const std::vector<rival> present = find_checking_rivals();
  return present;
}
const rival& one_block() {
  static const rival floor = make_rival<one_block_resource>("one_block", rival_kind::floor, true);
  return floor;
}
const std::vector<std::string>& absent_rivals() {
  return found().absent;
}

const char* kind_name(rival_kind kind) {
  switch (kind) {
    case rival_kind::quarry:
      return "quarry";
    case rival_kind::pool:
      return "pool";
    case rival_kind::malloc:
      return "malloc";
    case rival_kind::floor:
      return "floor";
  }
  return "";
}

void prepare_process(char** argv, const std::vector<std::string>& tunables) {
  constexpr const char* variable = "GLIBC_TUNABLES";
  const char* const now = std::getenv(variable);
  const std::string before = now == nullptr ? "" : now;
  std::string wanted = before;
  const auto add = [&wanted](const std::string& tunable) {
    if (wanted.find(tunable) == std::string::npos) wanted += (wanted.empty() ? "" : ":") + tunable;
  };
  add("glibc.rtld.optional_static_tls=16384");
  for (const std::string& each : tunables) add(each);
  if (wanted == before) return;
  setenv(variable, wanted.c_str(), 1);
  execv("/proc/self/exe", argv);  // on failure go on: jemalloc is then reported as absent
}

}  // namespace bench
