#include "launcher/agent/pmix_server/pmix_info.h"

#include <fmt/format.h>
#include <pmix.h>

#include "core/error.h"

namespace tessera::agent {

void check_pmix(pmix_status_t status, std::string_view call) {
  // Calls without a callback block and say OPERATION_SUCCEEDED.
  if (status != PMIX_SUCCESS && status != PMIX_OPERATION_SUCCEEDED) {
    throw Error(fmt::format("[{}] libpmix says {} ({})", call, PMIx_Error_string(status), status));
  }
}

pmix_proc_t process_id(const std::string& nspace, pmix_rank_t rank) {
  pmix_proc_t id;
  PMIX_LOAD_PROCID(&id, nspace.c_str(), rank);
  return id;
}

InfoList::~InfoList() {
  for (pmix_info_t& entry : entries_) PMIX_INFO_DESTRUCT(&entry);
}

void InfoList::add_text(const char* key, const std::string& value) {
  load(key, value.c_str(), PMIX_STRING);
}

void InfoList::add_u32(const char* key, uint32_t value) { load(key, &value, PMIX_UINT32); }

void InfoList::add_u16(const char* key, uint16_t value) { load(key, &value, PMIX_UINT16); }

void InfoList::add_rank(const char* key, pmix_rank_t value) { load(key, &value, PMIX_PROC_RANK); }

void InfoList::add_flag(const char* key, bool value) { load(key, &value, PMIX_BOOL); }

void InfoList::add_regex(const char* key, const char* value) { load(key, value, PMIX_REGEX); }

void InfoList::add_list(const char* key, const InfoList& list) {
  pmix_info_t& entry = append(key);
  size_t num_entries = list.entries_.size();
  entry.value.type = PMIX_DATA_ARRAY;
  PMIX_DATA_ARRAY_CREATE(entry.value.data.darray, num_entries, PMIX_INFO);
  auto* copies = static_cast<pmix_info_t*>(entry.value.data.darray->array);
  for (size_t i = 0; i < num_entries; ++i) {
    PMIX_INFO_XFER(&copies[i], &list.entries_[i]);
  }
}

pmix_info_t& InfoList::append(const char* key) {
  pmix_info_t& entry = entries_.emplace_back();
  PMIX_INFO_CONSTRUCT(&entry);
  PMIX_LOAD_KEY(entry.key, key);
  return entry;
}

void InfoList::load(const char* key, const void* value, pmix_data_type_t type) {
  PMIX_INFO_LOAD(&append(key), key, value, type);
}

}  // namespace tessera::agent
