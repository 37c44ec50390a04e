# What the image and the packages both carry: the built system, and the frameworks that it runs on.
# To be sourced; $root is the source tree.

# The folder of a framework (NETCore, AspNetCore) in the kernel's version.
runtime() {
  local dotnet
  dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
  local version
  version=$(sed -n 's/.*"version": "\(.*\)".*/\1/p' \
    "$root/artifacts/kernel/StorageOs.Kernel.runtimeconfig.json" | head -n 1)
  find "$dotnet/shared/Microsoft.$1.App" -maxdepth 1 -name "${version%.*}.*" |
    sort -V | tail -n 1
}

# copy_release SYSTEM DOTNET: puts kernel and plugins into the one, the frameworks into the other.
copy_release() {
  local framework shared
  mkdir -p "$1"
  for framework in NETCore AspNetCore; do
    shared=$(runtime "$framework")
    [ -n "$shared" ] || fail "no $framework runtime of the kernel's version is installed"
    mkdir -p "$2/shared/Microsoft.$framework.App"
    cp -r "$shared" "$2/shared/Microsoft.$framework.App/"
  done
  cp -r "$(dirname "$shared")/../../host" "$2/"
  cp -r "$root/artifacts/kernel" "$root/artifacts/plugins" "$1/"
  find "$1" "$2" \( -name '*.pdb' -o -name '*.xml' \) -delete
}
