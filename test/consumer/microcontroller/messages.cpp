// Messages in a static pool, as a program without a heap keeps them.
#include <quarry/slab_cache.hpp>

struct message {
  std::uint32_t words[8];
};

using pool = quarry::static_page_source<4096, 1024>;
using message_cache = quarry::slab_cache<message, quarry::null_lock, 1024, pool>;

pool message_memory;
message_cache messages(message_memory);

message* take_message() noexcept {
  return messages.try_make().release();
}

void give_message(message* one) noexcept {
  messages.deallocate(one);
}
