// If this fails, an auditor that changed its key or joined a panel is called a liar for its rounds of before, or one denies its key.
import { describe, expect, it } from "vitest";
import { memberAt, type PanelEntry } from "../../../verifier/report-check.ts";
import { objectIdOf } from "../audit/fixtures.ts";

const OLD = objectIdOf(1);
const NEW = objectIdOf(2);
const URL_HERE = "https://auditor.example";
const entry = (address: typeof OLD, more: Partial<PanelEntry> = {}): PanelEntry => ({
  address,
  url: URL_HERE,
  sinceEpoch: 3,
  isActive: true,
  ...more,
});

describe("whom the panel knows at a URL", () => {
  it.each(["https://auditor.example/", "HTTPS://Auditor.Example", "https://auditor.example:443//"])(
    "is the same however it is spelled: %s",
    (url) => {
      expect(memberAt([entry(NEW)], url, undefined, 5).member).toBe(NEW);
      expect(memberAt([entry(NEW, { url })], URL_HERE, undefined, 5).member).toBe(NEW);
    },
  );

  it("is nobody elsewhere, and at an entry without a URL", () => {
    expect(memberAt([entry(NEW)], "https://auditor.example/other", NEW, 5).member).toBeUndefined();
    expect(memberAt([entry(NEW, { url: "" })], URL_HERE, NEW, 5).member).toBeUndefined();
    expect(memberAt([entry(NEW, { url: "" })], undefined, NEW, 5).member).toBeUndefined();
  });

  it("is who the export names, also by a key that was changed since", () => {
    const panel = [entry(OLD, { isActive: false }), entry(NEW, { sinceEpoch: 5 })];
    expect(memberAt(panel, URL_HERE, OLD, 5).member).toBe(OLD);
    expect(memberAt(panel, URL_HERE, NEW, 5).member).toBe(NEW);
    expect(memberAt(panel, URL_HERE, objectIdOf(3), 6).member).toBe(NEW);
  });

  it("had no key before it joined, and maybe none in that epoch", () => {
    expect(memberAt([entry(NEW)], URL_HERE, undefined, 2).member).toBeUndefined();
    expect(memberAt([entry(NEW)], URL_HERE, undefined, 3)).toEqual({ member: NEW, isNewMember: true });
    expect(memberAt([entry(NEW)], URL_HERE, undefined, 4)).toEqual({ member: NEW, isNewMember: false });
    expect(memberAt([entry(NEW, { isActive: false })], URL_HERE, undefined, 4).member).toBeUndefined();
  });
});
