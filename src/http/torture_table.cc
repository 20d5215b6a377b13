#include "http/torture_table.h"

#include <cctype>

namespace push_cache::http {
namespace {

using std::string_literals::operator""s;
using std::string_view_literals::operator""sv;

const std::string kEnd = "\r\n\r\n";

std::string get_with(const std::string& headers) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + headers + kEnd;
}
std::string post_with(const std::string& headers, std::string_view body = "") {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + headers + kEnd + std::string(body);
}
std::string chunked(const std::string& body) {
  return post_with("Transfer-Encoding: chunked", body);
}
std::string repeated(std::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

std::vector<TortureRow> make_rows() {
  return {
      {"Well-formed", "plain", get_with("A: b"), {200}, After::kOpen},
      {"Well-formed", "HTTP/1.0", "GET / HTTP/1.0" + kEnd, {200}},
      {"Well-formed",
       "HTTP/1.0 with keep-alive",
       "GET / HTTP/1.0\r\nConnection: keep-alive" + kEnd,
       {200},
       After::kOpen},
      {"Well-formed", "Connection: close", get_with("Connection: close"), {200}},
      {"Well-formed", "close among others", get_with("Connection: keep-alive, Close"), {200}},
      {"Well-formed", "empty lines before", "\r\n\r\n\r\n" + get_with("A: b"), {200}, After::kOpen},
      {"Well-formed", "empty value", get_with("A:"), {200}, After::kOpen},
      {"Well-formed", "no space before the value", get_with("A:b"), {200}, After::kOpen},
      {"Well-formed", "obs-text in a value", get_with("A: \xc3\xa9"), {200}, After::kOpen},
      {"Well-formed", "empty Host", "GET / HTTP/1.1\r\nHost:" + kEnd, {200}, After::kOpen},
      {"Well-formed",
       "no Host in HTTP/1.0",
       "GET / HTTP/1.0\r\nConnection: keep-alive\r\nA: b" + kEnd,
       {200},
       After::kOpen},
      {"Well-formed",
       "absolute-form target",
       "GET http://other/a?b HTTP/1.1\r\nHost: h" + kEnd,
       {200},
       After::kOpen},
      {"Well-formed", "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: h" + kEnd, {200}, After::kOpen},
      {"Well-formed", "unknown method", "BREW / HTTP/1.1\r\nHost: h" + kEnd, {200}, After::kOpen},
      {"Well-formed",
       "method in lower case",
       "get / HTTP/1.1\r\nHost: h" + kEnd,
       {200},
       After::kOpen},
      {"Well-formed",
       "Upgrade is ignored",
       get_with("Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
                "AAMAAABkAAQAAP__"),
       {200},
       After::kOpen},
      {"Well-formed",
       "two requests at once",
       get_with("A: b") + get_with("A: b"),
       {200, 200},
       After::kOpen},
      {"Well-formed", "nothing", "", {}},
      {"Request line", "bare LF after it", "GET / HTTP/1.1\nHost: h" + kEnd, {400}},
      {"Request line", "bare LF before it", "\n" + get_with("A: b"), {400}},
      {"Request line", "bare CR in it", "GET /\r HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "NUL in the target", "GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"s, {400}},
      {"Request line", "space in the target", "GET /a b HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "tab for a space", "GET\t/ HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "two spaces", "GET  / HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "space before the method", " GET / HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "space after the version", "GET / HTTP/1.1 \r\nHost: h" + kEnd, {400}},
      {"Request line", "no version", "GET /\r\nHost: h" + kEnd, {400}},
      {"Request line", "no target", "GET HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "no method", " / HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "bad method", "GE(T / HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "version in lower case", "GET / http/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "version of two digits", "GET / HTTP/1.10\r\nHost: h" + kEnd, {400}},
      {"Request line", "version without a point", "GET / HTTP/11\r\nHost: h" + kEnd, {400}},
      {"Request line", "TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"s, {400}},
      {"Request line", "relative target", "GET a/b HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "authority-form target", "GET h:80 HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "* of GET", "GET * HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "other scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line",
       "absolute form without host",
       "GET http:///a HTTP/1.1\r\nHost: h" + kEnd,
       {400}},
      {"Request line", "CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h" + kEnd, {400}},
      {"Request line", "HTTP/0.9 without a version", "GET /" + kEnd, {400}},
      {"Request line", "HTTP/0.9", "GET / HTTP/0.9\r\nHost: h" + kEnd, {505}},
      {"Request line", "HTTP/1.2", "GET / HTTP/1.2\r\nHost: h" + kEnd, {505}},
      {"Request line", "HTTP/2.0", "GET / HTTP/2.0\r\nHost: h" + kEnd, {505}},
      {"Request line", "HTTP/3.0", "GET / HTTP/3.0\r\nHost: h" + kEnd, {505}},
      {"Request line", "preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505}},
      {"Header lines", "bare LF after one", "GET / HTTP/1.1\r\nHost: h\nA: b" + kEnd, {400}},
      {"Header lines", "bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", {400}},
      {"Header lines", "bare CR in a value", get_with("A: b\rc"), {400}},
      {"Header lines", "CR CR LF", "GET / HTTP/1.1\r\nHost: h\r\r\n\r\n", {400}},
      {"Header lines", "NUL in a value", get_with("A: b\0c"s), {400}},
      {"Header lines", "NUL in a name", get_with("A\0: b"s), {400}},
      {"Header lines", "control in a name", get_with("A\x01: b"), {400}},
      {"Header lines", "control in a value", get_with("A: b\x01"), {400}},
      {"Header lines", "DEL in a value", get_with("A: b\x7f"), {400}},
      {"Header lines", "obs-text in a name", get_with("A\xc3\xa9: b"), {400}},
      {"Header lines", "space before the colon", get_with("A : b"), {400}},
      {"Header lines", "space before the first name", "GET / HTTP/1.1\r\n Host: h" + kEnd, {400}},
      {"Header lines", "no colon", get_with("A"), {400}},
      {"Header lines", "no name", get_with(": b"), {400}},
      {"Header lines", "bad name", get_with("A[]: b"), {400}},
      {"Header lines", "folded (obs-fold)", get_with("A: b\r\n c"), {400}},
      {"Header lines", "folded with a tab", get_with("A: b\r\n\tc"), {400}},
      {"Header lines", "folded before the value", get_with("A:\r\n b"), {400}},
      {"Header lines", "folded to nothing", get_with("A: b\r\n "), {400}},
      {"Header lines", "folded Content-Length", post_with("Content-Length:\r\n 3", "abc"), {400}},
      {"Header lines", "no Host", "GET / HTTP/1.1\r\nA: b" + kEnd, {400}},
      {"Header lines", "two Hosts", get_with("Host: h"), {400}},
      {"Header lines", "two different Hosts", get_with("Host: other"), {400}},
      {"Header lines", "bad Host", "GET / HTTP/1.1\r\nHost: h/x y" + kEnd, {400}},
      {"Header lines", "bad Connection", get_with("Connection: a b"), {400}},
      {"Header lines", "other expectation", get_with("Expect: miracles"), {417}},
      {"Header lines", "header not ended", "GET / HTTP/1.1\r\nHost: h\r\n", {}},
      {"Header lines", "last LF missing", "GET / HTTP/1.1\r\nHost: h\r\n\r", {}},
      {"Content-Length", "body", post_with("Content-Length: 3", "abc"), {200}, After::kOpen},
      {"Content-Length", "body of GET", get_with("Content-Length: 3") + "abc", {200}, After::kOpen},
      {"Content-Length",
       "a request as body",
       post_with("Content-Length: 27", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"sv.substr(0, 27)),
       {200},
       After::kOpen},
      {"Content-Length",
       "leading zeros",
       post_with("Content-Length: 003", "abc"),
       {200},
       After::kOpen},
      {"Content-Length",
       "blanks around",
       post_with("Content-Length: \t 3 \t", "abc"),
       {200},
       After::kOpen},
      {"Content-Length",
       "the same twice",
       post_with("Content-Length: 3\r\nContent-Length: 3", "abc"),
       {200},
       After::kOpen},
      {"Content-Length",
       "list of the same",
       post_with("Content-Length: 3, 3", "abc"),
       {200},
       After::kOpen},
      {"Content-Length", "list of different", post_with("Content-Length: 3, 4", "abcd"), {400}},
      {"Content-Length",
       "two different",
       post_with("Content-Length: 3\r\nContent-Length: 4", "abcd"),
       {400}},
      {"Content-Length", "negative", post_with("Content-Length: -3", "abc"), {400}},
      {"Content-Length", "negative zero", post_with("Content-Length: -0"), {400}},
      {"Content-Length", "with a plus", post_with("Content-Length: +3", "abc"), {400}},
      {"Content-Length", "hexadecimal", post_with("Content-Length: 0x3", "abc"), {400}},
      {"Content-Length", "fraction", post_with("Content-Length: 3.0", "abc"), {400}},
      {"Content-Length", "exponent", post_with("Content-Length: 3e0", "abc"), {400}},
      {"Content-Length", "no number", post_with("Content-Length: abc"), {400}},
      {"Content-Length", "empty", post_with("Content-Length:"), {400}},
      {"Content-Length", "two numbers", post_with("Content-Length: 3 3"), {400}},
      {"Content-Length", "quoted", post_with("Content-Length: \"3\"", "abc"), {400}},
      {"Content-Length", "2^64", post_with("Content-Length: 18446744073709551616"), {400}},
      {"Content-Length", "2^64 - 1", post_with("Content-Length: 18446744073709551615"), {413}},
      {"Content-Length", "name with a space", post_with("Content-Length : 3", "abc"), {400}},
      {"Content-Length",
       "name that only looks like it",
       post_with("Content_Length: 3"),
       {200},
       After::kOpen},
      {"Content-Length", "body not whole", post_with("Content-Length: 3", "ab"), {}},
      {"Transfer-Encoding", "chunked", chunked("3\r\nabc\r\n0\r\n\r\n"), {200}, After::kOpen},
      {"Transfer-Encoding", "empty", chunked("0\r\n\r\n"), {200}, After::kOpen},
      {"Transfer-Encoding",
       "of GET",
       get_with("Transfer-Encoding: chunked") + "3\r\nabc\r\n0\r\n\r\n",
       {200},
       After::kOpen},
      {"Transfer-Encoding",
       "in capitals",
       post_with("TRANSFER-ENCODING: CHUNKED", "3\r\nabc\r\n0\r\n\r\n"),
       {200},
       After::kOpen},
      {"Transfer-Encoding",
       "blanks after it",
       post_with("Transfer-Encoding: chunked \t", "3\r\nabc\r\n0\r\n\r\n"),
       {200},
       After::kOpen},
      {"Transfer-Encoding",
       "CL.TE",
       post_with("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
       {400}},
      {"Transfer-Encoding",
       "TE.CL",
       post_with("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"),
       {400}},
      {"Transfer-Encoding",
       "TE.TE",
       post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
       {400}},
      {"Transfer-Encoding",
       "TE.TE, the second unknown",
       post_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "0\r\n\r\n"),
       {400}},
      {"Transfer-Encoding",
       "Content-Length: 0 beside it",
       post_with("Content-Length: 0\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
       {400}},
      {"Transfer-Encoding",
       "in HTTP/1.0",
       "POST / HTTP/1.0\r\nTransfer-Encoding: chunked" + kEnd + "0\r\n\r\n",
       {400}},
      {"Transfer-Encoding", "unknown coding", post_with("Transfer-Encoding: gzip"), {501}},
      {"Transfer-Encoding", "gzip, chunked", post_with("Transfer-Encoding: gzip, chunked"), {501}},
      {"Transfer-Encoding", "chunked, gzip", post_with("Transfer-Encoding: chunked, gzip"), {501}},
      {"Transfer-Encoding",
       "chunked twice in a list",
       post_with("Transfer-Encoding: chunked, chunked"),
       {501}},
      {"Transfer-Encoding", "identity", post_with("Transfer-Encoding: identity"), {501}},
      {"Transfer-Encoding", "xchunked", post_with("Transfer-Encoding: xchunked"), {501}},
      {"Transfer-Encoding", "chunkedx", post_with("Transfer-Encoding: chunkedx"), {501}},
      {"Transfer-Encoding", "comma before it", post_with("Transfer-Encoding: , chunked"), {501}},
      {"Transfer-Encoding", "with a parameter", post_with("Transfer-Encoding: chunked;q=1"), {501}},
      {"Transfer-Encoding", "quoted", post_with("Transfer-Encoding: \"chunked\""), {501}},
      {"Transfer-Encoding", "empty value", post_with("Transfer-Encoding:"), {501}},
      {"Transfer-Encoding",
       "behind a vertical tab",
       post_with("Transfer-Encoding: \x0b"
                 "chunked"),
       {400}},
      {"Transfer-Encoding", "folded", post_with("Transfer-Encoding:\r\n chunked"), {400}},
      {"Transfer-Encoding", "name with a space", post_with("Transfer-Encoding : chunked"), {400}},
      {"Transfer-Encoding", "name with a tab", post_with("Transfer-Encoding\t: chunked"), {400}},
      {"Transfer-Encoding",
       "space before the name",
       post_with(" Transfer-Encoding: chunked"),
       {400}},
      {"Chunks",
       "size in capitals, leading zeros",
       chunked("00A\r\n0123456789\r\n0\r\n\r\n"),
       {200},
       After::kOpen},
      {"Chunks", "extensions", chunked("3;x=\"y\";z\r\nabc\r\n0;e\r\n\r\n"), {200}, After::kOpen},
      {"Chunks",
       "a quoted CR LF in an extension",
       chunked("3;x=\"\r\n\"\r\nabc\r\n0\r\n\r\n"),
       {400}},
      {"Chunks", "trailers", chunked("3\r\nabc\r\n0\r\nT: v\r\nU: w\r\n\r\n"), {200}, After::kOpen},
      {"Chunks",
       "trailers that look like headers",
       chunked("0\r\nHost: other\r\nIf-None-Match: *\r\n\r\n"),
       {200},
       After::kOpen},
      {"Chunks",
       "a request in the trailers",
       chunked("0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
       {400}},
      {"Chunks",
       "Transfer-Encoding in the trailers",
       chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
       {400}},
      {"Chunks",
       "Content-Length in the trailers",
       chunked("0\r\nContent-Length: 3\r\n\r\n"),
       {400}},
      {"Chunks", "trailer without a colon", chunked("0\r\nT\r\n\r\n"), {400}},
      {"Chunks", "folded trailer", chunked("0\r\nT: v\r\n w\r\n\r\n"), {400}},
      {"Chunks", "size that is no number", chunked("xyz\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "empty size", chunked("\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "negative size", chunked("-3\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "size with a plus", chunked("+3\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "size with 0x", chunked("0x3\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "space before the size", chunked(" 3\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "spaces after the size", chunked("3 \r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "size of 2^64 - 1", chunked("ffffffffffffffff\r\nabc\r\n0\r\n\r\n"), {413}},
      {"Chunks", "size of 17 digits", chunked("10000000000000003\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks",
       "size of 17 digits, most of them 0",
       chunked("00000000000000003\r\nabc\r\n0\r\n\r\n"),
       {200},
       After::kOpen},
      {"Chunks", "longer than its size", chunked("3\r\nabcd\r\n0\r\n\r\n"), {400}},
      {"Chunks", "shorter than its size", chunked("4\r\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "no CR LF behind it", chunked("3\r\nabc0\r\n\r\n"), {400}},
      {"Chunks", "bare LF behind the size", chunked("3\nabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "bare LF behind the chunk", chunked("3\r\nabc\n0\r\n\r\n"), {400}},
      {"Chunks", "bare LF at the end", chunked("3\r\nabc\r\n0\r\n\n"), {}},
      {"Chunks",
       "bare LF at the end, a request behind",
       chunked("3\r\nabc\r\n0\r\n\n") + get_with("A: b"),
       {400}},
      {"Chunks", "bare LF in the trailers", chunked("3\r\nabc\r\n0\r\nT: v\nU: w\r\n\r\n"), {400}},
      {"Chunks", "bare CR behind the size", chunked("3\rabc\r\n0\r\n\r\n"), {400}},
      {"Chunks", "not ended", chunked("3\r\nabc\r\n"), {}},
      {"Chunks", "last line missing", chunked("3\r\nabc\r\n0\r\n"), {}},
      {"Limits",
       "target at its limit",
       "GET /" + std::string(199, 'a') + " HTTP/1.1\r\nHost: h" + kEnd,
       {200},
       After::kOpen},
      {"Limits",
       "target beyond it",
       "GET /" + std::string(200, 'a') + " HTTP/1.1\r\nHost: h" + kEnd,
       {414}},
      {"Limits", "target far beyond it, not ended", "GET /" + std::string(5000, 'a'), {414}},
      {"Limits",
       "query beyond it",
       "GET /?" + std::string(200, 'a') + " HTTP/1.1\r\nHost: h" + kEnd,
       {414}},
      {"Limits", "endless method", std::string(5000, 'A'), {414}},
      {"Limits",
       "a line both too long and without CR",
       "GET /" + std::string(5000, 'a') + "\n",
       {414}},
      {"Limits",
       "header at its limit",
       "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(1484, 'a') + kEnd,
       {200},
       After::kOpen},
      {"Limits",
       "header beyond it",
       "GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(1485, 'a') + kEnd,
       {431}},
      {"Limits", "header far beyond it", get_with("A: " + std::string(20000, 'a')), {431}},
      {"Limits",
       "header beyond it, not ended",
       "GET / HTTP/1.1\r\nA: " + std::string(3000, 'a'),
       {431}},
      {"Limits",
       "100 header lines",
       get_with(repeated("A: b\r\n", 98) + "A: b"),
       {200},
       After::kOpen},
      {"Limits", "101 header lines", get_with(repeated("A: b\r\n", 99) + "A: b"), {431}},
      {"Limits", "endless header lines", "GET / HTTP/1.1\r\n" + repeated("A:\r\n", 1000), {431}},
      {"Limits",
       "body at its limit",
       post_with("Content-Length: 500", std::string(500, 'a')),
       {200},
       After::kOpen},
      {"Limits", "body beyond it", post_with("Content-Length: 501", std::string(501, 'a')), {413}},
      {"Limits",
       "body far beyond it, not sent",
       post_with("Content-Length: 99999999999999"),
       {413}},
      {"Limits",
       "the same with an expectation",
       post_with("Expect: 100-continue\r\nContent-Length: 99999999999999"),
       {413}},
      {"Limits",
       "chunked body at the limit",
       chunked("1f4\r\n" + std::string(500, 'a') + "\r\n0\r\n\r\n"),
       {200},
       After::kOpen},
      {"Limits",
       "chunked body beyond it",
       chunked("1f5\r\n" + std::string(501, 'a') + "\r\n0\r\n\r\n"),
       {413}},
      {"Limits",
       "chunks that sum up beyond it",
       chunked("190\r\n" + std::string(400, 'a') + "\r\n65\r\n" + std::string(101, 'a') +
               "\r\n0\r\n\r\n"),
       {413}},
      {"Limits", "endless chunks of one byte", chunked(repeated("1\r\na\r\n", 600)), {413}},
      {"Limits", "endless extension", chunked("3;" + std::string(40'000, 'a')), {431}},
      {"Limits", "endless trailers", chunked("0\r\nA: " + std::string(40'000, 'a')), {431}},
      {"One after another",
       "garbage behind a good request",
       get_with("A: b") + "\x16\x03\x01\x02 garbage\r\n\r\n" + get_with("A: b"),
       {200, 400}},
      {"One after another",
       "garbage behind a body",
       post_with("Content-Length: 3", "abcGARBAGE\r\n\r\n"),
       {200, 400}},
      {"One after another",
       "a request behind a refused one",
       post_with("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n") + get_with("A: b"),
       {400}},
      {"One after another",
       "a request behind one that closes",
       get_with("Connection: close") + get_with("A: b"),
       {200}},
      {"One after another",
       "a request behind HTTP/1.0",
       "GET / HTTP/1.0" + kEnd + get_with("A: b"),
       {200}},
      {"One after another",
       "a request behind chunks",
       chunked("0\r\n\r\n") + get_with("A: b"),
       {200, 200},
       After::kOpen},
      {"One after another",
       "empty lines between",
       get_with("A: b") + "\r\n\r\n" + get_with("A: b"),
       {200, 200},
       After::kOpen},
      {"One after another",
       "expectation, body at once",
       post_with("Expect: 100-continue\r\nContent-Length: 3", "abc"),
       {200},
       After::kOpen},
      {"One after another",
       "expectation in HTTP/1.0",
       "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3" + kEnd + "abc",
       {200}},
      {"One after another",
       "expectation without a body",
       get_with("Expect: 100-continue"),
       {200},
       After::kOpen},
  };
}

// Bytes in a cell of a table: controls as escapes, a run of one character as `a{2000}`.
std::string shown(std::string_view bytes) {
  std::string out = "`` ";
  for (std::size_t at = 0; at < bytes.size();) {
    const char c = bytes[at];
    std::size_t end = at;
    while (end < bytes.size() && bytes[end] == c) ++end;
    const std::size_t run =
        std::isalnum(static_cast<unsigned char>(c)) != 0 && end - at > 20 ? end - at : 1;
    switch (c) {
      case '\r':
        out += "\\r";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '|':
        out += "\\|";
        break;
      default:
        if (c >= ' ' && c <= '~') {
          out += c;
        } else {
          constexpr std::string_view kDigits = "0123456789abcdef";
          const auto byte = static_cast<unsigned char>(c);
          out += "\\x";
          out += kDigits[byte >> 4];
          out += kDigits[byte & 15];
        }
    }
    if (run > 1) out += '{' + std::to_string(run) + '}';
    at += run;
    constexpr std::size_t kShownMax = 240;
    if (out.size() > kShownMax && at < bytes.size()) {
      return out + " `` and so on, " + std::to_string(bytes.size()) + " bytes";
    }
  }
  return out + " ``";
}

std::string answers(const TortureRow& row) {
  std::string out;
  for (const unsigned status : row.statuses) {
    out += (out.empty() ? "" : ", ") + std::to_string(status);
  }
  return out.empty() ? "none" : out;
}

}  // namespace

ServerOptions torture_options() {
  ServerOptions options;
  options.target_bytes_max = 200;
  options.header_bytes_max = 1500;
  options.body_bytes_max = 500;
  return options;
}

const std::vector<TortureRow>& torture_rows() {
  static const std::vector<TortureRow> rows = make_rows();
  return rows;
}

std::string torture_page() {
  std::string out =
      "# HTTP torture table\n\n"
      "Made from `src/http/torture_table.cc` by the target `reference`; do not edit. The tests "
      "send each row\n"
      "whole and byte by byte to a server with limits of 200 bytes for the target, 1,500 for the "
      "header\n"
      "lines and 500 for the body, whose handler answers 200 to each request that comes to it. "
      "What has an\n"
      "answer of another status never came to a handler. \"none\": the request is not whole, and "
      "the\n"
      "connection ends with the client's side of it.\n";
  std::string_view group;
  for (const TortureRow& row : torture_rows()) {
    if (row.group != group) {
      group = row.group;
      out += "\n## " + std::string(group) +
             "\n\n| case | bytes | answers | connection |\n| --- | --- | --- | --- |\n";
    }
    out += "| " + std::string(row.name) + " | " + shown(row.bytes) + " | " + answers(row) + " | " +
           (row.after == After::kOpen ? "kept" : "closed") + " |\n";
  }
  return out;
}

}  // namespace push_cache::http
