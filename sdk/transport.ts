/** One way to reach a universe. References are parsed already; everything else is as in `Osiris`. */
import type { DomainSummary } from '#protocols/domain'
import type { FunctionRef } from '#protocols/function'
import type { CallbackDecision, DeadCallback } from '#protocols/router'
import type { AuthorityChange, HandedIn, NodeRotated, Receipt, Rotated } from '#protocols/catalog'
import type {
  CanaryPlan,
  CanaryWritten,
  Deploy,
  Deployed,
  FunctionDetail,
  FunctionSummary,
  GrantSummary,
  LedgerConflicts,
  LedgerPage,
  LedgerRecords,
  GivingText,
  SuccessionText,
  NamespaceSummary,
  NetworkSummary,
  NodeSummary,
  Pointed,
  QuotaSummary,
  ScaleSummary,
  SelectorTargets,
  VersionSummary,
  WriteChoice,
} from '#protocols/management'
import type { Schedule } from '#protocols/router'
import type { TopicRef } from '#protocols/topic'
import type {
  CallsOfOsiris,
  CallStatus,
  GrantFilter,
  LedgerOptions,
  MessageOptions,
  PublishedMessage,
  StartOptions,
  TopicsOfOsiris,
} from './osiris.ts'

export interface CallOptions {
  idempotencyKey?: string
}

export interface Transport {
  /** `args` is the text of a JSON array; the result is the text of a JSON value. */
  call(ref: FunctionRef, args: string, options?: CallOptions): Promise<string>
  /** `args` as in `call`. */
  start(ref: FunctionRef, args: string, options: StartOptions): Promise<{ id: string }>
  readonly calls: {
    /** `waitMs`: the answer may come so late, if the call is not over before. */
    get(id: string, waitMs?: number): Promise<CallStatus>
    cancel(id: string): Promise<CallStatus>
    list(namespace: string, limit: number): ReturnType<CallsOfOsiris['list']>
    deadCallbacks(namespace: string, limit: number): Promise<DeadCallback[]>
    decideCallback(decision: CallbackDecision, id: string): Promise<void>
  }
  fetch(ref: FunctionRef, request: Request): Promise<Response>
  deploy(deploy: Deploy): Promise<Deployed>
  /** `data` is JSON text. */
  publish(topic: TopicRef, data: string, options: MessageOptions): Promise<PublishedMessage>
  readonly topics: TopicsOfOsiris
  list(namespace: string | undefined): Promise<FunctionSummary[]>
  get(ref: FunctionRef): Promise<FunctionDetail>
  versions(ref: FunctionRef): Promise<VersionSummary[]>
  point(ref: FunctionRef, alias: string, targets: SelectorTargets, choice: WriteChoice): Promise<Pointed>
  startCanary(ref: FunctionRef, plan: CanaryPlan, choice: WriteChoice): Promise<CanaryWritten>
  abortCanary(ref: FunctionRef, choice: WriteChoice): Promise<CanaryWritten>
  remove(ref: FunctionRef, choice: WriteChoice): Promise<Receipt>
  namespaces(): Promise<NamespaceSummary[]>
  quotas(): Promise<QuotaSummary[]>
  scale(ref: FunctionRef): Promise<ScaleSummary>
  /** With `verify`, of that host only, and DNS is asked now. */
  domains(verify?: string): Promise<DomainSummary[]>
  grants(filter: GrantFilter): Promise<GrantSummary[]>
  amend(change: AuthorityChange, choice: WriteChoice): Promise<Receipt>
  schedules(namespace: string | undefined): Promise<Schedule[]>
  nodes(): Promise<NodeSummary[]>
  drain(timeoutMs: number | undefined): Promise<{ calls: number }>
  rotateNode(choice: WriteChoice): Promise<NodeRotated>
  network(): Promise<NetworkSummary>
  joinToken(): Promise<string>
  ledger(options: LedgerOptions): Promise<LedgerPage>
  ledgerConflicts(): Promise<LedgerConflicts>
  ledgerRecords(from?: { author: string; seq: number }): Promise<LedgerRecords>
  succession(): Promise<SuccessionText>
  handIn(entry: string): Promise<HandedIn>
  rotateRoot(from: string, choice: WriteChoice): Promise<Rotated>
  rotateKey(giving: GivingText, choice: WriteChoice): Promise<Rotated>
  close(): Promise<void>
}
