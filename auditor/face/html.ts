/** HTML put together from parts: whatever is put into a template is escaped, unless it was made by one itself. */

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => ENTITIES[c] ?? c);

/** Text that is HTML already: only `html`, `joined` and `trusted` make it. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** A list stands without anything between its parts. */
type Part = string | number | Html | readonly Html[];

const partText = (part: Part): string => {
  if (part instanceof Html) return part.toString();
  return typeof part === "object" ? part.join("") : escapeHtml(String(part));
};

export const html = (strings: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(String.raw({ raw: strings }, ...parts.map(partText)));

export const joined = (parts: readonly Html[], between: Html | string): Html =>
  new Html(parts.join(typeof between === "string" ? escapeHtml(between) : between.toString()));

/** For texts of this program, such as a style sheet. */
export const trusted = (text: string): Html => new Html(text);

export const NOTHING = new Html("");
