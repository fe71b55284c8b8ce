// If this fails, an invocation may break the platform's rules, or be accused of it, and no test tells.
import { expect, it } from "vitest";
import { InvocationMeter } from "../../../../functions/observe/invocation-meter.ts";

const peakOf = (meter: InvocationMeter): number => meter.report("r", "edge").peakWaiting;

it("counts the calls that wait for headers at one time, and all calls", async () => {
  const meter = new InvocationMeter();
  const held = Array.from({ length: 7 }, () => Promise.withResolvers<void>());
  const calls = held.map(({ promise }) => meter.connection(() => promise));
  for (const { resolve } of held) resolve();
  await Promise.all(calls);
  await meter.connection(async () => {});
  meter.call();
  expect(meter.report("r", "lane")).toEqual({
    requestId: "r",
    kind: "lane",
    peakWaiting: 7,
    subrequests: 9,
    lanesOpened: 0,
  });
});

it("does not count a call that was aborted, and counts its end once", async () => {
  const meter = new InvocationMeter();
  const held = Promise.withResolvers<void>();
  const aborted = new AbortController();
  const first = meter.connection(() => held.promise, aborted.signal);
  aborted.abort();
  await meter.connection(async () => {});
  expect(peakOf(meter)).toBe(1);
  held.resolve();
  await first;
  const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const calls = both.map(({ promise }) => meter.connection(() => promise));
  expect(peakOf(meter)).toBe(2);
  for (const { resolve } of both) resolve();
  await Promise.all(calls);
});
