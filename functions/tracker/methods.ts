/**
 * The methods of a tracker, as one list: the client that repeats broken calls and the Durable Object's shell are made
 * from it, so neither can lack a method of the port or pass a call on to another one.
 */
import type { Tracker } from "./port.ts";

type Name = keyof Tracker;
type Arguments = { readonly [N in Name]: Parameters<Tracker[N]> };
type Results = { readonly [N in Name]: Awaited<ReturnType<Tracker[N]>> };
/** The port once more, in the form in which the compiler follows a call by name. */
type Methods = { readonly [N in Name]: (...parameters: Arguments[N]) => Promise<Results[N]> };

/** A record and not an array: without a method of the port it does not compile. */
const NAMES: { readonly [N in Name]: true } = {
  begin: true,
  claim: true,
  renew: true,
  leave: true,
  openStaging: true,
  stagePiece: true,
  holdStaged: true,
  staged: true,
  stagedPiece: true,
  discardStaged: true,
  registered: true,
  report: true,
  certified: true,
  drop: true,
  tail: true,
  status: true,
  events: true,
};

// The keys are exactly those of the type of `NAMES`.
export const TRACKER_METHODS = Object.keys(NAMES) as readonly Name[];

/**
 * A tracker whose calls are all made by `carry`.
 *
 * @param carry makes the call on a tracker of its choice, perhaps more than once
 */
export function trackerBy(carry: <T>(call: (tracker: Tracker) => Promise<T>) => Promise<T>): Tracker {
  const carried = <N extends Name>(name: N) => {
    return (...parameters: Arguments[N]) => carry((tracker) => callOn(tracker, name, parameters));
  };
  // One entry per name, made for that name.
  return Object.fromEntries(TRACKER_METHODS.map((name) => [name, carried(name)])) as unknown as Methods;
}

/** Gives a class the tracker's methods. RPC reaches only what stands on the prototype. */
export function addTrackerMethods<Instance extends object>(
  prototype: Instance,
  trackerOf: (instance: Instance) => Tracker,
): void {
  for (const name of TRACKER_METHODS) {
    const method = function (this: Instance, ...parameters: Arguments[typeof name]) {
      return callOn(trackerOf(this), name, parameters);
    };
    Object.defineProperty(prototype, name, { value: method, writable: true, configurable: true });
  }
}

function callOn<N extends Name>(tracker: Methods, name: N, parameters: Arguments[N]): Promise<Results[N]> {
  return tracker[name](...parameters);
}
