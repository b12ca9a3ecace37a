// expect: default_slab_bytes<unfinished>
// expect: incomplete type
#include <quarry/slab_ptr.hpp>

struct unfinished;
#if defined(QUARRY_COMPILE_OK)
quarry::slab_ptr<unfinished> declare();
struct unfinished {
  quarry::slab_ptr<unfinished> next;
};
#endif

int main() {
  return quarry::default_slab_bytes<unfinished> == 0;
}
