/** THREATS 3: kill -9 of the node that a caller talks to, at twelve points of one call. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { HONEST, underCalls } from './calls.ts'
import { NAMESPACE } from './deployers.ts'
import type { FaultNode } from './node.ts'
import type { Sink } from './sink.ts'

/** A point that is not reached within so long is passed over with what there is. */
const REACH_MS = 5000
/** From the death of the node until its caller knows: the kernel closes what it had. */
const CLOSED_MS = 2000
const LOOK_MS = 1

/** One call over a connection of its own, byte by byte. */
interface Call {
  id: string
  socket: Socket
  head: string
  body: string
  answer: () => string
  isStarted: () => boolean
}

interface Point {
  name: string
  /** The node has not seen the whole call: nothing may have started. */
  isBefore?: boolean
  reach(call: Call): Promise<void>
}

const half = (text: string) => text.slice(0, Math.floor(text.length / 2))
const whole = ({ socket, head, body }: Call) => void socket.write(head + body)
const later = (name: string, ms: number): Point => ({
  name,
  async reach(call) {
    whole(call)
    await sleep(ms)
  },
})
const when = (name: string, isReached: (call: Call) => boolean, then: (call: Call) => Promise<void> = async () => {}): Point => ({
  name,
  async reach(call) {
    whole(call)
    const end = performance.now() + REACH_MS
    while (!isReached(call) && performance.now() < end) await sleep(LOOK_MS)
    await then(call)
  },
})
const before = (name: string, sent: (call: Call) => string): Point => ({
  name,
  isBefore: true,
  async reach(call) {
    if (sent(call) !== '') await new Promise((resolve) => call.socket.write(sent(call), resolve))
    await sleep(LOOK_MS)
  },
})

/** In the order of a call. */
export const POINTS: readonly Point[] = [
  before('connected, and nothing said', () => ''),
  before('half of the head sent', ({ head }) => half(head)),
  before('the head sent', ({ head }) => head),
  before('half of the body sent', ({ head, body }) => head + half(body)),
  later('all sent', 0),
  later('1 ms after all was sent', 1),
  later('3 ms after all was sent', 3),
  when('the function has started', ({ isStarted }) => isStarted()),
  when(
    'the function is about to end',
    ({ isStarted }) => isStarted(),
    () => sleep(5),
  ),
  when('the answer begins', ({ answer }) => answer() !== ''),
  when('the answer is there', (call) => outcomeOf(call.answer()) !== undefined),
  when(
    'the answer is there, and half of the next call sent',
    (call) => outcomeOf(call.answer()) !== undefined,
    async ({ socket, head }) => void socket.write(half(head)),
  ),
]

export const killRouter = underCalls({
  name: 'kill-router',
  does: `kill -9 of the node that a caller talks to, at ${POINTS.length} points of a call in turn, from its connection to the answer, while functions are called through all`,
  holds:
    'that call is answered in whole, or its connection ends within 2 s; it is started once at most, and not at all when the node had not heard all of it; the others as for kill-one-of-five',
  lastsMs: 0,
  async strike(node, universe, sink, at) {
    const problems = await killAt(POINTS[at % POINTS.length] as Point, node, sink, at)
    return {
      isAsked: false,
      problems,
      async heal() {
        universe.revive(node)
        await universe.heal()
      },
    }
  },
})

async function killAt(point: Point, node: FaultNode, sink: Sink, count: number): Promise<string[]> {
  const { host, hostname, port } = new URL(node.url ?? '')
  const id = `once-point-${count}`
  const body = JSON.stringify([id])
  const fields = ['content-type: application/json', `content-length: ${body.length}`, `host: ${host}`]
  const head = `POST /v1/call/${NAMESPACE}/once HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.on('data', (bytes) => (answer += bytes.toString()))
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
  socket.on('error', () => {})
  await once(socket, 'connect', { signal: AbortSignal.timeout(REACH_MS) })
  await point.reach({ id, socket, head, body, answer: () => answer, isStarted: () => sink.starts.has(id) })
  await node.kill()
  const isClosed = await Promise.race([closed.then(() => true), sleep(CLOSED_MS, false)])
  socket.destroy()
  const outcome = outcomeOf(answer)
  const starts = sink.starts.get(id) ?? 0
  const told = `${node.name} was killed when ${point.name}`
  return [
    ...(isClosed ? [] : [`${told}, and its caller's connection is open`]),
    ...(point.isBefore === true && starts > 0 ? [`${told}, and the call was started`] : []),
    ...(outcome === undefined || outcome === id || HONEST.includes(outcome) ? [] : [`${told}, and it answered ${answer}`]),
    ...(outcome === id && starts !== 1 ? [`${told}, and an answer came of ${starts} starts`] : []),
  ]
}

/** The value or the code of an answer that is there in whole; nothing while it is not. */
export function outcomeOf(answer: string): string | undefined {
  const [head, ...rest] = answer.split('\r\n\r\n')
  const body = rest.join('\r\n\r\n')
  const length = /^content-length: (\d+)/im.exec(head ?? '')?.[1]
  if (length === undefined || Buffer.byteLength(body) < Number(length)) return undefined
  const said: unknown = JSON.parse(body)
  return typeof said === 'string' ? said : String((said as { code?: unknown }).code)
}
