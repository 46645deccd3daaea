// libpmix's arrays of keys and values, and its statuses, as values of C++.
#pragma once

#include <pmix_server.h>

#include <string>
#include <string_view>
#include <vector>

namespace tessera::agent {

// Throws Error that names the call unless it went well.
void check_pmix(pmix_status_t status, std::string_view call);

pmix_proc_t process_id(const std::string& nspace, pmix_rank_t rank);

// Keys with values of the type that each add_* names. Owns them; libpmix copies what it is given.
class InfoList {
 public:
  InfoList() = default;
  ~InfoList();
  InfoList(const InfoList&) = delete;
  InfoList& operator=(const InfoList&) = delete;

  void add_text(const char* key, const std::string& value);
  void add_u32(const char* key, uint32_t value);
  void add_u16(const char* key, uint16_t value);
  void add_rank(const char* key, pmix_rank_t value);
  void add_flag(const char* key, bool value);
  // What PMIx_generate_regex and PMIx_generate_ppn give.
  void add_regex(const char* key, const char* value);
  // A copy of another list.
  void add_list(const char* key, const InfoList& list);

  pmix_info_t* data() { return entries_.data(); }
  size_t size() const { return entries_.size(); }

 private:
  pmix_info_t& append(const char* key);
  void load(const char* key, const void* value, pmix_data_type_t type);

  std::vector<pmix_info_t> entries_;
};

}  // namespace tessera::agent
