/** The options that every benchmark has. */
import { flag, whole } from "../host/options.ts";

const RUNS = { from: 1, to: 10_000 };

/** @param defaultRuns of this benchmark */
export const benchOptions = (defaultRuns: number, what = "runs of each operation") => ({
  json: flag("one JSON line a figure"),
  runs: whole(what, RUNS, defaultRuns),
});
