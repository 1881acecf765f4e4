import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** What the web's own server answers in an image: where the API is, and which version this is. */
const settings: Plugin = {
  name: "settings",
  configureServer(server) {
    server.middlewares.use("/settings.json", (_request, response) => {
      response.setHeader("content-type", "application/json");
      const api_url = process.env.API_URL ?? "http://localhost:8000";
      response.end(JSON.stringify({ api_url, version: "development" }));
    });
  },
};

export default defineConfig({
  plugins: [react(), settings],
  server: { port: 8080, allowedHosts: true },
  test: {
    environment: "happy-dom",
    restoreMocks: true,
    reporters: ["default", "junit"],
    outputFile: { junit: process.env.JUNIT ?? "../results/web/junit.xml" },
  },
});
