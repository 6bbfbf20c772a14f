# moon2m in a container: the commands of README.md, "Running it as a service".
#   docker build -t moon2m .
#   docker run --network host -v moon2m:/var/lib/moon2m moon2m
# The configuration is /etc/moon2m/moon2m.conf.lua; another one: -v FILE:/etc/moon2m/moon2m.conf.lua:ro
FROM debian:12 AS build
RUN apt-get update && apt-get install -y --no-install-recommends git make
COPY . /src
WORKDIR /src
RUN make deb

FROM debian:12
COPY --from=build /src/out/moon2m_*.deb /tmp/
RUN apt-get update && apt-get install -y --no-install-recommends /tmp/moon2m_*.deb \
	&& rm -r /tmp/moon2m_*.deb /var/lib/apt/lists/*
USER moon2m
WORKDIR /var/lib/moon2m
VOLUME /var/lib/moon2m
STOPSIGNAL SIGTERM
CMD ["moon2m", "run", "--config", "/etc/moon2m/moon2m.conf.lua", "--data", "/var/lib/moon2m"]
