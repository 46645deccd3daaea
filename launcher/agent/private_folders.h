// The folders of one agent for the files of its ranks, in the file system and in shared memory.
#pragma once

#include <string>

#include "core/descriptor.h"

namespace tessera::agent {

// Two folders that only this user may enter. They are removed with everything in them at the end;
// what an agent left that was killed is removed by the next one of the same user.
class PrivateFolders {
 public:
  PrivateFolders();
  ~PrivateFolders();
  PrivateFolders(const PrivateFolders&) = delete;
  PrivateFolders& operator=(const PrivateFolders&) = delete;

  // In TMPDIR or /tmp.
  const std::string& files() const { return files_.path; }
  // In /dev/shm, or where there is none in the other one.
  const std::string& memory() const { return memory_.path; }

  // Keeps a text that others of this user may find by find(name), at most once for a name; nobody
  // else may read it. An Error where it cannot be written.
  void keep(const std::string& name, const std::string& text) const;
  // What an agent of this user that lives has kept under that name; empty: nothing.
  static std::string find(const std::string& name);

 private:
  struct Folder {
    std::string path;
    Descriptor lock;  // held while the agent lives
  };
  static Folder make(const std::string& base);

  Folder files_;
  Folder memory_;
};

}  // namespace tessera::agent
