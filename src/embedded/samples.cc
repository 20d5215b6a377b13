#include "embedded/samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace push_cache::embedded {
namespace {

constexpr std::string_view kCustomerSchema =
    R"({"type":"record","name":"Customer","namespace":"com.polecatworks.billing","fields":[)"
    R"({"name":"accountId","type":"string"},)"
    R"({"name":"name","type":"string"},)"
    R"({"name":"address","type":"string"},)"
    R"({"name":"phone","type":"string"},)"
    R"({"name":"createdAt","type":"long"},)"
    R"({"name":"updatedAt","type":"long"}]})";

constexpr std::string_view kBillSchema =
    R"({"type":"record","name":"CustomerBill","namespace":"com.polecatworks.billing","fields":[)"
    R"({"name":"accountId","type":"string"},)"
    R"({"name":"year","type":"int"},)"
    R"({"name":"totalAmount","type":"double"},)"
    R"({"name":"payments","type":{"type":"array","items":{"type":"record","name":"Payment","fields":[)"
    R"({"name":"date","type":"string"},)"
    R"({"name":"amount","type":"double"},)"
    R"({"name":"method","type":"string"}]}}}]})";

constexpr std::string_view kUsageSchema =
    R"({"type":"record","name":"UsageRecord","namespace":"com.polecatworks.billing","fields":[)"
    R"({"name":"accountId","type":"string"},)"
    R"({"name":"serviceType","type":"string"},)"
    R"({"name":"amount","type":"double"},)"
    R"({"name":"unit","type":"string"},)"
    R"({"name":"timestamp","type":"long"}]})";

constexpr std::string_view kTicketSchema =
    R"({"type":"record","name":"SupportTicket","namespace":"com.polecatworks.billing","fields":[)"
    R"({"name":"ticketId","type":"string"},)"
    R"({"name":"accountId","type":"string"},)"
    R"({"name":"issue","type":"string"},)"
    R"({"name":"status","type":"string"},)"
    R"({"name":"timestamp","type":"long"}]})";

// Room that one record takes at most; a test compares.
constexpr std::size_t kRoom = 256;

constexpr std::array<SampleInfo, 4> kInfos = {{
    {SampleType::kCustomer, "customer", "com.polecatworks.billing.Customer", kCustomerSchema,
     "accountId", "ACC-", "customers", 144},
    {SampleType::kBill, "bill", "com.polecatworks.billing.CustomerBill", kBillSchema, "accountId",
     "ACC-", "bills", 256},
    {SampleType::kUsage, "usage", "com.polecatworks.billing.UsageRecord", kUsageSchema, "accountId",
     "ACC-", "usage", 96},
    {SampleType::kTicket, "ticket", "com.polecatworks.billing.SupportTicket", kTicketSchema,
     "ticketId", "TKT-", "tickets", 144},
}};

constexpr std::array<std::string_view, 24> kFirstNames = {
    "Amelia", "Noah",   "Zoë",    "Łukasz", "Ines", "Mateo",  "Yuki",    "Priya",
    "Oliver", "Fatima", "Søren",  "Chloé",  "Liam", "Anaïs",  "Kwame",   "Mei",
    "Ivan",   "Sofia",  "Jürgen", "Aoife",  "Omar", "Ingrid", "Hiroshi", "Elena"};
constexpr std::array<std::string_view, 20> kLastNames = {
    "Smith",    "García", "Nguyen",  "Okafor",    "Müller",   "Rossi",  "Kowalska",
    "Tanaka",   "Patel",  "O'Neill", "Johansson", "Silva",    "Dubois", "Novák",
    "Andersen", "Haddad", "Kim",     "Jones",     "Van Dijk", "Brown"};
constexpr std::array<std::string_view, 12> kStreets = {
    "High Street", "Station Road", "Rue de la Paix", "Hauptstraße",      "Mill Lane", "Park Avenue",
    "Church Road", "Oak Drive",    "Calle Mayor",    "Victoria Terrace", "The Green", "Canal Walk"};
constexpr std::array<std::string_view, 12> kCities = {"London", "Leeds", "Cork",   "Zürich",
                                                      "Málaga", "Paris", "Oslo",   "Gdańsk",
                                                      "Porto",  "Bath",  "Vienna", "Kraków"};
constexpr std::array<std::string_view, 5> kMethods = {"CARD", "DIRECT_DEBIT", "BANK_TRANSFER",
                                                      "CASH", "CHEQUE"};
struct Service {
  std::string_view type;
  std::string_view unit;
};
constexpr std::array<Service, 5> kServices = {{{"DATA", "GB"},
                                               {"VOICE", "minutes"},
                                               {"SMS", "messages"},
                                               {"ROAMING", "MB"},
                                               {"TV", "hours"}}};
constexpr std::array<std::string_view, 8> kIssues = {
    "No signal at home since Monday",      "Charged twice for the same month",
    "Cannot log in to the account page",   "Slow data in the evenings",
    "Wants to change the \"family\" plan", "Router restarts several times a day",
    "Number has not been ported yet",      "Bill shows a call that was never made"};
constexpr std::array<std::string_view, 4> kStatuses = {"OPEN", "IN_PROGRESS", "RESOLVED", "CLOSED"};

constexpr std::int64_t kFirstDay = 1'420'070'400'000;  // 2015-01-01T00:00:00Z, ms
constexpr std::int64_t kLastDay = 1'767'225'600'000;   // 2026-01-01T00:00:00Z, ms
constexpr std::int64_t kDayMs = 86'400'000;

// SplitMix64 (Steele, Lea, Flood 2014): any start is as good as any other.
class Random {
 public:
  Random(SampleType type, std::uint64_t seed, std::uint64_t index)
      : state_(seed * 0xD1B54A32D192ED03u + index * 0x9E3779B97F4A7C15u +
               static_cast<std::uint64_t>(type) * 0xA24BAED4963EE407u) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // 0 to n-1; n is far below 2^32, so the bias does not show.
  std::uint64_t below(std::uint64_t n) { return ((next() >> 32) * n) >> 32; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    const auto span = static_cast<std::uint64_t>(high - low);
    return low + static_cast<std::int64_t>(span == 0 ? 0 : next() % span);
  }
  double cents(std::uint64_t max) { return static_cast<double>(below(max)) / 100.0; }
  template <typename T, std::size_t n>
  const T& one_of(const std::array<T, n>& values) {
    return values[below(n)];
  }

