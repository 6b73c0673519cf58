# Images of a release, for both platforms, with SBOM and provenance:
#
#   VERSION=0.1.0 REVISION=$(git rev-parse HEAD) SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) \
#     docker buildx bake -f deploy/docker-bake.hcl --push
#
# A builder with nodes of both platforms compiles natively; another one needs QEMU (docker run --privileged --rm
# tonistiigi/binfmt --install arm64) and takes several times as long.

variable "REPOSITORY" {
  default = "ghcr.io/hexabase/hexabase"
}

variable "VERSION" {
  default = "development"
}

variable "REVISION" {
  default = "unknown"
}

# Time of the files in the image, in seconds, which makes two builds of one commit equal.
variable "SOURCE_DATE_EPOCH" {
  default = "0"
}

group "default" {
  targets = ["image"]
}

target "image" {
  context    = "."
  dockerfile = "deploy/Dockerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  tags       = ["${REPOSITORY}:${VERSION}"]
  args = {
    VERSION           = VERSION
    REVISION          = REVISION
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }
  attest = ["type=sbom", "type=provenance,mode=max"]
  output = ["type=image,rewrite-timestamp=true"]
}
