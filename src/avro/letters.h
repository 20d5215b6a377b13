// Which characters are letters and digits (Unicode 16, general categories L and Nd).
#pragma once

namespace push_cache::avro {

bool is_letter(char32_t point);
bool is_digit(char32_t point);

}  // namespace push_cache::avro
