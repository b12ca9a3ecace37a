// The smallest use of a cache: make and free objects of one type. Its size is what a program pays for that, beside
// its page source.
#include <quarry/slab_cache.hpp>

struct message {
  std::uint32_t words[8];
};

using message_cache = quarry::slab_cache<message, quarry::null_lock, 1024, quarry::hooked_page_source>;

message* make_message(message_cache& messages) noexcept {
  return messages.try_make().release();
}

void free_message(message_cache& messages, message* one) noexcept {
  messages.deallocate(one);
}
