/** One JSON object per event: stable names, IDs and numbers, never payloads, keys or addresses. */
export type Log = (event: string, fields: Readonly<Record<string, string | number | boolean | null>>) => void;
