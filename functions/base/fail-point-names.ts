/**
 * Every fail point of the edge, in the order of an upload. A test that iterates over this list kills every step; one
 * that reaches a name not listed here does not type-check, and those of the wallet's engine are compared by a test.
 *
 * | prefix      | runs in                                                              | dying there means         |
 * |-------------|----------------------------------------------------------------------|---------------------------|
 * | `publish.`  | the invocation that works on the upload: the request or the Uploader  | this isolate dies         |
 * | `staging.`  | the same, while the blob is being held                               | this isolate dies         |
 * | `uploader.` | the Uploader only                                                    | this isolate dies         |
 * | `tracker.`  | BlobTracker                                                          | the call fails; after the step: it took effect |
 * | `wallet.`   | Wallet                                                               | the wallet's engine stops |
 */
export const FAIL_POINT_NAMES = [
  "tracker.after-begin",
  "tracker.after-claim",
  "tracker.after-drop",
  "tracker.after-leave",
  "publish.after-begin",
  "staging.before-open",
  "staging.after-piece",
  "staging.before-hold",
  "tracker.before-staged",
  "tracker.after-staged",
  "staging.after-hold",
  "publish.before-register",
  "wallet.before-sign",
  "wallet.after-persist",
  "wallet.after-send",
  "wallet.after-effects",
  "publish.after-register",
  "tracker.before-registered",
  "tracker.after-registered",
  "publish.after-registered",
  "tracker.after-report",
  "tracker.after-certificate",
  "publish.after-certificate",
  "publish.after-certify",
  "tracker.before-certified",
  "tracker.after-certified",
  "publish.after-certified",
  "tracker.before-alarm",
  "uploader.before-finish",
  "uploader.after-read",
  "uploader.after-finish",
  "uploader.before-tail",
  "uploader.after-tail",
] as const;

export type FailPointName = (typeof FAIL_POINT_NAMES)[number];
