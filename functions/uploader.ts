/**
 * Uploader: this Worker's entrypoint for its own trackers, which call it when an upload has lost its client. Not
 * reachable from outside. Each call is an invocation with connections and subrequests of its own.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { type BlobId, parseBlobId } from "../shared/protocol/ids.ts";
import { type Env, parseConfig } from "./base/env.ts";
import { createServices, finishInvocation, newRequestId } from "./compose.ts";
import type { UploaderPort } from "./tracker/port.ts";
import { finishTail, finishUpload } from "./upload/finish-upload.ts";
import type { FinishPorts } from "./upload/ports.ts";

export class Uploader extends WorkerEntrypoint<Env> implements UploaderPort {
  async finish(blobId: BlobId, intentId: string): Promise<void> {
    await this.#work((services) => finishUpload(services, parseBlobId(blobId), intentId));
  }

  async finishTail(blobId: BlobId): Promise<void> {
    await this.#work((services) => finishTail(services, parseBlobId(blobId)));
  }

  async #work(work: (services: FinishPorts) => Promise<void>): Promise<void> {
    const config = parseConfig(this.env);
    const services = createServices(this.env, config, this.ctx, newRequestId());
    try {
      await work(services);
    } finally {
      this.ctx.waitUntil(finishInvocation(this.env, config, services, "uploader"));
    }
  }
}
