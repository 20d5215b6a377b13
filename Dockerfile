# The image of Push Cache: the Debian package, built here, on a bare Debian. The steps of the build are
# scripts of this tree, which its tests run as well.
ARG DEBIAN=debian:12-slim

FROM ${DEBIAN} AS build
WORKDIR /src
# What the build needs changes seldom: a layer of its own.
COPY scripts/setup scripts/packages.txt scripts/
COPY web/package.json web/package-lock.json web/
RUN scripts/setup package
COPY . .
RUN scripts/package /out

FROM ${DEBIAN}
# The package names the libraries that the programs need; documentation is of no use here.
RUN --mount=type=bind,from=build,source=/out,target=/out \
    printf 'path-exclude=/usr/share/%s/*\n' doc man locale >/etc/dpkg/dpkg.cfg.d/push-cache && \
    apt-get update && \
    apt-get install -y --no-install-recommends /out/*.deb && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log && \
    install -d -o 65532 -g 65532 /var/lib/push-cache && \
    chmod 0755 /etc/push-cache/secrets
# A number, so that Kubernetes can tell that it is not root. Nothing below / need be written but the folder of
# the snapshots, if there is one: run it with a read-only root.
USER 65532:65532
VOLUME /var/lib/push-cache
EXPOSE 8080 8079
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["push-cache", "health", "--config", "/etc/push-cache/push-cache.yaml", "--secrets", "/etc/push-cache/secrets"]
ENTRYPOINT ["push-cache"]
CMD ["start", "--config", "/etc/push-cache/push-cache.yaml", "--secrets", "/etc/push-cache/secrets"]
