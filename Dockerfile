# The image of both programs, with its own root file system: no shell, no package manager.
# Plain Dockerfile instructions only, so that BuildKit and buildah both build it.
# Both FROM lines name the same base; test/unit/image.test.ts holds them and the labels together.

# The bundles are the same for every architecture, so they are built on the builder's own.
FROM --platform=$BUILDPLATFORM docker.io/library/node:22.23.3-bookworm-slim@sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c AS build

WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# No package of the lock file needs its install script.
RUN npm ci --ignore-scripts --no-audit --no-fund

COPY tsconfig.json LICENSE ./
COPY scripts/build.mjs scripts/
COPY scripts/slim scripts/slim/
COPY scripts/image/describe-bundles.mjs scripts/image/
COPY src src/
ARG GIT_COMMIT=unspecified
ARG COMMIT_TIMESTAMP=0
RUN npm run build && node scripts/image/describe-bundles.mjs dist described

# Node, the libraries that it needs and what scanners want to know of them, for the target's architecture.
FROM docker.io/library/node:22.23.3-bookworm-slim@sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c AS rootfs

WORKDIR /assemble
COPY scripts/image/assemble-rootfs.sh ./
COPY --from=build /build/LICENSE ./
COPY --from=build /build/dist ./dist
COPY --from=build /build/described ./described
ARG COMMIT_TIMESTAMP=0
# BuildKit reads it too, for the time of the image itself.
ARG SOURCE_DATE_EPOCH
RUN sh assemble-rootfs.sh rootfs

FROM scratch

ARG GIT_COMMIT=unspecified
ARG GIT_TAG
# In seconds since 1970, as in the images of the Go operator; CREATED is the same in RFC 3339.
ARG COMMIT_TIMESTAMP=0
ARG CREATED=1970-01-01T00:00:00Z
ARG VERSION=unspecified
ARG AUTHOR_EMAIL=unspecified
ARG SIGNATURE_KEY=undefined
LABEL GIT_COMMIT=$GIT_COMMIT \
      GIT_TAG=$GIT_TAG \
      COMMIT_TIMESTAMP=$COMMIT_TIMESTAMP \
      AUTHOR_EMAIL=$AUTHOR_EMAIL \
      SIGNATURE_KEY=$SIGNATURE_KEY \
      org.opencontainers.image.title="kms-vault-operator" \
      org.opencontainers.image.description="Keeps HashiCorp Vault's K/V engine equal to KMS-encrypted secrets that live in git as Kubernetes resources" \
      org.opencontainers.image.url="https://github.com/patoarvizu/kms-vault-operator" \
      org.opencontainers.image.source="https://github.com/patoarvizu/kms-vault-operator" \
      org.opencontainers.image.documentation="https://github.com/patoarvizu/kms-vault-operator/blob/HEAD/README.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.authors=$AUTHOR_EMAIL \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$GIT_COMMIT \
      org.opencontainers.image.created=$CREATED \
      org.opencontainers.image.base.name="docker.io/library/node:22.23.3-bookworm-slim" \
      org.opencontainers.image.base.digest="sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c"

COPY --from=rootfs /assemble/rootfs /
WORKDIR /
USER 65532:65532
ENTRYPOINT ["/manager"]
