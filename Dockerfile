# One image with both programs and nothing else: no shell, no package manager, no npm.
# Plain BuildKit and buildah build it; beyond the base image and the npm registry no step needs the network.
#
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7 \
#     --build-arg GIT_COMMIT="$(git rev-parse HEAD)" \
#     --build-arg COMMIT_TIMESTAMP="$(git log -1 --format=%at)" .

# Node 22 is the last with official builds for arm/v7. The digest is that of the index of all architectures.
ARG NODE_IMAGE=docker.io/library/node:22.23.3-bookworm-slim@sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c

# The bundles are the same for every architecture, so they are made on the machine's own.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS bundle
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE tsconfig.json ./
COPY scripts/build.mjs scripts/build.mjs
COPY scripts/image/ scripts/image/
COPY src/ src/
# Printed by --version.
ARG GIT_COMMIT=unspecified
RUN npm run build && node scripts/image/third-party-licenses.mjs > dist/THIRD-PARTY-LICENSES

# Node and the libraries it is linked with, of the target's architecture, and the bundles, as one tree.
FROM ${NODE_IMAGE} AS assemble
COPY --from=bundle /src/dist/ /src/dist/
COPY --from=bundle /src/LICENSE /src/package.json /src/
COPY --from=bundle /src/scripts/image/assemble-rootfs.sh /src/
ARG COMMIT_TIMESTAMP=unspecified
RUN sh /src/assemble-rootfs.sh /src /rootfs "$COMMIT_TIMESTAMP"

FROM scratch
COPY --from=assemble /rootfs/ /

ARG GIT_COMMIT=unspecified
ARG GIT_TAG=
ARG COMMIT_TIMESTAMP=unspecified
ARG AUTHOR_EMAIL=unspecified
ARG SIGNATURE_KEY=undefined
# RFC 3339, for org.opencontainers.image.created; COMMIT_TIMESTAMP is in seconds since 1970.
ARG CREATED=
ARG VERSION=
LABEL GIT_COMMIT=$GIT_COMMIT \
      GIT_TAG=$GIT_TAG \
      COMMIT_TIMESTAMP=$COMMIT_TIMESTAMP \
      AUTHOR_EMAIL=$AUTHOR_EMAIL \
      SIGNATURE_KEY=$SIGNATURE_KEY \
      org.opencontainers.image.title="kms-vault-operator" \
      org.opencontainers.image.description="Keeps HashiCorp Vault's K/V engine equal to KMS-encrypted secrets that live in git" \
      org.opencontainers.image.source="https://github.com/patoarvizu/kms-vault-operator" \
      org.opencontainers.image.documentation="https://github.com/patoarvizu/kms-vault-operator#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision=$GIT_COMMIT \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.created=$CREATED

# Node's own certificate authorities are inside its binary; SSL_CERT_FILE and SSL_CERT_DIR add others.
ENV NODE_ENV=production \
    PATH=/usr/local/bin
WORKDIR /
USER 65532:65532
# Both programs: /manager and /kms-vault-validating-webhook.
ENTRYPOINT ["/manager"]
