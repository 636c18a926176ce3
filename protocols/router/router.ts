/**
 * Where: name or route → record → executor. Had as a service (this node resolves and places) or as a client (a member with the router role does).
 * `invoke` never rejects. At most one start per attempt; another attempt only on proof of not-started, or when the function says `idempotent: true`.
 * Codes of its own: not_found, method_not_allowed (`details.allow`), unavailable (no member runs executor), overloaded, forbidden, unauthenticated,
 * depth_exceeded, deadline_exceeded, outcome_unknown; every other one comes from the executor.
 */
import type { Invoker } from '#protocols/invocation'

export interface Router extends Invoker {}
