# Makes the status page of the files in web/: one HTML file that loads nothing from anywhere, and that file as a C++
# source.
#
#   cmake -D WEB=web -D UPLOT=FOLDER -D PAGE=page.html [-D SOURCE=page.cc] -P status_page.cmake
#
# UPLOT: the npm package, "" = without plots. The page's policy allows its own script and style by their hashes, and
# nothing else; nor may a script make markup of a text.
cmake_minimum_required(VERSION 3.25)

# Base64 of a text of hexadecimal digits, as a policy wants a hash.
function(base64_of_hex hex out)
  set(digits ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(LENGTH "${hex}" length)
  set(text "")
  while(length GREATER 0)
    string(SUBSTRING "${hex}00000" 0 6 group)  # three bytes, with zeros behind the last
    math(EXPR bits "0x${group}")
    foreach(shift 18 12 6 0)
      math(EXPR digit "(${bits} >> ${shift}) & 63")
      string(SUBSTRING ${digits} ${digit} 1 digit)
      string(APPEND text "${digit}")
    endforeach()
    if(length GREATER 6)
      string(SUBSTRING "${hex}" 6 -1 hex)
    endif()
    math(EXPR length "${length} - 6")
  endwhile()
  if(length EQUAL -2)
    string(REGEX REPLACE ".$" "=" text "${text}")
  elseif(length EQUAL -4)
    string(REGEX REPLACE "..$" "==" text "${text}")
  endif()
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

file(READ ${WEB}/index.html page)
file(READ ${WEB}/page.css style)
set(script "")
foreach(name text plots record page)
  file(READ ${WEB}/${name}.js text)
  string(APPEND script "${text}\n")
endforeach()
if(UPLOT)
  file(READ ${UPLOT}/LICENSE license)
  file(READ ${UPLOT}/dist/uPlot.iife.min.js library)
  file(READ ${UPLOT}/dist/uPlot.min.css library_style)
  set(style "${library_style}\n${style}")
  set(script "/* uPlot:\n${license}\n*/\n${library}\n${script}")
endif()
foreach(part style script)
  if("${${part}}" MATCHES "</[sS][cCtT]|<!--|\r")
    message(FATAL_ERROR "the page's ${part} has what would end it, or what a browser reads otherwise")
  endif()
  string(SHA256 hash "${${part}}")
  base64_of_hex(${hash} hash)
  set(policy_${part} "'sha256-${hash}'")
  string(TOUPPER ${part} place)
  string(REPLACE "@${place}@" "${${part}}" page "${page}")
endforeach()
set(policy "default-src 'none'; script-src ${policy_script}; style-src ${policy_style}; connect-src 'self'; img-src data:")
string(APPEND policy "; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
string(REPLACE "@POLICY@" "${policy}" page "${page}")
file(WRITE ${PAGE} "${page}")

if(SOURCE)
  file(READ ${PAGE} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n"
         bytes "${bytes}")
  file(WRITE ${SOURCE} "// Made by cmake/status_page.cmake.
#include \"health/status_page.h\"

namespace push_cache::health {
namespace {

constexpr unsigned char kPage[] = {
${bytes}
};

}  // namespace

std::string_view status_page() { return {reinterpret_cast<const char*>(kPage), sizeof(kPage)}; }

}  // namespace push_cache::health
")
endif()
