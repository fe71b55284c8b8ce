/**
 * What one invocation asks of the platform: requests that wait for headers at one time, subrequests in all, lanes.
 *
 * The platform enforces its rules silently (a seventh request waits) or by ending the invocation; local runtimes enforce
 * none of them. So every call out is counted here, and tests are told the totals.
 */

/** Totals of one invocation. */
export interface InvocationReport {
  /** The request that everything belongs to, lanes included. */
  readonly requestId: string;
  readonly kind: "edge" | "uploader" | "lane";
  /** The most calls that waited for response headers at one time. */
  readonly peakWaiting: number;
  readonly subrequests: number;
  readonly lanesOpened: number;
}

export class InvocationMeter {
  #waiting = 0;
  #peak = 0;
  #calls = 0;
  lanesOpened = 0;

  /**
   * A call that holds a connection until its headers have come.
   *
   * @param signal of the call: once it aborts, the platform has let go of the connection, although the call's own
   *   promise rejects some turns later
   */
  async connection<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#calls++;
    this.#waiting++;
    this.#peak = Math.max(this.#peak, this.#waiting);
    let isWaiting = true;
    const over = (): void => {
      if (isWaiting) this.#waiting--;
      isWaiting = false;
    };
    signal?.addEventListener("abort", over, { once: true });
    try {
      return await call();
    } finally {
      signal?.removeEventListener("abort", over);
      over();
    }
  }

  /** A call to a Durable Object or a child invocation: a subrequest that holds no connection. */
  call(): void {
    this.#calls++;
  }

  report(requestId: string, kind: InvocationReport["kind"]): InvocationReport {
    return {
      requestId,
      kind,
      peakWaiting: this.#peak,
      subrequests: this.#calls,
      lanesOpened: this.lanesOpened,
    };
  }
}
