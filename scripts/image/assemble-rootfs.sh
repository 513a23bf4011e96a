#!/bin/sh
# Puts together the root file system of the image: Node, the shared libraries that it is linked with, the two
# programs, and the few files of /etc that a process needs. Runs on Debian, on the architecture of the image.
#
#   assemble-rootfs.sh SOURCE TARGET COMMIT_TIMESTAMP
#
# SOURCE holds dist/, package.json and LICENSE; COMMIT_TIMESTAMP, in seconds since 1970, becomes the time of
# every file, so that the same commit gives the same tree.
set -eu
source=$1
target=$2
timestamp=$3
node=$(readlink -f "$(command -v node)")

mkdir -p "$target/app" "$target/etc" "$target/home/nonroot" "$target/tmp" "$target/usr/local/bin" \
  "$target/var/lib/dpkg/status.d"
install -m 0755 "$node" "$target/usr/local/bin/node"

# What ldd names, under the path by which the loader looks for it. The vDSO has no file.
ldd "$node" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\//) print $i }' | sort -u | while read -r library; do
  file=$(readlink -f "$library")
  mkdir -p "$target$(dirname "$library")"
  install -m 0755 "$file" "$target$library"
  # Scanners read which Debian packages are in the image, and the licences ask for their text. Debian knows
  # some files by their place before /lib became a link to /usr/lib.
  owner=$(dpkg-query -S "$file" 2> /dev/null || dpkg-query -S "${file#/usr}")
  package=${owner%%:*}
  dpkg-query -s "$package" > "$target/var/lib/dpkg/status.d/$package"
  mkdir -p "$target/usr/share/doc/$package"
  cp -L "/usr/share/doc/$package/copyright" "$target/usr/share/doc/$package/copyright"
done
cp -L /etc/os-release "$target/etc/os-release"

printf '%s\n' 'root:x:0:0:root:/nonexistent:/nonexistent' \
  'nonroot:x:65532:65532:nonroot:/home/nonroot:/nonexistent' > "$target/etc/passwd"
printf '%s\n' 'root:x:0:' 'nonroot:x:65532:' > "$target/etc/group"
printf '%s\n' 'hosts: files dns' > "$target/etc/nsswitch.conf"

# package.json says that the files are ES modules. /usr/bin/env is not in the image.
printf '{ "type": "module" }\n' > "$target/app/package.json"
for program in main webhook; do
  sed '1s|^#!.*|#!/usr/local/bin/node|' "$source/dist/$program.js" > "$target/app/$program.js"
  chmod 0755 "$target/app/$program.js"
done
ln -s app/main.js "$target/manager"
ln -s app/webhook.js "$target/kms-vault-validating-webhook"
cp "$source/LICENSE" "$source/dist/THIRD-PARTY-LICENSES" "$target/app/"

chmod 1777 "$target/tmp"
chmod 0755 "$target/home/nonroot"
case $timestamp in
'' | *[!0-9]*) ;;
*) find "$target" -exec touch --no-dereference --date="@$timestamp" {} + ;;
esac
