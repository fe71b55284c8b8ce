// If this fails, the edge takes parameters the official publisher refuses, or buys something that nobody asked for.
import { describe, expect, it } from "vitest";
import { EdgeError } from "../../../../functions/base/edge-error.ts";
import { parsePublishQuery, parseReadQuery } from "../../../../functions/http/query.ts";
import { parseRange } from "../../../../functions/read/range.ts";

const url = (query: string): URL => new URL(`http://edge/v1/blobs?${query}`);
const refusal = (parse: () => unknown): string => {
  try {
    parse();
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
  return "accepted";
};

describe("publish parameters", () => {
  it("default to one epoch, deletable, not shared", () => {
    expect(parsePublishQuery(url(""))).toEqual({ epochs: 1, deletable: true, force: false, share: false });
  });

  it("are read exactly", () => {
    const to = `0x${"0".repeat(62)}2a`;
    expect(
      parsePublishQuery(url("epochs=53&permanent=true&force=true&send_object_to=0x2A&encoding_type=RS2")),
    ).toEqual({
      epochs: 53,
      deletable: false,
      force: true,
      share: false,
      sendObjectTo: to,
    });
    expect(
      parsePublishQuery(url("share=true&deletable=true&reuse_resources=true&quilt_version=x")),
    ).toMatchObject({
      share: true,
      deletable: true,
    });
  });

  it.each([
    "foo=bar",
    "epochs=1&epochs=1",
    "epochs=",
    "epochs=-1",
    "epochs=1.5",
    "epochs=0x10",
    "epochs=4294967296",
    "epochs=+1",
    "permanent=1",
    "permanent=yes",
    "permanent=",
    "permanent=TRUE",
    "force=on",
    "share=maybe",
    "reuse_resources=2",
    "encoding_type=RedStuffRaptorQ",
    "encoding_type=rs2",
    "send_object_to=xyz",
    "send_object_to=0x",
    `send_object_to=0x${"1".repeat(65)}`,
    "send_object_to=0x1&share=true",
    "send_object_to=0x1&share=false",
    "__proto__=1",
    `epochs=${"0".repeat(5000)}`,
  ])("%s is refused", (query) => {
    expect(refusal(() => parsePublishQuery(url(query)))).toBe("INVALID_QUERY");
  });

  it("cannot ask for both persistences", () => {
    expect(refusal(() => parsePublishQuery(url("permanent=true&deletable=true")))).toBe(
      "INVALID_BLOB_PERSISTENCE",
    );
  });
});

describe("read parameters", () => {
  it("choose the consistency check, and only one", () => {
    expect(parseReadQuery(url(""))).toBe("default");
    expect(parseReadQuery(url("strict_consistency_check=true"))).toBe("strict");
    expect(parseReadQuery(url("skip_consistency_check=true&strict_consistency_check=false"))).toBe("skip");
    expect(
      refusal(() => parseReadQuery(url("strict_consistency_check=true&skip_consistency_check=true"))),
    ).toBe("INVALID_CONSISTENCY_CHECK");
    expect(refusal(() => parseReadQuery(url("cb=123")))).toBe("INVALID_QUERY");
  });
});

describe("ranges", () => {
  it.each<[string, number, number]>([
    ["bytes=0-0", 0, 1],
    ["bytes=5-9", 5, 10],
    ["bytes=16-16", 16, 17],
    ["bytes=5-", 5, 17],
    ["bytes=-5", 12, 17],
    ["bytes=-99", 0, 17],
    ["bytes=3-99", 3, 17],
    ["bytes=3-9007199254740993", 3, 17],
    [" bytes=1-2 ", 1, 3],
  ])("%s of 17 bytes is %i to %i", (header, start, end) => {
    expect(parseRange(header, 17)).toEqual({ start, end });
  });

  it.each([
    "bytes=17-",
    "bytes=17-20",
    "bytes=9-5",
    "bytes=-0",
    "bytes=-",
    "bytes=0-1,3-4",
    "items=0-1",
    "bytes=a-b",
    "bytes",
    "",
  ])("%s of 17 bytes is refused", (header) => {
    expect(refusal(() => parseRange(header, 17))).toBe("INVALID_BYTE_RANGE");
  });

  it("nothing fits an empty blob", () => {
    for (const header of ["bytes=0-", "bytes=0-0", "bytes=-1"]) {
      expect(refusal(() => parseRange(header, 0))).toBe("INVALID_BYTE_RANGE");
    }
  });
});
