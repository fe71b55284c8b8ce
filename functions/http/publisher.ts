/** `PUT /v1/blobs`: parse, call, format. */

import { EdgeError } from "../base/edge-error.ts";
import type { PublisherAccess } from "../base/env.ts";
import type { ReadPorts } from "../read/ports.ts";
import type { PublishPorts } from "../upload/ports.ts";
import { type PublishResult, publish } from "../upload/publish.ts";
import { parsePublishQuery } from "./query.ts";
import { corsHeaders } from "./response-headers.ts";

/** All clients of an open publisher are the same principal. */
const ANONYMOUS = "anonymous";
const MAX_IDEMPOTENCY_KEY_CHARACTERS = 256;

/** @throws EdgeError */
export async function putBlob(
  request: Request,
  access: PublisherAccess,
  services: PublishPorts & Pick<ReadPorts, "reads">,
): Promise<Response> {
  if (access !== "open") {
    throw new EdgeError("PUBLISHER_CLOSED", "publishing spends its operator's money and was not opened");
  }
  const query = parsePublishQuery(new URL(request.url));
  const upload = publish(services, {
    query,
    principal: ANONYMOUS,
    idempotencyKey: idempotencyKey(request.headers),
    body: request.body,
    declaredBytes: declaredLength(request.headers),
    signal: request.signal,
  });
  // A client that goes away does not stop an upload that may have been paid for: the platform grants it 30 s more.
  services.waitUntil(upload.catch(() => {})); // The failure itself is answered, and logged, below.
  const headers = corsHeaders();
  headers.set("content-type", "application/json");
  headers.set("cache-control", "no-store");
  const result = await upload;
  services.reads.absences.forget(
    result.kind === "already-certified" ? result.blobId : result.registered.blobId,
  );
  return new Response(JSON.stringify(publishAnswer(result)), { status: 200, headers });
}

/** Content-Length as a number; a malformed one is treated like a short body. @throws EdgeError `BODY_INCOMPLETE` */
function declaredLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  if (text === null) return undefined;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new EdgeError("BODY_INCOMPLETE", "Content-Length is not a number");
  }
  return value;
}

function idempotencyKey(headers: Headers): string | null {
  const key = headers.get("idempotency-key");
  if (key !== null && key.length > MAX_IDEMPOTENCY_KEY_CHARACTERS) {
    throw new EdgeError(
      "INVALID_QUERY",
      `Idempotency-Key has more than ${MAX_IDEMPOTENCY_KEY_CHARACTERS} characters`,
    );
  }
  return key;
}

/** The official result, camelCase, in the official key order. */
export function publishAnswer(result: PublishResult): unknown {
  if (result.kind === "already-certified") {
    const { blobId, txDigest, eventSeq, endEpoch } = result;
    return { alreadyCertified: { blobId, event: { txDigest, eventSeq }, endEpoch } };
  }
  const { registered, certified, encodedBytes, epochsAhead } = result;
  const { storage } = registered;
  return {
    newlyCreated: {
      blobObject: {
        id: registered.objectId,
        registeredEpoch: registered.registeredEpoch,
        blobId: registered.blobId,
        size: registered.unencodedLength,
        encodingType: "RS2",
        // The object as registered: certification came after it, as upstream shows it.
        certifiedEpoch: null,
        storage: {
          id: storage.id,
          startEpoch: storage.startEpoch,
          endEpoch: storage.endEpoch,
          storageSize: storage.storageBytes,
        },
        deletable: registered.deletable,
      },
      resourceOperation: { registerFromScratch: { encodedLength: encodedBytes, epochsAhead } },
      cost: Number(registered.costFrost),
      ...(certified.sharedObjectId === undefined ? {} : { sharedBlobObject: certified.sharedObjectId }),
    },
  };
}
