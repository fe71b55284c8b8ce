/**
 * Uploader: this Worker's entrypoint for its own trackers, which call it when an upload has lost its client. Not
 * reachable from outside. Each call is an invocation with connections and subrequests of its own.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { type BlobId, parseBlobId } from "../shared/protocol/ids.ts";
import { createServices, newRequestId } from "./compose.ts";
import { type Env, parseConfig } from "./env.ts";
import type { Services } from "./services.ts";
import type { UploaderPort } from "./tracker/port.ts";
import { finishTail, finishUpload } from "./upload/finish-upload.ts";

export class Uploader extends WorkerEntrypoint<Env> implements UploaderPort {
  async finish(blobId: BlobId, intentId: string): Promise<void> {
    await finishUpload(this.#services(), parseBlobId(blobId), intentId);
  }

  async finishTail(blobId: BlobId): Promise<void> {
    await finishTail(this.#services(), parseBlobId(blobId));
  }

  #services(): Services {
    return createServices(this.env, parseConfig(this.env), this.ctx, newRequestId());
  }
}