 private:
  std::uint64_t state_;
};

// Writes one datum (Avro 1.12 specification, "Binary Encoding") into room that is there already.
class Writer {
 public:
  explicit Writer(Buffer& out) : out_(out), start_(out.reserve(kRoom)), at_(start_) {}
  ~Writer() { out_.commit(static_cast<std::size_t>(at_ - start_)); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void number(std::int64_t value) {
    auto zigzag =
        (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    for (; zigzag >= 0x80; zigzag >>= 7) *at_++ = static_cast<char>(zigzag | 0x80);
    *at_++ = static_cast<char>(zigzag);
  }
  void real(double value) {
    static_assert(std::endian::native == std::endian::little);
    std::memcpy(at_, &value, sizeof value);
    at_ += sizeof value;
  }
  void text(std::string_view text) {
    number(static_cast<std::int64_t>(text.size()));
    raw(text);
  }
  // A text made of pieces, at most 63 bytes: its size takes one byte, filled in by the destructor.
  class Text {
   public:
    explicit Text(Writer& writer) : writer_(writer), size_at_(writer.at_++) {}
    ~Text() { *size_at_ = static_cast<char>((writer_.at_ - size_at_ - 1) * 2); }
    Text(const Text&) = delete;
    Text& operator=(const Text&) = delete;
    Text& operator<<(std::string_view text) {
      writer_.raw(text);
      return *this;
    }
    // At least `width` digits.
    Text& digits(std::uint64_t value, int width) {
      writer_.digits(value, width);
      return *this;
    }

   private:
    Writer& writer_;
    char* size_at_;
  };

  void raw(std::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void digits(std::uint64_t value, int width) {
    std::array<char, 20> places;
    int n = 0;
    for (; value > 0 || n < width; value /= 10) {
      places[static_cast<std::size_t>(n++)] = static_cast<char>('0' + value % 10);
    }
    while (n > 0) *at_++ = places[static_cast<std::size_t>(--n)];
  }

 private:
  Buffer& out_;
  char* start_;
  char* at_;
};

void account(Writer& writer, std::uint64_t index) {
  Writer::Text(writer).operator<<("ACC-").digits(index, 9);
}

void customer(Writer& writer, Random& random, std::uint64_t index) {
  account(writer, index);
  Writer::Text(writer) << random.one_of(kFirstNames) << " " << random.one_of(kLastNames);
  {
    Writer::Text address(writer);
    address.digits(1 + random.below(250), 1) << " " << random.one_of(kStreets);
    address << ", " << random.one_of(kCities);
  }
  Writer::Text(writer).operator<<("+44 7").digits(random.below(1'000'000'000), 9);
  const std::int64_t created = random.between(kFirstDay, kLastDay - kDayMs);
  writer.number(created);
  writer.number(random.between(created, kLastDay));
}

void bill(Writer& writer, Random& random, std::uint64_t index) {
  account(writer, index);
  const auto year = 2015 + random.below(11);
  writer.number(static_cast<std::int64_t>(year));
  struct Payment {
    std::uint64_t month, day, second;
    double amount;
    std::string_view method;
  };
  std::array<Payment, 4> payments;
  const std::uint64_t count = random.below(payments.size() + 1);
  double total = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    payments[i] = {1 + i * 3 + random.below(3), 1 + random.below(28), random.below(86'400),
                   random.cents(20'000), random.one_of(kMethods)};
    total += payments[i].amount;
  }
  // Some have not paid all of it; whole cents.
  total += random.below(3) == 0 ? random.cents(10'000) : 0;
  writer.real(static_cast<double>(static_cast<std::int64_t>(total * 100 + 0.5)) / 100.0);
  if (count > 0) {
    writer.number(static_cast<std::int64_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      const Payment& payment = payments[i];
      {
        Writer::Text date(writer);  // RFC 3339
        date.digits(year, 4) << "-";
        date.digits(payment.month, 2) << "-";
        date.digits(payment.day, 2) << "T";
        date.digits(payment.second / 3600, 2) << ":";
        date.digits(payment.second / 60 % 60, 2) << ":";
        date.digits(payment.second % 60, 2) << "Z";
      }
      writer.real(payment.amount);
      writer.text(payment.method);
    }
  }
  writer.number(0);  // the end of the array's blocks
}

void usage(Writer& writer, Random& random, std::uint64_t index) {
  account(writer, index);
  const Service& service = random.one_of(kServices);
  writer.text(service.type);
  writer.real(random.cents(50'000));
  writer.text(service.unit);
  writer.number(random.between(kFirstDay, kLastDay));
}

void ticket(Writer& writer, Random& random, std::uint64_t index) {
  Writer::Text(writer).operator<<("TKT-").digits(index, 9);
  account(writer, random.below(index + 1));
  writer.text(random.one_of(kIssues));
  writer.text(random.one_of(kStatuses));
  writer.number(random.between(kFirstDay, kLastDay));
}

}  // namespace

std::span<const SampleInfo> sample_infos() { return kInfos; }

const SampleInfo& sample_info(SampleType type) { return kInfos[static_cast<std::size_t>(type)]; }

std::optional<SampleType> sample_type(std::string_view name) {
  const auto* const found = std::find_if(
      kInfos.begin(), kInfos.end(), [name](const SampleInfo& info) { return info.name == name; });
  if (found == kInfos.end()) return std::nullopt;
  return found->type;
}

void append_sample_key(SampleType type, std::uint64_t index, Buffer& out) {
  Writer writer(out);
  writer.raw(sample_info(type).key_prefix);
  writer.digits(index, 9);
}

void append_sample(SampleType type, std::uint64_t seed, std::uint64_t index, Buffer& out) {
  Random random(type, seed, index);
  Writer writer(out);
  switch (type) {
    case SampleType::kCustomer:
      return customer(writer, random, index);
    case SampleType::kBill:
      return bill(writer, random, index);
    case SampleType::kUsage:
      return usage(writer, random, index);
    case SampleType::kTicket:
      return ticket(writer, random, index);
  }
}

}  // namespace push_cache::embedded
