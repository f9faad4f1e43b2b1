#!/usr/bin/env bash
# Builds a Debian package of the program from dist/ (npm run build) and the installed dependencies, without the network:
#   contrib/deb/build.sh [DIRECTORY]      prints the path of the package, by default in the present directory
# DEBFULLNAME and DEBEMAIL name the maintainer.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mkdir -p "${1:-.}" && cd "${1:-.}" && pwd)
[ -x "$top/dist/bin/imxp.js" ] || { echo 'there is no dist/bin/imxp.js: run npm run build first' >&2; exit 1; }

fact() { node -p "require('$top/package.json').$1"; }
version=$(fact version)
architecture=$(dpkg --print-architecture)
# ">=20.19 ..." becomes the least version.
node=$(node -p "/>=\s*([\d.]+)/.exec(require('$top/package.json').engines.node)[1]")
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || date +%s)}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 755 "$root"
lib=$root/usr/lib/imxp
mkdir -p "$lib/dist" "$lib/node_modules" "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/usr/share/man/man1" \
  "$root/usr/share/doc/imxp" "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
  "$root/usr/share/fish/vendor_completions.d" "$root/DEBIAN"

# The program has all packages in it but lmdb, which has native code.
cp -r "$top/dist/bin" "$top/dist/web" "$lib/dist/"
cp "$top/package.json" "$top/LICENSE" "$lib/"
find "$lib/dist" -name '*.map' -delete
node - "$top" lmdb <<'JS' | while read -r package; do
const { existsSync, readFileSync } = require('node:fs');
const [top, ...queue] = process.argv.slice(2);
const found = new Set();
for (const name of queue) {
  const file = `${top}/node_modules/${name}/package.json`;
  // Optional packages are those of other systems.
  if (found.has(name) || !existsSync(file)) continue;
  found.add(name);
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(file, 'utf8'));
  queue.push(...Object.keys(dependencies), ...Object.keys(optionalDependencies));
}
console.log([...found].join('\n'));
JS
  mkdir -p "$lib/node_modules/$package"
  cp -r "$top/node_modules/$package/." "$lib/node_modules/$package/"
done
[ -d "$lib/node_modules/lmdb" ] || { echo 'node_modules/lmdb is missing: run npm ci first' >&2; exit 1; }
ln -s ../lib/imxp/dist/bin/imxp.js "$root/usr/bin/imxp"

install -m 644 "$top/contrib/imxp.service" "$root/usr/lib/systemd/system/imxp.service"
sed -i '1s|.*|# A relay node under systemd; systemctl edit imxp changes it.|' "$root/usr/lib/systemd/system/imxp.service"
for page in "$top"/contrib/man/*.1; do gzip -9n < "$page" > "$root/usr/share/man/man1/$(basename "$page").gz"; done
program() { node "$lib/dist/bin/imxp.js" "$@"; }
program completion bash > "$root/usr/share/bash-completion/completions/imxp"
program completion zsh > "$root/usr/share/zsh/vendor-completions/_imxp"
program completion fish > "$root/usr/share/fish/vendor_completions.d/imxp.fish"
cp "$top/LICENSE" "$root/usr/share/doc/imxp/copyright"
gzip -9n < "$top/CHANGELOG.md" > "$root/usr/share/doc/imxp/changelog.gz"
cp -r "$top/docs/guide" "$top/docs/reference" "$top/mesh.example.json" "$root/usr/share/doc/imxp/"
find "$root" -type d -exec chmod 755 {} + -o -type f -not -perm -100 -exec chmod 644 {} + -o -type f -exec chmod 755 {} +

for script in postinst prerm postrm; do install -m 755 "$top/contrib/deb/$script" "$root/DEBIAN/$script"; done
cat > "$root/DEBIAN/control" <<CONTROL
Package: imxp
Version: $version
Architecture: $architecture
Maintainer: ${DEBFULLNAME:-imxp} <${DEBEMAIL:-root@localhost}>
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f 1)
Depends: nodejs (>= $node), libc6, libstdc++6, adduser
Section: net
Priority: optional
Description: relay node and command line for the IMXP relaying mesh
 Acknowledged application datagrams, addressed like mail, between domains
 over BEEP: a relay for a domain, and programs that send, receive, trace and
 look at presence.
CONTROL
package=$out/imxp_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >&2
echo "$package"
