/** What an auditor published, from a file or from the auditor itself; nothing in it is believed here. */
import { InputError } from "../../host/command.ts";
import { readInput } from "../../host/input.ts";
import { readBounded } from "../../shared/base/bounded-body.ts";

const ANSWER_MS = 120_000;
/** An export of 4,000 draws has some megabytes. */
const ANSWER_BYTES = 64 * 1024 * 1024;
/** Characters shown of an error message that another service wrote. */
const MAX_MESSAGE = 200;

/** @throws InputError when the file holds no JSON; the system's error when it cannot be read */
export function jsonOfFile(path: string): unknown {
  const text = readInput(path).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InputError(`${path} is not JSON`);
  }
}

/**
 * @param auditor base URL
 * @throws InputError for a URL that is none, an auditor that does not answer, an answer that is too long, no JSON or an error
 */
export async function jsonOfAuditor(auditor: string, path: string): Promise<unknown> {
  const url = `${auditor.replace(/\/$/, "")}${path}`;
  if (!/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : ""))
    throw new InputError(`--auditor takes a URL such as https://auditor.example, not "${auditor}"`);
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) });
    const tooLong = () => new InputError(`${url} answered more than ${ANSWER_BYTES} bytes`);
    text = new TextDecoder().decode(await readBounded(response.body, ANSWER_BYTES, tooLong));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${url} does not answer: ${reasonOf(error)}`);
  }
  const answer = parsed(text);
  if (!response.ok) throw new InputError(`${url} answered ${response.status}${messageIn(answer)}`);
  if (answer === undefined) throw new InputError(`${url} answered something that is not JSON`);
  return answer;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}

/** The message of an auditor's error. */
function messageIn(answer: unknown): string {
  const { error } = (answer ?? {}) as { error?: { message?: unknown } | null };
  const message = error?.message;
  return typeof message === "string" ? `: ${message.slice(0, MAX_MESSAGE)}` : "";
}

/** A failed fetch has its reason in the cause alone: `ECONNREFUSED`, `bad port`. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error && cause.message !== "" ? cause.message : error.message;
}
