// The one translation unit that holds Boost.JSON's definitions (its documented header-only use).
#include <boost/json/src.hpp>
