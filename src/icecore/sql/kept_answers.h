#pragma once
// What is known of a project's SQL, kept from one command to the next: analysing a text costs a
// DuckDB database, more than most commands do beside.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace icecore::sql {

// From construction on Analyse and MentionedTables know what the file says; destruction writes what
// they were asked meanwhile beside it. The file (docs/formats/analyses.md) may be deleted at any
// time. One that is damaged or of another build of Icecore is passed over, and one that cannot be
// written is not: nothing depends on it but time.
class KeptAnswers {
 public:
  explicit KeptAnswers(std::string path);
  ~KeptAnswers();
  KeptAnswers(const KeptAnswers&) = delete;
  KeptAnswers& operator=(const KeptAnswers&) = delete;

 private:
  const std::string path_;
  const std::string makers_;  // what answers depend on beside their questions; "": keep nothing
  // What the file holds, as it holds it: kind and question -> answer.
  std::map<std::pair<char, std::string>, std::string> held_;
  uint64_t analyses_mark_ = 0;
  uint64_t mentions_mark_ = 0;
};

}  // namespace icecore::sql
