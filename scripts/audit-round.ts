/** Has the auditor hold one round now, and tells a person what it came to. */

interface Round {
  readonly no: number;
  readonly state: string;
  readonly tx: string | null;
  readonly totals: Readonly<Record<string, number>>;
}

interface NodeState {
  readonly name: string;
  readonly state: string;
}

/** The auditor itself answers "under way" after two minutes. */
const WAIT_MS = 130_000;

/** Only tells: a round that fails or takes long does not undo the round trip before it. */
export async function auditRound(auditorUrl: string, say: (line: string) => void): Promise<void> {
  say("auditing: one round of storage challenges ...");
  try {
    await holdRound(auditorUrl, say);
  } catch (error) {
    say(`the round could not be followed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function holdRound(auditorUrl: string, say: (line: string) => void): Promise<void> {
  const response = await fetch(`${auditorUrl}/v1/audit/run`, {
    method: "POST",
    signal: AbortSignal.timeout(WAIT_MS),
  });
  const answer = await response.text();
  if (!response.ok) {
    say(`the round FAILED with ${response.status}: ${answer}`);
    return;
  }
  if (response.status === 202) {
    say(`the round is still under way; see ${auditorUrl}/audit`);
    return;
  }
  const round = JSON.parse(answer) as Round;
  const { challenged = 0, passed = 0 } = round.totals;
  say(`round ${round.no} ${round.state}: ${passed} of ${challenged} challenges passed`);
  if (round.tx !== null) say(`  reported on Sui, transaction ${round.tx}`);
  const { nodes } = (await (await fetch(`${auditorUrl}/v1/audit/nodes`)).json()) as { nodes: NodeState[] };
  const states = new Map<string, number>();
  for (const { state } of nodes) states.set(state, (states.get(state) ?? 0) + 1);
  say(`  nodes        ${[...states].map(([state, count]) => `${count} ${state}`).join(", ")}`);
  say(`  see          ${auditorUrl}/audit`);
}
