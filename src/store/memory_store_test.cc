#include "store/memory_store.h"

#include "store/contract_test.h"

namespace push_cache::store {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StoreContract,
                         ::testing::Values([] { return make_memory_store(); }),
                         [](const auto&) { return std::string("MemoryStore"); });

}  // namespace
}  // namespace push_cache::store
