/** The help text of a command, from the declaration of its options and operands. */
import type { CommandLine, Option } from "./options.ts";

const WIDTH = 116;
/** Where the explanations begin; a longer option has a line of its own. */
const COLUMN = 24;
/** More optional options than this are not spelled out in the usage line. */
const MAX_SPELLED = 3;

/** The line that shows how the command is called. */
export function usageOf({ name, options, operands = [], rest }: CommandLine): string {
  const all = Object.entries(options);
  const spelled = ([each, { value }]: [string, Option<unknown>]): string =>
    `--${each}${value === undefined ? "" : ` ${value}`}`;
  const optional = all.filter(([, { isRequired }]) => !isRequired).map((each) => `[${spelled(each)}]`);
  const words = [
    ...all.filter(([, { isRequired }]) => isRequired).map(spelled),
    ...(optional.length > MAX_SPELLED ? ["[OPTION ...]"] : optional),
    ...operands.map((operand) => operand.name),
    ...(rest === undefined ? [] : [`[${rest.name} ...]`]),
  ];
  return `usage: ${words.length === 0 ? name : withArguments(name, words.join(" "))}`;
}

/** The command that prints the help text of this one. */
export const helpCommand = (name: string): string => withArguments(name, "--help");

/** npm keeps what stands before the two dashes for itself. */
const withArguments = (name: string, words: string): string =>
  name.startsWith("npm ") && !/ --( |$)/.test(name) ? `${name} -- ${words}` : `${name} ${words}`;

export function helpOf(line: CommandLine): string {
  const { about, notes, options, operands = [], rest } = line;
  const sections = new Map<string | undefined, string[]>([[undefined, []]]);
  for (const operand of [...operands, ...(rest === undefined ? [] : [rest])])
    sections.get(undefined)?.push(entry(operand.name, operand.help));
  for (const [name, option] of Object.entries(options)) {
    const lines = sections.get(option.section) ?? [];
    sections.set(option.section, lines);
    lines.push(optionEntry(name, option));
  }
  sections.get(undefined)?.push(entry("--help", "this text"));
  const parts = [...sections].map(([title, lines]) =>
    [...(title === undefined ? [] : [title]), ...lines].join("\n"),
  );
  return [usageOf(line), wrap(about, 0), ...parts, ...(notes === undefined ? [] : [notes])].join("\n\n");
}

function optionEntry(name: string, { value, help, otherwise, isFile }: Option<unknown>): string {
  const left = `--${name}${value === undefined ? "" : ` ${value}`}`;
  const whole = isFile ? `${help}; - is standard input` : help;
  return entry(left, otherwise === undefined ? whole : `${whole} (default ${otherwise})`);
}

/** One line of a list, with its explanation in a column of its own. */
export function entry(left: string, help: string): string {
  const indented = `  ${left}`;
  const [first = "", ...more] = wrap(help, COLUMN).split("\n");
  const head =
    indented.length + 2 > COLUMN ? [indented, first] : [indented.padEnd(COLUMN) + first.trimStart()];
  return [...head, ...more].join("\n");
}

export function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.map((line) => (line === "" ? "" : " ".repeat(indent) + line)).join("\n");
}
