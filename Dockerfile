# The service in a container: docker build -t captioner . && docker run --rm -p 127.0.0.1:8080:8080 captioner

FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.page.json ./
COPY lib lib
COPY cli cli
COPY serve serve
COPY jupyter jupyter
COPY scripts scripts
RUN npm run build
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/onnxruntime-node/bin/napi-v6/darwin node_modules/onnxruntime-node/bin/napi-v6/win32

FROM node:22-bookworm-slim
ENV NODE_ENV=production CAPTIONER_CACHE=/cache
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY serve/page/static serve/page/static
COPY data/samples data/samples
COPY checkpoints checkpoints
# The one place that is written to, and only where the checkpoint's encoder has to be downloaded.
RUN mkdir /cache && chown node:node /cache
VOLUME /cache
USER node
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli/main.js", "serve", "--host", "0.0.0.0"]
