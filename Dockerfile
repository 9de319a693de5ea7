# The demo service and the gateway. The image has two stages, so that it contains no build tools and only the
# dependencies that these two need. It runs as user `node`, and `plimsoll` is on the PATH.
FROM node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY scripts scripts
COPY src src
RUN node scripts/build.ts

WORKDIR /app
COPY deploy/demo/package.json deploy/demo/package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && mkdir node_modules/plimsoll \
  && cp -r /build/dist /build/package.json node_modules/plimsoll/ \
  && ln -s ../plimsoll/dist/cli/main.js node_modules/.bin/plimsoll && chmod +x node_modules/plimsoll/dist/cli/main.js

FROM node:24-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d
ENV NODE_ENV=production PATH=/app/node_modules/.bin:$PATH
WORKDIR /app
COPY --from=build /app ./
# What `plimsoll dashboards export` and the live page read beside the package's manifest.
COPY dashboards node_modules/plimsoll/dashboards
COPY docs/runbooks node_modules/plimsoll/docs/runbooks
COPY demo demo
USER node
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/metrics').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "demo/main.ts", "--host", "0.0.0.0"]
