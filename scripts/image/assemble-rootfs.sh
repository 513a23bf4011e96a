#!/bin/sh
# Assembles the root file system of the image out of the base image that it runs in and the bundles:
#
#   assemble-rootfs.sh ROOT     reads ./dist, ./described and ./LICENSE, makes ROOT
#
# Nothing is named by architecture: Node is the one on the PATH, its libraries and the loader are what ldd
# answers. A shell script, because under emulation a shell is dependable and Node is not. Every file gets
# the time SOURCE_DATE_EPOCH, else COMMIT_TIMESTAMP (both in seconds since 1970), else 0.
set -eu
umask 022

root=$1
node=$(readlink -f "$(command -v node)")
programs=/app
packages=$(mktemp)
trap 'rm -f "$packages"' EXIT

rm -rf "$root"
mkdir -p "$root"
for directory in dev etc home/nonroot proc sys tmp usr/local/bin var/lib/dpkg/status.d; do
  mkdir -p "$root/$directory"
done

# Adds the package that owns a file to the list. On a merged /usr the package manager may know the file
# by the other of its two names.
owner() {
  for name in "$1" "/usr$1" "${1#/usr}"; do
    if dpkg-query --search "$name" 2>/dev/null | sed 's/: [^ ]*$//' | grep -v '^diversion' >> "$packages"; then
      return
    fi
  done
  echo "assemble-rootfs: no package owns $1" >&2
  exit 1
}

# Copies a file to the path that it is asked for by, whatever links lead there.
place() {
  mkdir -p "$root$(dirname "$1")"
  cp -L "$1" "$root$1"
}

cp "$node" "$root/usr/local/bin/node"
chmod 0555 "$root/usr/local/bin/node"
libraries=$(ldd "$node" | sed -n -e 's|^.* => \(/[^ ]*\) (0x.*$|\1|p' -e 's|^[[:space:]]*\(/[^ ]*\) (0x.*$|\1|p')
[ -n "$libraries" ] || { echo "assemble-rootfs: ldd names no library of $node" >&2; exit 1; }
for library in $libraries; do
  place "$library"
  chmod 0555 "$root$library"
  owner "$library"
done

# What scanners read to know which packages are here, and the licences of those.
for file in /usr/lib/os-release /etc/debian_version; do
  if [ -f "$file" ]; then place "$file"; fi
done
ln -s ../usr/lib/os-release "$root/etc/os-release"
# A package that left its licence to another one of the same source has it from there.
licence() {
  source=$(dpkg-query --show --showformat='${source:Package}' "$1")
  for candidate in "${1%%:*}" $(dpkg-query --show --showformat='${source:Package} ${Package}\n' |
    sed -n "s/^$source //p"); do
    if [ -f "/usr/share/doc/$candidate/copyright" ]; then
      mkdir -p "$root/usr/share/doc/${1%%:*}"
      cp -L "/usr/share/doc/$candidate/copyright" "$root/usr/share/doc/${1%%:*}/copyright"
      return
    fi
  done
  echo "assemble-rootfs: no copyright file for $1" >&2
  exit 1
}
for package in $(sort -u "$packages"); do
  dpkg-query --status "$package" > "$root/var/lib/dpkg/status.d/${package%%:*}"
  licence "$package"
done
for file in "${node%/bin/node}/LICENSE" "${node%/bin/node}/share/doc/nodejs/LICENSE" /usr/share/doc/nodejs/copyright; do
  if [ -f "$file" ]; then
    mkdir -p "$root/usr/share/doc/nodejs"
    cp -L "$file" "$root/usr/share/doc/nodejs/LICENSE"
    break
  fi
done

# Names for the numeric user; hosts before DNS, as everywhere.
printf 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$root/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' > "$root/etc/group"
printf 'hosts: files dns\n' > "$root/etc/nsswitch.conf"

# The entry files are started by the kernel through their first line, since there is no env to look Node up. A
# library still loads Node's own punycode; the warning about that would be a line of the log that is not JSON.
mkdir -p "$root$programs" "$root/usr/share/doc/kms-vault-operator"
for program in main webhook cli; do
  sed '1s|^#!.*$|#!/usr/local/bin/node --disable-warning=DEP0040|' "dist/$program.js" > "$root$programs/$program.js"
  chmod 0555 "$root$programs/$program.js"
done
# What they load once they take signals.
cp dist/operator.js dist/validating-webhook.js "$root$programs/"
ln -s "${programs#/}/main.js" "$root/manager"
ln -s "${programs#/}/webhook.js" "$root/kms-vault-validating-webhook"
ln -s "${programs#/}/cli.js" "$root/kubectl-kms_vault"
cp described/package.json described/sbom.spdx.json "$root$programs/"
cp LICENSE described/THIRD_PARTY_NOTICES.txt "$root/usr/share/doc/kms-vault-operator/"

# Nothing can be written by anybody but in /tmp, and all of it is as old as the commit.
find "$root" -type f ! -perm /111 -exec chmod 0444 {} +
find "$root" -type d -exec chmod 0755 {} +
chmod 1777 "$root/tmp"
find "$root" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-${COMMIT_TIMESTAMP:-0}}" {} +
