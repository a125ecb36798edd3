# agentbus as an image: one static binary, no shell, not root.
#
#     docker build -t agentbus .
#
# Every base image is an argument: RUNTIME where agents run commands that need more than the binary, as in
# --build-arg RUNTIME=debian:bookworm-slim; BUILDER may have the program at /agentbus already, and then nothing is
# compiled.
# There are no certificate authorities in an empty image: where the server has TLS, name its authority (--tls-ca).
ARG BUILDER=rust:1.95-bookworm
ARG RUNTIME=scratch

FROM ${BUILDER} AS builder
WORKDIR /src
COPY . .
# The target is named, so that macros and build scripts, which cannot be static, are not built so.
RUN [ -x /agentbus ] || { \
        target="$(rustc -vV | sed -n 's/^host: //p')" && \
        RUSTFLAGS='-C target-feature=+crt-static' cargo build --locked --release --target "$target" --package agentbus-cli && \
        cp "target/$target/release/agentbus" /agentbus; \
    }

FROM ${RUNTIME}
COPY --from=builder /agentbus /usr/local/bin/agentbus
# Nobody in particular, by number, since an empty image knows no names.
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/agentbus"]
CMD ["help"]
