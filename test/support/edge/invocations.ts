/**
 * What the edge asked of the platform, invocation by invocation, held to the platform's rules: local runtimes enforce
 * none of them.
 */
import type { InvocationReport } from "../../../functions/observe/invocation-meter.ts";

/** Requests of one invocation that may wait for headers at one time. */
const WAITING = 6;
/** Worker invocations of one request, lanes included. */
const INVOCATIONS = 32;
/** Of the 10,000 subrequests of an invocation on a paid plan. */
const SUBREQUESTS = 9_000;

export class Invocations {
  readonly reports: InvocationReport[] = [];

  /** Binds the Worker's reports to this. @param worker options of Miniflare, v4 form */
  readonly bind = (worker: Record<string, unknown>): Record<string, unknown> => ({
    ...worker,
    serviceBindings: {
      ...(worker["serviceBindings"] as object | undefined),
      TEST_INVOCATIONS: async (request: { json(): Promise<unknown> }) => {
        // As `tellTests` sends it.
        this.reports.push((await request.json()) as InvocationReport);
        return new Response(null);
      },
    },
  });

  /** Lanes that were opened so far. */
  get lanesOpened(): number {
    return this.reports.reduce((sum, { lanesOpened }) => sum + lanesOpened, 0);
  }

  /** Rules that were broken, one line each. */
  violations(): string[] {
    const perRequest = new Map<string, number>();
    const broken: string[] = [];
    for (const { requestId, kind, peakWaiting, subrequests } of this.reports) {
      perRequest.set(requestId, (perRequest.get(requestId) ?? 0) + 1);
      if (peakWaiting > WAITING) broken.push(`${kind} ${requestId}: ${peakWaiting} requests waited at once`);
      if (subrequests > SUBREQUESTS) broken.push(`${kind} ${requestId}: ${subrequests} subrequests`);
    }
    for (const [requestId, invocations] of perRequest) {
      if (invocations > INVOCATIONS) broken.push(`${requestId}: ${invocations} invocations`);
    }
    return broken;
  }

  /** @throws Error naming every rule that was broken */
  check(): void {
    const broken = this.violations();
    if (broken.length > 0) throw new Error(`the platform's rules are broken:\n${broken.join("\n")}`);
  }
}
