#pragma once
// Delimited text (RFC 4180 and its relatives) cut into records, a buffer at a time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace icecore::ingest {

struct CsvDialect {
  char delimiter = ',';
  char quote = '"';            // '\0': none
  std::optional<char> escape;  // the byte after it stands for itself; beside the doubled quote
};

// A record, with views into the input or into the record itself: valid until the next call.
struct CsvRecord {
  std::string_view raw;  // without its line end
  std::vector<std::string_view> fields;
  size_t consumed = 0;  // bytes of the input, with the line end
  int64_t lines = 0;    // line ends among them
  // The field (from 0) in which text follows a closing quote; such a record is no record.
  std::optional<size_t> broken_field;
  // Where the quote stands that is not closed before the end of the input.
  std::optional<size_t> open_quote;

  // Of the parser.
  struct Span {
    size_t begin;
    size_t length;
    bool in_scratch;
  };
  std::vector<Span> spans;
  std::string scratch;
};

// A record ends with \n, \r\n or \r outside quotes, or where the input ends. A quote opens only as
// the first byte of a field. Stateless between calls; not thread safe.
class CsvParser {
 public:
  explicit CsvParser(const CsvDialect& dialect);

  enum class Outcome {
    kRecord,
    kNeedMore,  // the input ends within the record: call again with more; `open_quote` is set
    kUnclosed,  // the input ends for good within quotes; `open_quote` is set
  };
  // The first record of `input`, which must not be empty. at_end: nothing follows the input.
  Outcome Next(std::string_view input, bool at_end, CsvRecord* record) const;

 private:
  bool ScanQuoted(std::string_view input, size_t* at, CsvRecord* record) const;
  void ScanPlain(std::string_view input, size_t* at, CsvRecord* record) const;

  const CsvDialect dialect_;
  bool ends_plain_[256] = {};  // bytes at which unquoted text has to be looked at
};

// \n, \r\n and \r, each once.
int64_t CountLineEnds(std::string_view text);

}  // namespace icecore::ingest
