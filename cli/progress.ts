/** How far a long operation is. */
const BAR_WIDTH = 30;

/** A bar on a terminal's standard error, nothing elsewhere: pipes and logs stay clean. */
export class Progress {
  readonly #isShown: boolean;
  readonly #what: string;
  #lastPercent = -1;

  constructor(what: string, isQuiet: boolean) {
    this.#what = what;
    this.#isShown = !isQuiet && process.stderr.isTTY === true;
  }

  update(done: number, total: number): void {
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    if (!this.#isShown || percent === this.#lastPercent) return;
    this.#lastPercent = percent;
    const filled = Math.round((BAR_WIDTH * percent) / 100);
    const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
    process.stderr.write(`\r${this.#what} [${bar}] ${String(percent).padStart(3)} %`);
    if (percent === 100) process.stderr.write("\n");
  }
}
