# Installing what a command of this project needs. Meant to be sourced by bash: test/run and benchmarks/run do.
#
#   source "$root/.ci/packages.sh"
#   ensure_packages g++ cmake ninja-build libgtest-dev     # Debian package names
#
# ensure_packages returns 0 when every package is there (installing it with apt-get where it may), and 1 with a message
# naming exactly what to install where it cannot. QUARRY_NO_INSTALL=1 promises that the tools are there and skips it.

# Prints those of the given Debian packages that are not installed, one a line.
missing_packages() {
  local package
  for package in "$@"; do
    if [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) != installed ]]; then
      printf '%s\n' "$package"
    fi
  done
}

# Runs a command as root: directly, or through sudo when that needs no password or a person is there to type it.
as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
    sudo "$@"
  else
    return 126
  fi
}

ensure_packages() {
  [[ ${QUARRY_NO_INSTALL:-} == 1 ]] && return 0
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    {
      echo "error: this machine has no apt-get, so nothing can be installed for you."
      echo "Install what these Debian 12 packages contain, then run again with QUARRY_NO_INSTALL=1:"
      printf '  %s\n' "$@"
    } >&2
    return 1
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} == 0 ]] && return 0
  echo "Installing with apt-get: ${missing[*]}"
  local log
  log=$(mktemp)
  if as_root env DEBIAN_FRONTEND=noninteractive sh -c '
      apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq update &&
      apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -qq -y --no-install-recommends install "$@"' \
      install "${missing[@]}" >"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  {
    tail -n 15 "$log"
    echo "error: these packages are missing and could not be installed here. Run this, then start again:"
    echo "  sudo apt-get install --no-install-recommends ${missing[*]}"
  } >&2
  rm -f "$log"
  return 1
}
