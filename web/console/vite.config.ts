import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "/console/",
  // The policy of the pages allows no inline script or image.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  plugins: [svelte()],
  server: { proxy: { "/v1": "http://127.0.0.1:8080", "/demo": "http://127.0.0.1:8080" } },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
