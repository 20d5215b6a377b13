# Every library from outside, in one place. scripts/setup installs them.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
# Boost.URL is the one part that later versions have no header-only form of; static, so that nothing is to be shipped.
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS url)
find_package(PkgConfig REQUIRED)
if(PUSH_CACHE_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# Boost.JSON, compiled once here from its header-only form: no shared library to ship.
add_library(push_cache_boost_json STATIC ${CMAKE_SOURCE_DIR}/cmake/boost_json.cc)
target_include_directories(push_cache_boost_json SYSTEM PUBLIC ${Boost_INCLUDE_DIRS})

# librdkafka: at least 2.6.1, the first that can do SCRAM against Kafka 4. The one that scripts/setup
# built, when there is one, goes before the system's.
set(deps "$ENV{PUSH_CACHE_DEPS}")
if(NOT deps)
  set(deps "$ENV{XDG_CACHE_HOME}")
  if(NOT deps)
    set(deps "$ENV{HOME}/.cache")
  endif()
  string(APPEND deps "/push-cache")
endif()
file(GLOB built "${deps}/librdkafka-*/lib/pkgconfig")
list(JOIN built ":" built)
set(ENV{PKG_CONFIG_PATH} "${built}:$ENV{PKG_CONFIG_PATH}")
pkg_check_modules(RDKAFKA IMPORTED_TARGET rdkafka-static>=2.6.1)
if(NOT RDKAFKA_FOUND)
  pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka>=2.6.1)
endif()
message(STATUS "librdkafka ${RDKAFKA_VERSION} from ${RDKAFKA_PREFIX}")

# What a static librdkafka needs is not all in its pkg-config file. Its archive stands there as a flag,
# which the imported target puts before the objects that need it: here it is a library instead.
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
add_library(push_cache_rdkafka INTERFACE)
set(archives ${RDKAFKA_LDFLAGS_OTHER})
list(FILTER archives INCLUDE REGEX "\\.a$")
if(archives)
  target_include_directories(push_cache_rdkafka SYSTEM INTERFACE ${RDKAFKA_INCLUDE_DIRS})
  target_link_libraries(push_cache_rdkafka INTERFACE ${archives} ${RDKAFKA_LIBRARIES})
else()
  target_link_libraries(push_cache_rdkafka INTERFACE PkgConfig::RDKAFKA)
endif()
target_link_libraries(push_cache_rdkafka INTERFACE OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB
                      PkgConfig::ZSTD Threads::Threads)
if(archives AND PUSH_CACHE_SANITIZE MATCHES "thread")
  add_library(push_cache_tsan_threads STATIC ${CMAKE_SOURCE_DIR}/cmake/tsan_threads.c)
  target_link_libraries(push_cache_rdkafka INTERFACE push_cache_tsan_threads)
endif()

# The RESP reader and the command formatter; connections are ours.
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)

# sd_notify: what the service tells systemd of itself.
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)

# Compressed sets of offsets.
find_package(roaring REQUIRED)

# uPlot, for the plots of the status page: the very version of web/package-lock.json, which scripts/setup fetches where
# there is npm. Without it the page shows figures alone.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/package-lock.json)
file(SHA256 ${CMAKE_SOURCE_DIR}/web/package-lock.json lock)
string(SUBSTRING ${lock} 0 12 lock)
set(UPLOT ${deps}/web-${lock}/node_modules/uplot)
if(EXISTS ${UPLOT}/dist/uPlot.iife.min.js)
  message(STATUS "status page: plots by uPlot from ${UPLOT}")
else()
  set(UPLOT "")
  message(STATUS "status page: without plots, since uPlot is not there (scripts/setup fetches it where there is npm)")
endif()
