#include "icecore/ingest/files/csv_parser.h"

#include <cstring>

namespace icecore::ingest {
namespace {

unsigned char Byte(char c) { return static_cast<unsigned char>(c); }

}  // namespace

int64_t CountLineEnds(std::string_view text) {
  int64_t count = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool lone_return = text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n');
    count += (text[i] == '\n' || lone_return) ? 1 : 0;
  }
  return count;
}

CsvParser::CsvParser(const CsvDialect& dialect) : dialect_(dialect) {
  ends_plain_[Byte(dialect.delimiter)] = true;
  ends_plain_[Byte('\n')] = true;
  ends_plain_[Byte('\r')] = true;
  if (dialect.escape) {
    ends_plain_[Byte(*dialect.escape)] = true;
  }
}

// Takes unquoted text from *at up to a delimiter, a line end or the end of the input. The text goes
// on in the scratch from the first escape on.
void CsvParser::ScanPlain(std::string_view input, size_t* at, CsvRecord* record) const {
  const size_t begin = *at;
  size_t i = begin;
  while (i < input.size() && !ends_plain_[Byte(input[i])]) {
    ++i;
  }
  CsvRecord::Span span{begin, i - begin, false};
  if (i < input.size() && dialect_.escape && input[i] == *dialect_.escape) {
    span.begin = record->scratch.size();
    span.in_scratch = true;
    record->scratch.append(input.substr(begin, i - begin));
    while (i < input.size()) {
      if (input[i] == *dialect_.escape && i + 1 < input.size()) {
        ++i;
      } else if (ends_plain_[Byte(input[i])] && input[i] != *dialect_.escape) {
        break;
      }
      record->scratch.push_back(input[i++]);
    }
    span.length = record->scratch.size() - span.begin;
  }
  record->spans.push_back(span);
  *at = i;
}

// Takes quoted text from the opening quote at *at up to what follows the closing one. false: not
// closed.
bool CsvParser::ScanQuoted(std::string_view input, size_t* at, CsvRecord* record) const {
  const size_t begin = *at + 1;
  size_t run = begin;  // the text since here is not in the scratch yet
  size_t i = begin;
  bool in_scratch = false;
  const size_t scratch_begin = record->scratch.size();
  const auto flush = [&](size_t until) {
    record->scratch.append(input.substr(run, until - run));
    in_scratch = true;
  };
  for (;;) {
    if (dialect_.escape) {
      while (i < input.size() && input[i] != dialect_.quote && input[i] != *dialect_.escape) {
        ++i;
      }
    } else {
      const void* found = std::memchr(input.data() + i, dialect_.quote, input.size() - i);
      i = found == nullptr ? input.size()
                           : static_cast<size_t>(static_cast<const char*>(found) - input.data());
    }
    if (i >= input.size()) {
      return false;
    }
    const bool escape = dialect_.escape && input[i] == *dialect_.escape;
    const bool quote_follows = i + 1 < input.size() && input[i + 1] == dialect_.quote;
    if (escape && (*dialect_.escape != dialect_.quote || quote_follows)) {
      if (i + 1 >= input.size()) {
        return false;
      }
    } else if (!quote_follows) {
      break;
    }
    flush(i);
    run = i + 1;  // the byte after an escape or a doubled quote stands for itself
    i += 2;
  }
  if (in_scratch) {
    flush(i);
    record->spans.push_back({scratch_begin, record->scratch.size() - scratch_begin, true});
  } else {
    record->spans.push_back({begin, i - begin, false});
  }
  *at = i + 1;
  return true;
}

CsvParser::Outcome CsvParser::Next(std::string_view input, bool at_end, CsvRecord* record) const {
  record->spans.clear();
  record->scratch.clear();
  record->fields.clear();
  record->broken_field.reset();
  record->open_quote.reset();
  bool quoted = false;
  size_t at = 0;
  for (;;) {
    if (dialect_.quote != '\0' && at < input.size() && input[at] == dialect_.quote) {
      quoted = true;
      const size_t quote = at;
      // A quote as the last byte may be the first half of a doubled one.
      if (!ScanQuoted(input, &at, record) || (at == input.size() && !at_end)) {
        record->open_quote = quote;
        return at_end ? Outcome::kUnclosed : Outcome::kNeedMore;
      }
      if (at < input.size() && input[at] != dialect_.delimiter && input[at] != '\n' &&
          input[at] != '\r') {
        record->broken_field = record->spans.size() - 1;
        ScanPlain(input, &at, record);
        record->spans.pop_back();
      }
    } else {
      ScanPlain(input, &at, record);
    }
    if (at < input.size() && input[at] == dialect_.delimiter) {
      ++at;
      continue;
    }
    break;
  }
  const bool return_at_end = at + 1 == input.size() && input[at] == '\r';
  if ((at == input.size() || return_at_end) && !at_end) {
    return Outcome::kNeedMore;
  }
  record->raw = input.substr(0, at);
  record->lines = (quoted || dialect_.escape ? CountLineEnds(record->raw) : 0) + 1;
  if (at < input.size()) {
    at += input[at] == '\r' && at + 1 < input.size() && input[at + 1] == '\n' ? 2 : 1;
  }
  record->consumed = at;
  for (const CsvRecord::Span& span : record->spans) {
    record->fields.push_back(span.in_scratch
                                 ? std::string_view(record->scratch).substr(span.begin, span.length)
                                 : input.substr(span.begin, span.length));
  }
  return Outcome::kRecord;
}

}  // namespace icecore::ingest
