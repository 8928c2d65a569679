# toxiproxy's server (compat/toxiproxy), compiled by docker/images.sh, with the
# proxies of compose.yaml. Whoever brings proxies of their own replaces the
# command: docker run lockstep-toxiproxy:dev -host 0.0.0.0
FROM scratch

COPY toxiproxy-server /toxiproxy-server
COPY proxies.json /proxies.json

USER 65532:65532

# The API. Every proxy has a port of its own beside it.
EXPOSE 8474

ENTRYPOINT ["/toxiproxy-server"]
CMD ["-host", "0.0.0.0", "-config", "/proxies.json", "-proxy-metrics", "-runtime-metrics"]
