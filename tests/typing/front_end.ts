// What TypeScript's compiler has to accept, and what it has to refuse, of the module that
// `connect-core table --format typescript` prints. tests/adapters/cli/test_typescript.py compiles it.

import { actions, can, decide, decideAccess, rolesOf, stepsTo } from "./connections.js";
import type { Action, ConnectionLike, Decision, Denial } from "./connections.js";
import type { Role, Status, Step } from "./connections.js";

type Text = ConnectionLike<string>;
type Branded = string & { readonly brand: unique symbol };

interface Offer {
  readonly id: bigint;
  readonly sourceOrganizationId: number;
  readonly destinationOrganizationId: number;
  readonly status: "pending" | "archived";
}

export function accepted(offer: Offer, text: Text, branded: ConnectionLike<Branded>) {
  const decision: Decision = decide(7, "activate", offer);
  const allowed: boolean = can("a", "activate", text);
  const menu: readonly [Action, boolean][] = actions("a", text).map((each) => [
    each.action,
    each.allowed,
  ]);
  const roles: readonly Role[] = rolesOf(branded.sourceOrganizationId, branded);
  const first: Denial | undefined = decision.denials[0];
  const target: Status | null = decision.target;
  const way: readonly Step[] | null = stepsTo(text.status, "active");
  const read: Decision = decideAccess("a", "inquiry.read", { ...text, scopes: ["x.y"] as const });
  return { allowed, menu, roles, first, target, way, read };
}

export function refused(offer: Offer, text: Text, nobody: string | undefined) {
  // @ts-expect-error: one id is text, and the other a number
  can("7", "activate", offer);
  // @ts-expect-error: nobody has signed in
  can(nobody, "activate", text);
  // @ts-expect-error: there is no such action
  can("a", "delete", text);
  // @ts-expect-error: there is no such status
  stepsTo("active", "archived");
  // @ts-expect-error: it has no scopes
  decideAccess("a", "inquiry.read", text);
}
