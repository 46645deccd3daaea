#!/usr/bin/env bash
# What scripts/setup asks apt-get for, whom it asks to become root, and what it says where it cannot
# go on. apt-get, dpkg-query and sudo are stand-ins here: nothing is installed.
# usage: setup_test.sh SOURCE_DIR
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
# Root has no use for sudo, so the script runs as another user, who may not see the sources.
as_user=()
((EUID != 0)) || as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
mkdir "$place/bin" "$place/shared"
cp "$1/scripts/setup" "$place/setup"
chmod 755 "$place" "$place/bin" "$place/setup"
chmod 777 "$place/shared"

# Every call is written down. DPKG=all: everything is installed; APT: what apt-get install says when
# it fails; SUDO: free, password (right or wrong), none.
cat >"$place/bin/dpkg-query" <<'END'
#!/usr/bin/env bash
[[ ${DPKG:-} == all ]] || exit 1
for word in "${@:4}"; do echo "installed $word"; done
END
cat >"$place/bin/apt-get" <<'END'
#!/usr/bin/env bash
echo "apt-get $*" >>"$CALLS"
[[ $* != *" install "* || -z ${APT:-} ]] || { echo "$APT" >&2; exit 100; }
END
cat >"$place/bin/sudo" <<'END'
#!/usr/bin/env bash
echo "sudo $*" >>"$CALLS"
case $1 in
  -n) [[ $SUDO == free ]] ;;
  -v) echo "[sudo] password" >/dev/tty; [[ $SUDO == right ]] ;;
  *) exec "$@" ;;
esac
END
chmod 755 "$place"/bin/*

printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n' >"$place/debian12"
printf 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n' >"$place/debian13"
printf 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04 LTS"\n' >"$place/ubuntu"
printf 'ID=fedora\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n' >"$place/fedora"
printf 'ID=debian\nPRETTY_NAME="Debian testing"\n' >"$place/testing"

# setup SYSTEM [VARIABLE=VALUE...]: sets code, output and calls. TERMINAL=yes gives it one.
setup() {
  local system=$1 run=(setsid --wait)
  shift
  export CALLS=$place/shared/calls
  rm -f "$CALLS"
  [[ $* != *TERMINAL=yes* ]] || run=(script --quiet --return --command "$place/setup" /dev/null)
  [[ ${run[0]} == script ]] || run+=("$place/setup")
  code=0
  output=$(cd / && env PATH="$place/bin:$PATH" TMPDIR="$place/shared" SUDO=free "$@" \
    TESSERA_OS_RELEASE="$place/$system" "${as_user[@]}" "${run[@]}" 2>&1 </dev/null) || code=$?
  calls=$(cat "$CALLS" 2>/dev/null || true)
}
fail() {
  printf 'setup_test: %s; code %s, output:\n%s\ncalls:\n%s\n' "$1" "$code" "$output" "$calls" >&2
  exit 1
}
ended() { [[ $code == "$1" ]] || fail "expected code $1"; }
said() { [[ $output == *"$1"* ]] || fail "expected '$1' in the output"; }
called() { [[ $calls == *"$1"* ]] || fail "expected the call '$1'"; }
installed_nothing() { [[ $calls != *apt-get* ]] || fail "expected no apt-get"; }

setup debian12 DPKG=all && ended 0
[[ -z $output ]] || fail "expected silence"
for release in debian12:clang-14:libclang-rt-14-dev:libomp-14-dev \
  debian13:clang-19:libclang-rt-19-dev:libomp-19-dev \
  ubuntu:clang-18:libclang-rt-18-dev:libomp-18-dev; do
  IFS=: read -r system names <<<"$release"
  setup "$system" && ended 0
  called "apt-get -qq"
  for name in g++ libdnnl-dev libopenblas0-pthread dataset-fashion-mnist ${names//:/ }; do called " $name"; done
done

for system in fedora testing nowhere; do
  setup "$system" && ended 1
  said "libdnnl-dev"
  said "TESSERA_SETUP=skip"
  installed_nothing
  setup "$system" TESSERA_SETUP=skip && ended 0
done
setup fedora && said "this is Fedora Linux 41"

# A sudo that wants a password asks for it on a terminal; without one, the command is named.
setup debian12 SUDO=right TERMINAL=yes && ended 0
said "[sudo] password"
called "sudo env"
setup debian12 SUDO=wrong TERMINAL=yes && ended 1
said "apt-get update && apt-get install"
installed_nothing
setup debian12 SUDO=right && ended 1
said "apt-get update && apt-get install"
installed_nothing

# What an interrupted installation left is named, with what goes on; other errors stand alone.
setup debian13 "APT=E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct it" && ended 1
said "E: dpkg was interrupted"
said "  sudo dpkg --configure -a"
setup debian13 "APT=E: Unmet dependencies. Try 'apt --fix-broken install' with no packages" && ended 1
said "  sudo apt-get --fix-broken install"
setup debian13 "APT=E: Unable to locate package g++" && ended 1
said "E: Unable to locate package"
[[ $output != *interrupted* ]] || fail "expected no remedy"
echo "ok"
