/**
 * The auditor from the command line: hold a round from this host, recompute somebody's round, vote on what was confirmed.
 *
 * All read the chain by themselves. `run` keeps its ledger in a file when asked to, and goes on with it next time.
 */

import { KEY_HELP } from "../../host/secret-key.ts";
import { type Command, UsageError } from "../command.ts";
import { panel } from "./panel/panel.ts";
import { PLACE_HELP, PLACE_OPTIONS, parseOptions, placeOf } from "./place.ts";
import { runOnce } from "./run.ts";
import { verify } from "./verify.ts";
import { vote } from "./vote.ts";

const HELP = `usage: floe audit run --once [NETWORK] [--ledger FILE] [--out FILE]
       floe audit verify ROUND [NETWORK] (--auditor URL | --export FILE [--previous FILE]) [--root HEX]
       floe audit vote --bundle FILE [NETWORK] [--node ID] [--sender ADDRESS] [--key-file FILE] [--dry-run]
       floe audit deploy [NETWORK] [--key-file FILE] [--framework DIR] [--walrus DIR] [--quorum N]
                         [--window-hours N] [--resume PACKAGE] [--auditor ADDRESS ...]
       floe audit panel show [NETWORK] [--json]
       floe audit panel add --auditor ADDRESS ... [--name TEXT ...] [--url URL ...] [NETWORK] [SENDING]
       floe audit panel deactivate --auditor ADDRESS ... [NETWORK] [SENDING]
       floe audit panel pause | resume [NETWORK] [SENDING]
       floe audit panel set-params FILE | NAME=VALUE ... [NETWORK] [SENDING]

run     holds one round from this host and prints what it came to; writes nothing to the chain
verify  recomputes a round from the chain and the auditor's export; exits 1 on any difference,
        and when something could not be checked
vote    checks a bundle of confirmed claims against the chain and casts a committee operator's vote for slashing
deploy  publishes floe_audit and its gate, creates the registry, and prints the part of a network file that names them
panel   shows who audits under which rules, and changes it for whoever holds the AdminCap

${PLACE_HELP}

run, verify
  --ledger FILE         SQLite file of the ledger, which the next run goes on with; in memory when absent
  --out FILE            writes the round's export there
  --auditor URL         base URL of the auditor that held the round
  --export FILE         an export fetched before
  --previous FILE       export of the auditor's round before, whose records this one goes on with; --auditor finds it
  --root HEX            the evidence root you noted earlier, or read in the report on chain

vote
  --bundle FILE         the answer of /v1/audit/claims/ID/bundle; - is standard input
  --node ID             the node that votes; not needed when the wallet may vote for one only
${KEY_HELP};
                        without a key the unsigned TransactionKind is printed
  --sender ADDRESS      the wallet, when its key is elsewhere: prints the unsigned TransactionData with gas
  --dry-run             everything but signing and sending

deploy
  --key-file FILE       as above; on the embedded network the wallet of the network file is used without
  --framework DIR       Sui framework sources, move-stdlib and sui-framework; required on public networks
  --walrus DIR          sources of the package walrus, with wal beside it; without, no gate on public networks
  --quorum N            auditors that must stand behind a claim (default 2)
  --window-hours N      time to refute a claim, public networks (default 48)
  --resume PACKAGE      goes on after floe_audit has been published
  --auditor ADDRESS     puts it on the panel in the same go; --name and --url as below

panel
  --auditor ADDRESS     whom to add or deactivate; any number of them. Who is there already stays
  --name TEXT           at most 64 bytes; one for each --auditor in the same order, or none
  --url URL             where the auditor answers, at most 256 bytes; one for each, or none
  --since-epoch N       noted for new auditors (default: the epoch it is)
  FILE, NAME=VALUE      quorum, windowMs, bondMist, maxOpenPerNode, maxPerAuditorEpoch, drawsPerShard,
                        retentionRounds, as show --json prints them; all else stays. For rounds opened later
  --json                everything as JSON
SENDING, one of
  --key-file FILE       as above; on the embedded network the wallet of the network file is used without
  --dry-run             simulates with the key's address, or --sender ADDRESS, and sends nothing
  --unsigned            prints the unsigned TransactionData, base64, of --sender ADDRESS, or of whoever holds
                        the AdminCap: for a multisig, or a key on another machine

exit codes: 0 all well, 1 a difference or what could not be checked, a void round, no vote, no deployment or a change refused, 2 wrong usage`;

export const audit: Command = { help: HELP, run: main };

async function main(args: string[]): Promise<number> {
  const [first, ...rest] = args;
  if (first === "vote") return vote(rest);
  if (first === "panel") return panel(rest);
  // Loaded when it is needed: it brings a Move compiler along.
  if (first === "deploy") return (await import("./deploy.ts")).deploy(rest);
  const { values, positionals } = parse(args);
  const [command, round, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`there is nothing to do with ${more.join(" ")}`);
  switch (command) {
    case "run":
      if (!values.once) throw new UsageError("run holds one round: say --once");
      return runOnce(placeOf(values), values);
    case "verify": {
      if (round === undefined || !/^[0-9]+$/.test(round))
        throw new UsageError("verify takes a round's number");
      return verify(placeOf(values), Number(round), values);
    }
    default:
      throw new UsageError(
        command === undefined ? "run, verify, vote, deploy or panel?" : `there is no ${command}`,
      );
  }
}

function parse(args: string[]) {
  return parseOptions(args, {
    ...PLACE_OPTIONS,
    once: { type: "boolean", default: false },
    ledger: { type: "string" },
    out: { type: "string" },
    auditor: { type: "string" },
    export: { type: "string" },
    root: { type: "string" },
    previous: { type: "string" },
  });
}
