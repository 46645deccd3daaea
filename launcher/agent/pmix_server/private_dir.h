// A folder that only this user can enter, for the time of one process.
#pragma once

#include <string>

namespace tessera::agent {

class PrivateDir {
 public:
  // Makes the folder with mode 0700; its parent must exist. One that exists is taken if it is
  // empty and belongs to this user, since remove() deletes whatever is in it. Throws Error.
  explicit PrivateDir(std::string path);

  const std::string& path() const { return path_; }

  // Deletes the folder and what is in it, without following links. Throws Error.
  void remove() const;

 private:
  std::string path_;
};

}  // namespace tessera::agent
