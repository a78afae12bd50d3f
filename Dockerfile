# Debian 13: its glibc (2.41) takes the listener's addon as it is.
FROM node:24-trixie-slim AS base
WORKDIR /app


FROM base AS build
COPY package.json package-lock.json .npmrc ./
# No install script is needed: the image has its Node, and what the compiler runs is in the packages.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src src
RUN node node_modules/typescript/bin/tsc


FROM base AS dependencies
COPY package.json package-lock.json .npmrc ./
# The listener's package brings binaries for every platform and Node version, 250 MB: this image needs one.
RUN npm ci --omit=dev --ignore-scripts \
  && cd node_modules/uWebSockets.js \
  && keep=$(node -p '`uws_${process.platform}_${process.arch}_${process.versions.modules}.node`') \
  && test -f "$keep" \
  && find . -name '*.node' ! -name "$keep" -delete


FROM base
ENV NODE_ENV=production
COPY package.json LICENSE ./
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY config config

USER node
EXPOSE 8080
# SIGTERM drains: keep the stop timeout of the platform above `drain.delay` + `drain.timeout` (32 s by default).
STOPSIGNAL SIGTERM
# Change it together with `admin` in the configuration.
ENV SLUICE_LIVEZ=http://127.0.0.1:9901/livez
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --start-interval=1s --retries=3 \
  CMD ["node", "-e", "fetch(process.env.SLUICE_LIVEZ, { signal: AbortSignal.timeout(2500) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

# docker run -p 8080:8080 -v ./sluice.yaml:/etc/sluice/sluice.yaml:ro sluice
ENTRYPOINT ["node", "dist/main.js"]
CMD ["start", "-c", "/etc/sluice/sluice.yaml"]
