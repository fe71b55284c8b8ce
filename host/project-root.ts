/** Where the project's files stand. */
import { resolve } from "node:path";

/** Absolute path of the folder that holds package.json. */
export const ROOT = resolve(import.meta.dirname, "..");
