/**
 * The auditor from the command line: hold a round from this host, recompute another auditor's round, vote on what was
 * confirmed, deploy the contracts and run a panel.
 *
 * All read the chain by themselves. `run` keeps its ledger in a file when asked to, and goes on with it next time.
 */
import { commandTree } from "../../host/command.ts";
import { panel } from "./panel/panel.ts";
import { run } from "./run.ts";
import { verify } from "./verify.ts";
import { vote } from "./vote.ts";

export const audit = commandTree(
  "floe audit",
  "Exit codes: 0 all well; 1 a difference or something that could not be checked, a void round, no vote, no deployment, a change refused; 2 wrong usage.",
  {
    run: {
      about: "holds one round from this host and prints what it came to; writes nothing to the chain",
      load: () => run,
    },
    verify: {
      about: "recomputes a round from the chain and the auditor's export, and lists every difference",
      load: () => verify,
    },
    vote: {
      about:
        "checks a bundle of confirmed claims against the chain and casts a committee operator's vote for slashing",
      load: () => vote,
    },
    deploy: {
      about:
        "publishes floe_audit and its gate, creates the registry, and prints the part of a network file that names them",
      // It brings a Move compiler along.
      load: async () => (await import("./deploy.ts")).deploy,
    },
    panel: {
      about: "shows who audits under which rules, and changes it with the key of the AdminCap's holder",
      load: () => panel,
    },
  },
);
