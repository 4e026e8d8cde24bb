#include "icecore/base/build_id.h"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "icecore/base/id.h"

namespace icecore::base {
namespace {

constexpr char kOwner[4] = {'G', 'N', 'U', '\0'};

struct Search {
  uintptr_t inside = 0;  // an address of the object that is looked for
  std::string id;
};

// A segment of notes: each a header, a name and a description, padded to four bytes.
std::string IdAmong(std::string_view notes) {
  const auto padded = [](size_t size) { return (size + 3) / 4 * 4; };
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes.data(), sizeof note);
    notes.remove_prefix(sizeof note);
    const size_t name = padded(note.n_namesz);
    if (notes.size() < name + note.n_descsz) {
      return "";
    }
    if (note.n_type == NT_GNU_BUILD_ID &&
        notes.substr(0, note.n_namesz) == std::string_view(kOwner, sizeof kOwner)) {
      return HexOf(notes.substr(name, note.n_descsz));
    }
    notes.remove_prefix(std::min(notes.size(), name + padded(note.n_descsz)));
  }
  return "";
}

int LookInto(dl_phdr_info* object, size_t /*size*/, void* given) {
  auto* search = static_cast<Search*>(given);
  bool is_it = false;
  std::string id;
  for (size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    const uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD) {
      is_it = is_it || (search->inside >= begin && search->inside < begin + segment.p_memsz);
    } else if (segment.p_type == PT_NOTE && id.empty()) {
      // The loader mapped the notes there.
      id = IdAmong({reinterpret_cast<const char*>(begin),  // NOLINT(performance-no-int-to-ptr)
                    segment.p_memsz});
    }
  }
  if (is_it) {
    search->id = std::move(id);
  }
  return is_it ? 1 : 0;
}

}  // namespace

std::string BuildId() {
  Search search;
  search.inside = reinterpret_cast<uintptr_t>(&LookInto);
  dl_iterate_phdr(&LookInto, &search);
  return search.id;
}

}  // namespace icecore::base
