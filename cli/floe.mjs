#!/usr/bin/env node
// The command `floe`: installs what is missing, then runs cli/main.ts on the Node of the `node` package.
process.argv.splice(2, 0, "cli/main.ts");
await import("../scripts/bootstrap.mjs");
