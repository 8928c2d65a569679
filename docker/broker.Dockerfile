# The broker image: one static binary and the directory its data goes to.
#
# Nothing is fetched and nothing runs during the build, so no registry and no
# shell are needed, and the old builder (DOCKER_BUILDKIT=0) makes the same image
# as BuildKit. docker/images.sh stages the context: lockstep, the binary the host
# compiled, and data/, an empty directory.
FROM scratch

COPY lockstep /lockstep

# A scratch image has no chown to run. Copying an empty directory with an owner
# gives /data to the broker's user, and a volume that is first mounted over it,
# named or anonymous, takes that owner over.
COPY --chown=65532:65532 data /data

# A number, because there is no /etc/passwd to look a name up in.
USER 65532:65532

ENV LOCKSTEP_DATA_DIR=/data
VOLUME /data

# Kafka, Kafka with local reads, Raft, HTTP.
EXPOSE 9092 9192 19092 8092

# The probe is the binary itself: there is no curl in here.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["/lockstep", "health"]

# The broker hands its leaderships over on SIGTERM.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/lockstep"]
