// A server that releases all memory of a request at once. Mistake: a header is kept from one request to the next.
// Told at full: 1 blocks of 36 bytes live while their resource was released.*no block of this resource.*36, 1.*before release
// Told at pointers: no block of this resource.*36, 1.*before release
#include <memory_resource>
#include <optional>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>

class server {
 public:
  void serve(const char* request) {
    std::pmr::string header(request, &memory_);
    if (!last_header_) last_header_.emplace(header, &memory_);
    header = std::pmr::string(&memory_);
    header.shrink_to_fit();
    end_request();
  }

 private:
  void end_request() { memory_.release(); }

  quarry::unsynchronized_slab_resource memory_;
  std::optional<std::pmr::string> last_header_;
};

int main() {
  server one;
  one.serve("GET /index.html HTTP/1.1, and so on");
  one.serve("GET /picture.png HTTP/1.1, and so on");
}
