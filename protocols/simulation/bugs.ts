/**
 * Mistakes that the checkers must find, as changes to production code that only a run ever sees (`plant.ts`). Each replaces one snippet that its
 * file has exactly once; when the code moves on, the bug must follow, and `simulation.test.ts` says so.
 */
export interface Bug {
  name: string
  /** Below protocols/. */
  file: string
  find: string
  put: string
}

const words = (name: string, file: string, find: string, put: string): Bug => ({ name, file, find, put })
const ledger = (name: string, file: string, find: string, put: string): Bug => ({ name, file: `catalog/ledger/${file}`, find, put })
const catalog = (name: string, file: string, find: string, put: string): Bug => ({ name, file: `catalog/${file}`, find, put })
const network = (name: string, file: string, find: string, put: string): Bug => ({ name, file: `network/${file}`, find, put })
const router = (name: string, file: string, find: string, put: string): Bug => ({ name, file: `router/${file}`, find, put })

export const BUGS: readonly Bug[] = [
  // What is promised
  words('acknowledge before sync', 'storage.ts', '{ ...ENCODINGS, sync: true }', '{ ...ENCODINGS, sync: false }'),
  ledger('known before it is written', 'feeds.ts', '        await this.#feeds.get(entry.author)?.written\n', ''),
  ledger('remember a failed write', 'feeds.ts', '      feed.pending = feed.durable\n      feed.hashes.length = feed.durable.seq\n', ''),
  catalog(
    'held before it is taken',
    'replication.ts',
    "return (await this.#ledger.take(entry, gap)) !== 'gap'",
    'this.#ledger.take(entry).catch(() => {})\n      return true',
  ),
  catalog(
    'held across a gap',
    'replication.ts',
    "return (await this.#ledger.take(entry, gap)) !== 'gap'",
    'await this.#ledger.take(entry)\n      return true',
  ),
  ledger('one receipt is a majority', 'receipts/receipts.ts', 'Math.min(3, Math.floor(members / 2) + 1)', 'Math.min(1, members)'),
  ledger(
    'believe unsigned receipts',
    'receipts/receipts.ts',
    'if (!verifySignature(publicKeyOf(receipt.holder), signed(payload), signature)) {',
    'if (receipt.holder === undefined) {',
  ),
  catalog(
    'receipt without the artifact',
    'receipts/receipt-desk.ts',
    'return digest === undefined || (await artifacts.has(digest)) ?',
    'return digest !== null ?',
  ),
  // The door
  ledger(
    'skip the signature',
    'entry.ts',
    'if (!verifySignature(keyOf(entry.author), signed(payload), signature)) throw notSigned()',
    'void [payload, signature]',
  ),
  ledger('accept another universe', 'ledger.ts', 'if (entry.universe !== this.universe) throw', 'if (entry.universe === undefined) throw'),
  ledger('ignore drift', 'ledger.ts', 'if (drifts(entry.hlc, this.#clock.now())) {', 'if (drifts(entry.hlc, Number.POSITIVE_INFINITY)) {'),
  ledger('skip the chain', 'feeds.ts', 'if (entry.prev !== tip.hash) throw', 'if (entry.prev === undefined) throw'),
  ledger(
    'skip the order of time',
    'feeds.ts',
    'if (tip.seq > 0 && compareHlc(entry.hlc, tip.hlc) <= 0) throw',
    'if (entry.hlc === undefined) throw',
  ),
  ledger('accept gaps', 'feeds.ts', "if (entry.seq > tip.seq + 1) return 'gap'", "if (entry.seq > tip.seq + 2) return 'gap'"),
  ledger(
    'accept a fork',
    'feeds.ts',
    "if (feed?.hashes[entry.seq - 1] === entry.hash) return 'known'",
    "if (feed?.hashes[entry.seq - 1] !== undefined) return 'known'",
  ),
  ledger(
    'know of forks and do nothing',
    'ledger.ts',
    'if (ours.hash !== entry.hash) this.#freeze(proveFork(ours, entry))',
    'void [ours, proveFork]',
  ),
  // The disk
  words('serve damaged records', 'storage.ts', 'return digestOf(bytes) === hash ? { bytes, hash } : undefined', 'return { bytes, hash }'),
  catalog(
    'write without asking witnesses',
    'witnesses/witnesses.ts',
    'if (clock.monotonic() < this.#untilMs) return undefined',
    'if (clock.monotonic() >= 0) return undefined',
  ),
  // The fold
  ledger(
    'order by arrival',
    'rows.ts',
    'if (last === undefined || comparePlaces(last.place, place) < 0) return facts.length',
    'if (place !== undefined) return facts.length',
  ),
  ledger(
    'digest without aliases',
    'view-digest.ts',
    'JSON.stringify([key, state.retired, versions, aliases, claims])',
    'JSON.stringify([key, state.retired, versions, aliases.length > 99, claims])',
  ),
  ledger(
    'forget other clocks',
    'hlc.ts',
    'return compareHlc(remote, last) > 0 ? { wallMs: remote.wallMs, counter: remote.counter } : last',
    'return compareHlc(remote, HLC_ZERO) >= 0 ? last : remote',
  ),
  // Who may
  catalog(
    'anybody may write',
    'writer.ts',
    "const principal = await this.#init.access.require(options.caller, 'deploy', namespace)",
    'const principal = await this.#init.access.principalOf(options.caller)',
  ),
  ledger('judge no authority at the door', 'ledger.ts', "if (fault === undefined) return 'next'", "if (fault !== null) return 'next'"),
  ledger(
    'drop a revocation',
    'authority-evaluate.ts',
    'state.pins = [...revokes.map(({ pins }) => pins), ...state.pins]',
    'state.pins = [...state.pins]',
  ),
  ledger(
    'pin everybody at infinity',
    'authority-evaluate.ts',
    'state.pins.map((pins) => pins.get(author) ?? 0)',
    'state.pins.map((pins) => pins.get(author) ?? Number.MAX_SAFE_INTEGER)',
  ),
  ledger(
    'proofs only of known feeds',
    'ledger.ts',
    'const isKnown = this.#feeds.tip(proof.author).seq > 0 || this.authority.isMember(proof.author, this.#clock.now())',
    'const isKnown = this.#feeds.tip(proof.author).seq > 0',
  ),
  // What the DHT says
  catalog(
    'believe unsigned heads',
    'head-records/head-record.ts',
    'if (!verifySignature(publicKeyOf(head.signer), signed(payload), signature)) throw',
    'if (verifySignature.length + signed(payload).length + signature.length + publicKeyOf.length === 0) throw',
  ),
  catalog(
    'heads by members without a right',
    'head-records/head-record.ts',
    "if (!basis.roles.includes('catalog') || !allows(principal, 'deploy', namespace))",
    "if (!basis.roles.includes('catalog') || principal.grants === undefined)",
  ),
  catalog(
    'admissions by anybody',
    'head-records/head-basis.ts',
    'const isTops = tops.has(entry.author) && entry.grant === null',
    'const isTops = tops.size > 0 && entry.grant === null',
  ),
  catalog(
    'heads under any key',
    'head-records/head-record.ts',
    'if (headKeyOf(head.universe, head.namespace, head.name) !== key) throw',
    'if (key === head.name) throw',
  ),
  ledger(
    'count uses of an invitation only where it is shown',
    'authority-evaluate.ts',
    'if (!guests.has(subject) && guests.size >= uses) return false',
    'if (!guests.has(subject) && uses === 0) return false',
  ),
  // Checkpoints
  catalog(
    'one signature is a checkpoint',
    'checkpoints/checkpoint-set.ts',
    'return best !== undefined && best.statements.length >= majorityOf(this.#electors().length) ? best : undefined',
    'return best !== undefined && best.statements.length > 0 ? best : undefined',
  ),
  ledger(
    'believe unsigned checkpoints',
    'checkpoints/shared-checkpoint.ts',
    'if (!verifySignature(publicKeyOf(said.signer), signed(payload), signature)) throw',
    'if (verifySignature.length + publicKeyOf.length + signed(payload).length === 0) throw',
  ),
  catalog(
    'sign any view',
    'checkpoints/checkpoint-signer.ts',
    'if (view === undefined || view === content.view) return view !== undefined',
    'if (view !== content.view || view !== undefined) return true',
  ),
  catalog(
    'never verify what a checkpoint brought',
    'checkpoints/checkpoint-room.ts',
    'this.#ends = [this.#signer.start(), this.#prover.start()]',
    'this.#ends = [this.#signer.start()]',
  ),
  // The root's key
  catalog(
    'write as the root without a lease',
    'witnesses/feed-guard.ts',
    'for (const key of ledger.keyring.roots) this.hold(key)',
    'void ledger.keyring',
  ),
  catalog('no word of its own about the root', 'witnesses/feed-guard.ts', '...(author === ledger.author ? {}', '...(author !== "" ? {}'),
  ledger('nobody takes over', 'authority-keys.ts', '      key = chosen.to\n', '      return\n'),
  catalog('overwrite the key that holds the root', 'rotating.ts', 'await rootKeys.tookOver(holder)', 'void holder'),
  // Repair
  catalog('lose gossip and never pull', 'replication.ts', 'if (peer !== undefined) void this.pull(peer)', 'void peer'),
  // Calls
  router('retry what was started', 'retry.ts', 'return !outcome.started && ANOTHER_MAY', 'return ANOTHER_MAY'),
  network(
    'say unsent of what was sent',
    'outgoing-call.ts',
    'return this.#channel.outbox.left(this.#ticket)',
    'return this.#channel.outbox.left(this.#ticket + 1_000_000)',
  ),
]
